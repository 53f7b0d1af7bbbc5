//! Keys in the command lines and in what the programs print.

#[cfg(any(feature = "dtls", feature = "dtls-openssl"))]
use std::time::Instant;

#[cfg(any(feature = "dtls", feature = "dtls-openssl"))]
use lwm2m_examples::secure::library::{HANDSHAKE_WITHIN, LibraryName};

#[cfg(any(feature = "dtls", feature = "dtls-openssl"))]
use crate::support::device_at;
use crate::support::{client, complaint, server};

#[test]
fn keys_are_not_shown() {
    for style in [&[][..], &["--json"]] {
        let (_server, uri) = server(&[]);
        let mut client = client(&[&["--server", &uri], style].concat());
        client.say("set /0/0/5 0xc0ffee");
        for command in ["get /0/0/5", "get /0/0", "get /0", "get"] {
            client.say(command);
        }
        client.say("get /0/77");
        let mut keys = 0;
        loop {
            let line = client.next();
            assert!(!line.contains("c0ffee"), "{line}");
            keys += usize::from(line.contains("/0/0/5"));
            if line.contains("there is no value at /0/77") {
                break;
            }
        }
        // It is told that there is one.
        assert_eq!(keys, 4);
    }
}

#[test]
fn a_key_with_a_mistake_is_not_repeated() {
    for program in [env!("CARGO_BIN_EXE_client"), env!("CARGO_BIN_EXE_server")] {
        for (key, told) in [
            ("c0ffeg", "hexadecimal digits"),
            ("-c0ffee", "hexadecimal digits"),
            (&"c0ffee".repeat(40), "expected a key of 1 to 64 bytes"),
        ] {
            let (status, complaint) =
                complaint(program, &["--psk-identity", "me", "--psk-key", key]);
            assert_eq!(status, Some(1), "{complaint}");
            assert!(complaint.contains(told), "{complaint}");
            assert!(!complaint.contains("c0ffe"), "{complaint}");
        }
    }
}

#[test]
fn a_socket_for_dtls_needs_keys() {
    let arguments = ["--listen", "127.0.0.1:0", "--listen-secure", "127.0.0.1:0"];
    let (status, told) = complaint(env!("CARGO_BIN_EXE_server"), &arguments);
    assert_eq!(status, Some(1), "{told}");
    let expected = "--listen-secure: expected keys, such as --psk-file";
    assert!(told.contains(expected), "{told}");
}

#[cfg(any(feature = "dtls", feature = "dtls-openssl"))]
#[test]
fn a_wrong_key_and_an_unknown_identity_are_told_within_seconds_and_nobody_registers() {
    let libraries = LibraryName::ALL.iter().map(ToString::to_string);
    for library in libraries {
        let library = ["--dtls-library", &library];
        let keys = ["--psk-identity", "me", "--psk-key", "00010203"];
        let secured = ["--listen-secure", "127.0.0.1:0"];
        let (mut server, _) = server(&[&library[..], &secured, &keys].concat());
        let line = server.expect("listening coaps://");
        let uri = line.strip_prefix("listening ").unwrap();
        for wrong in [("me", "00010204"), ("stranger", "00010203")] {
            let keys = ["--psk-identity", wrong.0, "--psk-key", wrong.1];
            let begun = Instant::now();
            let mut device = client(&[&["--server", uri][..], &library, &keys].concat());
            let told = device.expect("error 101 ");
            let is_clear = told.contains("is the identity known, and the key the same?")
                || told.contains("the identity is unknown there");
            assert!(is_clear, "{told}");
            device.expect("failed 101 register ");
            server.expect("refused handshake from coaps://127.0.0.1:");
            let taken = begun.elapsed();
            assert!(taken < HANDSHAKE_WITHIN, "{taken:?}");
        }
        for endpoint in ["me", "stranger"] {
            server.say(&format!("read {endpoint} /3/0"));
            let told = server.expect("error ");
            assert!(told.ends_with("is not registered"), "{told}");
        }
    }
}

#[cfg(any(feature = "dtls", feature = "dtls-openssl"))]
#[test]
fn a_server_with_keys_refuses_clients_without_unless_they_are_allowed() {
    let keys = [
        "--listen-secure",
        "127.0.0.1:0",
        "--psk-identity",
        "me",
        "--psk-key",
        "00010203",
    ];
    let (mut strict, uri) = server(&keys);
    let mut refused = client(&["--server", &uri]);
    strict.expect("refused Register of \"me\" ");
    refused.expect("failed 101 register ");

    let (mut open, uri) = server(&[&keys[..], &["--allow-nosec"]].concat());
    device_at(&mut open, &uri);
}
