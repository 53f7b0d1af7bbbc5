//! Clients in Queue Mode after a restart (TS 8.3).

use lwm2m_core::WriteMode;
use lwm2m_statemachine::{Outcome, ServerEvent, server::Presence};

use super::{BOOT, seconds};
use crate::queue::world::{Sleeper, outcomes, paths};

#[test]
fn what_waits_goes_on_with_its_handle_its_place_and_its_deadline() {
    let mut sleeper = Sleeper::asleep();
    let read = sleeper.read("/3/0/9");
    let post = sleeper.reboot();
    let put = sleeper.write("+01", WriteMode::Replace);
    let deadline = sleeper.now + seconds(1000);
    sleeper
        .server
        .waiting()
        .set_deadline(put, deadline)
        .unwrap();
    let before = sleeper.queued();
    sleeper.restart(seconds(100));
    assert_eq!(sleeper.queued(), before);
    assert_eq!(sleeper.presence(), Presence::Asleep);
    let id = sleeper.id;
    let deadlines: Vec<_> = sleeper.server.queued(id).map(|one| one.deadline).collect();
    let day = BOOT + seconds(86_400 - 100);
    assert_eq!(deadlines, [day, day, BOOT + seconds(900)]);

    let sent = sleeper.wake();
    assert_eq!(paths(&sent), ["/3/0/9"]);
    sleeper.answer_text(&sent[0], "80");
    let sent = sleeper.sent_one();
    assert_eq!(sent.path(), "/3/0/4");
    sleeper.answer_code(&sent, lwm2m_core::Code::CHANGED);
    let sent = sleeper.sent_one();
    assert_eq!(
        (sent.path(), sent.payload()),
        ("/3/0/15".into(), &b"\xc3\x0f+01"[..])
    );
    sleeper.answer_code(&sent, lwm2m_core::Code::CHANGED);
    let ended = outcomes(&sleeper.events());
    let ended: Vec<_> = ended.into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(ended, [read, post, put]);
}

#[test]
fn what_was_under_way_and_does_no_harm_is_sent_again() {
    let mut sleeper = Sleeper::awake();
    let read = sleeper.read("/3/0/9");
    let first = sleeper.sent_one();
    sleeper.restart(seconds(10));
    // The client is still awake.
    let again = sleeper.sent_one();
    assert_eq!(again.path(), "/3/0/9");
    assert_ne!(again.message().token(), first.message().token());
    sleeper.answer_text(&again, "80");
    assert!(matches!(sleeper.outcome(read), Outcome::Content(_)));
}

#[test]
fn what_was_under_way_and_may_not_be_repeated_ends_and_is_never_sent_again() {
    let acts: [fn(&mut Sleeper) -> _; 2] = [Sleeper::reboot, |sleeper| {
        sleeper.write("+01", WriteMode::PartialUpdate)
    }];
    for act in acts {
        let mut sleeper = Sleeper::awake();
        let operation = act(&mut sleeper);
        let next = sleeper.read("/3/0/9");
        sleeper.sent_one();
        sleeper.restart(seconds(10));
        assert_eq!(
            sleeper.outcome(operation),
            Outcome::Restarted { sent: true }
        );
        assert_eq!(sleeper.sent_one().path(), "/3/0/9");
        assert_eq!(sleeper.queued().len(), 1);
        assert_eq!(sleeper.queued()[0].0, next);
    }
}

#[test]
fn what_was_not_answered_before_is_known_to_be_sent() {
    let mut sleeper = Sleeper::awake();
    sleeper.read("/3/0/9");
    sleeper.pass_sending(seconds(100));
    sleeper.restart(seconds(10));
    let id = sleeper.id;
    let queued = sleeper.server.queued(id).next().unwrap();
    assert!(queued.was_sent && !queued.is_under_way);
}

#[test]
fn a_client_is_awake_for_what_is_left_of_its_time() {
    for (elapsed, left) in [(0, 91), (90, 1)] {
        let mut sleeper = Sleeper::awake();
        sleeper.restart(seconds(elapsed));
        let until = BOOT + seconds(left);
        assert_eq!(sleeper.presence(), Presence::Awake { until });
        sleeper.pass(seconds(left));
        assert!(matches!(sleeper.event(), ServerEvent::Asleep { .. }));
    }
    let mut sleeper = Sleeper::awake();
    sleeper.restart(seconds(91));
    assert_eq!(sleeper.presence(), Presence::Asleep);
}

