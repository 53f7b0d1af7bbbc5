//! The Bootstrap-Server and its application: what it tells the Client, and how that ends.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{ContentFormat, Instant, ObjectId, Path};
use lwm2m_kit::instance;
use lwm2m_simulation::{Address, Application, Random};
use lwm2m_statemachine::{
    BootstrapId, BootstrapServer, BootstrapServerEvent, Channel,
    bootstrap_server::{Discovered, Plan as Steps, RefuseWith},
};

use super::{
    accounts::{
        Account, BOOTSTRAP, Change, ENDPOINT, SERVERS, Style, bootstrap_account, check_secret,
    },
    book::{Attempt, Outcome, Shared},
    plan::{Fault, Plan},
};
use crate::lines::Lines;

type Machine = BootstrapServer<Address>;

pub(super) struct Provisioner {
    lines: Lines,
    book: Shared,
    random: Random,
    fault: Fault,
    hold_off: u32,
    /// Whether all goes well from now on.
    pub(super) healed: bool,
    /// The accounts that it gave last, and the number of the last key or Lifetime that it made.
    accounts: Vec<Account>,
    number: u32,
    /// The bootstraps that have not ended, with their sessions.
    open: BTreeMap<BootstrapId, u32>,
    ended: BTreeSet<BootstrapId>,
    /// The sessions whose loss its machine was told of.
    pub(super) gone: BTreeSet<u32>,
    /// What is told at the next pause.
    rest: BTreeMap<BootstrapId, Rest>,
    /// What is told at this moment: the first steps, or more.
    later: BTreeMap<BootstrapId, (Instant, Steps)>,
    found: Option<Discovered>,
}

/// What is told after a pause.
#[derive(Clone, Debug)]
enum Rest {
    Steps(Steps),
    /// It depends on what was found.
    Found(Change),
}

impl Provisioner {
    pub(super) fn new(
        plan: &Plan,
        random: Random,
        lines: Lines,
        book: Shared,
        accounts: Vec<Account>,
    ) -> Self {
        Self {
            lines,
            book,
            random,
            fault: plan.fault,
            hold_off: plan.hold_off,
            healed: false,
            accounts,
            number: 0,
            open: BTreeMap::new(),
            ended: BTreeSet::new(),
            gone: BTreeSet::new(),
            rest: BTreeMap::new(),
            later: BTreeMap::new(),
            found: None,
        }
    }

    fn count(&self, what: impl Into<String>) {
        self.book.borrow_mut().count(what);
    }

    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// It begins a bootstrap in this session.
    pub(super) fn begin(&mut self, now: Instant, machine: &mut Machine, session: Address) {
        let (steps, rest) = self.draw();
        self.attempt(session.number, &steps);
        let begun = machine.begin(now, ENDPOINT, session, Channel::Udp, &steps);
        let bootstrap = begun.expect("a plan that can be sent");
        self.open.insert(bootstrap, session.number);
        self.rest.extend(rest.map(|rest| (bootstrap, rest)));
    }

    /// It gives up what it has begun.
    pub(super) fn give_up(&mut self, now: Instant, machine: &mut Machine) {
        for bootstrap in self.open.keys() {
            machine.abort(now, *bootstrap);
        }
    }

    fn attempt(&self, session: u32, steps: &Steps) {
        let mut book = self.book.borrow_mut();
        let attempt = book.attempts.entry(session).or_default();
        attempt.steps.extend_from_slice(steps.steps());
    }

    /// A Client asks for a bootstrap.
    fn requested(&mut self, now: Instant, machine: &mut Machine, bootstrap: BootstrapId) {
        let choice = if self.healed {
            99
        } else {
            self.random.below(100)
        };
        let refused = match choice {
            0..5 => machine.refuse(now, bootstrap, RefuseWith::UnknownEndpoint),
            5..8 => machine.refuse(now, bootstrap, RefuseWith::Unavailable),
            8..12 => Ok(()),
            _ => {
                let (steps, rest) = self.draw();
                self.rest.extend(rest.map(|rest| (bootstrap, rest)));
                let pause = if choice < 35 { 20 } else { 0 };
                self.tell_later(now, bootstrap, steps, pause);
                return;
            }
        };
        refused.expect("the request waits");
        self.count("refused by the Bootstrap-Server");
    }

    /// Tells more when so many seconds have passed at most.
    fn tell_later(&mut self, now: Instant, bootstrap: BootstrapId, steps: Steps, most: u64) {
        let pause = self.random.duration(Duration::from_secs(most));
        self.later.insert(bootstrap, (now + pause, steps));
    }

    fn tell(&mut self, now: Instant, machine: &mut Machine, bootstrap: BootstrapId, steps: &Steps) {
        let Some(session) = self.open.get(&bootstrap) else {
            return;
        };
        self.attempt(*session, steps);
        let first = machine.start(now, bootstrap, steps);
        let told = first.or_else(|_| machine.resume(now, bootstrap, steps));
        if told.is_err() {
            // Its time was over.
            self.count("too late for more steps");
        }
    }

    /// The client waits for more.
    fn paused(&mut self, now: Instant, bootstrap: BootstrapId) {
        let rest = self.rest.remove(&bootstrap);
        let found = self.found.take();
        let steps = match rest {
            Some(Rest::Steps(steps)) => steps,
            Some(Rest::Found(change)) => {
                let style = self.style();
                let steps = found.and_then(|found| change.of(&found, style));
                steps.unwrap_or_else(|| self.set())
            }
            None => self.set(),
        };
        let pause = if self.healed {
            0
        } else {
            [0, 0, 10, 100, 400][self.random.below(5) as usize]
        };
        self.tell_later(now, bootstrap, steps, pause);
    }

