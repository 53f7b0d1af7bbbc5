//! A device with a Client. It powers its radio down when the Client says that it may, and up again at the moment that
//! the Client has told, or when something else wakes the Client.

use core::time::Duration;
use std::collections::BTreeSet;

use lwm2m_core::{BindingMode, CodeKind, Instant, Path, ResourceId, Transport, Value};
use lwm2m_objects::{Change, Snapshot};
use lwm2m_simulation::{Address, Node, Random};
use lwm2m_statemachine::{
    Client, ClientEvent, ConnectionId, Datagram, Session,
    client::{ClientSnapshot, DeferredId, DeferredOperation, Inbound},
    coap::MessageRef,
};

use super::{
    disabled::Disabled,
    setup::{ACCOUNT, BINDING, COUNTER, METER, NUMBER, OFFSET, RUN, Setup},
    stored::Stored,
    world::Fault,
};

pub(super) struct Meter {
    client: Client,
    pub(super) setup: Setup,
    now: Instant,
    /// Where short messages come from and go to.
    pub(super) modem: Option<Address>,
    random: Random,
    /// While there is no power: what was saved, and when.
    saved: Option<Saved>,
    /// Whether it closes its socket when it sleeps.
    closes: bool,
    has_begun: bool,
    radio: Radio,
    socket: Option<ConnectionId>,
    /// The one over SMS that its Client has asked for.
    modem_link: Option<ConnectionId>,
    pub(super) has_registered_by_sms: bool,
    /// The one over SMS that the server has begun.
    sms: Option<ConnectionId>,
    /// What its next connection is.
    session: Session,
    /// What it answers later.
    later: Vec<(Instant, DeferredId)>,
    pub(super) stored: Stored,
    pub(super) disabled: Disabled,
    /// What it has done that must not be done twice.
    done: BTreeSet<String>,
    /// How many datagrams came while the radio was off.
    pub(super) missed: u32,
    /// How often the radio was powered down.
    pub(super) powered_down: u64,
    repeated: u16,
}

/// Whether it can send and receive, but for short messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Radio {
    On,
    /// Until then, or until something wakes the Client.
    Off(Option<Instant>),
}

/// What a device saves before it loses its power.
struct Saved {
    at: Instant,
    values: Snapshot,
    client: ClientSnapshot,
}

impl Meter {
    pub(super) fn new(setup: &Setup, seed: u64) -> Self {
        let mut random = Random::new(seed, 7);
        let config = setup.config(&mut random);
        // In half of it there is time for an Update, also over SMS.
        let least = if setup.is_by_sms() { 1500 } else { 500 };
        let lifetime = least + random.below(1400) as u32;
        let mut client = Client::new(config, setup.tree(lifetime)).unwrap();
        if random.chance(0.3) {
            client.deferred().defer(DeferredOperation::Execute, RUN);
        }
        Self {
            client,
            setup: setup.clone(),
            now: Instant::ZERO,
            modem: None,
            saved: None,
            closes: random.chance(0.5),
            has_begun: false,
            // It begins within five minutes.
            radio: Radio::Off(Some(Instant::from_millis(random.below(300_000)))),
            random,
            socket: None,
            modem_link: None,
            has_registered_by_sms: false,
            sms: None,
            session: Session::New,
            later: Vec::new(),
            stored: Stored::default(),
            disabled: Disabled::default(),
            done: BTreeSet::new(),
            missed: 0,
            powered_down: 0,
            repeated: 0,
        }
    }

    /// It begins at once.
    pub(super) fn beginning(mut self, now: Instant) -> Self {
        self.radio = Radio::Off(Some(now));
        self
    }

    pub(super) fn with_modem(mut self, modem: Option<Address>) -> Self {
        self.modem = modem;
        self
    }

    /// It loses its power, and has it again after a while. What was going on is saved.
    pub(super) fn restart(&mut self, now: Instant) {
        if self.saved.is_none() && self.has_begun {
            self.saved = Some(Saved {
                at: now,
                values: self.client.tree().snapshot(),
                client: self.client.snapshot(now),
            });
            let after = self.random.duration(Duration::from_secs(60));
            self.radio = Radio::Off(Some(now + Duration::from_secs(1) + after));
            (self.has_begun, self.socket) = (false, None);
            (self.modem_link, self.sms) = (None, None);
            self.later.clear();
            self.done.clear();
        }
    }

