//! What the Client has asked: each request has one outcome, and each download.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{Code, CodeKind, Path};
use lwm2m_statemachine::{
    AccountId, Client, ClientEvent,
    client::RegistrationState,
    coap::{MessageRef, Token},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Register,
    Update,
    Deregister,
}

/// The request that was sent last to a server.
#[derive(Debug)]
struct Last {
    token: Token,
    kind: Kind,
    /// Whether it has its outcome, or may have none: it was given up.
    is_over: bool,
}

#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// How many requests have no outcome yet. Those that were given up stay.
    open: BTreeMap<(usize, Kind), u32>,
    last: BTreeMap<usize, Last>,
    downloads: BTreeSet<Path>,
    ended: Vec<Path>,
    /// How many outcomes each server's requests had.
    outcomes: BTreeMap<usize, u32>,
}

impl Outcomes {
    /// The Client sends this to a server.
    pub(super) fn sends(&mut self, server: usize, datagram: &[u8]) {
        let Ok(message) = MessageRef::parse(datagram) else {
            return;
        };
        if message.code().kind() != CodeKind::Request {
            return;
        }
        let kind = match message.code() {
            Code::DELETE => Kind::Deregister,
            _ if message.uri_path().eq(["rd"]) => Kind::Register,
            _ => Kind::Update,
        };
        let token = message.token();
        let before = self.last.get(&server);
        if before.is_some_and(|last| last.token == token) {
            return;
        }
        *self.open.entry((server, kind)).or_default() += 1;
        let last = Last {
            token,
            kind,
            is_over: false,
        };
        self.last.insert(server, last);
    }

    /// Whatever is under way to a server may end without a word.
    pub(super) fn gives_up(&mut self, server: usize) {
        if let Some(last) = self.last.get_mut(&server) {
            last.is_over = true;
        }
    }

    pub(super) fn gives_up_all(&mut self) {
        self.last.values_mut().for_each(|last| last.is_over = true);
    }

    /// The Client has told this.
    pub(super) fn hears(&mut self, event: &ClientEvent) {
        let (account, kind) = match event {
            ClientEvent::Registered { account, .. } => (account, Some(Kind::Register)),
            ClientEvent::Updated { account } => (account, Some(Kind::Update)),
            ClientEvent::Deregistered { account } => (account, Some(Kind::Deregister)),
            ClientEvent::DeregisterFailed { account, .. }
            | ClientEvent::RegistrationFailed { account, .. } => (account, None),
            ClientEvent::DownloadEnded { path, .. } => return self.ended.push(*path),
            _ => return,
        };
        let server = server_of(*account);
        *self.outcomes.entry(server).or_default() += 1;
        if let Some(kind) = kind {
            let open = self.open.get_mut(&(server, kind));
            let open = open.filter(|open| **open > 0);
            *open.unwrap_or_else(|| panic!("{event:?} without a request")) -= 1;
        }
        self.gives_up(server);
    }

    /// How many outcomes there have been at a server, if its answer to this request is waited for.
    pub(super) fn awaited(&self, client: &Client, server: usize, request: &[u8]) -> Option<u32> {
        let message = MessageRef::parse(request).ok()?;
        let last = self.last.get(&server)?;
        let account = AccountId::new(super::objects::instance(u16::try_from(server).ok()?));
        let state = client.account(account)?.state;
        let waits = match last.kind {
            Kind::Register => state == RegistrationState::Registering,
            Kind::Update => state == RegistrationState::Registered,
            Kind::Deregister => state == RegistrationState::Deregistering,
        };
        let is_last_block = message.block1().is_none_or(|block| !block.more());
        let is_it = last.token == message.token() && !last.is_over && is_last_block;
        (is_it && waits && !client.is_offline()).then(|| self.count(server))
    }

    pub(super) fn count(&self, server: usize) -> u32 {
        self.outcomes.get(&server).copied().unwrap_or_default()
    }

    /// After a call: a download that is gone has ended once.
    pub(super) fn settle(&mut self, client: &mut Client) {
        let now: BTreeSet<Path> = client
            .downloads()
            .all()
            .map(|download| download.path)
            .collect();
        let ended = core::mem::take(&mut self.ended);
        for path in self.downloads.difference(&now) {
            let times = ended.iter().filter(|ended| *ended == path).count();
            assert!(
                times > 0,
                "the download for {path} has ended without a word"
            );
        }
        self.downloads = now;
    }
}

pub(super) fn server_of(account: AccountId) -> usize {
    account.instance().get().into()
}
