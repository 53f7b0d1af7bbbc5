//! What the server hears of the counters of the devices: it observes each of them all the time.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{Value, codec::Content};
use lwm2m_statemachine::{ObservationId, OperationId, Outcome};

use super::setup::COUNTER;

#[derive(Debug, Default)]
pub(super) struct Reports {
    /// The Observe of each device that isn't answered.
    asked: BTreeMap<OperationId, String>,
    /// The observation of each device.
    observed: BTreeMap<ObservationId, String>,
    heard: BTreeMap<String, BTreeSet<i64>>,
}

impl Reports {
    /// Whether the counter of a device is to be observed: it isn't, and nobody has asked for it.
    pub(super) fn wants(&self, name: &str) -> bool {
        let mut known = self.asked.values().chain(self.observed.values());
        !known.any(|known| known == name)
    }

    pub(super) fn asked(&mut self, operation: OperationId, name: String) {
        self.asked.insert(operation, name);
    }

    /// An operation has ended. Returns whether it was an Observe of a counter.
    pub(super) fn answered(&mut self, operation: OperationId, outcome: &Outcome) -> bool {
        let Some(name) = self.asked.remove(&operation) else {
            return false;
        };
        if let Outcome::Observing {
            observation,
            content,
        } = outcome
        {
            if let Ok(content) = content {
                self.heard(&name, content);
            }
            self.observed.insert(*observation, name);
        }
        true
    }

    pub(super) fn ended(&mut self, observation: ObservationId) {
        self.observed.remove(&observation);
    }

    /// Takes all values of a counter that a device has sent.
    pub(super) fn heard(&mut self, name: &str, content: &Content) {
        let entries = content.entries().iter();
        let counters = entries.filter(|entry| entry.path == COUNTER);
        let values = counters.map(|entry| match entry.value {
            Some(Value::Integer(value)) => value,
            ref other => panic!("a counter is {other:?}"),
        });
        let heard = self.heard.entry(name.to_owned()).or_default();
        heard.extend(values);
    }

    pub(super) fn has_heard(&self, name: &str, value: i64) -> bool {
        let heard = self.heard.get(name);
        heard.is_some_and(|heard| heard.contains(&value))
    }
}
