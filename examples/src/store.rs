//! A CoAP server on the endpoint alone, without LwM2M: it keeps what is put into it.
//!
//! Any path that is PUT can be read, observed and deleted. `/count` counts up by itself. The
//! endpoint takes care of bodies in blocks and of retransmissions. The application only has to know
//! its resources and their observers.

use core::time::Duration;
use std::collections::BTreeMap;

use lwm2m_core::{Code, ContentFormat, Instant, Method};
use lwm2m_statemachine::{
    Peer,
    coap::{
        self, Endpoint, Event, FailureReason, MessageBuf, MessageRef, NotifyOptions, OwnedIncoming,
        SendError, Token,
    },
};

/// How many resources are kept at most: anyone may send to this example.
const MOST_RESOURCES: usize = 1000;
const MOST_OBSERVERS: usize = 1000;
/// The Observe value of the first answer; notifications count up from it.
const FIRST: u32 = 1;

/// The segments of a path.
type Path = Vec<String>;

/// The resources, and their observers.
#[derive(Debug)]
pub struct Store<P> {
    resources: BTreeMap<Path, Entry>,
    observers: Vec<Observer<P>>,
    counter: Counter,
}

/// How `/count` counts.
#[derive(Clone, Copy, Debug)]
pub struct Counting {
    /// How long each number stays.
    pub step: Duration,
    /// The number at which it stops, if any.
    pub last: Option<u64>,
    /// Whether each number is sent in a confirmable notification, or only the last one.
    pub confirmable: bool,
}

#[derive(Debug)]
struct Entry {
    format: Option<ContentFormat>,
    body: Vec<u8>,
}

#[derive(Debug)]
struct Observer<P> {
    peer: P,
    /// What the endpoint needs.
    entry: coap::Observer,
    path: Path,
    /// The number of the newest notification (RFC 7641 §4.4).
    sequence: u32,
}

/// Counts from the first observation on, so that the observer sees every number.
#[derive(Debug)]
struct Counter {
    counting: Counting,
    path: Path,
    value: u64,
    next: Option<Instant>,
}

impl<P: Peer> Store<P> {
    /// A store with nothing but the counter.
    pub fn new(counting: Counting) -> Self {
        let counter = Counter {
            counting,
            path: vec!["count".to_owned()],
            value: 0,
            next: None,
        };
        let mut store = Self {
            resources: BTreeMap::new(),
            observers: Vec::new(),
            counter,
        };
        store.show_count();
        store
    }

    /// Puts a body in, under a path of one segment.
    pub fn insert(&mut self, segment: &str, body: Vec<u8>) {
        let format = Some(ContentFormat::OPAQUE);
        self.resources
            .insert(vec![segment.to_owned()], Entry { format, body });
    }

