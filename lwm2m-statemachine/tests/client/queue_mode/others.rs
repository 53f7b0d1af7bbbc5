//! What else keeps the device awake: downloads, Reboot and Factory Reset; and what happens if it is called late.

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, ContentFormat, Method};
use lwm2m_objects::{
    Answer, DeviceObject, FetchFailure,
    firmware::{FirmwareUpdateObject, Protocol},
    typed,
};
use lwm2m_statemachine::{ClientEvent, client::QueueState};

use super::{AWAKE, config, server, sleeper};
use crate::{
    observe::observe,
    support::{Bench, on, path, tree},
};

fn device(factory_reset: bool) -> Bench {
    let mut tree = tree(server(BindingMode::UQ));
    let device = typed::Device {
        factory_reset,
        ..typed::Device::example()
    };
    tree.add(DeviceObject::new(device, lwm2m_core::Instant::ZERO).unwrap());
    let update = typed::FirmwareUpdate {
        protocols: [Protocol::Coap].into(),
        ..typed::FirmwareUpdate::default()
    };
    tree.add(FirmwareUpdateObject::new(update, |_| Answer::Done).unwrap());
    let mut bench = Bench::with_tree(config(), tree);
    bench.accept_register();
    bench
}

/// The server believes that the Client is asleep, and the device is up all the same.
#[test]
fn a_download_keeps_the_device_awake_but_not_for_the_server() {
    let mut bench = device(false);
    let mut uri = on(Method::Put, "/5/0/1");
    uri.content_format(ContentFormat::TEXT)
        .unwrap()
        .payload(b"coap://files.example.org/image");
    assert_eq!(bench.code(uri), Code::CHANGED);
    bench.pass(AWAKE);
    assert_eq!(bench.queue_state(), Some(QueueState::Asleep));
    assert_eq!(bench.told_to_sleep(), []);
    let (now, at) = (bench.now, path("/5/0/1"));
    let given_up = bench
        .client
        .downloads()
        .give_up(now, at, FetchFailure::InvalidUri);
    assert!(given_up);
    assert_eq!(bench.told_to_sleep().len(), 1);
}

#[test]
fn a_device_that_is_about_to_reboot_or_to_be_reset_is_awake() {
    for (at, is_reset) in [("/3/0/4", false), ("/3/0/5", true)] {
        let mut bench = device(true);
        assert_eq!(bench.code(on(Method::Post, at)), Code::CHANGED);
        bench.pass(2 * AWAKE);
        bench.all_sent();
        let events = bench.events();
        let slept = events
            .iter()
            .any(|event| matches!(event, ClientEvent::MaySleep { .. }));
        assert!(!slept, "{events:?}");
        let ended = events.iter().any(|event| match event {
            ClientEvent::Reboot => !is_reset,
            ClientEvent::FactoryReset { .. } => is_reset,
            _ => false,
        });
        assert!(ended, "{events:?}");
    }
}

/// A driver that is called at some time only, and an application that has news meanwhile.
#[test]
fn a_client_that_is_called_late_sends_an_update_before_what_is_due() {
    let mut bench = sleeper();
    bench.request(b"t", observe(0, "/26241/0/1"));
    bench.now += 2 * AWAKE;
    bench.client.set(bench.now, path("/26241/0/1"), 21).unwrap();
    bench.client.handle_timeout(bench.now);
    bench.accept_update();
    assert_eq!(bench.sent().payload().last(), Some(&21));
}

/// Nothing is taken back if the application asks several times.
#[test]
fn without_deadlines_of_its_own_the_device_sleeps_until_the_lifetime_is_nearly_over() {
    let mut bench = sleeper();
    bench.falls_asleep(Some(super::UPDATE));
    for _ in 0..100 {
        bench.pass(Duration::from_secs(600));
        assert!(bench.client.may_sleep());
    }
    assert_eq!(bench.all_sent().len(), 0);
    assert_eq!(bench.told_to_sleep(), []);
}
