//! The driver, with machines on real sockets.

use core::{net::SocketAddr, time::Duration};
use std::sync::mpsc;

use lwm2m_core::{Code, Method};
use lwm2m_examples::{
    driver::{Clock, Driver, Names},
    seed,
};
use lwm2m_statemachine::coap::{
    Config, Endpoint, Event, MessageBuf, OwnedIncoming, RequestOptions,
};

/// Long enough for loopback on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn bind<P: lwm2m_statemachine::Peer>(names: Names<P>) -> Driver<Endpoint<P>> {
    let endpoint = Endpoint::new(Config::new(seed::fresh().unwrap()));
    Driver::bind("127.0.0.1:0", Clock::start(), endpoint, names).unwrap()
}

fn get(path: &str) -> MessageBuf {
    let mut message = MessageBuf::request(Method::Get);
    message.uri_path(path).unwrap();
    message
}

/// Waits for the next event; `None` if none came in time.
fn next_event<P: lwm2m_statemachine::Peer>(
    driver: &mut Driver<Endpoint<P>>,
    patience: Duration,
) -> Option<Event<P>> {
    let end = driver.now() + patience;
    loop {
        if let Some(event) = driver.next_event().unwrap() {
            return Some(event);
        }
        let left = end.saturating_duration_since(driver.now());
        if left.is_zero() {
            return None;
        }
        driver.wait(left).unwrap();
    }
}

/// Answers this many requests.
fn serve(server: &mut Driver<Endpoint<SocketAddr>>, count: usize) {
    for _ in 0..count {
        let event = next_event(server, PATIENCE).expect("a request");
        let Event::Incoming {
            incoming: OwnedIncoming::Request { responder, .. },
            ..
        } = event
        else {
            panic!("not a request: {event:?}");
        };
        let now = server.now();
        let answer = MessageBuf::response(Code::CONTENT);
        server.machine.respond(now, responder, answer).unwrap();
        server.wait(Duration::ZERO).unwrap();
    }
}

