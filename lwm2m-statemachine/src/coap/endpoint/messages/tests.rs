//! The message layer alone: no request, observation or body is known here.

use alloc::vec::Vec;

use lwm2m_core::{Code, Instant, Method};

use super::{
    IdOwner, MessageKeys, Messages, NewerNotification, Outcome, Purpose, Share, Transmission,
};
use crate::{
    coap::{
        endpoint::{
            config::Config,
            context::RequestContext,
            keys::PeerIndex,
            table::{Chain, Key, Table},
        },
        message::{MessageRef, MessageType},
        message_buf::{MessageBuf, WireMessage},
        token::Token,
    },
    machine::{Channel, Random},
};

type Layer = Messages<&'static str>;

const T0: Instant = Instant::from_millis(1_000);

fn layer(configure: impl FnOnce(&mut Config)) -> Layer {
    let mut config = Config::new([5; 32]);
    configure(&mut config);
    let mut random = Random::new(config.seed);
    let keys = MessageKeys {
        peers: random.hash_keys(),
        records: random.hash_keys(),
        message_ids: random.hash_keys(),
    };
    Messages::new(&config, &keys, random)
}

/// Names as the layer above gives them.
fn names() -> impl FnMut() -> Key {
    let mut table = Table::default();
    let mut chain = Chain::default();
    move || table.insert(PeerIndex(0), &mut chain, ())
}

fn wire(payload: u8) -> WireMessage {
    let mut message = MessageBuf::request(Method::Put);
    message.payload(&[payload]);
    message.finish(MessageType::Confirmable, 0, token(payload))
}

fn token(byte: u8) -> Token {
    Token::new(&[byte]).unwrap()
}

/// The payloads and message ids of what is to be sent; of an Empty message there is no payload.
fn sent(layer: &mut Layer) -> Vec<(Option<u8>, u16)> {
    let mut all = Vec::new();
    while let Some(transmit) = layer.poll_transmit() {
        let message = MessageRef::parse(transmit.payload).unwrap();
        all.push((message.payload().first().copied(), message.message_id()));
    }
    all
}

/// Does all that is due until the layer has nothing to do; tells what has become of messages, and how
/// many were sent.
fn outcomes(layer: &mut Layer) -> (Vec<Outcome>, usize) {
    let mut all = Vec::new();
    let mut count = sent(layer).len();
    while let Some((now, _)) = layer.next_deadline() {
        layer.expire(now);
        while layer.peek_due(now).is_some() {
            layer.handle_due(now);
        }
        layer.end_due(now);
        while let Some(outcome) = layer.poll_outcome() {
            all.push(outcome);
        }
        count += sent(layer).len();
    }
    (all, count)
}

#[test]
fn the_next_message_has_its_turn_when_the_one_before_is_acknowledged() {
    let mut layer = layer(|_| {});
    let mut name = names();
    let peer = layer.enter("peer").unwrap();
    let requests = [1, 2].map(|payload| {
        let request = name();
        let transmission = Transmission::confirmable(wire(payload), Purpose::Request(request));
        layer.transmit(T0, peer, transmission);
        request
    });
    let first = sent(&mut layer);
    let [(Some(1), message_id)] = first[..] else {
        panic!("{first:?}");
    };
    let (_, owner) = layer.id_owner(&"peer", message_id).unwrap();
    let IdOwner::Transmission(key) = owner else {
        panic!("{owner:?}");
    };
    let ended = layer.end_transmission(T0, key).unwrap();
    assert_eq!(ended.purpose, Purpose::Request(requests[0]));
    assert!(layer.id_owner(&"peer", message_id).is_err());
    let second = sent(&mut layer);
    assert!(matches!(second[..], [(Some(2), _)]), "{second:?}");
}

#[test]
fn what_is_not_acknowledged_comes_back_with_its_name() {
    let mut layer = layer(|_| {});
    let mut name = names();
    let peer = layer.enter("peer").unwrap();
    let request = name();
    let transmission = Transmission::confirmable(wire(1), Purpose::Request(request));
    layer.transmit(T0, peer, transmission);
    let (outcomes, count) = outcomes(&mut layer);
    assert!(
        matches!(
            &outcomes[..],
            [Outcome::TimedOut { transmission, .. }]
                if transmission.purpose == Purpose::Request(request)
        ),
        "{outcomes:?}"
    );
    // The first time and four retransmissions; then nothing is kept of the peer.
    assert_eq!(count, 5);
    assert_eq!(layer.usage().peers, 0);
}