    /// It has its power again.
    fn restore(&mut self, now: Instant, saved: &Saved) {
        let config = self.setup.config(&mut self.random);
        let mut tree = self.setup.tree(0);
        tree.restore(&saved.values).unwrap();
        let elapsed = match self.setup.fault {
            Fault::ClockIsLost => None,
            _ => Some(now.saturating_duration_since(saved.at)),
        };
        let client = Client::restore(config, tree, &saved.client, now, elapsed).unwrap();
        let stored = |client: &Client| client.reporting().stored(ACCOUNT).waiting;
        if client.is_registered(ACCOUNT) {
            assert_eq!(stored(&client), stored(&self.client));
        } else {
            let was_registered = self.client.is_registered(ACCOUNT);
            let may_end = !self.setup.is_calm || !was_registered;
            assert!(may_end, "a registration does not outlast a restart");
        }
        let left = client.disabled_for(now, ACCOUNT);
        let knows_time = self.setup.fault != Fault::ClockIsLost;
        self.disabled
            .restored(left.map(|left| now + left), now, knows_time);
        self.client = client;
    }

    /// Returns whether it does, as it has power.
    pub(super) fn measure(&mut self, now: Instant, value: i64) -> bool {
        if self.saved.is_some() {
            return false;
        }
        self.client.set(now, COUNTER, value).unwrap();
        self.stored.measured(value);
        self.look();
        true
    }

    pub(super) fn change_binding(&mut self, now: Instant, random: &mut Random) {
        if self.saved.is_some() {
            return;
        }
        let others: &[BindingMode] = if self.setup.has_modem() {
            &[
                BindingMode::U,
                BindingMode::S,
                BindingMode::SQ,
                BindingMode::UQS,
            ]
        } else {
            &[BindingMode::U]
        };
        let binding = if random.chance(0.5) {
            others[random.below(others.len() as u64) as usize]
        } else {
            self.setup.binding
        };
        let binding = binding.to_string();
        self.client.set(now, BINDING, binding).unwrap();
        self.look();
    }

    /// It has another address, and knows that.
    pub(super) fn moved(&mut self, now: Instant) {
        match self.socket {
            Some(connection) => self.client.address_changed(now, connection),
            None => self.session = Session::New,
        }
        if self.saved.is_none() {
            self.look();
        }
    }

    /// A call may have woken the Client.
    fn look(&mut self) {
        self.stored.look(&self.client);
        let stays_off = self.setup.fault == Fault::RadioStaysOff;
        if self.has_begun && !self.client.may_sleep() && !stays_off {
            self.radio = Radio::On;
        }
    }

    fn power_down(&mut self, now: Instant, until: Option<Instant>) {
        assert!(self.client.may_sleep());
        assert_eq!(self.client.poll_timeout(), until);
        let late = match self.setup.fault {
            Fault::DeviceOversleeps => Duration::from_secs(200),
            _ => Duration::ZERO,
        };
        self.radio = Radio::Off(until.map(|until| until + late));
        self.powered_down += 1;
        if self.closes {
            self.sms = None;
            if let Some(connection) = self.socket.take() {
                self.client.disconnected(now, connection);
            }
        }
    }

    fn handle(&mut self, now: Instant, event: ClientEvent) {
        match event {
            ClientEvent::MaySleep { until } => self.power_down(now, until),
            ClientEvent::Connect {
                connection,
                transport: Transport::Sms,
                ..
            } => {
                assert!(self.modem.is_some());
                self.modem_link = Some(connection);
                self.has_registered_by_sms = true;
                // Its number is always the same.
                self.client.connected(now, connection, Session::Resumed);
            }
            ClientEvent::Connect { connection, .. } => {
                self.socket = Some(connection);
                self.client.connected(now, connection, self.session);
                self.session = Session::Resumed;
            }
            ClientEvent::Disconnect { connection } => {
                for known in [&mut self.socket, &mut self.modem_link, &mut self.sms] {
                    known.take_if(|known| *known == connection);
                }
            }
            ClientEvent::Disabled { until, .. } => self.disabled.begin(now, until),
            ClientEvent::RegistrationFailed { reason, .. } => {
                assert!(!self.setup.is_calm, "nothing is lost, but {reason}");
            }
            ClientEvent::ExecuteAsked {
                request, arguments, ..
            } => {
                self.does(arguments);
                let at = now + self.random.duration(Duration::from_secs(40));
                self.later.push((at, request));
            }
            ClientEvent::Execute { arguments, .. } => self.does(arguments),
            ClientEvent::Written { changes, .. } => {
                for change in changes {
                    if let Change::Set {
                        path: OFFSET,
                        value: Value::String(text),
                    } = change
                    {
                        self.does(text);
                    }
                }
            }
            ClientEvent::Created { instances, .. } => {
                for path in instances {
                    let instance = path.instance().unwrap();
                    let number = Path::Resource(METER, instance, ResourceId::new(2));
                    let Some(Value::String(number)) = self.client.tree().get(number) else {
                        panic!("{path} has no number");
                    };
                    self.does(number);
                }
            }
            ClientEvent::NotificationsDropped { dropped, .. } => self.stored.dropped(dropped),
            _ => {}
        }
    }