#[test]
fn two_machines_exchange_requests_and_answers() {
    let mut server = bind(Names::direct());
    let mut client = bind(Names::table());
    client.names.insert('s', server.address());
    let (record, recorded) = mpsc::channel();
    client = client.with_tap(Some(Box::new(move |captured| {
        record
            .send((captured.sent, captured.from, captured.to))
            .unwrap();
    })));

    for path in ["a", "b", "c"] {
        let now = client.now();
        let options = RequestOptions::default();
        let request = client
            .machine
            .request(now, 's', get(path), options)
            .unwrap();
        client.wait(Duration::ZERO).unwrap();
        serve(&mut server, 1);
        let event = next_event(&mut client, PATIENCE);
        assert!(
            matches!(&event, Some(Event::Incoming {
                from: 's',
                incoming: OwnedIncoming::Response { request: of, .. },
            }) if *of == request),
            "{event:?}"
        );
    }
    let (ours, theirs) = (client.address(), server.address());
    let expected = [(true, ours, theirs), (false, theirs, ours)].repeat(3);
    assert_eq!(recorded.try_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn who_has_no_name_is_not_heard_and_not_reached() {
    let mut server = bind(Names::<char>::table());
    let mut client = bind(Names::direct());
    let to = server.address();
    let now = client.now();
    let options = RequestOptions::default();
    client.machine.request(now, to, get("a"), options).unwrap();
    client.wait(Duration::ZERO).unwrap();
    assert!(next_event(&mut server, Duration::from_millis(50)).is_none());

    server.names.insert('c', client.address());
    server.names.remove(&'c');
    let now = server.now();
    let options = RequestOptions::default();
    server.machine.request(now, 'c', get("a"), options).unwrap();
    server.wait(Duration::ZERO).unwrap();
    assert!(next_event(&mut client, Duration::from_millis(50)).is_none());
}

/// A datagram may come from port 0, which nothing can be sent to.
#[test]
fn a_peer_that_cannot_be_sent_to_ends_nothing() {
    let mut server = bind(Names::by(Some, |peer| *peer));
    let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut client = bind(Names::direct());
    for to in [nobody, client.address()] {
        let now = server.now();
        let options = RequestOptions::default();
        let machine = &mut server.machine;
        machine.request(now, Some(to), get("a"), options).unwrap();
        server.wait(Duration::ZERO).unwrap();
    }
    // The next peer is reached.
    serve(&mut client, 1);
    let event = next_event(&mut server, PATIENCE);
    assert!(
        matches!(&event, Some(Event::Incoming { from, .. }) if *from == Some(client.address())),
        "{event:?}"
    );
}

#[test]
fn two_connections_to_one_address_are_told_apart_by_their_sockets() {
    let mut server = bind(Names::direct());
    let mut client = bind(Names::table());
    let address = server.address();
    client.names.insert('a', address);
    client.open('b', address).unwrap();
    let now = client.now();
    let mut request = |peer| {
        let options = RequestOptions::default();
        let machine = &mut client.machine;
        machine.request(now, peer, get("a"), options).unwrap()
    };
    let requests = [('a', request('a')), ('b', request('b'))];
    client.wait(Duration::ZERO).unwrap();
    serve(&mut server, 2);
    let mut answered = Vec::new();
    for _ in requests {
        match next_event(&mut client, PATIENCE) {
            Some(Event::Incoming {
                from,
                incoming: OwnedIncoming::Response { request, .. },
            }) => answered.push((from, request)),
            event => panic!("no answer: {event:?}"),
        }
    }
    answered.sort_by_key(|(from, _)| *from);
    assert_eq!(answered, requests);

    // Who has no socket any more is not reached.
    client.close(&'b');
    let now = client.now();
    let options = RequestOptions::default();
    client.machine.request(now, 'b', get("a"), options).unwrap();
    client.wait(Duration::ZERO).unwrap();
    assert!(next_event(&mut server, Duration::from_millis(50)).is_none());
}

#[test]
fn a_machine_is_woken_when_it_asked_for_it() {
    // No answer: the socket exists, but its machine isn't driven.
    let silent = bind(Names::direct());
    let to = silent.address();
    let mut config = Config::new(seed::fresh().unwrap());
    config.transmission.ack_timeout = Duration::from_millis(10);
    let endpoint = Endpoint::new(config);
    let mut client =
        Driver::bind("127.0.0.1:0", Clock::start(), endpoint, Names::direct()).unwrap();
    let now = client.now();
    let options = RequestOptions::default();
    let request = client.machine.request(now, to, get("a"), options).unwrap();
    let event = next_event(&mut client, PATIENCE);
    assert!(
        matches!(&event, Some(Event::RequestFailed { request: of, .. }) if *of == request),
        "{event:?}"
    );
}

#[test]
fn a_replaced_machine_says_what_it_had_to_say_and_is_forgotten() {
    let mut server = bind(Names::direct());
    let mut client = bind(Names::direct());
    let now = client.now();
    let to = server.address();
    let options = RequestOptions::default();
    client.machine.request(now, to, get("a"), options).unwrap();
    let next = Endpoint::new(Config::new(seed::fresh().unwrap()));
    client.replace(next, Names::direct()).unwrap();
    serve(&mut server, 1);
    // The new machine never asked for this answer.
    assert!(next_event(&mut client, Duration::from_millis(50)).is_none());
    assert!(client.machine.is_idle());
}

/// A peer with DTLS and one without may have the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Plain(SocketAddr),
    Other(SocketAddr),
}

#[test]
fn a_second_socket_has_peers_of_its_own() {
    let plain = Names::by(Side::Plain, |peer| match peer {
        Side::Plain(address) => Some(*address),
        Side::Other(_) => None,
    });
    let mut server = bind(plain);
    let other = Names::by(Side::Other, |peer| match peer {
        Side::Other(address) => Some(*address),
        Side::Plain(_) => None,
    });
    let second = server.listen("127.0.0.1:0", other).unwrap();
    let first = server.address();
    let mut client = bind(Names::direct());
    let own = client.address();
    for (to, expected) in [(first, Side::Plain(own)), (second, Side::Other(own))] {
        let now = client.now();
        let options = RequestOptions::default();
        client.machine.request(now, to, get("a"), options).unwrap();
        client.wait(Duration::ZERO).unwrap();
        let event = next_event(&mut server, PATIENCE);
        let Some(Event::Incoming {
            from,
            incoming: OwnedIncoming::Request { responder, .. },
        }) = event
        else {
            panic!("not a request: {event:?}");
        };
        assert_eq!(from, expected);
        let now = server.now();
        let answer = MessageBuf::response(Code::CONTENT);
        server.machine.respond(now, responder, answer).unwrap();
        server.wait(Duration::ZERO).unwrap();
        // The answer comes from the socket that was asked.
        let event = next_event(&mut client, PATIENCE);
        assert!(
            matches!(&event, Some(Event::Incoming { from, .. }) if *from == to),
            "{event:?}"
        );
    }
}

/// Has a machine of its own ask for this.
fn ask(at: SocketAddr, path: &str) -> Driver<Endpoint<SocketAddr>> {
    let mut client = bind(Names::direct());
    let now = client.now();
    let options = RequestOptions::default();
    client.machine.request(now, at, get(path), options).unwrap();
    client.wait(Duration::ZERO).unwrap();
    client
}

/// What a request is for.
fn path(event: Option<Event<SocketAddr>>) -> String {
    let Some(Event::Incoming {
        incoming: OwnedIncoming::Request { request, .. },
        ..
    }) = event
    else {
        panic!("not a request: {event:?}");
    };
    request.message().uri_path().collect()
}

#[test]
fn what_arrives_while_the_radio_is_off_is_lost() {
    let mut server = bind(Names::direct());
    server.turn_deaf();
    let _lost = ask(server.address(), "a");
    assert!(next_event(&mut server, Duration::from_millis(50)).is_none());
    server.hear();
    let _heard = ask(server.address(), "b");
    assert_eq!(path(next_event(&mut server, PATIENCE)), "b");
}

#[test]
fn the_radio_is_on_when_there_is_something_to_send() {
    let mut server = bind(Names::direct());
    let mut device = bind(Names::direct());
    device.turn_deaf();
    let _lost = ask(device.address(), "a");
    let (now, options) = (device.now(), RequestOptions::default());
    let (to, request) = (server.address(), get("b"));
    device.machine.request(now, to, request, options).unwrap();
    device.wait(Duration::ZERO).unwrap();
    assert!(!device.is_deaf());
    serve(&mut server, 1);
    let event = next_event(&mut device, PATIENCE);
    assert!(
        matches!(&event, Some(Event::Incoming { from, incoming: OwnedIncoming::Response { .. } }) if *from == to),
        "{event:?}"
    );
}