#[test]
fn a_non_confirmable_request_is_outstanding_for_as_long_as_its_bytes_say() {
    let mut layer = layer(|_| {});
    let mut name = names();
    let peer = layer.enter("peer").unwrap();
    let [first, second] = [1, 2].map(|payload| {
        let request = name();
        layer.transmit(
            T0,
            peer,
            Transmission::non_confirmable(wire(payload), request),
        );
        request
    });
    assert_eq!(layer.poll_sent(), Some(first));
    assert_eq!(layer.poll_sent(), None);
    let (outcomes, _) = outcomes(&mut layer);
    let over = |outcome: &Outcome, request| {
        matches!(outcome, Outcome::ProbeOver { transmission, .. }
            if transmission.purpose == Purpose::Request(request))
    };
    assert_eq!(outcomes.len(), 2);
    assert!(over(&outcomes[0], first) && over(&outcomes[1], second));
    assert_eq!(layer.poll_sent(), Some(second));
}

#[test]
fn a_newer_notification_takes_the_place_of_one_that_is_retransmitted() {
    let mut layer = layer(|_| {});
    let peer = layer.enter("peer").unwrap();
    let purpose = Purpose::Notification {
        id: 1,
        token: token(7),
    };
    layer.transmit(T0, peer, Transmission::confirmable(wire(1), purpose));
    let [(_, message_id)] = sent(&mut layer)[..] else {
        panic!("not sent");
    };
    let key = layer
        .last_under_way(peer, |sent| sent.purpose.notifies(token(7)))
        .unwrap();
    let newer = |id, payload| NewerNotification {
        id,
        confirmable: false,
        message: wire(payload),
    };
    assert_eq!(layer.supersede(key, newer(2, 2)), None);
    assert_eq!(layer.supersede(key, newer(3, 3)), Some(2));
    let (now, _) = layer.next_deadline().unwrap();
    assert!(layer.peek_due(now).is_some());
    layer.handle_due(now);
    layer.end_due(now);
    assert!(matches!(
        layer.poll_outcome(),
        Some(Outcome::Superseded { id: 1, message_id: old, .. }) if old == message_id
    ));
    let again = sent(&mut layer);
    assert!(
        matches!(again[..], [(Some(3), id)] if id != message_id),
        "{again:?}"
    );
}

#[test]
fn a_repetition_leads_to_the_same_answer_and_an_ignored_request_is_new() {
    let mut layer = layer(|_| {});
    let peer = layer.enter("peer").unwrap();
    let request = wire(1);
    let message = MessageRef::parse(request.as_ref()).unwrap();
    let record = |layer: &mut Layer| {
        let mut random = Random::new([1; 32]);
        let context = RequestContext::new(&message, Channel::Udp, random.hash_keys());
        let received = (&message, false);
        layer.record_request(T0, peer, received, context).unwrap()
    };
    let ignored = record(&mut layer);
    assert_eq!(layer.find_record(peer, &message), Some(ignored));
    layer.ignore(ignored);
    // Nothing else is kept of the peer, which is forgotten, too.
    let peer = layer.enter("peer").unwrap();
    assert_eq!(layer.find_record(peer, &message), None);
    let answered = record(&mut layer);
    let mut answer = MessageBuf::response(Code::CHANGED);
    answer.payload(&[9]);
    layer.answer(T0, answered, answer, None).unwrap();
    assert!(layer.repeat("peer", answered).is_none());
    assert_eq!(sent(&mut layer), [(Some(9), 0), (Some(9), 0)]);
    let late = layer.answer(T0, answered, MessageBuf::response(Code::CHANGED), None);
    assert!(late.is_err());
}

#[test]
fn answers_have_a_share_of_their_own() {
    let mut layer = layer(|config| config.bounds.transmissions_per_peer = 1);
    let peer = layer.enter("peer").unwrap();
    let purpose = Purpose::Response {
        token: token(1),
        first: None,
    };
    layer.transmit(T0, peer, Transmission::confirmable(wire(1), purpose));
    assert!(!layer.may_transmit(peer, Share::Answers));
    assert!(layer.may_transmit(peer, Share::Initiated));
}

#[test]
fn a_peer_is_kept_as_long_as_it_is_held() {
    let mut layer = layer(|_| {});
    let peer = layer.enter("peer").unwrap();
    assert!(layer.hold(peer));
    layer.release(peer);
    assert_eq!(layer.find(&"peer"), Some(peer));
    layer.let_go(peer);
    layer.release(peer);
    assert_eq!(layer.find(&"peer"), None);
    assert!(!layer.hold(peer));
}
