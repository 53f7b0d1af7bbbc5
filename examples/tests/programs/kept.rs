//! What the device keeps while it is off.

use core::time::Duration;
use std::{
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
    thread,
};

use crate::{
    asleep::{observe_battery, sleeper},
    support::{Program, server},
};

/// A file that isn't there.
fn file(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if file.exists() {
        fs::remove_file(&file).unwrap();
    }
    file
}

/// The device, which keeps its state in this file.
fn device(uri: &str, file: &Path, arguments: &[&str]) -> Program {
    let state = ["--state", file.to_str().unwrap()];
    sleeper(uri, &[&state, arguments].concat())
}

/// It has registered at a server, is switched off, and has its state in this file.
fn server_and_file(name: &str) -> (Program, String, PathBuf) {
    let file = file(name);
    let (mut server, uri) = server(&["--awake", "1"]);
    let mut device = device(&uri, &file, &[]);
    device.expect("registered 101 /rd/");
    server.expect("registered me /rd/");
    device.say("set /3/0/14 +05:00");
    device.say("quit");
    assert!(device.ends());
    (server, uri, file)
}

/// The lines of the device until it begins to tell this, which is the last one.
fn until(device: &mut Program, beginning: &str) -> Vec<String> {
    let mut lines = vec![device.next()];
    while lines
        .last()
        .is_some_and(|line| !line.starts_with(beginning))
    {
        lines.push(device.next());
    }
    lines
}

fn any_begins_with(lines: &[String], beginning: &str) -> bool {
    lines.iter().any(|line| line.starts_with(beginning))
}

#[test]
fn a_device_that_was_off_has_its_values_and_begins_with_an_update() {
    let (mut server, uri, file) = server_and_file("goes-on");
    let mut device = device(&uri, &file, &[]);
    let lines = until(&mut device, "updated 101");
    assert!(!any_begins_with(&lines, "registered"), "{lines:?}");
    server.expect("updated me /rd/");
    device.say("get /3/0/14");
    device.expect("  /3/0/14 = \"+05:00\"");
    device.say("accounts");
    device.expect("  101 registered awake /rd/");
}

#[test]
fn a_device_that_powers_down_is_observed_when_it_starts_again() {
    let file = file("powers-down");
    let (mut server, uri) = server(&["--awake", "1"]);
    // A first start without an end, so that it is observed.
    let mut first = device(&uri, &file, &["--sleep"]);
    first.expect("asleep for ");
    server.expect("asleep me");
    observe_battery(&mut server, &mut first);
    // It is awake when it ends.
    first.say("update");
    first.expect("updated 101");
    server.expect("updated me /rd/");
    first.say("quit");
    assert!(first.ends());
    let mut second = device(&uri, &file, &["--power-off"]);
    second.expect("updated 101");
    server.expect("updated me /rd/");
    // It hasn't been told to end.
    second.expect("off for ");
    assert!(second.child.wait().unwrap().success());
    server.expect("asleep me");
    // Started early, it has nothing to tell, and sleeps on.
    let mut third = device(&uri, &file, &["--power-off"]);
    let lines = until(&mut third, "off for ");
    for told in ["registered", "updated", "failed"] {
        assert!(!any_begins_with(&lines, told), "{lines:?}");
    }
    assert!(third.child.wait().unwrap().success());
    // What it measures wakes it.
    let mut fourth = device(&uri, &file, &["--sleep"]);
    fourth.expect("asleep for ");
    fourth.say("set /3/0/9 42");
    let lines = until(&mut fourth, "updated 101");
    assert!(!any_begins_with(&lines, "registered"), "{lines:?}");
    server.expect("notify me /3/0/9 observation=");
    assert!(server.next().contains("42"));
}

