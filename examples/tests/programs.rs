//! The programs as a person or a script uses them.

use core::time::Duration;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

/// Long enough for anything, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that runs, killed at the latest when the test ends.
struct Program {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line that begins so; lines before it are passed over.
    fn expect(&mut self, beginning: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no line {beginning:?}, but\n{}", self.seen.join("\n"));
            };
            if line.starts_with(beginning) {
                return line;
            }
            self.seen.push(line);
        }
    }

    fn ends(mut self) -> bool {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_and_a_client_by_their_command_lines() {
    let server_program = env!("CARGO_BIN_EXE_server");
    let mut server = Program::start(Command::new(server_program).args(["--listen", "127.0.0.1:0"]));
    let listening = server.expect("listening 127.0.0.1:");
    let address = listening.trim_start_matches("listening ");
    let uri = format!("coap://{address}");
    let mut client = Program::start(Command::new(env!("CARGO_BIN_EXE_client")).args([
        "--server",
        &uri,
        "--endpoint",
        "me",
    ]));
    client.expect("registered /rd/");
    assert!(
        server
            .expect("registered me /rd/")
            .contains("objects=/1/0,/2/0,/2/2,/2/3,/2/4,/3/0,/4/0,/5")
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
    server.expect("  /3/0/6;dim=2");
    server.say("write me /3/0/14 +05:00");
    server.expect("answer me write /3/0/14 2.04");
    client.expect(r#"written /3/0/14 = "+05:00""#);

    server.say("observe me /3/0/9");
    server.expect("answer me observe /3/0/9 2.05");
    client.expect("observed /3/0/9");
    client.say("set /3/0/9 42");
    server.expect("notify me /3/0/9");
    server.expect("  /3/0/9 = 42");
    server.say("cancel me /3/0/9");
    server.expect("answer me cancel /3/0/9 2.05");
    client.expect("unobserved /3/0/9");

    server.say("exec me /3/0/4 0='now'");
    server.expect("answer me exec /3/0/4 2.04");
    client.expect("executed /3/0/4 0='now'");
    client.expect("registered /rd/");
    server.expect("replaced me");
    server.expect("registered me /rd/");
    // What was written is what a device keeps.
    server.say("read me /3/0/14");
    server.expect(r#"  /3/0/14 = "+05:00""#);

    client.say("update");
    client.expect("updated");
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
    client.expect("deregistered");
    server.expect("deregistered me");
    client.say("quit");
    server.say("quit");
    assert!(client.ends() && server.ends());
}

/// What a program prints on standard output, if it ends well.
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
    relay.expect("error no such command: dance");
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
    assert_eq!(printed.matches(" ✓ ").count(), 9, "{printed}");
    assert!(!printed.contains('✗'), "{printed}");
    let widest = printed.lines().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 100), "{printed}");

    // One packet for each arrow.
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

/// What the client says on standard error when it fails.
fn complaint(arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_client");
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn errors_are_told_in_words() {
    for (arguments, told) in [
        (
            ["--server", "http://127.0.0.1"],
            "error: http://127.0.0.1: expected a URI such as coap://localhost:5683",
        ),
        (
            ["--endpoint", ""],
            "error: expected an endpoint client name of 1 to ",
        ),
    ] {
        let complaint = complaint(&arguments);
        assert!(complaint.starts_with(told), "{complaint}");
    }
    let told = complaint(&["--pcap", "/nowhere/to/be/found"]);
    assert!(told.starts_with("error: /nowhere/to/be/found: "), "{told}");
    // Not an address of this host.
    let told = complaint(&["--bind", "192.0.2.1:0"]);
    assert!(told.starts_with("error: 192.0.2.1:0: "), "{told}");
}

#[test]
fn a_client_of_a_silent_server_says_what_it_does_and_outlives_its_input() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("coap://{}", silent.local_addr().unwrap());
    let mut client =
        Program::start(Command::new(env!("CARGO_BIN_EXE_client")).args(["--server", &uri]));
    assert_eq!(client.expect("connecting"), format!("connecting {uri}"));
    drop(client.child.stdin.take());
    // It sends its Register again.
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..2 {
        silent.recv(&mut [0; 100]).unwrap();
    }
    assert!(client.child.try_wait().unwrap().is_none());
}
