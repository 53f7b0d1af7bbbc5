//! Whatever happens to connections, accounts and time: what may be sent when, and that the Client finds
//! its way back.

use alloc::collections::BTreeMap;
use core::time::Duration;

use lwm2m_core::{Code, Instant, Method, ObjectId};
use lwm2m_kit::{account, path};
use lwm2m_objects::{
    Change,
    typed::{Security, Server},
};
use lwm2m_statemachine::{
    AccountId, ClientEvent, ConnectionId, Session,
    client::{Inbound, RegistrationState},
};
use proptest::prelude::*;

use crate::{
    hosts::{Hosts, create, delete, open, secured, tree},
    observe::observe,
    support::{Sent, on},
};

const ACCOUNTS: u16 = 3;

/// What happens. The first number of most chooses an account.
#[derive(Clone, Copy, Debug)]
enum Act {
    Start,
    Leave,
    Offline,
    Online,
    Connect(u16, bool),
    Lose(u16),
    Move(u16),
    /// A request of the Client is answered, by its place among those that are under way.
    Answer(usize, Answer),
    /// Milliseconds in which the Client is called at its deadlines.
    Pass(u32),
    /// Milliseconds in which it is not called.
    Sleep(u32),
    Update(u16),
    Lifetime(u16, i64),
    Level(i64),
    Observe(u16),
    /// For 500 seconds, by an Execute or as before a restart.
    Disable(u16, bool),
    DropServer(u16),
    DropSecurity(u16),
    Return(u16),
    Uri(u16, bool),
    Stranger,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Accept,
    Unknown,
    Forbid,
    Fail,
}

fn act() -> impl Strategy<Value = Act> {
    let of = 0..ACCOUNTS;
    let answer = prop_oneof![
        6 => Just(Answer::Accept),
        1 => Just(Answer::Unknown),
        1 => Just(Answer::Forbid),
        1 => Just(Answer::Fail),
    ];
    prop_oneof![
        2 => Just(Act::Start),
        1 => Just(Act::Leave),
        1 => Just(Act::Offline),
        2 => Just(Act::Online),
        6 => (of.clone(), any::<bool>()).prop_map(|(of, new)| Act::Connect(of, new)),
        2 => of.clone().prop_map(Act::Lose),
        1 => of.clone().prop_map(Act::Move),
        10 => (0usize..4, answer).prop_map(|(at, answer)| Act::Answer(at, answer)),
        4 => (0u32..400_000).prop_map(Act::Pass),
        2 => (0u32..400_000).prop_map(Act::Sleep),
        1 => of.clone().prop_map(Act::Update),
        1 => (of.clone(), 1i64..500).prop_map(|(of, to)| Act::Lifetime(of, to)),
        2 => (0i64..100).prop_map(Act::Level),
        2 => of.clone().prop_map(Act::Observe),
        2 => (of.clone(), any::<bool>()).prop_map(|(of, asked)| Act::Disable(of, asked)),
        1 => of.clone().prop_map(Act::DropServer),
        1 => of.clone().prop_map(Act::DropSecurity),
        2 => of.clone().prop_map(Act::Return),
        1 => (of, any::<bool>()).prop_map(|(of, moved)| Act::Uri(of, moved)),
        1 => Just(Act::Stranger),
    ]
}

/// The Client, and what its servers know.
struct Lives {
    hosts: Hosts,
    up: BTreeMap<AccountId, ConnectionId>,
    /// The requests of the Client without an answer, and when each was sent first.
    open: Vec<(AccountId, Sent, Instant)>,
    /// Until when each server knows the Client, and the lifetime that it was told.
    known: BTreeMap<AccountId, (Instant, u64)>,
    /// Until when each server that is disabled must hear nothing.
    disabled: BTreeMap<AccountId, Instant>,
}

/// One of three accounts; the first is without security.
fn part(of: u16) -> (Security, Server) {
    let (host, id, lifetime) = (format!("host{of}"), 101 + of, 60 + 100 * u32::from(of));
    let (security, server) = if of == 0 {
        open(&host, id, lifetime)
    } else {
        secured(&host, id, lifetime)
    };
    let server = Server {
        disable: true,
        disable_timeout: Some(500),
        ..server
    };
    (security, server)
}

impl Lives {
    fn new() -> Self {
        let accounts = (0..ACCOUNTS).map(part);
        Self {
            hosts: Hosts::new(tree(accounts)),
            up: BTreeMap::new(),
            open: Vec::new(),
            known: BTreeMap::new(),
            disabled: BTreeMap::new(),
        }
    }

