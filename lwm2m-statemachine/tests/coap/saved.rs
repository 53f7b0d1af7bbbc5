//! Observations that outlive the endpoint that began them.

use core::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_simulation::{Address, Application, Handle, Host, Link, Network};
use lwm2m_statemachine::coap::{
    BlockOption, Config, Endpoint, Event, Incoming, MessageBuf, MessageRef, MessageType,
    NotifyOptions, Observer, OptionNumber, Overload, OwnedIncoming, RequestId, RequestOptions,
    RestoreError, SavedNewest, SavedObservation, SendError, Token,
};

use crate::support::*;

type Saved = SavedObservation<&'static str>;

fn observe(path: &str) -> MessageBuf {
    let mut message = MessageBuf::request(Method::Get);
    message.observe(0).unwrap().uri_path(path).unwrap();
    message
}

/// An observation whose first answer has this sequence number.
fn observation(node: &mut Node, sequence: u32) -> (RequestId, Token) {
    let (id, message_id, request_token) = request_of(node, observe("x"), RequestOptions::default());
    let kind = MessageType::Acknowledgement;
    let answer = message(
        observe_answer(sequence, "a"),
        kind,
        message_id,
        request_token,
    );
    assert!(matches!(
        receive(node, T0, &answer),
        Ok(Some(Incoming::Response { request, observing: true, .. })) if request == id
    ));
    (id, request_token)
}

/// What an endpoint saves of an observation `later` than its first answer, which has the number 10.
fn saved(later: u64) -> Saved {
    let mut node = node();
    let (id, _) = observation(&mut node, 10);
    node.save_observation(T0 + seconds(later), id).unwrap()
}

/// An endpoint after a restart, with a seed of its own.
fn restarted() -> Node {
    Endpoint::new(Config::new([6; 32]))
}

/// The clock after a restart has begun anew.
const ANEW: Instant = Instant::ZERO;

