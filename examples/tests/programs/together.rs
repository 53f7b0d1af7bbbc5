//! Programs that talk to each other, and what they say of mistakes.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    process::{Command, Stdio},
    thread,
};

use crate::support::{PATIENCE, Program, client, complaint, device_at, server, server_and_device};

#[test]
fn a_server_and_a_client_by_their_command_lines() {
    let (mut server, uri) = server(&[]);
    let mut client = client(&["--server", &uri]);
    client.expect("registered 101 /rd/");
    assert!(
        server
            .expect("registered me /rd/")
            .contains("objects=/1/0,/2/0,/2/1,")
    );

    server.say("read me /3/0/0 text");
    server.expect("answer me read /3/0/0 2.05");
    assert_eq!(server.expect("  "), r#"  /3/0/0 = "Open Mobile Alliance""#);
    server.say("read me /3/0 json");
    server.expect("answer me read /3/0 2.05");
    server.expect("  /3/0/7/1 = 5000");
    server.say("read me /3/0/77");
    server.expect("answer me read /3/0/77 4.04");
    server.say("discover me /3");
    server.expect("answer me discover /3 2.05");
    server.expect("  </3/0/6>;dim=2");
    server.say("write me /3/0/14 +05:00");
    server.expect("answer me write /3/0/14 2.04");
    client.expect(r#"written 101 /3/0/14 = "+05:00""#);

    server.say("observe me /3/0/9");
    server.expect("answer me observe /3/0/9 2.05");
    client.expect("observed 101 /3/0/9");
    client.say("set /3/0/9 42");
    server.expect("notify me /3/0/9");
    server.expect("  /3/0/9 = 42");
    server.say("cancel me /3/0/9");
    server.expect("answer me cancel /3/0/9 2.05");
    client.expect("unobserved 101 /3/0/9");

    server.say("exec me /3/0/4 0='now'");
    server.expect("answer me exec /3/0/4 2.04");
    client.expect("executed 101 /3/0/4 0='now'");
    client.expect("registered 101 /rd/");
    server.expect("replaced me");
    server.expect("registered me /rd/");
    // A device stores what was written.
    server.say("read me /3/0/14");
    server.expect(r#"  /3/0/14 = "+05:00""#);

    client.say("update");
    client.expect("updated 101");
    server.expect("updated me");
    for mistake in [
        "dance",
        "read you /3/0",
        "cancel me /3/0/9",
        "write me /3/0/9 full",
    ] {
        server.say(mistake);
        server.expect("error ");
    }
    client.say("deregister");
    client.expect("deregistered 101");
    for late in ["update", "deregister"] {
        client.say(late);
        client.expect("error the device is not registered");
    }
    server.expect("deregistered me");
    client.say("quit");
    server.say("quit");
    assert!(client.ends() && server.ends());
}

#[test]
fn what_a_server_has_written_survives_a_reboot() {
    let (mut server, mut client) = server_and_device();
    server.say("write me /1/0/1 120");
    client.expect("written 101 /1/0/1 = 120");
    server.expect("updated me");
    server.say("write me /1/0/3 7200");
    server.expect("answer me write /1/0/3 2.04");
    server.say("exec me /3/0/4");
    client.expect("rebooted");
    server.expect("replaced me");
    let registered = server.expect("registered me /rd/");
    assert!(registered.contains(" lifetime=120 "), "{registered}");
    server.say("read me /1/0/3");
    server.expect("  /1/0/3 = 7200");
}

#[test]
fn usual_requests_find_something_on_the_device() {
    let (mut server, _client) = server_and_device();
    for (read, value) in [
        ("/3/0/15", "/3/0/15 = \"Europe/Paris\""),
        ("/1/0/2", "/1/0/2 = 0"),
        ("/1/0/3", "/1/0/3 = 6000"),
        ("/5/0/3", "/5/0/3 = 0"),
        ("/5/0/9", "/5/0/9 = 2"),
        ("/3442/0/150 opaque", "/3442/0/150 = 0x0123456789abcdef"),
    ] {
        server.say(&format!("read me {read}"));
        server.expect(&format!("  {value}"));
    }
}

#[test]
fn firmware_is_fetched_by_its_uri_and_installed() {
    let serve = ["serve", "--listen", "127.0.0.1:0", "--size", "5000"];
    let mut files = Program::start(Command::new(env!("CARGO_BIN_EXE_coap")).args(serve));
    let uri = files.expect("listening ").replace("listening ", "coap://") + "/body";
    let (mut server, mut client) = server_and_device();
    server.say("observe me /5/0/3");
    server.expect("  /5/0/3 = 0");
    server.say(&format!("write me /5/0/1 {uri}"));
    client.expect(&format!("download /5/0/1 connecting {uri}"));
    client.expect("download /5/0/1 started 5000 bytes");
    client.expect("download /5/0/1 complete 5000 bytes");
    client.expect("firmware downloaded 5000 bytes");
    server.expect("  /5/0/3 = 2");
    server.say("exec me /5/0/2");
    client.expect("firmware updating");
    server.expect("  /5/0/3 = 3");
    client.expect("rebooted");
    server.expect("registered me /rd/");
    for (path, value) in [("/3/0/3", "\"1.1\""), ("/5/0/3", "0"), ("/5/0/5", "1")] {
        server.say(&format!("read me {path}"));
        server.expect(&format!("  {path} = {value}"));
    }
}

#[test]
fn firmware_is_pushed_and_discarded() {
    let (mut server, mut client) = server_and_device();
    server.say("write me /5/0/0 0x0001020304050607");
    client.expect("firmware downloaded 8 bytes");
    server.say("write me /5/0/0 0x00");
    client.expect("firmware discarded");
    server.say("read me /5/0/3");
    server.expect("  /5/0/3 = 0");
}

#[test]
fn software_is_pushed_installed_and_activated() {
    let (mut server, mut client) = server_and_device();
    server.say("observe me /9/0/7");
    server.expect("  /9/0/7 = 0");
    server.say("write me /9/0/2 0x00010203");
    client.expect("software delivered");
    server.expect("  /9/0/7 = 3");
    server.say("exec me /9/0/4");
    client.expect("software installing");
    client.expect("software installed");
    server.expect("  /9/0/7 = 4");
    server.say("exec me /9/0/10");
    client.expect("software activated");
    server.say("read me /9/0/12");
    server.expect("  /9/0/12 = true");
}

const TEST_OBJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/objects/3442.xml");

#[test]
fn what_has_no_definition_is_written_as_text_and_shown_raw_and_noted_once() {
    let (mut server, mut client) = server_and_device();
    server.say("write me /3442/0/120 200");
    assert_eq!(
        server.next(),
        "note no definition of Object 3442: values are written as text; load one with --ddf"
    );
    client.expect("written 101 /3442/0/120 = 200");
    let answer = "answer me write /3442/0/120 2.04 Changed";
    assert_eq!(server.next(), answer);
    server.say("write me /3442/0/120 201");
    assert_eq!(server.next(), answer);
    server.say("read me /3442/0/120");
    assert_eq!(server.next(), "answer me read /3442/0/120 2.05 Content");
    assert_eq!(
        server.next(),
        "note no definition of Object 3442: values are shown raw; load one with --ddf"
    );
    assert_eq!(server.next(), "  /3442/0/120 = 0x00c9");
    server.say("read me /3442/0/110");
    server.expect("answer ");
    assert_eq!(
        server.next(),
        "  /3442/0/110 = 0x696e697469616c2076616c7565 (\"initial value\")"
    );
    server.say("read me /3442/0/120 text");
    server.expect("answer ");
    assert_eq!(server.next(), "  /3442/0/120 = \"201\"");
    server.say("write me /3442/0/150 --opaque 0x00ff");
    client.expect("written 101 /3442/0/150 = 0x00ff");
    for format in ["--tlv", "--json"] {
        server.say(&format!("write me /3442/0/120 {format} 200"));
        server.expect("error the type of /3442/0/120 is not known, which application/vnd.oma");
    }
}

#[test]
fn a_definition_of_another_version_or_without_the_resource_is_noted_as_such() {
    let (server, uri) = server(&["--ddf", TEST_OBJECT]);
    let (mut server, address) = (server, uri.replace("coap://", ""));
    let device = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let register = b"\x40\x02\x12\x34\xb2rd\x48ep=newer\x05lt=60\x09lwm2m=1.0\xff\
        </3/0>,</3442>;ver=2.0,</3442/0>";
    device.send_to(register, address).unwrap();
    server.expect("registered newer ");
    for (path, missing) in [
        ("/3442/0/120", "Object 3442 in version 2.0"),
        ("/3/0/40", "Resource 40 of Object 3"),
    ] {
        server.say(&format!("write newer {path} 1"));
        let noted = format!("note no definition of {missing}: values are written as text; ");
        server.expect(&noted);
    }
}

#[test]
fn what_has_a_definition_is_written_and_shown_by_its_type() {
    let (mut server, uri) = server(&["--ddf", TEST_OBJECT]);
    let _client = device_at(&mut server, &uri);
    for (resource, value) in [
        (110, "\"200\""),
        (120, "200"),
        (130, "0.5"),
        (140, "false"),
        (150, "0x00ff"),
        (160, "1367491215"),
        (170, "4:0"),
    ] {
        let typed = value.trim_matches('"');
        for format in ["", "--text ", "--tlv ", "--json "] {
            server.say(&format!("write me /3442/0/{resource} {format}{typed}"));
            let written = format!("answer me write /3442/0/{resource} 2.04 Changed");
            assert_eq!(server.next(), written, "{format}");
        }
        server.say(&format!("read me /3442/0/{resource}"));
        server.expect("answer ");
        assert_eq!(server.next(), format!("  /3442/0/{resource} = {value}"));
    }
}

#[test]
fn observations_of_one_path_are_told_apart() {
    let (mut server, mut client) = server_and_device();
    server.say("observe me /3/0/9");
    server.expect("answer me observe /3/0/9 2.05 Content observation=1");
    server.say("observe me /3/0/9 text");
    server.expect("answer me observe /3/0/9 2.05 Content observation=2");
    server.say("list");
    server.expect("observing me /3/0/9 observation=1");
    server.expect("observing me /3/0/9 observation=2");
    client.say("set /3/0/9 42");
    let mut told = [server.expect("notify "), server.expect("notify ")];
    told.sort();
    let expected = [1, 2].map(|number| format!("notify me /3/0/9 observation={number}"));
    assert_eq!(told, expected);
    server.say("cancel me /3/0/9");
    server.expect("error /3/0/9 is observed 2 times: cancel 1 or cancel 2");
    server.say("cancel 3");
    server.expect("error there is no observation 3");
    server.say("cancel 1");
    server.expect("ended me /3/0/9 observation=1 cancelled");
    client.say("set /3/0/9 41");
    // The other one continues.
    let notified = server.expect("notify ");
    assert_eq!(notified, "notify me /3/0/9 observation=2");
    server.say("cancel me /3/0/9");
    server.expect("ended me /3/0/9 observation=2 cancelled");
}

#[test]
fn who_asks_for_help_is_told_the_commands() {
    let (mut server, mut client) = server_and_device();
    for (program, lines) in [
        (
            &mut server,
            &[
                "  read EP PATH [FORMAT]            read what",
                "  cancel NUMBER                    end the",
                "  FORMAT is text, opaque,",
            ][..],
        ),
        (
            &mut client,
            &[
                "  set PATH VALUE            set a",
                "  quit                      end",
            ],
        ),
    ] {
        program.say("help");
        for line in lines {
            program.expect(line);
        }
        program.say("dance");
        assert!(program.expect("error ").contains("help"));
    }
    server.say("read me");
    server.expect("error expected read EP PATH [FORMAT]");
}

#[test]
fn a_register_that_is_refused_is_told() {
    let (mut server, uri) = server(&[]);
    let address = uri.replace("coap://", "");
    let device = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let register = b"\x40\x02\x12\x34\xb2rd\x48ep=later\x05lt=60\x09lwm2m=1.1\xff</3/0>";
    device.send_to(register, &address).unwrap();
    let from = device.local_addr().unwrap();
    let refused = server.expect("refused ");
    let told = format!("refused Register of \"later\" from {from} (NoSec): 4.12, ");
    assert!(refused.starts_with(&told), "{refused}");
    assert!(refused.contains("1.1"), "{refused}");

    // A message that the endpoint rejects is reported as well: one with a critical option (9 is
    // OSCORE's), and the first record of DTLS.
    let secured = b"\x40\x02\x12\x35\x90\x22rd\x48ep=later\xff</3/0>";
    for (datagram, told) in [
        (&secured[..], "bad option"),
        (&[0x16, 0xfe, 0xff, 0], "malformed"),
    ] {
        device.send_to(datagram, &address).unwrap();
        let refused = server.expect("refused ");
        let expected = format!("refused datagram from {from}: {told}");
        assert!(refused.starts_with(&expected), "{refused}");
    }
}

/// A server that takes a Register and answers everything else with 5.00.
fn failing_server() -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        let mut registered = false;
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let token = 4 + usize::from(buffer[0] & 0x0f);
            let (code, options): (_, &[u8]) = if registered {
                (0xa0, b"")
            } else {
                (0x41, b"\x82rd\x011")
            };
            registered = true;
            let mut answer = buffer[..token.min(length)].to_vec();
            answer[0] |= 0x20; // an acknowledgement
            answer[1] = code;
            answer.extend_from_slice(options);
            socket.send_to(&answer, from).unwrap();
        }
    });
    format!("coap://{address}")
}

