//! Keys in the command lines and in what the programs print.

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
