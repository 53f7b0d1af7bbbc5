//! Downloads that are ordered before the Client starts.

use lwm2m_core::Instant;
use lwm2m_statemachine::Client;

use super::*;

/// A package that was being fetched before a restart, for example.
#[test]
fn a_download_that_is_ordered_before_the_start_begins_with_it() {
    let mut tree = tree(typed::Server::new(server_id(101), 86_400));
    let update = typed::FirmwareUpdate::default();
    let firmware = FirmwareUpdateObject::new(update, |_| Answer::Done);
    tree.add(firmware.unwrap());
    tree.set(path("/5/0/1"), Value::from(URI)).unwrap();
    let mut client = Client::new(config(), tree).unwrap();
    let is_asked = |client: &mut Client| {
        let events = lwm2m_kit::events(client);
        let is_one = |event: &ClientEvent| matches!(event, ClientEvent::ConnectForDownload { .. });
        events.iter().any(is_one)
    };
    let now = Instant::from_secs(1000);
    client.handle_timeout(now);
    assert!(!is_asked(&mut client), "before the start");
    client.go_online(now);
    assert!(!is_asked(&mut client), "online, but before the start");
    client.go_offline(now);
    client.go_online(now);
    assert!(!is_asked(&mut client), "online again, but before the start");
    client.go_offline(now);
    client.start(now);
    assert!(!is_asked(&mut client), "offline");
    client.go_online(now);
    assert!(is_asked(&mut client));
}

#[test]
fn a_start_needs_nothing_else_to_begin_a_download() {
    let mut tree = tree(typed::Server::new(server_id(101), 86_400));
    let update = typed::FirmwareUpdate::default();
    let firmware = FirmwareUpdateObject::new(update, |_| Answer::Done);
    tree.add(firmware.unwrap());
    tree.set(path("/5/0/1"), Value::from(URI)).unwrap();
    let mut client = Client::new(config(), tree).unwrap();
    client.start(Instant::from_secs(1000));
    let events = lwm2m_kit::events(&mut client);
    let is_one = |event: &ClientEvent| matches!(event, ClientEvent::ConnectForDownload { .. });
    assert!(events.iter().any(is_one));
}

/// Both Objects go at once: the download that waited is over with that of the other Object.
#[test]
fn a_download_whose_object_goes_with_that_of_another_is_not_begun() {
    let mut objects = tree(typed::Server::new(server_id(101), 86_400));
    let component = typed::SoftwareManagement::new("name", "1");
    let software =
        SoftwareManagementObject::new(Numbering::Registered, |_, _: software::Event<'_>| {
            Answer::Done
        });
    objects.add(software.with(InstanceId::ZERO, component).unwrap());
    let mut config = config();
    config.downloads.most = 1;
    let mut rig = Rig::with(config, objects);
    rig.write_uri(URI);
    let mut second = on(Method::Put, "/9/0/3");
    second.content_format(ContentFormat::TEXT).unwrap();
    second.payload(URI.as_bytes());
    assert_eq!(rig.bench.code(second), Code::CHANGED);
    assert_eq!(rig.bench.client.downloads().all().count(), 2);
    rig.note_events();
    let now = rig.bench.now;
    let gone = rig.bench.client.change_objects(now, None, |objects| {
        for object in [5, 9] {
            assert!(objects.remove(ObjectId::new(object)));
        }
    });
    gone.unwrap();
    assert_eq!(rig.bench.client.downloads().all().count(), 0);
    let events = rig.bench.events();
    let is_one = |event: &ClientEvent| matches!(event, ClientEvent::ConnectForDownload { .. });
    assert!(!events.iter().any(is_one), "{events:?}");
}
