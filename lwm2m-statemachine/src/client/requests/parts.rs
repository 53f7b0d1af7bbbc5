//! What the parts of the pipeline have in common: what requests are served with, how far one has come, and what it
//! causes.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::time::Duration;

use lwm2m_core::{ContentFormat, Instant, Path, ShortServerId};
use lwm2m_objects::{Change, ObjectTree, bootstrap::Inconsistency};

use super::{
    super::{
        accounts::Origin,
        attributes::AttributeStore,
        bootstrap::Bootstrap,
        config::{ClientConfig, Root},
        event::{AccountId, ClientEvent, ConnectionId, Events},
        refusal::Refusal,
        reporting::{Cancellation, NewObservation, Reporting},
        timers::Timers,
    },
    bindings::UsableBindings,
    commits::Commit,
    deferred::{Deferred, OpenKind},
    large::{LargeRead, LargeReads},
    streams::Streams,
};
use crate::coap::{Endpoint, MessageBuf, Responder, SendError, Token};

/// The requests of servers: how they are answered, and those that take more than one call.
#[derive(Debug)]
pub(in crate::client) struct Requests {
    pub(super) deferred: Deferred,
    pub(super) streams: Streams,
    pub(super) large: LargeReads,
    /// The format of a single Resource, if the request doesn't name one.
    pub(super) single_resource_format: ContentFormat,
    /// Where servers find the Objects.
    pub(super) root: Root,
    pub(super) bindings: UsableBindings,
}

impl Requests {
    /// Where the Objects are.
    pub(in crate::client) const fn root(&self) -> &Root {
        &self.root
    }

    pub(in crate::client) fn new(config: &ClientConfig, root: Root) -> Self {
        // A request that the endpoint has forgotten can no longer be answered.
        let remembered = config.coap.transmission.non_lifetime();
        let longest = remembered.saturating_sub(Duration::from_secs(1));
        let within = config.deferring.answer_within.min(longest);
        Self {
            deferred: Deferred::new(within, config.deferring.most),
            streams: Streams::default(),
            large: LargeReads::default(),
            single_resource_format: config.single_resource_format,
            root,
            bindings: UsableBindings {
                has_number: config.announced.sms_number.is_some(),
            },
        }
    }

    /// Whether a request of an account waits for the application.
    pub(in crate::client) fn has_deferred(&self, account: AccountId) -> bool {
        !self
            .deferred
            .of(|origin| origin.account == account)
            .is_empty()
    }

    /// How many requests wait for the application, and how many values are written or read piece by
    /// piece.
    pub(in crate::client) fn usage(&self) -> (usize, usize) {
        (self.deferred.len(), self.streams.len() + self.large.len())
    }
}

/// What a request is served with.
pub(in crate::client) struct Context<'c> {
    pub(in crate::client) now: Instant,
    pub(in crate::client) tree: &'c mut ObjectTree,
    pub(in crate::client) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(in crate::client) attributes: &'c mut AttributeStore,
    pub(in crate::client) bootstrap: &'c mut Bootstrap,
    pub(in crate::client) reporting: &'c mut Reporting,
    pub(in crate::client) timers: &'c mut Timers,
    pub(in crate::client) events: &'c mut Events,
}

impl Context<'_> {
    pub(super) const fn reader(&mut self) -> Reader<'_> {
        Reader {
            now: self.now,
            tree: self.tree,
            endpoint: self.endpoint,
            reporting: self.reporting,
        }
    }
}

/// The part of a [`Context`] that a Read and an Observe need.
pub(super) struct Reader<'c> {
    pub(super) now: Instant,
    pub(super) tree: &'c ObjectTree,
    pub(super) endpoint: &'c Endpoint<ConnectionId>,
    pub(super) reporting: &'c mut Reporting,
}

/// What a request causes apart from its answer. The answer is queued already, so it leaves first.
#[derive(Debug, PartialEq)]
pub(in crate::client) enum Effect {
    Nothing,
    /// A server has written, created or deleted.
    Committed {
        /// The paths that now read differently.
        differences: Vec<Path>,
        /// What the application is told.
        event: Option<Box<ClientEvent>>,
    },
    /// A server has set or unset attributes.
    AttributesWritten {
        account: AccountId,
        server: ShortServerId,
        path: Path,
    },
    /// A server has executed a Resource that its Object leaves to the application.
    Executed {
        account: AccountId,
        path: Path,
        /// Nothing, if the application knows of it.
        arguments: Option<String>,
    },
    /// An observation begins.
    Observed(Box<NewObservation>),
    /// Observations end.
    Cancelled(AccountId, Cancellation),
    /// The Bootstrap-Server has sent its Finish, and the configuration is consistent (TS 5.2.3.3, step 3).
    Finished,
    /// The same, and it is not (TS 5.2.6).
    Inconsistent(AccountId, Box<Inconsistency>),
}

/// How far a request has come.
pub(super) enum Progress {
    /// It is executed.
    Done(MessageBuf, Effect),
    /// Its answer is taken from the Object block by block.
    Large(MessageBuf, LargeRead),
    /// The application answers it.
    Waits(ShortServerId, Path, OpenKind),
}

impl Progress {
    pub(super) const fn answered(answer: MessageBuf) -> Self {
        Self::Done(answer, Effect::Nothing)
    }

    /// The application is told of what is committed, unless it has decided about it.
    pub(super) fn committed(
        commit: Commit,
        event: impl FnOnce(Vec<Change>) -> Option<ClientEvent>,
    ) -> Self {
        let Commit {
            answer,
            changes,
            differences,
        } = commit;
        let event = event(changes).map(Box::new);
        Self::Done(answer, Effect::Committed { differences, event })
    }
}

/// The effect of a request whose answer was sent, or could not be. What was done stands, but an observation
/// begins with its answer, and a bootstrap succeeds with it.
pub(super) fn effect_if(
    context: &Context<'_>,
    sent: Result<(), SendError>,
    (origin, token): (Origin, Token),
    effect: Effect,
) -> Effect {
    match effect {
        Effect::Observed(_) if sent.is_err() => not_observed(context, origin, token),
        // The Bootstrap-Server doesn't learn of it (TS 5.2.3.3).
        Effect::Finished if sent.is_err() => Effect::Nothing,
        effect => effect,
    }
}

/// An Observe is refused. It would have taken the place of the observation with its token, and after an
/// error there is none (RFC 7641 §4.1, §4.2).
pub(super) fn not_observed(context: &Context<'_>, origin: Origin, token: Token) -> Effect {
    let account = origin.account;
    if context.reporting.contains(account, token) {
        Effect::Cancelled(account, Cancellation::Token(token))
    } else {
        Effect::Nothing
    }
}

pub(super) fn refuse(context: &mut Context<'_>, responder: Responder, refusal: Refusal) {
    let answer = MessageBuf::response(refusal.code());
    // If it can no longer be sent, the peer is gone.
    let _ = context.endpoint.respond(context.now, responder, answer);
}