    fn ended(&mut self, bootstrap: BootstrapId, is_finished: bool) {
        assert!(self.ended.insert(bootstrap), "a second outcome");
        let session = self
            .open
            .remove(&bootstrap)
            .expect("a bootstrap that began");
        self.rest.remove(&bootstrap);
        self.later.remove(&bootstrap);
        let outcome = if is_finished {
            self.count("finished at the Bootstrap-Server");
            Outcome::Finished
        } else {
            self.count("failed at the Bootstrap-Server");
            Outcome::Failed
        };
        let mut book = self.book.borrow_mut();
        let attempt: &mut Attempt = book.attempts.entry(session).or_default();
        assert!(
            attempt.server.replace(outcome).is_none(),
            "a second outcome"
        );
    }
}

/// What it tells.
impl Provisioner {
    fn next_number(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    fn style(&mut self) -> Style {
        Style {
            format: [
                None,
                None,
                Some(ContentFormat::TLV),
                Some(ContentFormat::JSON),
            ][self.random.below(4) as usize],
            whole: self.random.chance(0.4),
            wipes: self.random.chance(0.3),
        }
    }

    /// One account at least. Some stay as they are.
    fn draw_accounts(&mut self) -> Vec<Account> {
        let always = self.random.below(SERVERS as u64) as usize;
        let mut accounts = Vec::new();
        for server in 0..SERVERS {
            if server != always && self.random.chance(0.5) {
                continue;
            }
            let before = self
                .accounts
                .iter()
                .find(|account| account.server == server);
            let mut account = before.copied().unwrap_or(Account {
                server,
                key: 0,
                lifetime: 0,
            });
            let changes = account.lifetime == 0 || self.random.chance(0.5);
            if changes && self.random.chance(0.5) {
                account.key = self.next_number();
            }
            if changes {
                account.lifetime = 210 + self.next_number();
            }
            accounts.push(account);
        }
        self.accounts.clone_from(&accounts);
        accounts
    }

    fn set(&mut self) -> Steps {
        let accounts = self.draw_accounts();
        self.style().set(&accounts).finish()
    }

    fn draw_change(&mut self) -> Change {
        let number = self.next_number();
        match self.random.below(3) {
            0 => Change::Add(Account {
                server: self.random.below(SERVERS as u64) as usize,
                key: number,
                lifetime: 210 + number,
            }),
            1 => Change::Take,
            _ => Change::Rotate(number),
        }
    }

    /// What is told first, and what after a pause.
    fn draw(&mut self) -> (Steps, Option<Rest>) {
        let choice = if self.healed {
            0
        } else {
            self.random.below(12)
        };
        let style = self.style();
        match choice {
            0..=3 => (self.set(), None),
            4 | 5 => {
                let accounts = self.draw_accounts();
                let rest = Rest::Steps(Steps::new().finish());
                (style.set(&accounts), Some(rest))
            }
            6 | 7 => {
                // In place, or at another Object Instance.
                let at = instance([0, 8, 9][self.random.below(3) as usize]);
                let own = bootstrap_account(self.next_number(), self.hold_off);
                let accounts = self.draw_accounts();
                let steps = style.replace_own(style.set(&accounts), at, own);
                (steps.finish(), None)
            }
            8 => {
                // Accounts without their halves aren't consistent (TS 5.2.6).
                let steps = Steps::new().try_delete(Path::Object(ObjectId::SERVER));
                let rest = Rest::Steps(self.set());
                (steps.finish(), Some(rest))
            }
            _ => {
                let rest = Rest::Found(self.draw_change());
                (Steps::new().discover(Path::Root), Some(rest))
            }
        }
    }
}

impl Application for Provisioner {
    type Machine = Machine;

    fn handle_event(
        &mut self,
        now: Instant,
        machine: &mut Machine,
        event: BootstrapServerEvent<Address>,
    ) {
        check_secret(&format!("{event:?}"), "an event of the Bootstrap-Server");
        match event {
            BootstrapServerEvent::Requested { bootstrap, client } => {
                self.open.insert(bootstrap, client.peer.number);
                self.requested(now, machine, bootstrap);
            }
            BootstrapServerEvent::Discovered { found, .. } => self.found = Some(found),
            BootstrapServerEvent::Paused { bootstrap, .. } => self.paused(now, bootstrap),
            BootstrapServerEvent::Ended {
                bootstrap, outcome, ..
            } => {
                self.ended(bootstrap, outcome.is_ok());
                if self.fault == Fault::Repeats {
                    self.ended(bootstrap, outcome.is_ok());
                }
            }
            event => panic!("{event:?}"),
        }
    }

    fn peer(&mut self, address: Address) -> Option<Address> {
        self.lines.borrow_mut()[BOOTSTRAP].named(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        let is_gone = self.gone.contains(&peer.number);
        assert!(
            !is_gone,
            "a message in session {}, which is lost",
            peer.number
        );
        self.lines.borrow()[BOOTSTRAP].reached(*peer)
    }

    fn handle_timeout(&mut self, now: Instant, machine: &mut Machine) {
        let due: Vec<_> = self
            .later
            .iter()
            .filter(|(_, (at, _))| *at <= now)
            .map(|(bootstrap, _)| *bootstrap)
            .collect();
        for bootstrap in due {
            if let Some((_, steps)) = self.later.remove(&bootstrap) {
                self.tell(now, machine, bootstrap, &steps);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.later.values().map(|(at, _)| *at).min()
    }
}
