//! What the hostile server does, and what must be left of it: nothing.

use core::time::Duration;

use lwm2m_statemachine::coap::{BodyUsage, MessageRef};

use super::{Fault, QUIET, World};
use crate::three_servers::device::Device;

/// The number of the hostile server.
const HOSTILE: usize = 2;

/// The longest lifetime that is waited for, in seconds.
const LONGEST_LIFETIME: u64 = 900;

impl World {
    pub(super) fn be_hostile(&mut self) {
        let Some(adversary) = self.adversary else {
            return;
        };
        match self.network.random().below(16) {
            0 => self.outlast_lifetime(),
            1 => self.tear_a_write(),
            _ => self.network.with(adversary, |adversary, _| adversary.act()),
        }
    }

    /// The hostile server sends blocks of a Write, and then nothing for longer than the Client waits.
    fn tear_a_write(&mut self) {
        let Some(adversary) = self.adversary else {
            return;
        };
        self.network
            .note(self.client, "gets a Write that is never whole");
        self.network
            .with(adversary, |adversary, _| adversary.tear());
        self.pass(QUIET * 3);
        self.check_nothing_unfinished();
    }

    /// The hostile server answers nothing until the registration is over, and then goes on asking.
    fn outlast_lifetime(&mut self) {
        let Some(adversary) = self.adversary else {
            return;
        };
        let lifetime = self.network.node(adversary).lifetime;
        if lifetime > LONGEST_LIFETIME {
            return;
        }
        self.network
            .note(self.client, "loses a registration to its lifetime");
        let is_silent = self.plan.fault != Fault::Renews;
        self.network
            .with(adversary, |adversary, _| adversary.is_silent = is_silent);
        // The machines are woken late.
        self.pass(Duration::from_secs(lifetime + 1) + self.plan.lateness);
        self.check_nothing_of_the_unregistered();
        self.network
            .with(adversary, |adversary, _| adversary.outstay());
        self.pass(QUIET * 3);
        self.check_nothing_of_the_unregistered();
        self.check_nothing_unfinished();
        self.network
            .with(adversary, |adversary, _| adversary.is_silent = false);
    }

    /// The hostile server has no registration any more: nothing of it is observed, stored or received.
    fn check_nothing_of_the_unregistered(&self) {
        let account = Device::account(HOSTILE);
        let device = self.network.node(self.client);
        assert!(
            !device.is_registered(HOSTILE),
            "registered after the lifetime"
        );
        let mut observations = device.client.reporting().observations();
        let observed = observations.find(|observation| observation.account == account);
        assert_eq!(observed, None, "an observation without a registration");
        let stored = device.client.reporting().stored(account);
        assert_eq!(stored.waiting, 0, "stored without a registration");
    }

    /// No body is unfinished when nothing has been asked for longer than an exchange lasts (RFC 7252
    /// §4.8.2, RFC 7959 §2.5). Blocks of the other servers may have come later.
    pub(super) fn check_nothing_unfinished(&mut self) {
        if self.others_have_sent_blocks() {
            return;
        }
        if let Some(adversary) = self.adversary.filter(|_| self.plan.fault == Fault::Nags) {
            self.network
                .with(adversary, |adversary, _| adversary.tear());
            self.pass(Duration::from_secs(1));
        }
        let usage = self.network.node(self.client).client.usage();
        let (streams, receiving) = (usage.streams, usage.coap.receiving);
        assert!(
            streams == 0 && receiving == BodyUsage::default(),
            "a body is still being received: {streams} streams, {receiving:?}"
        );
    }

    /// Whether a block from one of the other servers has arrived within the lifetime of an exchange.
    fn others_have_sent_blocks(&self) -> bool {
        let now = self.network.now();
        let client = self.client.into();
        let hostile = self.adversary.map(Into::into);
        let records = self.network.records().iter().rev();
        let mut lately = records.take_while(|record| record.sent + QUIET * 2 >= now);
        lately.any(|record| {
            let is_of_others = record.to.node == client && Some(record.from.node) != hostile;
            let message = MessageRef::parse(&record.payload);
            let has_block = message.is_ok_and(|message| message.block1().is_some());
            is_of_others && has_block && !record.arrivals.is_empty()
        })
    }
}