#[test]
fn an_update_that_fails_is_no_register_that_fails() {
    let uri = failing_server();
    let mut client = client(&["--server", &uri]);
    client.expect("registered 101 /rd/1");
    client.say("update");
    let failed = client.expect("failed ");
    assert!(
        failed.starts_with("failed 101 update the server answered 5.00; tries again in "),
        "{failed}"
    );
    // The registration still stands.
    client.say("deregister");
    assert_eq!(
        client.expect("failed "),
        "failed 101 deregister the server answered 5.00"
    );
    client.say("deregister");
    client.expect("error the device is not registered");
}

#[test]
fn a_register_that_is_not_answered_is_stopped_by_a_deregister() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("coap://{}", silent.local_addr().unwrap());
    let mut client = client(&["--server", &uri]);
    client.expect("connecting 101 ");
    client.say("deregister");
    assert_eq!(client.next(), "stops registering");
}

/// The standard output of a program that must succeed.
fn printed(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

#[test]
fn a_plain_coap_server_and_client_with_a_bad_network_between() {
    let coap = env!("CARGO_BIN_EXE_coap");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--size", "5000"];
    let counting = ["--step", "1", "--last", "100", "--ack-timeout", "20"];
    let mut server = Program::start(Command::new(coap).args(serve).args(counting));
    let address = server.expect("listening ").replace("listening ", "");
    let mut relay = Program::start(Command::new(env!("CARGO_BIN_EXE_relay")).args([
        &*address,
        "--double",
        "5",
        "--overtake",
        "5",
    ]));
    let near = relay.expect("listening ").replace("listening ", "");
    let run = |command: &str, path: &str, more: &[&str]| {
        let uri = format!("coap://{near}{path}");
        let hasty = ["--ack-timeout", "20", "--max-retransmit", "10"];
        let arguments = [&[command, &uri], more, &hasty].concat();
        printed(coap, &arguments)
    };

    let body = run("get", "/body", &["--block-size", "64"]).unwrap();
    let lines = (0..5000).step_by(16).map(|at| format!("{at:015}\n"));
    assert_eq!(body, lines.collect::<Vec<_>>().concat()[..5000]);
    let long = "long ".repeat(600);
    assert_eq!(run("put", "/a/b", &[&long]), Ok(String::new()));
    server.expect("put /a/b 3000 2.01");
    assert_eq!(run("get", "/a/b", &[]), Ok(long));
    assert_eq!(run("put", "/a/b", &["short"]), Ok(String::new()));
    server.expect("put /a/b 5 2.04");
    assert_eq!(run("get", "/a", &[]), Err("4.04 0 bytes\n".to_owned()));
    assert_eq!(
        run("put", "/count", &["7"]),
        Err("4.05 0 bytes\n".to_owned())
    );

    let counted = run("observe", "/count", &["--until", "100"]).unwrap();
    let numbers: Vec<u32> = counted.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((numbers.first(), numbers.last()), (Some(&0), Some(&100)));
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    server.expect("observed /count");
    server.expect("unobserved /count");

    relay.say("dance");
    relay.expect("error expected quit, not \"dance\"");
    relay.say("quit");
    let tally = relay.expect("of ");
    assert!(!tally.contains(" 0 lost"), "{tally}");
    assert!(relay.ends());
}

#[test]
fn the_demo_happens_and_is_captured() {
    let file = std::env::temp_dir().join(format!("lwm2m-demo-{}.pcap", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_demo"))
        .arg("--pcap")
        .arg(&file)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert_eq!(printed.matches(" ✓ ").count(), 15, "{printed}");
    assert!(printed.ends_with("15 of 15 steps happened.\n"), "{printed}");
    assert!(!printed.contains('✗'), "{printed}");
    let widest = printed.lines().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 80), "{printed}");

    // One packet per arrow.
    let capture = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let mut packets = 0;
    let mut rest = &capture[24..];
    while let Some((header, after)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap());
        rest = &after[usize::try_from(length).unwrap()..];
        packets += 1;
    }
    assert!(rest.is_empty());
    let arrows = printed.matches(['▶', '◀']).count();
    assert_eq!(packets, arrows, "{printed}");
}

