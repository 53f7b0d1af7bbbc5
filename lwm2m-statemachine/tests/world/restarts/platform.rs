//! The server with its storage. A crash loses all that isn't stored, of the server and of the application.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::Instant;
use lwm2m_simulation::{Address, Node};
use lwm2m_statemachine::{
    Datagram, ObservationId, OperationId, Outcome, RegistrationId, Server, ServerConfig,
    ServerEvent,
    server::{Record, RecordChange, RecordKeeping, Revision},
};

/// How long it takes to store something.
const STORING: Duration = Duration::from_millis(7);

/// When the server crashes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Moment {
    /// What has happened isn't stored.
    BeforeStoring,
    /// It is stored, and nothing that depends on it has left.
    AfterStoring,
    /// It has left.
    AfterSending,
}

/// What the application remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The operations, with the arguments of each Execute.
    pub(super) asked: BTreeMap<OperationId, Option<String>>,
    pub(super) outcomes: BTreeMap<OperationId, Vec<Outcome>>,
    pub(super) observing: BTreeSet<ObservationId>,
    pub(super) notified: BTreeMap<ObservationId, usize>,
    /// Each record, and when it was taken.
    records: BTreeMap<String, (String, Instant)>,
}

pub(super) struct Platform {
    pub(super) server: Server<Address>,
    seed: [u8; 32],
    keeping: RecordKeeping,
    pub(super) memory: Memory,
    /// What outlasts a crash.
    stored: Memory,
    /// Records that have changed since they were stored, and the last change.
    changed: Vec<(RegistrationId, String, RecordChange)>,
    last: Option<Revision>,
    /// When all up to this change is stored.
    storing: Option<(Instant, Revision)>,
    /// The names that peers have in records are their places here.
    peers: Vec<Address>,
    pub(super) crash: Option<Moment>,
    pub(super) crashes: [usize; 3],
}

fn server(seed: [u8; 32], keeping: RecordKeeping) -> Server<Address> {
    let mut config = ServerConfig::new(seed);
    config.records = keeping;
    Server::new(config)
}

fn place(peers: &mut Vec<Address>, peer: Address) -> usize {
    let known = peers.iter().position(|known| *known == peer);
    known.unwrap_or_else(|| {
        peers.push(peer);
        peers.len() - 1
    })
}

impl Platform {
    pub(super) fn new(seed: [u8; 32], keeping: RecordKeeping) -> Self {
        Self {
            server: server(seed, keeping),
            seed,
            keeping,
            memory: Memory::default(),
            stored: Memory::default(),
            changed: Vec::new(),
            last: None,
            storing: None,
            peers: Vec::new(),
            crash: None,
            crashes: [0; 3],
        }
    }

    fn act(&mut self, event: ServerEvent<Address>) {
        let memory = &mut self.memory;
        match event {
            ServerEvent::Record {
                registration,
                endpoint_name,
                change,
                revision,
            } => {
                self.changed
                    .push((registration, endpoint_name.into(), change));
                self.last = Some(revision);
            }
            ServerEvent::Answered {
                operation, outcome, ..
            } => {
                if let Outcome::Observing { observation, .. } = outcome {
                    memory.observing.insert(observation);
                }
                memory.outcomes.entry(operation).or_default().push(outcome);
            }
            ServerEvent::Notification { observation, .. } => {
                *memory.notified.entry(observation).or_default() += 1;
            }
            ServerEvent::ObservationEnded { observation, .. } => {
                assert!(memory.observing.remove(&observation), "it wasn't known");
            }
            _ => {}
        }
    }

    /// All events are handled: the records are stored with what the application remembers of them.
    fn store(&mut self, now: Instant) -> bool {
        let Some(revision) = self.last.take() else {
            return false;
        };
        if self.crash == Some(Moment::BeforeStoring) {
            self.restart(now);
            return true;
        }
        for (id, name, change) in core::mem::take(&mut self.changed) {
            if let Some(record) = self.server.records().get(now, id) {
                let text =
                    serde_json::to_string(&record.map_peer(|peer| place(&mut self.peers, peer)))
                        .unwrap();
                self.memory.records.insert(name, (text, now));
            } else if change == RecordChange::Gone {
                self.memory.records.remove(&name);
            }
        }
        self.stored = self.memory.clone();
        if self.crash == Some(Moment::AfterStoring) {
            self.restart(now);
            return true;
        }
        let at = self.storing.map_or(now + STORING, |(at, _)| at);
        self.storing = Some((at, revision));
        true
    }

    fn restart(&mut self, now: Instant) {
        let moment = self.crash.take().expect("a crash");
        self.crashes[moment as usize] += 1;
        self.seed[0] = self.seed[0].wrapping_add(1);
        self.server = server(self.seed, self.keeping);
        self.memory = self.stored.clone();
        (self.last, self.storing) = (None, None);
        self.changed.clear();
        for (text, taken) in self.memory.records.values() {
            let record: Record<usize> = serde_json::from_str(text).unwrap();
            let record = record.map_peer(|place| self.peers[place]);
            let elapsed = now.saturating_duration_since(*taken);
            self.server.records().restore(now, record, elapsed).unwrap();
        }
    }
}

impl Node for Platform {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        let _ = self.server.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, revision)) = self.storing.take_if(|(at, _)| *at <= now) {
            self.server.records().stored(now, revision);
        }
        self.server.handle_timeout(now);
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let transmit = self.server.poll_transmit()?;
        datagram.extend_from_slice(transmit.payload);
        Some(transmit.to)
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        if let Some(event) = self.server.poll_event() {
            self.act(event);
            return true;
        }
        if self.crash == Some(Moment::AfterSending) && self.storing.is_none() && self.last.is_none()
        {
            self.restart(now);
            return true;
        }
        self.store(now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let storing = self.storing.map(|(at, _)| at);
        self.server.poll_timeout().into_iter().chain(storing).min()
    }
}