    fn act(&mut self, act: Act) {
        let now = self.hosts.now;
        let hosts = &mut self.hosts;
        let client = &mut hosts.client;
        match act {
            Act::Start => client.start(now),
            Act::Leave => client.deregister(now),
            Act::Offline => client.go_offline(now),
            Act::Online => client.go_online(now),
            Act::Connect(of, new) => {
                let session = if new { Session::New } else { Session::Resumed };
                if let Some(link) = hosts.links.get(&account(of)).copied()
                    && self.up.get(&account(of)) != Some(&link)
                {
                    hosts.client.connected(now, link, session);
                    self.up.insert(account(of), link);
                }
            }
            Act::Lose(of) => {
                if let Some(link) = hosts.links.remove(&account(of)) {
                    self.up.remove(&account(of));
                    hosts.client.disconnected(now, link);
                }
            }
            Act::Move(of) => {
                if let Some(link) = self.up.get(&account(of)) {
                    client.address_changed(now, *link);
                }
            }
            Act::Answer(at, answer) => self.answer(at, answer),
            Act::Pass(millis) => self.pass(Duration::from_millis(millis.into())),
            Act::Sleep(millis) => hosts.sleep(Duration::from_millis(millis.into())),
            Act::Update(of) => client.update(now, account(of)),
            Act::Lifetime(of, to) => {
                let _ = client.set(now, path(&format!("/1/{}/1", 10 + of)), to);
            }
            Act::Level(level) => {
                let _ = client.set(now, path("/3/0/9"), level);
            }
            Act::Observe(of) => {
                if let Some(link) = self.up.get(&account(of)).copied() {
                    hosts.request(link, observe(0, "/3/0/9"));
                }
            }
            Act::Disable(of, true) => {
                if let Some(link) = self.up.get(&account(of)).copied() {
                    hosts.request(link, on(Method::Post, &format!("/1/{}/4", 10 + of)));
                }
            }
            Act::Disable(of, false) => {
                client.resume_disabled(now, account(of), Duration::from_secs(500));
            }
            Act::DropServer(of) => {
                let _ = client.change(now, [delete(ObjectId::SERVER, 10 + of)]);
            }
            Act::DropSecurity(of) => {
                let _ = client.change(now, [delete(ObjectId::SECURITY, of)]);
            }
            Act::Return(of) => {
                let (security, server) = part(of);
                let _ = client.change(now, create(of, security));
                let _ = client.change(now, create(10 + of, server));
            }
            Act::Uri(of, moved) => {
                let to = if moved { "coap://moved" } else { "coap://back" };
                let _ = client.set(now, path(&format!("/0/{of}/0")), to);
            }
            Act::Stranger => {
                let sms = Inbound::Sms { number: "49" };
                assert!(client.inbound(now, sms).is_err());
                assert!(client.inbound(now, Inbound::Account(account(9))).is_err());
            }
        }
        if let Act::DropServer(of) | Act::DropSecurity(of) | Act::Return(of) | Act::Uri(of, _) = act
            && self.hosts.client.disabled_for(now, account(of)).is_none()
        {
            self.disabled.remove(&account(of));
        }
        self.drain();
    }

    /// Time passes, and what is sent is looked at when it is sent.
    fn pass(&mut self, duration: Duration) {
        let end = self.hosts.now + duration;
        self.drain();
        while let Some(due) = self.hosts.client.poll_timeout().filter(|due| *due <= end) {
            self.hosts.now = self.hosts.now.max(due);
            self.hosts.client.handle_timeout(self.hosts.now);
            self.drain();
            let next = self.hosts.client.poll_timeout();
            assert!(next.is_none_or(|next| next > self.hosts.now));
        }
        self.hosts.now = end;
    }

    /// Everything that is sent may be sent.
    fn drain(&mut self) {
        let now = self.hosts.now;
        let links = self.hosts.links.clone();
        for event in self.hosts.events() {
            if let ClientEvent::Disabled { account, until } = event {
                self.disabled.insert(account, until);
            }
        }
        for sent in lwm2m_kit::sent(&mut self.hosts.client) {
            assert!(!self.hosts.client.is_offline(), "sent offline");
            let mut up = self.up.iter().chain(&links);
            let of = up.find(|(_, link)| **link == sent.to);
            let of = *of.expect("a connection that is in use").0;
            assert_eq!(self.up.get(&of), Some(&sent.to), "before it is up");
            let disabled = self.disabled.get(&of);
            assert!(disabled.is_none_or(|until| *until <= now), "disabled");
            let is_known = self.known.get(&of).is_some_and(|(until, _)| now < *until);
            match (sent.code(), sent.path().as_str()) {
                (Code::POST, "/rd") => {}
                (Code::CONTENT, _) if sent.message().observe().is_none() => {}
                (code, what) => assert!(is_known, "{code} {what} without a registration"),
            }
            if sent.code() == Code::POST || sent.code() == Code::DELETE {
                self.note(of, sent);
            }
        }
        self.up
            .retain(|of, link| self.hosts.links.get(of) == Some(link));
    }

