//! Clients in Queue Mode whose secure session ends, and who come back in another one (TS 8.3, step 3).

use lwm2m_core::Code;
use lwm2m_statemachine::{Outcome, ServerEvent, coap::MessageBuf, server::Presence};

use super::world::{Sleeper, outcomes, paths};

#[test]
fn a_call_waits_while_the_session_of_a_sleeping_client_is_gone() {
    let mut client = Sleeper::secure();
    let now = client.now;
    client.server.peer_gone(now, &1);
    let operation = client.read("/3/0/9");
    assert!(client.sent().is_empty() && client.events().is_empty());
    client.peer = 2;
    let sent = client.wake();
    assert_eq!((paths(&sent), sent[0].to), (vec!["/3/0/9".to_owned()], 2));
    client.answer_code(&sent[0], Code::NOT_FOUND);
    assert!(matches!(client.outcome(operation), Outcome::Refused { .. }));
}

#[test]
fn a_client_whose_session_ends_is_asleep_and_what_may_be_repeated_waits() {
    let mut client = Sleeper::secure();
    client.wake();
    let read = client.read("/3/0/9");
    assert_eq!(client.sent_one().to, 1);
    let now = client.now;
    client.server.peer_gone(now, &1);
    assert!(matches!(client.events()[..], [ServerEvent::Asleep { .. }]));
    assert_eq!(client.presence(), Presence::Asleep);
    client.peer = 2;
    let sent = client.wake();
    client.answer_code(&sent[0], Code::NOT_FOUND);
    assert_eq!(outcomes(&client.events())[0].0, read);

    let reboot = client.reboot();
    client.sent_one();
    let now = client.now;
    client.server.peer_gone(now, &2);
    let events = client.events();
    assert_eq!(outcomes(&events), [(reboot, Outcome::PeerGone)]);
    assert!(matches!(events[1..], [ServerEvent::Asleep { .. }]));
}

#[test]
fn a_client_that_is_awake_and_has_nothing_to_do_falls_asleep_with_its_session() {
    let mut client = Sleeper::secure();
    client.wake();
    let now = client.now;
    client.server.peer_gone(now, &1);
    assert!(matches!(client.event(), ServerEvent::Asleep { .. }));
    // Of a client that isn't in Queue Mode, nothing is told.
    client.peer = 2;
    client.update(&["b=U"], "");
    client.server.peer_gone(now, &2);
    assert!(client.events().is_empty());
}

#[test]
fn what_is_under_way_to_the_old_session_is_sent_again_in_the_new_one() {
    let mut client = Sleeper::secure();
    client.read("/3/0/9");
    client.wake();
    client.peer = 2;
    let (sent, events) = client.update(&[], "");
    assert_eq!((paths(&sent), sent[0].to), (vec!["/3/0/9".to_owned()], 2));
    assert!(outcomes(&events).is_empty());

    client.answer_code(&sent[0], Code::NOT_FOUND);
    client.events();
    let reboot = client.reboot();
    client.sent_one();
    client.peer = 3;
    let (sent, events) = client.update(&[], "");
    assert!(sent.is_empty());
    assert_eq!(outcomes(&events), [(reboot, Outcome::PeerGone)]);
}

#[test]
fn what_waits_for_a_client_that_is_led_elsewhere_waits_on() {
    let mut client = Sleeper::secure();
    client.wake();
    let [read, next] = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    client.sent_one();
    let (now, id) = (client.now, client.id);
    client.server.client_gone(now, id);
    assert!(matches!(client.events()[..], [ServerEvent::Asleep { .. }]));
    assert_eq!(
        client
            .queued()
            .iter()
            .map(|(id, _)| *id)
            .collect::<Vec<_>>(),
        [read, next]
    );
    let sent = client.wake();
    assert_eq!(paths(&sent), ["/3/0/9"]);
}

#[test]
fn a_notification_from_the_next_session_wakes_a_client() {
    let mut client = Sleeper::secure();
    client.wake();
    let operation = client.observe().unwrap();
    let request = client.sent_one();
    let mut response = MessageBuf::response(Code::CONTENT);
    response.observe(1).unwrap().payload(b"85");
    client.answer(&request, response);
    assert!(matches!(
        client.outcome(operation),
        Outcome::Observing { .. }
    ));
    let now = client.now;
    client.server.peer_gone(now, &1);
    client.events();
    client.read("/3/0/13");
    client.peer = 2;
    client.notify(request.message().token(), 2, "84");
    let sent = client.sent_one();
    assert_eq!((sent.path().as_str(), sent.to), ("/3/0/13", 2));
    assert!(matches!(
        client.events()[..],
        [
            ServerEvent::Reachable { .. },
            ServerEvent::Awake { .. },
            ServerEvent::Notification { .. }
        ]
    ));
}
