//! Registrations after a restart.

use lwm2m_core::{Code, ContentFormat, Version};
use lwm2m_statemachine::{Identity, RegistrationId, Server, ServerEvent};

use super::{BOOT, seconds};
use crate::support::{Peer, Request, World, path};

fn update<'a>(path: &'a [&'a str]) -> Request<'a> {
    Request {
        path,
        queries: &[],
        payload: b"",
        format: None,
        ..Request::default()
    }
}

/// All that a registration says of its client.
fn said(server: &Server<Peer>, id: RegistrationId) -> String {
    let one = server.registration(id).unwrap();
    let formats = [0, 42, 60, 11_542].map(|number| one.announces(ContentFormat::new(number)));
    let versions = [1, 3, 44].map(|object: u16| one.object_version(object.into()));
    format!(
        "{} {} {:?} {:?} {:?} {} {:?} {:?} {:?} {:?} {:?} {formats:?} {versions:?} {:?} {} {}",
        one.endpoint_name(),
        one.peer(),
        one.location(),
        one.lifetime(),
        one.version(),
        one.binding(),
        one.sms_number(),
        one.parameters().collect::<Vec<_>>(),
        one.objects().collect::<Vec<_>>(),
        one.alternate_path(),
        one.channel(),
        one.is_secure(),
        one.is_confirmed(),
        one.is_reachable(),
    )
}

#[test]
fn a_client_updates_its_registration_as_if_nothing_had_happened() {
    let mut world = World::new();
    let (id, location) = world.register();
    world.restart(seconds(3));
    assert_eq!(
        world.request(&update(&["rd", &location])).code(),
        Code::CHANGED
    );
    assert!(matches!(
        world.event(),
        ServerEvent::Updated { registration, .. } if registration == id
    ));
    assert_eq!(world.server.usage().registrations, 1);
    assert_eq!(world.server.find("device"), Some(id));
    world.assert_works();
}

#[test]
fn all_that_a_client_has_said_is_there() {
    let mut world = World::with(|config| config.versions = Version::new(1, 1).into());
    let many = Request {
        queries: &["ep=other", "lt=300", "lwm2m=1.1", "b=US", "Q", "sms=491", "x=1", "y"],
        payload: br#"</a/b>;rt="oma.lwm2m";ct="0 42 60",</a/b/1/0>,</a/b/44>;ver=2.2,</a/b/44/7>,</a/b/3/0>;ver=1.1"#,
        from: 2,
        identity: Identity::Psk(b"other"),
        ..Request::default()
    };
    let clients = [world.register().0, world.register_as(&many).0];
    let before = clients.map(|id| said(&world.server, id));
    let records = world.records();
    let mut again = super::config();
    again.versions = Version::new(1, 1).into();
    world.boot(again);
    for record in records {
        world.restore(record, seconds(10)).unwrap();
    }
    assert_eq!(clients.map(|id| said(&world.server, id)), before);
    assert!(world.events().is_empty() && world.sent().is_empty());
    let usage = world.server.usage();
    assert_eq!(usage.registrations, 2);
}

#[test]
fn a_lifetime_goes_on_while_nothing_runs() {
    for (elapsed, left) in [(0, 60), (50, 10), (59, 1)] {
        let mut world = World::new();
        let (id, _) = world.register();
        world.restart(seconds(elapsed));
        let expiry = world.server.registration(id).unwrap().expires_at();
        assert_eq!(expiry, BOOT + seconds(left), "{elapsed}");
        world.pass(seconds(left - 1));
        assert!(world.events().is_empty());
        world.pass(seconds(1));
        assert!(matches!(world.event(), ServerEvent::Expired { .. }));
    }
}

#[test]
fn a_registration_that_ended_while_nothing_ran_expires() {
    let mut world = World::new();
    let (id, location) = world.register();
    world.restart(seconds(61));
    let now = world.now;
    world.server.handle_timeout(now);
    assert!(matches!(
        world.event(),
        ServerEvent::Expired { registration, .. } if registration == id
    ));
    assert_eq!(
        world.request(&update(&["rd", &location])).code(),
        Code::NOT_FOUND
    );
}

#[test]
fn an_answer_after_the_restart_leaves_the_lifetime_what_it_was() {
    // Without an answer, a registration is kept for a shorter time.
    let mut world = World::with(|config| config.bounds.unconfirmed_lifetime = seconds(40));
    let (id, _) = world.register();
    let record = world.record(id);
    let mut again = super::config();
    again.bounds.unconfirmed_lifetime = seconds(40);
    world.boot(again);
    world.restore(record, seconds(30)).unwrap();
    let expiry = |world: &World| world.server.registration(id).unwrap().expires_at();
    assert_eq!(expiry(&world), BOOT + seconds(10));
    let now = world.now;
    world.server.read(now, id, path("/3/0/9"), None).unwrap();
    let read = world.sent_one();
    world.answer_code(&read, Code::NOT_FOUND);
    assert_eq!(expiry(&world), BOOT + seconds(30));
}

#[test]
fn a_client_whose_session_has_ended_is_reached_once_it_was_heard() {
    let mut world = World::new();
    let psk = Request {
        identity: Identity::Psk(b"device"),
        ..Request::default()
    };
    let (id, location) = world.register_as(&psk);
    let mut record = world.record(id);
    record.end_session();
    world.boot(super::config());
    world.restore(record, seconds(1)).unwrap();
    assert!(!world.server.registration(id).unwrap().is_reachable());
    let path = ["rd", &location];
    let elsewhere = Request {
        from: 9,
        identity: psk.identity,
        ..update(&path)
    };
    assert_eq!(world.request(&elsewhere).code(), Code::CHANGED);
    let client = world.server.registration(id).unwrap();
    assert!(client.is_reachable());
    assert_eq!(*client.peer(), 9);
}

#[test]
fn a_client_without_security_is_its_peer_also_if_a_session_is_said_to_have_ended() {
    let mut world = World::new();
    let (id, _) = world.register();
    let mut record = world.record(id);
    record.end_session();
    world.boot(super::config());
    world.restore(record, seconds(1)).unwrap();
    assert!(world.server.registration(id).unwrap().is_reachable());
}

#[test]
fn peers_may_have_other_names_after_a_restart() {
    let mut world = World::new();
    let (id, _) = world.register();
    let record = world.record(id).map_peer(|peer| peer + 100);
    assert_eq!(*record.peer(), 101);
    world.boot(super::config());
    world.restore(record, seconds(1)).unwrap();
    let now = world.now;
    world.server.read(now, id, path("/3/0/9"), None).unwrap();
    assert_eq!(world.sent_one().to, 101);
}

#[test]
fn no_handle_is_given_out_again() {
    let mut world = World::new();
    let (gone, _) = world.register();
    let (old, _) = world.register();
    let now = world.now;
    let first = world.server.read(now, old, path("/3/0/9"), None).unwrap();
    let request = world.sent_one();
    world.answer_code(&request, Code::NOT_FOUND);
    world.restart(seconds(1));
    let now = world.now;
    let second = world.server.read(now, old, path("/3/0/9"), None).unwrap();
    assert_ne!(first, second);
    world.events();
    let (new, _) = world.register();
    assert!(new != old && new != gone);
}