#[test]
fn a_server_and_a_client_find_each_other_by_name() {
    let server_program = env!("CARGO_BIN_EXE_server");
    let mut server = Program::start(Command::new(server_program).args(["--listen", "localhost:0"]));
    let listening = server.expect("listening ");
    let (_, port) = listening.rsplit_once(':').unwrap();
    let uri = format!("coap://localhost:{port}");
    let mut client = client(&["--server", &uri]);
    client.expect("registered 101 /rd/");
}

#[test]
fn mistakes_in_the_command_line_are_told_in_words() {
    let client = env!("CARGO_BIN_EXE_client");
    let coap = env!("CARGO_BIN_EXE_coap");
    let uri = "expected a URI such as coap://localhost:5683";
    for (program, arguments, told) in [
        (client, &["--server", "http://127.0.0.1"][..], uri),
        (
            client,
            &["--server", "coaps://127.0.0.1"],
            if cfg!(any(feature = "dtls", feature = "dtls-openssl")) {
                "expected keys, such as --psk-file"
            } else {
                "built without DTLS"
            },
        ),
        (
            client,
            &["--server", "coap://127.0.0.1/path"],
            "offset 17: expected the end: the URI of a server has no path",
        ),
        (client, &["--server", "coap://::1"], "in brackets"),
        (
            env!("CARGO_BIN_EXE_server"),
            &["--listen", "localhost"],
            "expected HOST:PORT such as localhost:5683",
        ),
        (
            client,
            &["--endpoint", ""],
            "expected an endpoint name of 1 to ",
        ),
        (client, &["--lifetime", "0"], "0 is not in 1..="),
        (client, &["--binding", "X"], "expected a binding of U, UQ,"),
        (
            client,
            &["--alternate-path", "/a/3"],
            "segment 1 of the alternate path",
        ),
        (client, &["--sms-number", "+49"], "expected "),
        (
            client,
            &["--server", "0=coap://127.0.0.1"],
            "expected a Short Server ID of 1 to 65534",
        ),
        (
            client,
            &[
                "--server",
                "7=coap://127.0.0.1",
                "--server",
                "7=coap://[::1]",
            ],
            "two servers have the Short Server ID 7",
        ),
        (
            client,
            &["--right", "/3/0=102:R"],
            "/3/0=102: expected the Short Server ID of a --server",
        ),
        (
            client,
            &["--right", "/3/0=101:X"],
            "expected letters of R, W",
        ),
        (
            client,
            &["--owner", "/3=101"],
            "expected the path of an Object Instance",
        ),
        (coap, &["get", "127.0.0.1"], uri),
        (coap, &["put", "coap://127.0.0.1/a"], "<TEXT|--file <FILE>>"),
        (
            coap,
            &["get", "coap://127.0.0.1/a", "--block-size", "77"],
            "expected 16, 32, 64,",
        ),
    ] {
        let (code, complaint) = complaint(program, arguments);
        assert!(complaint.starts_with("error: "), "{complaint}");
        assert!(complaint.contains(told), "{complaint}");
        assert!(complaint.contains("--help"), "{complaint}");
        assert_eq!(code, Some(2), "{complaint}");
    }
}

