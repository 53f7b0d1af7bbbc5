//! Deferred requests: the application may refuse an Execute, a Write, a Create or a Delete, and may answer
//! these and a slow Read later (TS 5.4, 5.5.1).

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use core::time::Duration;

use lwm2m_core::{ContentFormat, Instant, Operation, Path, ShortServerId};
use lwm2m_objects::Change;

use super::{
    super::{
        accounts::Origin,
        event::{AccountId, DeferredError, DeferredId, DeferredOperation},
        refusal::Refusal,
        reporting::Cancellation,
        timers::{Timer, Timers},
    },
    commits::ChangeRequest,
};
use crate::coap::{Responder, Token};

/// What the application has deferred, and the requests that wait for it.
#[derive(Debug)]
pub(super) struct Deferred {
    /// Each covers the paths below it, and what is above it and has its value.
    paths: Vec<(DeferredOperation, Path)>,
    open: BTreeMap<DeferredId, OpenRequest>,
    next: u64,
    /// How long a request may wait.
    within: Duration,
    /// How many requests of one server may wait.
    most: usize,
}

/// A waiting request, which has passed all checks.
#[derive(Debug)]
pub(super) struct OpenRequest {
    pub(super) responder: Responder,
    pub(super) server: ShortServerId,
    pub(super) origin: Origin,
    pub(super) path: Path,
    pub(super) kind: OpenKind,
    deadline: Option<Instant>,
}

/// The parts of a request that its answer depends on.
#[derive(Debug)]
pub(super) enum OpenKind {
    /// Execute, with these arguments.
    Execute(String),
    /// Write, Create or Delete.
    Change {
        request: ChangeRequest<Box<[u8]>>,
        /// What it will change, until the application is told.
        changes: Vec<Change>,
    },
    /// Read or Observe, in this format.
    Read {
        format: ContentFormat,
        observe: bool,
    },
}

impl OpenKind {
    pub(super) const fn operation(&self) -> DeferredOperation {
        match self {
            Self::Execute(_) => DeferredOperation::Execute,
            Self::Read { .. } => DeferredOperation::Read,
            Self::Change { .. } => DeferredOperation::Change,
        }
    }

    /// The operation that the server has asked for. An Observe has the codes of a Read.
    pub(super) const fn asked(&self) -> Operation {
        match self {
            Self::Execute(_) => Operation::Execute,
            Self::Read { .. } => Operation::Read,
            Self::Change { request, .. } => request.operation,
        }
    }
}

/// The server that asks, and its request.
pub(super) struct Asker {
    pub(super) responder: Responder,
    pub(super) server: ShortServerId,
    pub(super) origin: Origin,
}

impl Deferred {
    pub(super) const fn new(within: Duration, most: usize) -> Self {
        Self {
            paths: Vec::new(),
            open: BTreeMap::new(),
            next: 0,
            within,
            most,
        }
    }

    /// Defers an operation on a path.
    pub(super) fn add(&mut self, operation: DeferredOperation, path: Path) {
        if !self.paths.contains(&(operation, path)) {
            self.paths.push((operation, path));
        }
    }

    /// Stops deferring an operation on a path; `false` if it wasn't deferred.
    pub(super) fn remove(&mut self, operation: DeferredOperation, path: Path) -> bool {
        let before = self.paths.len();
        self.paths.retain(|deferred| *deferred != (operation, path));
        self.paths.len() < before
    }

    /// Whether requests on this path are deferred because of it or of one above it.
    pub(super) fn names(&self, operation: DeferredOperation, path: Path) -> bool {
        self.paths
            .iter()
            .any(|(deferred, named)| *deferred == operation && named.contains(&path))
    }

    /// Whether a request on this path is deferred: because of this path, one above it or one below
    /// it.
    pub(super) fn covers(&self, operation: DeferredOperation, path: Path) -> bool {
        self.paths.iter().any(|(deferred, named)| {
            *deferred == operation && (named.contains(&path) || path.contains(named))
        })
    }

    /// How many requests wait.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether one more request of this account may wait.
    pub(super) fn check_room(&self, account: AccountId) -> Result<(), Refusal> {
        let all = self.open.values();
        let of_account = all.filter(|request| request.origin.account == account);
        if of_account.count() < self.most {
            Ok(())
        } else {
            Err(Refusal::Overload)
        }
    }

    /// The name of the request that will be added next.
    pub(super) const fn next_id(&self) -> DeferredId {
        DeferredId(self.next)
    }

    /// Adds a waiting request.
    pub(super) fn open(
        &mut self,
        now: Instant,
        timers: &mut Timers,
        asker: Asker,
        path: Path,
        kind: OpenKind,
    ) {
        let id = self.next_id();
        self.next += 1;
        let mut deadline = None;
        let due = Some(now + self.within);
        timers.set(Timer::Deferred(id), &mut deadline, due);
        let request = OpenRequest {
            responder: asker.responder,
            server: asker.server,
            origin: asker.origin,
            path,
            kind,
            deadline,
        };
        self.open.insert(id, request);
    }

    /// What a waiting request is for.
    pub(super) fn get(&self, id: DeferredId) -> Result<&OpenRequest, DeferredError> {
        self.open.get(&id).ok_or(DeferredError::NotOpen(id))
    }

    /// Removes a waiting request.
    pub(super) fn close(&mut self, timers: &mut Timers, id: DeferredId) -> Option<OpenRequest> {
        let mut request = self.open.remove(&id)?;
        timers.set(Timer::Deferred(id), &mut request.deadline, None);
        Some(request)
    }

    /// Whether the deadline of a waiting request has come.
    pub(super) fn is_late(&self, now: Instant, id: DeferredId) -> bool {
        let open = self.open.get(&id);
        open.and_then(|request| request.deadline)
            .is_some_and(|deadline| deadline <= now)
    }

    /// The waiting requests from there.
    pub(super) fn of(&self, from: impl Fn(&Origin) -> bool) -> Vec<DeferredId> {
        let all = self.open.iter();
        all.filter(|(_, request)| from(&request.origin))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Whether an Observe with this token waits.
    pub(super) fn observes(&self, account: AccountId, token: Token) -> bool {
        self.open.values().any(|request| {
            request.origin.account == account
                && request.responder.token() == token
                && matches!(request.kind, OpenKind::Read { observe: true, .. })
        })
    }

    /// Cancels each waiting Observe that this ends; it will be answered as a Read.
    pub(super) fn cancel(&mut self, account: AccountId, cancellation: Cancellation) {
        let all = self.open.values_mut();
        for request in all.filter(|request| request.origin.account == account) {
            if let OpenKind::Read { observe, .. } = &mut request.kind
                && cancellation.ends(request.responder.token(), request.path)
            {
                *observe = false;
            }
        }
    }
}
