//! What was sent and what became of it, and what else happened.

use core::fmt;

use lwm2m_core::Instant;

use crate::{Address, NodeId};

/// A datagram that a node sent, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was sent, in the network's time.
    pub sent: Instant,
    /// Who sent it.
    pub from: Address,
    /// Whom it was for.
    pub to: Address,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// What the link did to it.
    pub fate: Fate,
    /// When its copies arrived: not those in flight, nor those to a former address.
    pub arrivals: Vec<Instant>,
}

/// What a link does to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// One copy is delivered.
    Delivered,
    /// Two copies are delivered.
    Duplicated,
    /// It gets lost.
    Lost,
    /// It is longer than the link's MTU.
    TooLong,
    /// The link is cut.
    Partitioned,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delivered => "delivered",
            Self::Duplicated => "duplicated",
            Self::Lost => "LOST",
            Self::TooLong => "TOO LONG",
            Self::Partitioned => "CUT OFF",
        })
    }
}

/// What happened to a node besides datagrams: a reboot, another address, a jump of its clock, or a
/// note of the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When, in the network's time.
    pub at: Instant,
    /// To which node.
    pub node: NodeId,
    /// What.
    pub text: String,
    /// How many datagrams had been sent before.
    pub(crate) after: u64,
}

/// All that happened, or the last of it.
#[derive(Clone, Debug)]
pub(crate) struct History {
    records: Vec<Record>,
    notes: Vec<Note>,
    /// How many records are not kept any more.
    forgotten: u64,
    limit: usize,
    lost: u64,
    digest: u64,
}

impl History {
    pub(crate) const fn new() -> Self {
        Self {
            records: Vec::new(),
            notes: Vec::new(),
            forgotten: 0,
            limit: usize::MAX,
            lost: 0,
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }

    pub(crate) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// How many datagrams were sent.
    pub(crate) const fn sent(&self) -> u64 {
        self.forgotten + self.records.len() as u64
    }

    /// How many of them did not get through.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn notes(&self) -> &[Note] {
        &self.notes
    }

    pub(crate) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(crate) const fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.digest_of(&record.sent.as_millis().to_le_bytes());
        for address in [record.from, record.to] {
            self.digest_of(&address.node.0.to_le_bytes());
            self.digest_of(&address.number.to_le_bytes());
        }
        self.digest_of(&[record.fate as u8]);
        self.digest_of(&record.payload);
        self.lost += u64::from(!matches!(record.fate, Fate::Delivered | Fate::Duplicated));
        self.records.push(record);
        // A part at a time, so that each record is moved but once or twice.
        if self.records.len() / 2 > self.limit {
            let old = self.records.len() - self.limit;
            self.records.drain(..old);
            self.forgotten += old as u64;
            let forgotten = self.forgotten;
            self.notes.retain(|note| note.after >= forgotten);
        }
    }

    pub(crate) fn arrived(&mut self, number: u64, at: Instant) {
        self.digest_of(&number.to_le_bytes());
        self.digest_of(&at.as_millis().to_le_bytes());
        let index = number.checked_sub(self.forgotten);
        let index = index.and_then(|index| usize::try_from(index).ok());
        if let Some(record) = index.and_then(|index| self.records.get_mut(index)) {
            record.arrivals.push(at);
        }
    }

    pub(crate) fn note(&mut self, at: Instant, node: NodeId, text: String) {
        self.digest_of(text.as_bytes());
        let after = self.sent();
        self.notes.push(Note {
            at,
            node,
            text,
            after,
        });
    }

    /// FNV-1a, a word at a time.
    fn digest_of(&mut self, bytes: &[u8]) {
        let mut word = |word: u64| {
            let digest = (self.digest ^ word).wrapping_mul(0x0100_0000_01b3);
            // Else no bit would reach a lower one.
            self.digest = digest ^ digest >> 32;
        };
        let (words, rest) = bytes.as_chunks::<8>();
        for bytes in words {
            word(u64::from_le_bytes(*bytes));
        }
        for byte in rest {
            word(u64::from(*byte));
        }
        word(bytes.len() as u64);
    }
}