/// Whether a confirmable notification of this number is handed on; it is acknowledged anyhow.
fn arrives(node: &mut Node, now: Instant, id: RequestId, (number, of): (u32, Token)) -> bool {
    let message_id = 40_000 + u16::try_from(number % 1000).unwrap();
    let datagram = message(observe_answer(number, "b"), CON, message_id, of);
    let incoming = receive(node, now, &datagram).unwrap();
    let arrived = match incoming {
        None => false,
        Some(Incoming::Notification {
            request,
            observing: true,
            body,
            ..
        }) => {
            assert_eq!((request, &*body), (id, &b"b"[..]));
            true
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(sent(node), [empty(ACK, message_id)]);
    arrived
}

#[test]
fn notifications_are_matched_after_a_restart() {
    let saved = saved(1);
    let mut node = restarted();
    let (now, of) = (ANEW, saved.token);
    let id = node.restore_observation(now, saved).unwrap();
    assert!(sent(&mut node).is_empty());
    assert!(arrives(&mut node, now, id, (11, of)));
    // The last one says so itself.
    let last = message(content("over"), CON, 7, of);
    let incoming = receive(&mut node, now, &last).unwrap();
    assert!(matches!(
        incoming,
        Some(Incoming::Notification { request, observing: false, .. }) if request == id
    ));
    run_until_quiet(&mut node);
}

#[test]
fn what_is_older_than_the_newest_before_the_restart_is_not_handed_on() {
    // The newest came 28 s before it was saved: its number counts for 100 s more.
    let saved = saved(28);
    let age = Duration::from_secs(28);
    let sequence = 10;
    assert_eq!(saved.newest, Some(SavedNewest { sequence, age }));
    let of = saved.token;
    for (number, later, is_newer) in [
        (10, 0, false),
        (9, 0, false),
        (9, 100, false),
        (9, 101, true),
        (11, 0, true),
        ((1 << 23) + 9, 100, true),
        ((1 << 23) + 10, 100, false),
    ] {
        let mut node = restarted();
        let id = node.restore_observation(ANEW, saved.clone()).unwrap();
        let now = ANEW + seconds(later);
        assert_eq!(
            arrives(&mut node, now, id, (number, of)),
            is_newer,
            "{number} {later}"
        );
    }
}

#[test]
fn the_time_without_an_endpoint_counts_if_it_is_known() {
    let mut saved = saved(0);
    let of = saved.token;
    let newest = saved.newest.as_mut().unwrap();
    newest.age += Duration::from_secs(129);
    let mut node = restarted();
    let id = node.restore_observation(ANEW, saved).unwrap();
    assert!(arrives(&mut node, ANEW, id, (3, of)));
    assert!(!arrives(&mut node, ANEW, id, (2, of)));
}

#[test]
fn a_token_in_use_is_an_error_and_changes_nothing() {
    let saved = saved(0);
    let mut node = restarted();
    node.restore_observation(ANEW, saved.clone()).unwrap();
    let usage = node.usage();
    // Nor may another peer have it: an observation may move there.
    for peer in [saved.peer, "another"] {
        let again = SavedObservation {
            peer,
            ..saved.clone()
        };
        let again = node.restore_observation(ANEW, again);
        assert_eq!(again, Err(RestoreError::TokenInUse));
        assert_eq!(node.usage(), usage);
    }
}

#[test]
fn a_restored_observation_counts_against_the_bounds() {
    let with_token = |number| SavedObservation {
        token: token(&[number]),
        ..saved(0)
    };
    let mut config = Config::new([6; 32]);
    config.bounds.requests_per_peer = 2;
    config.bounds.peers = 1;
    let mut node = Node::new(config);
    node.restore_observation(ANEW, with_token(1)).unwrap();
    node.restore_observation(ANEW, with_token(2)).unwrap();
    assert_eq!(
        node.restore_observation(ANEW, with_token(3)),
        Err(RestoreError::Overload(Overload::Messages))
    );
    assert_eq!(
        node.request(ANEW, "peer", get("y"), RequestOptions::default()),
        Err(SendError::Overload(Overload::Messages))
    );
    let peer = "one too many";
    assert_eq!(
        node.restore_observation(ANEW, SavedObservation { peer, ..saved(0) }),
        Err(RestoreError::Overload(Overload::Peers))
    );
    assert_eq!((node.usage().requests, node.usage().peers), (2, 1));
}

#[test]
fn a_restored_observation_is_cancelled_as_any_other() {
    let saved = saved(0);
    let of = saved.token;
    let mut node = restarted();
    let id = node.restore_observation(ANEW, saved.clone()).unwrap();
    assert!(node.cancel(ANEW, id));
    let late = message(observe_answer(11, "b"), CON, 5, of);
    assert!(receive(&mut node, ANEW, &late).is_err());
    assert_eq!(sent(&mut node), [empty(RST, 5)]);

    let id = node.restore_observation(ANEW, saved).unwrap();
    let mut message = MessageBuf::request(Method::Get);
    message.observe(1).unwrap().uri_path("x").unwrap();
    let options = RequestOptions {
        cancels: Some(id),
        ..RequestOptions::default()
    };
    node.request(ANEW, "peer", message, options).unwrap();
    let wire = sent_one(&mut node);
    assert_eq!(MessageRef::parse(&wire).unwrap().token(), of);
    assert!(!node.cancel(ANEW, id));
}

#[test]
fn a_restored_observation_ends_with_its_peer() {
    let mut node = restarted();
    let id = node.restore_observation(ANEW, saved(0)).unwrap();
    node.drop_peer(ANEW, &"peer");
    assert!(matches!(
        node.poll_event(),
        Some(Event::RequestFailed { request, .. }) if request == id
    ));
    assert!(node.is_idle());
}

#[test]
fn a_large_notification_is_fetched_after_a_restart() {
    let mut saved = saved(0);
    saved.confirmable = false;
    let of = saved.token;
    let mut node = restarted();
    let id = node.restore_observation(ANEW, saved).unwrap();
    let block = |number: u8, more: u8, observed: bool| {
        let mut message = MessageBuf::response(Code::CONTENT);
        if observed {
            message.observe(11).unwrap();
        }
        // Blocks of 16 bytes.
        let option = [number << 4 | more << 3];
        message.option(OptionNumber::BLOCK2, &option).unwrap();
        message.payload(&[number; 16]);
        message
    };
    let first = message(block(0, 1, true), CON, 8, of);
    assert!(receive(&mut node, ANEW, &first).unwrap().is_none());
    let datagrams = sent(&mut node);
    let [acknowledgement, next] = &datagrams[..] else {
        panic!("{datagrams:02x?}");
    };
    assert_eq!(*acknowledgement, empty(ACK, 8));
    let next = MessageRef::parse(next).unwrap();
    assert_eq!(next.kind(), MessageType::NonConfirmable);
    assert_eq!(next.uri_path().collect::<Vec<_>>(), ["x"]);
    assert_eq!(next.block2().map(BlockOption::number), Some(1));
    assert_eq!(next.observe(), None);
    // While a notification is fetched, what was saved is whole as well.
    let saved_meanwhile = node.save_observation(ANEW, id).unwrap();
    assert_eq!(
        saved_meanwhile.newest.map(|newest| newest.sequence),
        Some(11)
    );
    let last = message(
        block(1, 0, false),
        MessageType::NonConfirmable,
        9,
        next.token(),
    );
    let incoming = receive(&mut node, ANEW, &last).unwrap();
    let Some(Incoming::Notification { request, body, .. }) = incoming else {
        panic!("{incoming:?}");
    };
    assert_eq!((request, &*body), (id, &[[0; 16], [1; 16]].concat()[..]));
    assert_eq!(node.save_observation(ANEW, id), Some(saved_meanwhile));
}

#[test]
fn only_an_observation_that_goes_on_can_be_saved() {
    let mut node = node();
    let (request, _, _) = request(&mut node, RequestOptions::default());
    assert_eq!(node.save_observation(T0, request), None);
    node.cancel(T0, request);
    let (unanswered, _, _) = request_of(&mut node, observe("y"), RequestOptions::default());
    assert_eq!(node.save_observation(T0, unanswered), None);
    node.cancel(T0, unanswered);
    let (id, _) = observation(&mut node, 1);
    assert!(node.save_observation(T0, id).is_some());
    node.cancel(T0, id);
    assert_eq!(node.save_observation(T0, id), None);
}

#[test]
fn what_is_no_request_to_observe_is_not_restored() {
    let plain: Vec<u8> = get("x").finish(CON, 1, token(&[1])).into();
    let mut over = MessageBuf::request(Method::Get);
    over.observe(1).unwrap();
    let over: Vec<u8> = over.finish(CON, 1, token(&[1])).into();
    let answer: Vec<u8> = observe_answer(0, "a").finish(CON, 1, token(&[1])).into();
    // A path segment of 256 bytes: the blocks of notifications would be asked for without it.
    let mut long = vec![0x41, 0x01, 0, 1, 1, 0x60, 0x5d, 243];
    long.extend([b'x'; 256]);
    for request in [
        plain,
        over,
        answer,
        long,
        vec![],
        vec![0xff; 9],
        empty(ACK, 1),
    ] {
        let saved = SavedObservation {
            request,
            ..saved(0)
        };
        let mut node = restarted();
        let restored = node.restore_observation(ANEW, saved);
        assert_eq!(restored, Err(RestoreError::NotAnObservation));
        assert!(node.is_idle());
    }
}

#[cfg(feature = "serde")]
#[test]
fn what_is_saved_can_be_serialised() {
    let saved = SavedObservation {
        peer: String::from("peer"),
        token: token(&[1, 2, 3]),
        request: observe("x").finish(CON, 1, token(&[1, 2, 3])).into(),
        confirmable: true,
        channel: lwm2m_statemachine::Channel::Udp,
        response_timeout: Duration::from_secs(93),
        newest: Some(SavedNewest {
            sequence: 7,
            age: Duration::from_millis(1500),
        }),
    };
    let text = serde_json::to_string(&saved).unwrap();
    let read: SavedObservation<String> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, saved);
    let too_long = text.replace("[1,2,3]", "[1,2,3,4,5,6,7,8,9]");
    assert!(serde_json::from_str::<SavedObservation<String>>(&too_long).is_err());
}

// A restart in the simulated network.

/// Observes, and keeps what an application would store.
struct Watcher {
    server: Address,
    observation: Option<RequestId>,
    values: Vec<u32>,
}

impl Application for Watcher {
    type Machine = Endpoint<Address>;

    fn handle_event(&mut self, _: Instant, _: &mut Self::Machine, event: Event<Address>) {
        let Event::Incoming { incoming, .. } = event else {
            panic!("{event:?}");
        };
        let value = incoming.body().try_into().map(u32::from_be_bytes).unwrap();
        match incoming {
            OwnedIncoming::Response { request, .. }
            | OwnedIncoming::Notification { request, .. } => {
                assert_eq!(Some(request), self.observation);
            }
            other => panic!("{other:?}"),
        }
        self.values.push(value);
    }

    fn peer(&mut self, address: Address) -> Option<Address> {
        Some(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        Some(*peer)
    }
}

/// Is observed: its value counts the seconds.
#[derive(Default)]
struct Counter {
    value: u32,
    observer: Option<(Address, Observer)>,
    next: Option<Instant>,
}

impl Counter {
    fn message(&self) -> MessageBuf {
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(self.value).unwrap();
        message.payload(&self.value.to_be_bytes());
        message
    }
}

impl Application for Counter {
    type Machine = Endpoint<Address>;

    fn handle_event(&mut self, now: Instant, node: &mut Self::Machine, event: Event<Address>) {
        let Event::Incoming { incoming, from } = event else {
            return;
        };
        match incoming {
            OwnedIncoming::Request { responder, .. } => {
                let observer = node.observer(now, &responder);
                self.observer = Some((from, observer));
                self.next = Some(now + seconds(1));
                node.respond(now, responder, self.message()).unwrap();
            }
            OwnedIncoming::NotificationReset { .. } => self.observer = None,
            _ => {}
        }
    }

    fn peer(&mut self, address: Address) -> Option<Address> {
        Some(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        Some(*peer)
    }

    fn handle_timeout(&mut self, now: Instant, node: &mut Self::Machine) {
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        self.value += 1;
        self.next = (self.value < 60).then(|| now + seconds(1));
        let (message, is_last) = (self.message(), self.next.is_none());
        if let Some((to, observer)) = &mut self.observer {
            // The last value is to arrive.
            let options = NotifyOptions {
                confirmable: is_last,
                ..NotifyOptions::default()
            };
            node.notify_observer(now, *to, observer, message, options)
                .unwrap();
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

fn watcher(network: &Network, handle: Handle<Host<Watcher>>) -> &Watcher {
    &network.node(handle).application
}

#[test]
fn an_observation_goes_on_after_a_restart_in_a_lossy_network() {
    for seed in 0..50 {
        let mut network = Network::new(seed);
        let rough = Link::new(Duration::from_millis(20))
            .jittering(Duration::from_millis(1500))
            .losing(0.2)
            .duplicating(0.1);
        network.set_default_link(rough);
        let counter = Endpoint::new(Config::new([1; 32]));
        let counter = network.add("counter", Host::new(counter, Counter::default()));
        let server = network.address(counter);
        let application = Watcher {
            server,
            observation: None,
            values: Vec::new(),
        };
        let machine = Endpoint::new(Config::new([2; 32]));
        let watching = network.add("watcher", Host::new(machine, application));
        network.with(watching, |host, now| {
            let Host {
                machine,
                application,
            } = host;
            let to = application.server;
            let options = RequestOptions::default();
            let id = machine.request(now, to, observe("count"), options).unwrap();
            application.observation = Some(id);
        });
        network.run_until(seconds(300), |network| {
            watcher(network, watching).values.len() > 10
        });
        let mut saved = network.with(watching, |host, now| {
            let observation = host.application.observation.unwrap();
            host.machine.save_observation(now, observation).unwrap()
        });
        network.switch_off(watching);
        network.run_for(seconds(5));
        // The clock has begun anew, too.
        let now = network.now().as_millis();
        network.set_clock(watching, -i64::try_from(now).unwrap());
        saved.newest.as_mut().unwrap().age += seconds(5);
        let machine = Endpoint::new(Config::new([3; 32]));
        let application = Watcher {
            server,
            observation: None,
            values: Vec::new(),
        };
        network.reboot(watching, Host::new(machine, application));
        let sequence = saved.newest.unwrap().sequence;
        network.with(watching, |host, now| {
            let id = host.machine.restore_observation(now, saved).unwrap();
            host.application.observation = Some(id);
        });
        network.run_to_rest(seconds(600));
        let values = &watcher(&network, watching).values;
        assert!(values.len() > 5, "{}", network.report());
        // Each newer than the one before, those before the restart included; the last one came.
        assert!(values.first().is_some_and(|first| *first > sequence));
        assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
        assert_eq!(values.last(), Some(&60), "{}", network.report());
    }
}
