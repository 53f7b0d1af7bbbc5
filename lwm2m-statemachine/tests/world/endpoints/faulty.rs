//! A node of the network that can have a fault, to show that the checks find it.

use core::sync::atomic::{AtomicU32, Ordering};

use lwm2m_core::{Code, Instant};
use lwm2m_simulation::{Address, Application as _, Host, Node};
use lwm2m_statemachine::{
    Datagram,
    coap::{Event, MessageBuf, OwnedIncoming},
};

use crate::random_peer::RandomPeer;

/// What is wrong with the machine of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It takes repetitions for new messages.
    Forgets,
    /// It corrupts the datagrams that it receives.
    Corrupts,
    /// It misreads requests.
    Misreads,
    /// It reports success for what it hasn't done.
    Boasts,
    /// It acknowledges notifications but doesn't deliver them.
    Deaf,
    /// It delivers notifications in the wrong order.
    Shuffles,
    /// It sends everything twice.
    Stutters,
    /// It doesn't report failed requests.
    Silent,
    /// It reports them twice.
    Repeats,
    /// It has no deadlines.
    Timeless,
    /// It does nothing when it is woken.
    Restless,
    /// It depends on more than its seed.
    Moody,
}

/// What [`Fault::Moody`] depends on.
static MOOD: AtomicU32 = AtomicU32::new(0);

pub(crate) struct FaultyHost {
    pub(crate) host: Host<RandomPeer>,
    pub(crate) fault: Fault,
    /// The datagram to send again.
    pub(crate) again: Option<(Address, Vec<u8>)>,
    /// The notification to deliver after the next one.
    pub(crate) held: Option<Event<Address>>,
}

impl FaultyHost {
    pub(crate) const fn new(host: Host<RandomPeer>) -> Self {
        Self {
            host,
            fault: Fault::None,
            again: None,
            held: None,
        }
    }
}

impl Node for FaultyHost {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        let mut payload = datagram.payload.to_vec();
        match self.fault {
            Fault::Forgets => {
                self.host.machine.drop_peer(now, &datagram.from);
            }
            Fault::Corrupts => {
                if let Some(last) = payload.last_mut() {
                    *last ^= 1;
                }
            }
            Fault::Misreads => {
                // The number of a request is at the end of its query.
                if let Some(last) = payload.last_mut().filter(|last| last.is_ascii_digit()) {
                    *last ^= 1;
                }
            }
            Fault::Moody if MOOD.fetch_add(1, Ordering::Relaxed).is_multiple_of(7) => return,
            _ => {}
        }
        let datagram = Datagram {
            payload: &payload,
            ..datagram
        };
        self.host.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.fault != Fault::Restless {
            self.host.handle_timeout(now);
        }
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        if let Some((to, again)) = self.again.take() {
            *datagram = again;
            return Some(to);
        }
        let to = self.host.poll_transmit(datagram);
        if self.fault == Fault::Stutters {
            self.again = to.map(|to| (to, datagram.clone()));
        }
        to
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        let Host {
            machine,
            application,
        } = &mut self.host;
        let Some(event) = machine.poll_event() else {
            return false;
        };
        match (self.fault, event) {
            (Fault::Silent, Event::RequestFailed { .. }) => {}
            (Fault::Deaf, event) if is_notification(&event) => {}
            (Fault::Shuffles, event) if is_notification(&event) => {
                if let Some(held) = self.held.take() {
                    application.handle_event(now, machine, event);
                    application.handle_event(now, machine, held);
                } else {
                    self.held = Some(event);
                }
            }
            (
                Fault::Boasts,
                Event::Incoming {
                    incoming:
                        OwnedIncoming::Request {
                            responder, request, ..
                        },
                    ..
                },
            ) if request.message().code() == Code::DELETE => {
                let done = MessageBuf::response(Code::DELETED);
                machine.respond(now, responder, done).unwrap();
            }
            (
                Fault::Repeats,
                Event::RequestFailed {
                    request,
                    peer,
                    reason,
                },
            ) => {
                for _ in 0..2 {
                    let failed = Event::RequestFailed {
                        request,
                        peer,
                        reason,
                    };
                    application.handle_event(now, machine, failed);
                }
            }
            (_, event) => application.handle_event(now, machine, event),
        }
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.fault {
            Fault::Timeless => None,
            _ => self.host.poll_timeout(),
        }
    }

    fn check(&self, now: Instant) {
        self.host.check(now);
    }
}

const fn is_notification(event: &Event<Address>) -> bool {
    matches!(
        event,
        Event::Incoming {
            incoming: OwnedIncoming::Notification { .. },
            ..
        }
    )
}
