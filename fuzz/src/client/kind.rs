//! The kind of Client: the first one or two bytes of a program.

use lwm2m_core::{BindingMode, ContentFormat};
use lwm2m_statemachine::{ClientConfig, Reliability};

use crate::program::Program;

/// Which Client it is, and what its world is like.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    first: u8,
    second: u8,
}

/// The segment below which a Client with an alternate path has its Objects (TS 8.2.2).
pub(super) const ALTERNATE_PATH: &str = "lwm2m";

impl Kind {
    pub(super) fn read(program: &mut Program<'_>) -> Self {
        let first = program.byte();
        let second = if first & 0x20 == 0 { 0 } else { program.byte() };
        Self { first, second }
    }

    const fn has(self, first: u8, second: u8) -> bool {
        self.first & first != 0 || self.second & second != 0
    }

    /// Whether the program begins before the registration. Most are about what comes after it.
    pub(super) const fn begins_unregistered(self) -> bool {
        self.has(0x80, 0)
    }

    /// Whether there is little room for everything.
    pub(super) const fn is_tight(self) -> bool {
        self.has(0x10, 0)
    }

    pub(super) const fn defers(self) -> bool {
        self.has(0x40, 0)
    }

    pub(super) const fn defers_changes(self) -> bool {
        self.has(0, 0x80)
    }

    pub(super) const fn has_alternate_path(self) -> bool {
        self.has(0, 0x02)
    }

    /// Whether it has one server, which may do everything (TS 7.3), and not three.
    pub(super) const fn has_one_server(self) -> bool {
        self.has(0, 0x01)
    }

    /// Whether Factory Reset has values to go back to.
    pub(super) const fn has_left_factory(self) -> bool {
        self.has(0, 0x20)
    }

    /// Whether the application takes its time with packages.
    pub(super) const fn is_slow_to_update(self) -> bool {
        self.has(0, 0x40)
    }

    pub(super) const fn lifetime(self) -> u32 {
        if self.has(0x04, 0) { 60 } else { 86_400 }
    }

    pub(super) const fn binding(self) -> BindingMode {
        if self.has(0, 0x04) {
            BindingMode::UQS
        } else {
            BindingMode::U
        }
    }

    pub(super) fn config(self) -> ClientConfig {
        let mut config = ClientConfig::new("device", [3; 32]);
        config.coap.block_size = 16 << (self.first % 4 * 2);
        config.downloads.block_size = 16;
        config.downloads.most = 1;
        if self.has(0x08, 0) {
            config.notifications = Reliability::Confirmable;
        }
        if self.has_alternate_path() {
            config.announced.alternate_path = format!("/{ALTERNATE_PATH}");
        }
        if self.has(0, 0x04) {
            config.announced.sms_number = Some("491700000000".into());
        }
        if self.has(0, 0x08) {
            config.single_resource_format = ContentFormat::TEXT;
        }
        if self.has(0, 0x10) {
            (config.storing.most, config.storing.most_bytes) = (4, 100);
            config.storing.batches_json = true;
        }
        if self.is_tight() {
            let bounds = &mut config.coap.bounds;
            (bounds.peers, bounds.records, bounds.records_per_peer) = (3, 16, 8);
            (bounds.answers.bytes, bounds.answers.bytes_per_peer) = (600, 500);
            (bounds.requests_per_peer, bounds.transmissions_per_peer) = (3, 2);
            bounds.notifications_per_peer = 2;
            config.most_observations = 3;
            config.deferring.most = 1;
            config.most_attributes = 2;
        }
        config
    }
}