#[test]
fn what_cannot_be_done_is_told_in_words() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let client = env!("CARGO_BIN_EXE_client");
    let server = env!("CARGO_BIN_EXE_server");
    let nowhere = "/nowhere/to/be/found";
    for (program, arguments, told) in [
        (client, &["--pcap", nowhere][..], nowhere),
        (client, &["--owner", "/26241/9=101"], "/26241/9"),
        // Not an address of this host.
        (client, &["--bind", "192.0.2.1:0"], "192.0.2.1:0"),
        // Not a name at all (RFC 6761 §6.4).
        (
            server,
            &["--listen", "nobody.invalid:5683"],
            "nobody.invalid:5683",
        ),
        (server, &["--ddf", nowhere], nowhere),
    ] {
        let (code, complaint) = complaint(program, arguments);
        assert!(complaint.starts_with("error: "), "{complaint}");
        assert!(complaint.contains(told), "{complaint}");
        assert_eq!(code, Some(1), "{complaint}");
    }
    for (program, arguments) in [
        (server, &["--listen", &taken][..]),
        (env!("CARGO_BIN_EXE_demo"), &["--listen", &taken]),
        (env!("CARGO_BIN_EXE_coap"), &["serve", "--listen", &taken]),
        (
            env!("CARGO_BIN_EXE_relay"),
            &["127.0.0.1:1", "--listen", &taken],
        ),
    ] {
        let (code, complaint) = complaint(program, arguments);
        assert!(
            complaint.starts_with(&format!("error: {taken}: ")),
            "{complaint}"
        );
        assert_eq!(code, Some(1), "{complaint}");
    }
}

