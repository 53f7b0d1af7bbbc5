//! A restart of the server. Each one saves in JSON and in a format that doesn't describe itself.

mod crashes;
mod damaged;
mod keeping;
mod observing;
mod queueing;
mod registrations;

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_statemachine::{
    RegistrationId, Server, ServerConfig,
    server::{Record, RecordError},
};

use crate::support::{Peer, World};

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// After a restart the clock begins anew.
const BOOT: Instant = Instant::from_secs(5);

/// Reads what was saved of a record.
pub(crate) fn saved(record: &Record<Peer>) -> Record<Peer> {
    let text = serde_json::to_string(record).unwrap();
    assert_eq!(
        &serde_json::from_str::<Record<Peer>>(&text).unwrap(),
        record
    );
    let bytes = postcard::to_allocvec(record).unwrap();
    let read = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(&read, record);
    read
}

/// The configuration after a restart, with a fresh seed.
pub(crate) fn config() -> ServerConfig {
    ServerConfig::new([43; 32])
}

impl World {
    pub(crate) fn record(&mut self, id: RegistrationId) -> Record<Peer> {
        saved(&self.server.records().get(self.now, id).unwrap())
    }

    pub(crate) fn records(&mut self) -> Vec<Record<Peer>> {
        let records = self.server.records();
        records.all(self.now).map(|record| saved(&record)).collect()
    }

    /// The server ends, and is started again so much later, with all records.
    pub(crate) fn restart(&mut self, elapsed: Duration) {
        let records = self.records();
        self.boot(config());
        for record in records {
            self.restore(record, elapsed).unwrap();
        }
    }

    pub(crate) fn boot(&mut self, config: ServerConfig) {
        self.server = Server::new(config);
        self.now = BOOT;
    }

    pub(crate) fn restore(
        &mut self,
        record: Record<Peer>,
        elapsed: Duration,
    ) -> Result<RegistrationId, RecordError> {
        let id = record.registration();
        let restored = self.server.records().restore(self.now, record, elapsed);
        if let Ok(restored) = restored {
            assert_eq!(restored, id);
        }
        restored
    }
}
