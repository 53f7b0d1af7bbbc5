//! The devices: most of them have a Client, and some follow a script of their own.

use lwm2m_core::Instant;
use lwm2m_simulation::{Address, Node, Random};
use lwm2m_statemachine::Datagram;

use super::{meter::Meter, scripted::Scripted, setup::Setup};

pub(super) struct Device {
    pub(super) setup: Setup,
    pub(super) kind: Kind,
    /// Whether it never left Queue Mode.
    pub(super) always_queues: bool,
    /// How many datagrams came while it was asleep, before it rebooted.
    missed: u32,
    /// What was stored and then acknowledged, before it rebooted.
    delivered: Vec<i64>,
}

pub(super) enum Kind {
    Client(Box<Meter>),
    Scripted(Box<Scripted>),
}

impl Kind {
    fn new(setup: &Setup, seed: u64, is_scripted: bool) -> Self {
        if is_scripted {
            Self::Scripted(Box::new(Scripted::new(setup, seed)))
        } else {
            Self::Client(Box::new(Meter::new(setup, seed)))
        }
    }

    fn node(&self) -> &dyn Node {
        match self {
            Self::Client(meter) => &**meter,
            Self::Scripted(scripted) => &**scripted,
        }
    }

    fn node_mut(&mut self) -> &mut dyn Node {
        match self {
            Self::Client(meter) => &mut **meter,
            Self::Scripted(scripted) => &mut **scripted,
        }
    }
}

impl Device {
    pub(super) fn new(setup: Setup, seed: u64, is_scripted: bool) -> Self {
        Self {
            kind: Kind::new(&setup, seed, is_scripted),
            setup,
            always_queues: true,
            missed: 0,
            delivered: Vec::new(),
        }
    }

    /// The same device after a reboot: it has only its name, and registers at once.
    pub(super) fn rebooted(mut self, now: Instant, seed: u64) -> Self {
        self.may_overtake();
        let (missed, delivered) = (self.missed(), self.delivered().copied().collect());
        let kind = match self.kind {
            Kind::Client(meter) => {
                let again = Meter::new(&self.setup, seed).beginning(now);
                Kind::Client(Box::new(again.with_modem(meter.modem)))
            }
            Kind::Scripted(_) => {
                Kind::Scripted(Box::new(Scripted::new(&self.setup, seed).beginning(now)))
            }
        };
        Self {
            kind,
            missed,
            delivered,
            ..self
        }
    }

    /// It restarts with what it has saved. Returns whether it is a device that does.
    pub(super) fn restart(&mut self, now: Instant) -> bool {
        self.may_overtake();
        let Kind::Client(meter) = &mut self.kind else {
            return false;
        };
        meter.restart(now);
        true
    }

    /// A short message may overtake one of before the restart. A Register that comes late ends the registration of
    /// after it.
    fn may_overtake(&mut self) {
        if let Kind::Client(meter) = &mut self.kind
            && meter.has_registered_by_sms
        {
            meter.setup.is_calm = false;
            self.setup.is_calm = false;
        }
    }

    /// How many datagrams came while it was asleep.
    pub(super) fn missed(&self) -> u32 {
        self.missed
            + match &self.kind {
                Kind::Client(meter) => meter.missed,
                Kind::Scripted(scripted) => scripted.missed,
            }
    }

    /// How often its Client let it sleep, since it rebooted.
    pub(super) const fn powered_down(&self) -> u64 {
        match &self.kind {
            Kind::Client(meter) => meter.powered_down,
            Kind::Scripted(_) => 0,
        }
    }

    /// Until when its server is disabled, as long as its Client hasn't registered again.
    pub(super) const fn disabled(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Client(meter) => meter.disabled.until(),
            Kind::Scripted(_) => None,
        }
    }

    /// How often its Client has registered after Disable, since it rebooted.
    pub(super) const fn enabled(&self) -> u64 {
        match &self.kind {
            Kind::Client(meter) => meter.disabled.ended(),
            Kind::Scripted(_) => 0,
        }
    }

    /// The values that were stored, and whose notification the server has acknowledged.
    pub(super) fn delivered(&self) -> impl Iterator<Item = &i64> {
        let now = match &self.kind {
            Kind::Client(meter) => meter.stored.delivered(),
            Kind::Scripted(_) => &[],
        };
        self.delivered.iter().chain(now)
    }

    /// It leaves Queue Mode, or comes back to it.
    pub(super) fn change_binding(&mut self, now: Instant, random: &mut Random) {
        self.always_queues = false;
        match &mut self.kind {
            Kind::Client(meter) => meter.change_binding(now, random),
            Kind::Scripted(scripted) => scripted.change_binding(),
        }
    }

    /// It measures something. Returns whether it is a device that does.
    pub(super) fn measure(&mut self, now: Instant, value: i64) -> bool {
        let Kind::Client(meter) = &mut self.kind else {
            return false;
        };
        meter.measure(now, value)
    }

    /// It has another address.
    pub(super) fn moved(&mut self, now: Instant) {
        if let Kind::Client(meter) = &mut self.kind {
            meter.moved(now);
        }
    }
}

impl Node for Device {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        self.kind.node_mut().handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.kind.node_mut().handle_timeout(now);
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        self.kind.node_mut().poll_transmit(datagram)
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        self.kind.node_mut().poll_event(now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.kind.node().poll_timeout()
    }
}