/// All files of a folder are read; what isn't a definition is reported and skipped.
#[test]
fn a_server_goes_on_without_the_definitions_that_cannot_be_read() {
    let here = env!("CARGO_MANIFEST_DIR");
    let (folder, other) = (format!("{here}/objects"), format!("{here}/Cargo.toml"));
    let program = env!("CARGO_BIN_EXE_server");
    let arguments = ["--listen", "127.0.0.1:0", "--ddf", &other, "--ddf", &folder];
    let mut command = Command::new(program);
    let mut server = Program::start(command.args(arguments).stderr(Stdio::piped()));
    let mut complaints = String::new();
    let uri = server.expect("listening ").replace("listening ", "coap://");
    let device = device_at(&mut server, &uri);
    server.say("read me /3442/0/110");
    server.expect("answer ");
    assert_eq!(server.next(), "  /3442/0/110 = \"initial value\"");
    let mut errors = server.child.stderr.take().unwrap();
    drop(device);
    server.say("quit");
    assert!(server.ends());
    errors.read_to_string(&mut complaints).unwrap();
    let lines: Vec<&str> = complaints.lines().collect();
    assert_eq!(lines.len(), 1, "{complaints}");
    assert!(lines[0].starts_with(&format!("warning: {other}:1:1: expected ")));
    assert!(lines[0].ends_with(": the file is left out"), "{complaints}");
}