    fn note(&mut self, of: AccountId, sent: Sent) {
        let is_same = |(_, open, _): &(AccountId, Sent, Instant)| {
            open.to == sent.to && open.message().message_id() == sent.message().message_id()
        };
        if !self.open.iter().any(is_same) {
            // It has given up the one before.
            self.open.retain(|(other, ..)| *other != of);
            self.open.push((of, sent, self.hosts.now));
        }
    }

    fn answer(&mut self, at: usize, answer: Answer) {
        if self.open.is_empty() {
            return;
        }
        let (of, request, at) = self.open.remove(at % self.open.len());
        if self.up.get(&of) != Some(&request.to) {
            return;
        }
        let is_register = request.path() == "/rd";
        let code = match answer {
            Answer::Accept if is_register => {
                let queries = request.queries();
                let lifetime = lifetime(&queries).expect("a Register tells it");
                self.known
                    .insert(of, (at + Duration::from_secs(lifetime), lifetime));
                return self.hosts.accept(of, &request);
            }
            Answer::Accept if request.code() == Code::DELETE => Code::DELETED,
            Answer::Accept => {
                if let Some((until, known)) = self.known.get_mut(&of) {
                    *known = lifetime(&request.queries()).unwrap_or(*known);
                    *until = at + Duration::from_secs(*known);
                }
                Code::CHANGED
            }
            Answer::Unknown => Code::NOT_FOUND,
            Answer::Forbid => Code::FORBIDDEN,
            Answer::Fail => Code::INTERNAL_SERVER_ERROR,
        };
        self.hosts.answer_code(&request, code);
        // The Client may have given up the request, and then knows nothing of a refusal; a De-register may still wait for
        // another account at its server.
        let status = self.hosts.client.account(of);
        let is_there = |state| {
            matches!(
                state,
                RegistrationState::Registered | RegistrationState::Deregistering
            )
        };
        if !status.is_some_and(|status| is_there(status.state)) {
            self.known.remove(&of);
        }
    }

    /// From now on all goes well: every account that can be used is registered.
    fn heal(&mut self) {
        self.act(Act::Online);
        self.act(Act::Start);
        for _ in 0..400 {
            for of in 0..ACCOUNTS {
                self.act(Act::Connect(of, true));
            }
            while !self.open.is_empty() {
                self.act(Act::Answer(0, Answer::Accept));
            }
            self.act(Act::Pass(10_000));
        }
        while !self.open.is_empty() {
            self.act(Act::Answer(0, Answer::Accept));
        }
        let now = self.hosts.now;
        for status in self.hosts.client.accounts() {
            match status.state {
                RegistrationState::Resting => assert!(status.server_instance.is_none()),
                RegistrationState::Registered => {
                    assert!(
                        self.known
                            .get(&status.id)
                            .is_some_and(|(until, _)| now < *until)
                    );
                }
                state => panic!("{}: {state:?}", status.id),
            }
        }
    }
}

/// The `lt` of a Register or an Update.
fn lifetime(queries: &[String]) -> Option<u64> {
    let lt = queries.iter().find_map(|query| query.strip_prefix("lt="))?;
    lt.parse().ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// TS 5.3: without a registration whose lifetime runs there is no message but a Register. TS E.2: to a server that is
    /// disabled there is none.
    #[test]
    fn a_client_sends_only_what_it_may_and_comes_back(
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let mut lives = Lives::new();
        lives.act(Act::Start);
        for act in acts {
            lives.act(act);
        }
        lives.heal();
        // With the accounts gone, so is all that was kept for them.
        let all = (0..ACCOUNTS).flat_map(|of| [
            delete(ObjectId::SECURITY, of),
            delete(ObjectId::SERVER, 10 + of),
        ]);
        for change in all.collect::<Vec<Change>>() {
            let _ = lives.hosts.client.change(lives.hosts.now, [change]);
            lives.drain();
        }
        for _ in 0..4 {
            while !lives.open.is_empty() {
                lives.act(Act::Answer(0, Answer::Accept));
            }
            lives.act(Act::Pass(400_000));
        }
        prop_assert_eq!(lives.hosts.client.accounts().count(), 0);
        prop_assert!(lives.hosts.links.is_empty());
        prop_assert_eq!(lives.hosts.client.usage().stored_notifications, 0);
        prop_assert!(lives.hosts.client.is_idle());
    }
}
