//! The Registration Update Trigger while the server wants no request (TS E.2, Resource 8; RFC 7252 §5.9.3.4).

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, Method};
use lwm2m_kit::account;
use lwm2m_objects::typed::{self, AccessControl};
use lwm2m_statemachine::coap::{MessageBuf, MessageRef, MessageType, OptionNumber};

use crate::{
    servers::{Two, access, access_control},
    support::{on, server_id},
};

/// The codes of what is sent, with the server of each.
fn codes(sent: &[(usize, Vec<u8>)]) -> Vec<(usize, Code)> {
    let code = |bytes: &[u8]| MessageRef::parse(bytes).unwrap().code();
    let all = sent.iter().map(|(server, bytes)| (*server, code(bytes)));
    all.collect()
}

/// Two servers, which may both execute in the Server Object Instance of the first one.
fn two() -> Two {
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    Two::with(servers, |tree| {
        let rights = [AccessControl::OWNER_RIGHTS, AccessRights::EXECUTE];
        tree.add(access_control([access(1, 0, rights)]));
    })
}

/// The Update that is to send now is answered.
fn answer(two: &mut Two, update: &[u8], answer: MessageBuf) {
    let update = MessageRef::parse(update).unwrap();
    let kind = MessageType::Acknowledgement;
    let wire = answer.finish(kind, update.message_id(), update.token());
    two.datagram(0, wire.as_ref());
}

/// The first server wants no request for ten minutes.
fn overloaded() -> Two {
    let mut two = two();
    two.client.update(two.now, account(0));
    let update = two.sent().remove(0);
    let mut refusal = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
    refusal.uint(OptionNumber::MAX_AGE, 600).unwrap();
    answer(&mut two, &update.1, refusal);
    two
}

#[test]
fn a_server_that_asks_for_an_update_does_not_wait_for_its_own_max_age() {
    let mut two = overloaded();
    let sent = two.told(0, b"x", on(Method::Post, "/1/0/8"));
    assert_eq!(codes(&sent), [(0, Code::CHANGED), (0, Code::POST)]);
    answer(&mut two, &sent[1].1, MessageBuf::response(Code::CHANGED));
    // That Update has done what was put off.
    two.now += Duration::from_secs(1000);
    two.client.handle_timeout(two.now);
    assert_eq!(two.sent(), []);
}

/// Neither another server nor the application speaks for it.
#[test]
fn only_the_server_itself_takes_its_max_age_back() {
    let mut two = overloaded();
    let sent = two.told(1, b"x", on(Method::Post, "/1/0/8"));
    assert_eq!(codes(&sent), [(1, Code::CHANGED)]);
    two.client.update(two.now, account(0));
    assert_eq!(two.sent(), []);
    two.now += Duration::from_secs(600);
    two.client.handle_timeout(two.now);
    assert_eq!(codes(&two.sent()), [(0, Code::POST)]);
}