#[test]
fn a_program_that_nobody_listens_to_ends() {
    let mut client = Command::new(env!("CARGO_BIN_EXE_client"))
        .args(["--server", "coap://127.0.0.1:9", "--drain", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(client.stdout.take());
    let mut input = client.stdin.take().unwrap();
    // It may exit before it is told anything.
    let _ = input.write_all(b"dance\n");
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn what_is_no_text_is_no_command() {
    let (mut server, _) = server(&[]);
    let input = server.child.stdin.as_mut().unwrap();
    input.write_all(b"\xff\xfe\n\nquit\n").unwrap();
    server.expect("error expected list, ");
    assert!(server.ends());
}

#[test]
fn a_client_of_a_silent_server_says_what_it_does_and_outlives_its_input() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("coap://{}", silent.local_addr().unwrap());
    let mut client = client(&["--server", &uri]);
    assert_eq!(client.expect("connecting"), format!("connecting 101 {uri}"));
    drop(client.child.stdin.take());
    // It sends its Register again.
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..2 {
        let received = core::iter::repeat_with(|| silent.recv(&mut [0; 100]))
            .find(|received| !matches!(received, Err(e) if e.kind() == ErrorKind::Interrupted));
        received.unwrap().unwrap();
    }
    assert!(client.child.try_wait().unwrap().is_none());
}