#[test]
fn the_awake_time_of_a_client_is_what_the_application_has_set() {
    let mut sleeper = Sleeper::asleep();
    let id = sleeper.id;
    let time = Some(seconds(7));
    sleeper.server.waiting().set_awake_time(id, time).unwrap();
    sleeper.restart(seconds(1));
    sleeper.wake();
    let until = BOOT + seconds(7);
    assert_eq!(sleeper.presence(), Presence::Awake { until });
}

#[test]
fn a_deadline_that_passed_while_nothing_ran_ends_the_operation() {
    let mut sleeper = Sleeper::asleep();
    let read = sleeper.read("/3/0/9");
    let soon = sleeper.now + seconds(5);
    sleeper.server.waiting().set_deadline(read, soon).unwrap();
    sleeper.restart(seconds(10));
    let now = sleeper.now;
    sleeper.server.handle_timeout(now);
    let outcome = Outcome::DeadlinePassed { sent: false };
    assert_eq!(sleeper.outcome(read), outcome);
}

#[test]
fn what_waits_beyond_the_bounds_ends() {
    let mut sleeper = Sleeper::asleep();
    let [first, second] = [(); 2].map(|()| sleeper.read("/3/0/9"));
    let id = sleeper.id;
    let record = sleeper.record(id);
    let mut narrow = super::config();
    narrow.queue_mode.operations = 1;
    sleeper.boot(narrow);
    sleeper.restore(record, seconds(1)).unwrap();
    let outcome = Outcome::Restarted { sent: false };
    assert_eq!(sleeper.outcome(second), outcome);
    assert_eq!(sleeper.queued()[0].0, first);
}

#[test]
fn what_was_handed_over_at_a_register_keeps_its_handle() {
    let mut sleeper = Sleeper::asleep();
    let [first, second] = [(); 2].map(|()| sleeper.read("/3/0/9"));
    sleeper.register_anew(&["b=UQ"], "</3/0>");
    sleeper.pass_sending(seconds(100));
    sleeper.events();
    sleeper.restart(seconds(10));
    let queued: Vec<_> = sleeper.queued().into_iter().map(|(id, _)| id).collect();
    assert_eq!(queued, [first, second]);
    let now = sleeper.now;
    sleeper.server.waiting().cancel(now, second).unwrap();
    assert_eq!(
        outcomes(&sleeper.events()),
        [(second, Outcome::Cancelled { sent: false })]
    );
}

#[test]
fn a_cancellation_that_waits_goes_on_with_the_token_of_its_observation() {
    // Before it was sent, and after it was not answered.
    for is_sent in [false, true] {
        let mut sleeper = Sleeper::awake();
        sleeper.observe().unwrap();
        let request = sleeper.sent_one();
        let token = request.message().token();
        let mut answer = lwm2m_statemachine::coap::MessageBuf::response(lwm2m_core::Code::CONTENT);
        answer.observe(1).unwrap().payload(b"80");
        sleeper.answer(&request, answer);
        let ended = outcomes(&sleeper.events());
        let [(_, Outcome::Observing { observation, .. })] = &ended[..] else {
            panic!("{ended:?}");
        };
        if !is_sent {
            sleeper.fall_asleep();
        }
        let now = sleeper.now;
        let cancel = sleeper
            .server
            .cancel_observation(now, *observation)
            .unwrap();
        sleeper.pass(seconds(0));
        assert_eq!(sleeper.sent().len(), usize::from(is_sent));
        sleeper.events();
        sleeper.restart(seconds(1));
        assert_eq!(sleeper.server.usage().observations, usize::from(!is_sent));
        let sent = if is_sent {
            sleeper.sent_one()
        } else {
            sleeper.wake().remove(0)
        };
        assert_eq!(
            (sent.message().token(), sent.message().observe()),
            (token, Some(1))
        );
        sleeper.events();
        sleeper.answer_text(&sent, "80");
        assert!(matches!(sleeper.outcome(cancel), Outcome::Content(_)));
        assert_eq!(sleeper.server.usage().observations, 0);
    }
}