    /// Acts on an event of the endpoint, and reports it in words.
    pub fn on_event(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint<P>,
        event: Event<P>,
        report: &mut impl FnMut(String),
    ) -> Result<(), SendError> {
        match event {
            Event::Incoming {
                from,
                incoming:
                    OwnedIncoming::Request {
                        responder,
                        request,
                        body,
                    },
            } => {
                let request = request.message();
                let body = body.as_deref().unwrap_or(request.payload());
                let path: Path = request.uri_path().map(str::to_owned).collect();
                match request.code().method() {
                    Some(Method::Get) => {
                        let entry = endpoint.observer(now, &responder);
                        let answer = self.get(now, from, &request, &path, entry, report);
                        endpoint.respond(now, responder, answer)
                    }
                    Some(Method::Put) => {
                        let code = self.put(&path, request.content_format(), body);
                        report(format!("put {} {} {code}", show(&path), body.len()));
                        endpoint.respond(now, responder, MessageBuf::response(code))?;
                        if code.is_success() {
                            self.notify(now, endpoint, &path, true)?;
                        }
                        Ok(())
                    }
                    Some(Method::Delete) => {
                        let code = self.delete(&path);
                        report(format!("delete {} {code}", show(&path)));
                        endpoint.respond(now, responder, MessageBuf::response(code))?;
                        if code.is_success() {
                            self.notify(now, endpoint, &path, true)?;
                        }
                        Ok(())
                    }
                    _ => {
                        let answer = MessageBuf::response(Code::METHOD_NOT_ALLOWED);
                        endpoint.respond(now, responder, answer)
                    }
                }
            }
            // An observer that rejects a notification wants no more, and one that doesn't
            // acknowledge it is gone (RFC 7641 §3.6, §4.5).
            Event::Incoming {
                from,
                incoming: OwnedIncoming::NotificationReset { token, .. },
            } => {
                self.forget(&from, token, report);
                Ok(())
            }
            Event::NotificationFailed {
                peer,
                token,
                reason,
                ..
            } if reason != FailureReason::Superseded => {
                self.forget(&peer, token, report);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// When to call [`tick`](Self::tick) next; never, if `None`.
    pub const fn next_tick(&self) -> Option<Instant> {
        self.counter.next
    }

    /// Counts up and notifies, if it is due.
    pub fn tick(&mut self, now: Instant, endpoint: &mut Endpoint<P>) -> Result<(), SendError> {
        while self.counter.next.is_some_and(|next| next <= now) {
            let Counting {
                step,
                last,
                confirmable,
            } = self.counter.counting;
            self.counter.value += 1;
            let ended = last.is_some_and(|last| self.counter.value >= last);
            self.counter.next = self.counter.next.filter(|_| !ended).map(|next| next + step);
            self.show_count();
            let path = self.counter.path.clone();
            self.notify(now, endpoint, &path, confirmable || ended)?;
        }
        Ok(())
    }

    fn get(
        &mut self,
        now: Instant,
        from: P,
        request: &MessageRef<'_>,
        path: &Path,
        entry: coap::Observer,
        report: &mut impl FnMut(String),
    ) -> MessageBuf {
        match request.observe() {
            Some(0) if self.resources.contains_key(path) => {
                // The same token renews the observation; its numbers continue (RFC 7641 §4.4).
                let renewed = self
                    .observers
                    .iter()
                    .find(|known| known.peer == from && known.entry.token() == entry.token());
                let sequence = renewed.map_or(FIRST, |known| known.sequence.wrapping_add(1));
                self.observers
                    .retain(|known| known.peer != from || known.entry.token() != entry.token());
                if self.observers.len() >= MOST_OBSERVERS {
                    // An answer without Observe means that there is no observation (RFC 7641 §4.1).
                    return self.representation(path, None);
                }
                self.observers.push(Observer {
                    peer: from,
                    entry,
                    path: path.clone(),
                    sequence,
                });
                report(format!("observed {}", show(path)));
                if *path == self.counter.path {
                    self.counter.start(now);
                }
                return self.representation(path, Some(sequence));
            }
            Some(1) => self.forget(&from, entry.token(), report),
            _ => {}
        }
        self.representation(path, None)
    }

    fn put(&mut self, path: &Path, format: Option<ContentFormat>, body: &[u8]) -> Code {
        if *path == self.counter.path {
            return Code::METHOD_NOT_ALLOWED;
        }
        let known = self.resources.contains_key(path);
        if !known && self.resources.len() >= MOST_RESOURCES {
            return Code::SERVICE_UNAVAILABLE;
        }
        let body = body.to_vec();
        self.resources.insert(path.clone(), Entry { format, body });
        if known { Code::CHANGED } else { Code::CREATED }
    }

    fn delete(&mut self, path: &Path) -> Code {
        if *path == self.counter.path {
            return Code::METHOD_NOT_ALLOWED;
        }
        // The same answer, whether it existed or not (RFC 7252 §5.8.4).
        self.resources.remove(path);
        Code::DELETED
    }

    /// Notifies the observers of a resource.
    fn notify(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint<P>,
        path: &Path,
        confirmable: bool,
    ) -> Result<(), SendError> {
        let gone = !self.resources.contains_key(path);
        let mut observers = core::mem::take(&mut self.observers);
        let mut outcome = Ok(());
        for observer in observers.iter_mut().filter(|known| known.path == *path) {
            observer.sequence = observer.sequence.wrapping_add(1);
            // If it was deleted, an error without Observe ends the observation (RFC 7641 §4.2).
            let message = self.representation(path, Some(observer.sequence));
            let options = NotifyOptions {
                confirmable,
                ..NotifyOptions::default()
            };
            let peer = observer.peer.clone();
            let sent = endpoint.notify_observer(now, peer, &mut observer.entry, message, options);
            outcome = outcome.and(sent.map(|_| ()));
        }
        observers.retain(|known| !gone || known.path != *path);
        self.observers = observers;
        outcome
    }

    /// Ends an observation.
    fn forget(&mut self, peer: &P, token: Token, report: &mut impl FnMut(String)) {
        self.observers.retain(|known| {
            let over = known.peer == *peer && known.entry.token() == token;
            if over {
                report(format!("unobserved {}", show(&known.path)));
            }
            !over
        });
    }

    /// The present state of a resource; with a number, as a notification.
    fn representation(&self, path: &Path, sequence: Option<u32>) -> MessageBuf {
        let Some(entry) = self.resources.get(path) else {
            return MessageBuf::response(Code::NOT_FOUND);
        };
        let mut message = MessageBuf::response_with_capacity(Code::CONTENT, entry.body.len() + 16);
        // Options of a legal length, in the order of their numbers.
        if let Some(sequence) = sequence {
            let _ = message.observe(sequence);
        }
        if let Some(format) = entry.format {
            let _ = message.content_format(format);
        }
        message.payload(&entry.body);
        message
    }

    fn show_count(&mut self) {
        let entry = Entry {
            format: Some(ContentFormat::TEXT),
            body: self.counter.value.to_string().into_bytes(),
        };
        self.resources.insert(self.counter.path.clone(), entry);
    }
}

impl Counter {
    fn start(&mut self, now: Instant) {
        let ended = self.counting.last.is_some_and(|last| self.value >= last);
        if self.next.is_none() && !ended {
            self.next = Some(now + self.counting.step);
        }
    }
}

fn show(path: &Path) -> String {
    format!("/{}", path.join("/"))
}

#[cfg(test)]
mod tests {
    use lwm2m_core::Method;
    use lwm2m_statemachine::{
        Datagram,
        coap::{Config, RequestOptions},
    };

    use super::*;

    /// A client and a server with a store, joined in memory.
    struct World {
        client: Endpoint<char>,
        server: Endpoint<char>,
        store: Store<char>,
        reports: Vec<String>,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            Self {
                client: Endpoint::new(Config::new([1; 32])),
                server: Endpoint::new(Config::new([2; 32])),
                store: Store::new(Counting {
                    step: Duration::from_secs(1),
                    last: Some(2),
                    confirmable: false,
                }),
                reports: Vec::new(),
                now: Instant::ZERO,
            }
        }

        /// Runs until nothing is left to send; returns what the client received: code, text, and
        /// whether more follows.
        fn settle(&mut self) -> Vec<(Code, String, bool)> {
            let mut told = Vec::new();
            loop {
                if let Some(transmit) = self.client.poll_transmit() {
                    let datagram = transmit.payload.to_vec();
                    let datagram = Datagram::new('c', &datagram);
                    self.server.handle_datagram(self.now, datagram).unwrap();
                } else if let Some(transmit) = self.server.poll_transmit() {
                    let datagram = transmit.payload.to_vec();
                    let datagram = Datagram::new('s', &datagram);
                    // What matches nothing is answered with a Reset.
                    let _ = self.client.handle_datagram(self.now, datagram);
                } else if let Some(event) = self.server.poll_event() {
                    let report = &mut |line| self.reports.push(line);
                    self.store
                        .on_event(self.now, &mut self.server, event, report)
                        .unwrap();
                } else if let Some(event) = self.client.poll_event() {
                    let Event::Incoming {
                        incoming:
                            OwnedIncoming::Response {
                                response,
                                observing,
                                ..
                            }
                            | OwnedIncoming::Notification {
                                response,
                                observing,
                                ..
                            },
                        ..
                    } = event
                    else {
                        panic!("{event:?}");
                    };
                    let message = response.message();
                    let text = String::from_utf8(message.payload().to_vec()).unwrap();
                    told.push((message.code(), text, observing));
                } else {
                    return told;
                }
            }
        }

        fn ask(
            &mut self,
            method: Method,
            observe: Option<u32>,
            path: &str,
            body: &str,
        ) -> (coap::RequestId, Vec<(Code, String, bool)>) {
            let mut message = MessageBuf::request(method);
            if let Some(value) = observe {
                message.observe(value).unwrap();
            }
            message.uri_path(path).unwrap();
            message.payload(body.as_bytes());
            let options = RequestOptions::default();
            let id = self
                .client
                .request(self.now, 's', message, options)
                .unwrap();
            (id, self.settle())
        }

        fn tick(&mut self) -> Vec<(Code, String, bool)> {
            self.now = self.store.next_tick().expect("it counts");
            self.store.tick(self.now, &mut self.server).unwrap();
            self.settle()
        }
    }

    fn content(text: &str, observing: bool) -> (Code, String, bool) {
        (Code::CONTENT, text.to_owned(), observing)
    }

    #[test]
    fn who_observes_is_told_of_what_is_put_and_that_it_is_gone() {
        let mut world = World::new();
        world.ask(Method::Put, None, "a", "1");
        let (_, told) = world.ask(Method::Get, Some(0), "a", "");
        assert_eq!(told, [content("1", true)]);
        let (_, mut told) = world.ask(Method::Put, None, "a", "2");
        told.sort();
        let changed = (Code::CHANGED, String::new(), false);
        assert_eq!(told, [changed, content("2", true)]);
        let (_, mut told) = world.ask(Method::Delete, None, "a", "");
        told.sort();
        let deleted = (Code::DELETED, String::new(), false);
        assert_eq!(told, [deleted, (Code::NOT_FOUND, String::new(), false)]);
        // Nobody observes it any more.
        let (_, told) = world.ask(Method::Put, None, "a", "3");
        assert_eq!(told, [(Code::CREATED, String::new(), false)]);
    }

    #[test]
    fn a_counter_counts_once_it_is_observed_and_stops() {
        let mut world = World::new();
        assert_eq!(
            world.ask(Method::Get, None, "count", "").1,
            [content("0", false)]
        );
        assert_eq!(world.store.next_tick(), None);
        let (_, told) = world.ask(Method::Get, Some(0), "count", "");
        assert_eq!(told, [content("0", true)]);
        assert_eq!(world.tick(), [content("1", true)]);
        assert_eq!(world.tick(), [content("2", true)]);
        assert_eq!(world.store.next_tick(), None);
    }

    #[test]
    fn who_rejects_a_notification_gets_no_more() {
        let mut world = World::new();
        let (observation, _) = world.ask(Method::Get, Some(0), "count", "");
        assert!(world.client.cancel(world.now, observation));
        assert_eq!(world.tick(), []);
        assert_eq!(world.reports, ["observed /count", "unobserved /count"]);
        world
            .store
            .tick(world.now + Duration::from_secs(1), &mut world.server)
            .unwrap();
        assert!(world.server.poll_transmit().is_none());
    }
}
