//! The layer of exchanges on the message layer, without block-wise transfer and without an endpoint.

use lwm2m_core::{Code, Instant, Method};

use super::{Below, Exchanges, Kind, Observations};
use crate::{
    coap::{
        endpoint::{
            config::Config,
            event::{Event, FailureReason, Overload, SendError},
            events::Events,
            keys::PeerIndex,
            messages::{IdOwner, MessageKeys, Messages},
            options::{NotifyOptions, RequestOptions},
            table::Key,
        },
        message::{MessageRef, MessageType},
        message_buf::MessageBuf,
        token::Token,
    },
    machine::Random,
};

const T0: Instant = Instant::from_millis(1_000);

struct Rig {
    messages: Messages<&'static str>,
    events: Events<&'static str>,
    exchanges: Exchanges,
    peer: PeerIndex,
}

impl Rig {
    fn new(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new([5; 32]);
        configure(&mut config);
        let mut random = Random::new(config.seed);
        let keys = MessageKeys {
            peers: random.hash_keys(),
            records: random.hash_keys(),
            message_ids: random.hash_keys(),
        };
        let exchanges = Exchanges::new(&config, random.hash_keys());
        let mut messages = Messages::new(&config, &keys, random);
        let peer = messages.enter("peer").unwrap();
        Self {
            messages,
            events: Events::new(),
            exchanges,
            peer,
        }
    }

    fn request(&mut self, observe: bool, options: RequestOptions) -> Key {
        let mut message = MessageBuf::request(Method::Get);
        if observe {
            message.observe(0).unwrap();
        }
        let requests = &mut self.exchanges.requests;
        let messages = &mut self.messages;
        requests
            .send(T0, messages, self.peer, message, options)
            .unwrap()
    }

    fn notify(&mut self, confirmable: bool) -> Result<u64, SendError> {
        let notifications = &mut self.exchanges.notifications;
        let options = NotifyOptions {
            confirmable,
            ..NotifyOptions::default()
        };
        let notice = notifications.begin(token(), options, None);
        let message = MessageBuf::response(Code::CONTENT);
        let below = &mut Below {
            messages: &mut self.messages,
            events: &mut self.events,
        };
        notifications
            .send(T0, below, self.peer, notice, message)
            .map(|()| notice.id)
    }

    /// The type and message id of the one message that is to be sent.
    fn sent(&mut self) -> (MessageType, u16) {
        let transmit = self.messages.poll_transmit().expect("nothing is sent");
        let message = MessageRef::parse(transmit.payload).unwrap();
        let sent = (message.kind(), message.message_id());
        assert!(self.messages.poll_transmit().is_none());
        sent
    }
}

fn token() -> Token {
    Token::new(&[7]).unwrap()
}

#[test]
fn a_request_is_found_by_its_token_until_it_is_removed() {
    let mut rig = Rig::new(|_| {});
    let key = rig.request(false, RequestOptions::default());
    let request = rig.exchanges.requests.get(key).unwrap();
    assert!(matches!(request.kind, Kind::Exchange));
    let of = request.token;
    assert_eq!(rig.exchanges.requests.find(rig.peer, of), Some(key));
    assert_eq!(rig.exchanges.requests.find(PeerIndex(9), of), None);
    // Its acknowledgement is waited for first, then its response.
    assert_eq!(rig.exchanges.requests.next_deadline(), None);
    let removed = rig.exchanges.requests.remove(T0, &mut rig.messages, key);
    assert!(removed.is_some_and(|request| request.message.is_some()));
    assert_eq!(rig.exchanges.requests.find(rig.peer, of), None);
    assert_eq!(
        rig.exchanges
            .first_open(&rig.messages, rig.peer, Observations::End),
        None
    );
}

#[test]
fn the_response_to_a_request_is_waited_for_from_when_its_turn_comes() {
    let mut rig = Rig::new(|_| {});
    let once = RequestOptions {
        confirmable: false,
        ..RequestOptions::default()
    };
    let first = rig.request(false, once);
    let second = rig.request(false, once);
    let deadline = |rig: &Rig, key| rig.exchanges.requests.get(key).unwrap().deadline;
    assert!(deadline(&rig, first).is_some());
    assert_eq!(deadline(&rig, second), None);
    rig.exchanges.requests.remove(T0, &mut rig.messages, first);
    assert!(deadline(&rig, second).is_some());
}

#[test]
fn an_answer_is_told_once_and_only_if_it_is_newer() {
    let mut rig = Rig::new(|_| {});
    let key = rig.request(true, RequestOptions::default());
    let requests = &mut rig.exchanges.requests;
    // The first answer comes in blocks, the next one in one message.
    assert_eq!(requests.note_answer(T0, key, (5, false)), Some(true));
    assert_eq!(requests.note_answer(T0, key, (5, true)), None);
    assert_eq!(requests.note_answer(T0, key, (6, true)), Some(true));
    assert_eq!(requests.note_answer(T0, key, (7, true)), Some(false));
    assert_eq!(requests.note_answer(T0, key, (6, true)), None);
}

#[test]
fn requests_and_notifications_have_bounds_of_their_own() {
    let mut rig = Rig::new(|config| {
        config.bounds.requests_per_peer = 1;
        config.bounds.transmissions_per_peer = 1;
    });
    rig.request(false, RequestOptions::default());
    let requests = &rig.exchanges.requests;
    let room = requests.check_room(&mut rig.messages, rig.peer);
    assert_eq!(room, Err(Overload::Messages));
    assert!(rig.notify(true).is_ok());
}

#[test]
fn a_notification_that_waits_for_its_turn_gives_way_to_a_newer_one() {
    let mut rig = Rig::new(|_| {});
    rig.request(false, RequestOptions::default());
    rig.sent();
    let older = rig.notify(true).unwrap();
    let newer = rig.notify(false).unwrap();
    assert!(newer > older);
    let event = rig.events.pop();
    assert!(
        matches!(
            &event,
            Some(Event::NotificationFailed { notification, reason: FailureReason::Superseded, .. })
                if notification.0 == older
        ),
        "{event:?}"
    );
}

#[test]
fn a_notification_that_was_sent_once_may_be_rejected_once() {
    let mut rig = Rig::new(|_| {});
    let id = rig.notify(false).unwrap();
    let (kind, message_id) = rig.sent();
    assert_eq!(kind, MessageType::NonConfirmable);
    let (_, owner) = rig.messages.id_owner(&"peer", message_id).unwrap();
    let IdOwner::Notification(key) = owner else {
        panic!("{owner:?}");
    };
    let below = &mut Below {
        messages: &mut rig.messages,
        events: &mut rig.events,
    };
    let notifications = &mut rig.exchanges.notifications;
    // It is not confirmable: an acknowledgement is no outcome.
    assert_eq!(notifications.acknowledged_once(T0, below, key), None);
    let rejected = notifications.reset_once(T0, below, key);
    assert_eq!(
        rejected.map(|(id, token)| (id.0, token)),
        Some((id, token()))
    );
    assert_eq!(notifications.reset_once(T0, below, key), None);
    assert!(rig.events.is_empty());
}