#[test]
fn a_device_that_was_off_for_longer_than_its_lifetime_registers() {
    let file = file("late");
    let (mut server, uri) = server(&["--awake", "1"]);
    let mut first = device(&uri, &file, &["--lifetime", "2"]);
    first.expect("registered 101 /rd/");
    first.say("quit");
    assert!(first.ends());
    server.expect("registered me /rd/");
    thread::sleep(Duration::from_secs(3));
    let mut second = device(&uri, &file, &["--lifetime", "2"]);
    let lines = until(&mut second, "registered 101");
    // It knows how long it was off, so it doesn't try an Update.
    for told in ["updated", "failed"] {
        assert!(!any_begins_with(&lines, told), "{lines:?}");
    }
    server.expect("registered me /rd/");
}

#[test]
fn a_device_whose_file_is_damaged_says_so_and_registers() {
    for (name, damage) in [
        (
            "cut",
            (|text: &str| text[..text.len() / 2].to_owned()) as fn(&str) -> String,
        ),
        ("changed", |text| text.replace("+05:00", "+06:00")),
        ("foreign", |_| "{}".to_owned()),
        ("empty", |_| String::new()),
    ] {
        let (mut server, uri, file) = server_and_file(&format!("damaged-{name}"));
        let damaged = damage(&fs::read_to_string(&file).unwrap());
        fs::write(&file, damaged).unwrap();
        let mut device = device(&uri, &file, &[]);
        let told = device.expect("error ");
        assert!(
            told.contains("damaged-") && told.ends_with("; the device starts as new"),
            "{told}"
        );
        let lines = until(&mut device, "registered 101");
        assert!(!any_begins_with(&lines, "updated"), "{lines:?}");
        server.expect("registered me /rd/");
        // The next one is as good as any.
        device.say("quit");
        assert!(device.ends());
        let mut device = self::device(&uri, &file, &[]);
        device.expect("updated 101");
    }
}

#[test]
fn a_device_that_does_not_get_its_address_back_registers() {
    let file = file("address");
    let (mut server, uri) = server(&["--awake", "1"]);
    let mut first = device(&uri, &file, &[]);
    let listening = first.expect("listening ");
    first.expect("registered 101 /rd/");
    first.say("quit");
    assert!(first.ends());
    server.expect("registered me /rd/");
    let address = listening.trim_start_matches("listening ");
    let _taken = UdpSocket::bind(address).unwrap();
    let mut second = device(&uri, &file, &[]);
    let lines = until(&mut second, "registered 101");
    for told in ["updated", "failed", "error"] {
        assert!(!any_begins_with(&lines, told), "{lines:?}");
    }
    server.expect("registered me /rd/");
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_what_the_device_keeps() {
    use std::os::unix::fs::PermissionsExt as _;

    let (_server, _, file) = server_and_file("rights");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!file.with_extension("new").exists());
}

#[test]
fn a_device_that_cannot_save_its_state_says_so_and_stays_up() {
    let (_server, uri) = server(&["--awake", "1"]);
    let nowhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nowhere/state");
    let mut device = device(&uri, &nowhere, &["--power-off"]);
    device.expect("error ");
    device.expect("asleep for ");
    device.say("quit");
    assert!(!device.ends());
}

/// The session of before is gone with the program.
#[cfg(feature = "dtls")]
#[test]
fn a_device_with_a_key_has_its_values_after_it_was_off_and_registers() {
    use crate::asleep::secure_server;

    let file = file("secured");
    let (mut server, uri, keys) = secure_server();
    let mut first = device(&uri, &file, &keys);
    first.expect("registered 101 /rd/");
    server.expect("registered me /rd/");
    first.say("set /3/0/14 +05:00");
    first.say("quit");
    assert!(first.ends());
    let mut second = device(&uri, &file, &keys);
    let lines = until(&mut second, "registered 101");
    assert!(!any_begins_with(&lines, "updated"), "{lines:?}");
    server.expect("registered me /rd/");
    second.say("get /3/0/14");
    second.expect("  /3/0/14 = \"+05:00\"");
}
