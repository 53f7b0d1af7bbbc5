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
    /// It takes repetitions for news.
    Forgets,
    /// It reads its datagrams wrong.
    Corrupts,
    /// It reads wrong what it is asked for.
    Misreads,
    /// It says that it has done what it has not.
    Boasts,
    /// It keeps notifications to itself, and acknowledges them.
    Deaf,
    /// It hands out notifications in the wrong order.
    Shuffles,
    /// It sends everything twice.
    Stutters,
    /// It does not say when a request has failed.
    Silent,
    /// It says so twice.
    Repeats,
    /// It never looks at the clock.
    Timeless,
    /// It asks to be woken and does nothing.
    Restless,
    /// It depends on more than its seed.
    Moody,
}

/// What a moody machine depends on.
static MOOD: AtomicU32 = AtomicU32::new(0);

pub(crate) struct FaultyHost {
    pub(crate) host: Host<RandomPeer>,
    pub(crate) fault: Fault,
    /// What is to be sent again.
    pub(crate) again: Option<(Address, Vec<u8>)>,
    /// The notification that is handed out after the next one.
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
