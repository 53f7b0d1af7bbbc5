//! What outlasts a restart of the device. Each one saves in JSON and in a format that doesn't describe itself.

mod asleep;
mod bootstrap;
mod damaged;
mod disabled;
mod life;
mod registration;
mod reporting;
mod storing;

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_objects::{ObjectTree, Sealed, Snapshot};
use lwm2m_statemachine::{Client, ClientConfig, Session, client::ClientSnapshot};
use serde_json::Value as Json;

use crate::{hosts::Hosts, support::Sent};

/// What a device saves.
pub(crate) type Saved = (Snapshot, ClientSnapshot);

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn config() -> ClientConfig {
    // A fresh seed.
    ClientConfig::new("example-client", [4; 32])
}

/// Saves a Client, and reads what was saved.
pub(crate) fn saved(client: &Client, now: Instant) -> Saved {
    let saved = Sealed((client.tree().snapshot(), client.snapshot(now)));
    let text = serde_json::to_string(&saved).unwrap();
    assert_eq!(serde_json::from_str::<Sealed<Saved>>(&text).unwrap(), saved);
    let bytes = postcard::to_allocvec(&saved).unwrap();
    let Sealed(read) = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(read, saved.0);
    read
}

/// What was saved of a Client without its Objects, with changes at some pointers.
pub(crate) fn edited(state: &ClientSnapshot, edits: &[(&str, Json)]) -> ClientSnapshot {
    let mut state = serde_json::to_value(state).unwrap();
    for (pointer, value) in edits {
        *state.pointer_mut(pointer).expect(pointer) = value.clone();
    }
    serde_json::from_value(state).unwrap()
}

/// After a restart the clock begins anew.
pub(crate) const BOOT: Instant = Instant::from_secs(5);

impl Hosts {
    /// The device restarts, with these Objects and the values that were saved.
    pub(crate) fn restart(&mut self, mut tree: ObjectTree, elapsed: Option<Duration>) {
        let (values, state) = saved(&self.client, self.now);
        tree.restore(&values).unwrap();
        self.boot(tree, &state, elapsed);
    }

    /// The device restarts, with the values of this tree.
    pub(crate) fn boot(
        &mut self,
        tree: ObjectTree,
        state: &ClientSnapshot,
        elapsed: Option<Duration>,
    ) {
        self.now = BOOT;
        self.links.clear();
        self.client = Client::restore(config(), tree, state, self.now, elapsed).unwrap();
        self.client.start(self.now);
    }

    /// All connections continue those before. Returns what is sent then.
    pub(crate) fn resume(&mut self) -> Vec<Sent> {
        self.connect_all(Session::Resumed);
        self.sent().into_iter().map(|(_, sent)| sent).collect()
    }

    /// The same; it is an Update, which is accepted.
    pub(crate) fn resumes(&mut self) -> Sent {
        let mut sent = self.resume();
        assert_eq!(sent.len(), 1);
        let update = sent.remove(0);
        assert_eq!(update.path(), "/rd/0");
        self.answer_code(&update, lwm2m_core::Code::CHANGED);
        self.client.handle_timeout(self.now);
        update
    }

    /// The same, but the first message is a Register.
    pub(crate) fn registers(&mut self) {
        let sent = self.resume();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].path(), "/rd");
    }
}