    /// Something that must not be done twice.
    fn does(&mut self, what: String) {
        assert!(!self.done.contains(&what), "{what} runs twice");
        self.done.insert(what);
    }

    /// The connection on which a datagram arrives, if it reaches the Client.
    fn connection(&mut self, now: Instant, from: Address) -> Option<ConnectionId> {
        if self.saved.is_some() {
            return None;
        }
        if self.modem == Some(from) {
            // It is on while the radio is off.
            let number = Inbound::Sms { number: NUMBER };
            let begun = self.client.inbound(now, number).ok();
            if let Some(own) = self.modem_link {
                assert!(begun.is_none_or(|begun| begun == own), "two connections");
                return Some(own);
            }
            self.sms = begun;
            return begun;
        }
        if self.radio != Radio::On {
            self.missed += u32::from(!self.disabled.has_just_begun(now));
            return None;
        }
        self.socket
    }

    /// The Client takes each request for another one.
    fn disguise(&mut self, datagram: &mut [u8]) {
        let message = MessageRef::parse(datagram);
        if message.is_ok_and(|message| message.code().kind() == CodeKind::Request) {
            self.repeated += 1;
            datagram[2..4].copy_from_slice(&self.repeated.to_be_bytes());
        }
    }
}

impl Node for Meter {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        self.now = now;
        let Some(connection) = self.connection(now, datagram.from) else {
            return;
        };
        let mut payload = datagram.payload.to_vec();
        if self.setup.fault == Fault::DeviceForgets {
            self.disguise(&mut payload);
        }
        let datagram = Datagram::new(connection, &payload);
        let _ = self.client.handle_datagram(now, datagram);
        self.look();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if matches!(self.radio, Radio::Off(Some(until)) if until <= now) {
            self.radio = Radio::On;
        }
        if self.radio == Radio::On && !self.has_begun {
            self.has_begun = true;
            if let Some(saved) = self.saved.take() {
                self.restore(now, &saved);
            }
            self.client.start(now);
        }
        if self.saved.is_some() {
            return;
        }
        self.client.handle_timeout(now);
        while let Some(at) = self.later.iter().position(|(at, _)| *at <= now) {
            let (_, request) = self.later.remove(at);
            // It may have ended.
            let _ = self.client.deferred().answer_execute(now, request, Ok(()));
        }
        self.look();
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        if self.saved.is_some() {
            return None;
        }
        while let Some(transmit) = self.client.poll_transmit() {
            self.stored.sends(transmit.payload);
            let on = Some(transmit.to);
            self.disabled.sends(self.now, transmit.payload);
            let to = if on == self.socket {
                assert_eq!(self.radio, Radio::On, "the radio is off");
                Some(self.setup.server)
            } else {
                let modem = self.modem;
                modem.filter(|_| on == self.modem_link || on == self.sms)
            };
            if to.is_some() {
                datagram.extend_from_slice(transmit.payload);
                return to;
            }
        }
        None
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        self.now = now;
        if self.saved.is_some() {
            return false;
        }
        let Some(event) = self.client.poll_event() else {
            return false;
        };
        self.handle(now, event);
        self.look();
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if let Radio::Off(until) = self.radio {
            return until;
        }
        let later = self.later.iter().map(|(at, _)| *at);
        later.chain(self.client.poll_timeout()).min()
    }
}
