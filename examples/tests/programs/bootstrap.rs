//! The program `bootstrap-server`, with clients that the test plays.

use core::net::SocketAddr;
use std::{fs, net::UdpSocket, path::PathBuf, process::Command};

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::coap::{MessageBuf, MessageRef, MessageType, Token};

use crate::support::{PATIENCE, Program, client, complaint, server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bootstrap-server");

/// A file of plans that is removed when the test ends.
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let name = format!("lwm2m-bootstrap-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The program, and where it listens.
pub(crate) fn program(file: &File, arguments: &[&str]) -> (Program, SocketAddr) {
    let mut command = Command::new(PROGRAM);
    command
        .arg(file.path())
        .args(["--listen", "127.0.0.1:0"])
        .args(arguments);
    let mut program = Program::start(&mut command);
    let line = program.next();
    let address = line.rsplit([' ', '"']).find(|word| word.contains(':'));
    (program, address.unwrap().parse().unwrap())
}

/// A client that is played by hand.
struct Client {
    socket: UdpSocket,
    /// Its answer to a Discover, and codes that it answers in the order of the commands to a path.
    links: &'static str,
    answers: Vec<(&'static str, Code)>,
}

impl Client {
    fn new(links: &'static str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            links,
            answers: Vec::new(),
        }
    }

    fn answering(mut self, path: &'static str, code: Code) -> Self {
        self.answers.push((path, code));
        self
    }

    fn ask(&self, server: SocketAddr, name: &str) {
        let mut request = MessageBuf::request(Method::Post);
        request.uri_path("bs").unwrap();
        request.uri_query(&format!("ep={name}")).unwrap();
        let wire = request.finish(MessageType::Confirmable, 1, Token::EMPTY);
        self.socket.send_to(wire.as_ref(), server).unwrap();
    }

    /// The code of the answer to its request.
    fn code(&self) -> Code {
        let mut buffer = [0; 2000];
        let (length, _) = self.socket.recv_from(&mut buffer).unwrap();
        MessageRef::parse(&buffer[..length]).unwrap().code()
    }

    /// Does as it is told until it has finished. Returns the commands, and what was written.
    fn obey(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut told = Vec::new();
        loop {
            let mut buffer = [0; 4000];
            let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
            let command = MessageRef::parse(&buffer[..length]).unwrap();
            let Some(method) = command.code().method() else {
                continue;
            };
            let path: String = command.uri_path().flat_map(|word| ["/", word]).collect();
            let scripted = self.answers.iter().position(|(at, _)| *at == path);
            let answer = match scripted {
                Some(at) => MessageBuf::response(self.answers.remove(at).1),
                None => match method {
                    Method::Get => lwm2m_kit::response(Code::CONTENT, self.links.as_bytes()),
                    Method::Delete => MessageBuf::response(Code::DELETED),
                    _ => MessageBuf::response(Code::CHANGED),
                },
            };
            let is_done = path == "/bs" && scripted.is_none();
            told.push((format!("{method:?} {path}"), command.payload().to_vec()));
            let (id, token) = (command.message_id(), command.token());
            let wire = answer.finish(MessageType::Acknowledgement, id, token);
            self.socket.send_to(wire.as_ref(), from).unwrap();
            if is_done {
                return told;
            }
        }
    }
}

fn commands(told: &[(String, Vec<u8>)]) -> Vec<&str> {
    told.iter().map(|(command, _)| &**command).collect()
}

const FRESH: &str = r#"lwm2m="1.0",</0/3>,</1>,</2>,</3/0>"#;
const CONFIGURED: &str = r#"lwm2m="1.0",</0/0>;ssid=101,</0/1>,</1/0>;ssid=101,</2>,</3/0>,</5>"#;

const PLANS: &str = r#"
[[plan]]
endpoint = "lamp-?"
[[plan.server]]
id = 101
uri = "coap://192.0.2.1"

[[plan]]
endpoint = "meter-*"
own = 0
[[plan.server]]
id = 7
uri = "coaps://192.0.2.7"
mode = "psk"
identity = "id-{endpoint}"
key = "c0ffee00c0ffee00c0ffee00c0ffee00"

[[plan]]
endpoint = "shared"
kind = "add"
[[plan.server]]
id = 102
uri = "coap://192.0.2.2"

[[plan]]
endpoint = "rotating"
kind = "rotate"
[[plan.server]]
id = 101
uri = "coaps://192.0.2.1"
mode = "psk"
key = "0102"

[[plan]]
endpoint = "moving"
kind = "replace"
[plan.bootstrap]
uri = "coap://192.0.2.9"

[[plan]]
endpoint = "lab"
kind = "steps"
[[plan.step]]
write = "/3/0/14"
format = "text"
value = "+01:00"
"#;

#[test]
fn each_client_gets_the_plan_of_its_name() {
    let file = File::new("names", PLANS);
    let (mut program, address) = program(&file, &[]);

    let mut client = Client::new(FRESH);
    client.ask(address, "lamp-1");
    let told = client.obey();
    // The account of the Bootstrap-Server was found at /0/3.
    let expected = [
        "Get ",
        "Delete /0",
        "Delete /1",
        "Put /0/0",
        "Put /1/0",
        "Post /bs",
    ];
    assert_eq!(commands(&told), expected);
    program.expect("requested lamp-1 from 127.0.0.1:");
    program.expect("started lamp-1 set 101");
    program.expect("discovered lamp-1 / /0/3 /3/0");
    program.expect("finished lamp-1");

    let mut client = Client::new(FRESH);
    client.ask(address, "meter-000001");
    let told = client.obey();
    assert_eq!(
        commands(&told),
        ["Delete /0", "Delete /1", "Put /0/1", "Put /1/0", "Post /bs"]
    );
    let written = &told[2].1;
    for part in [
        &b"coaps://192.0.2.7"[..],
        b"id-meter-000001",
        &[0xc0, 0xff, 0xee, 0x00, 0xc0, 0xff, 0xee, 0x00],
    ] {
        assert!(written.windows(part.len()).any(|window| window == part));
    }
    program.expect("finished meter-000001");

    let mut client = Client::new(CONFIGURED);
    client.ask(address, "shared");
    let told = client.obey();
    assert_eq!(
        commands(&told),
        ["Get ", "Put /0/2", "Put /1/1", "Put /2", "Post /bs"]
    );

    let mut client = Client::new(CONFIGURED);
    client.ask(address, "rotating");
    let told = client.obey();
    assert_eq!(
        commands(&told),
        ["Get ", "Put /0/0/3", "Put /0/0/5", "Post /bs"]
    );

    let mut client = Client::new(CONFIGURED);
    client.ask(address, "moving");
    let told = client.obey();
    assert_eq!(commands(&told), ["Get ", "Put /0/1", "Post /bs"]);

    let mut client = Client::new(CONFIGURED);
    client.ask(address, "lab");
    let told = client.obey();
    assert_eq!(told[0], ("Put /3/0/14".to_owned(), b"+01:00".to_vec()));

    let client = Client::new(FRESH);
    client.ask(address, "stranger");
    assert_eq!(client.code(), Code::BAD_REQUEST);
    program.expect("unknown stranger no plan is for this client");
    program.expect("failed stranger ");
    program.say("stats");
    program.expect("stats requested=7 refused=1 overloaded=0 begun=0 ");
    program.say("quit");
    assert!(program.ends());
}

#[test]
fn what_a_client_finds_inconsistent_is_written_again_once() {
    let file = File::new("repair", PLANS);
    let (mut program, address) = program(&file, &[]);
    let mut client = Client::new(FRESH).answering("/bs", Code::NOT_ACCEPTABLE);
    client.ask(address, "lamp-1");
    let told = client.obey();
    let accounts = ["Delete /0", "Delete /1", "Put /0/0", "Put /1/0", "Post /bs"];
    // Access control goes as well, and nothing else of the device does.
    let repair = [
        "Delete /0",
        "Delete /1",
        "Delete /2",
        "Put /0/0",
        "Put /1/0",
        "Post /bs",
    ];
    let expected = [&["Get "][..], &accounts, &repair].concat();
    assert_eq!(commands(&told), expected);
    program.expect("inconsistent lamp-1 4.06; what the plan says is written again");
    program.expect("finished lamp-1");

    let mut client = Client::new(FRESH)
        .answering("/bs", Code::NOT_ACCEPTABLE)
        .answering("/bs", Code::NOT_ACCEPTABLE);
    client.ask(address, "lamp-2");
    // What it can't repair it ends; the last answer of this client is 4.06.
    std::thread::spawn(move || client.obey());
    program.expect("inconsistent lamp-2 4.06; what");
    assert_eq!(program.next(), "inconsistent lamp-2 4.06");
    program.expect("stopped lamp-2 ");
    assert_eq!(
        program.next(),
        "failed lamp-2 the application ended the bootstrap"
    );

    // It is wiped if its plan says so.
    let wiping = PLANS.replace("\"lamp-?\"", "\"lamp-?\"\nrepair = \"wipe\"");
    fs::write(&file.0, wiping).unwrap();
    program.say("reload");
    program.expect("reloaded ");
    let mut client = Client::new(FRESH).answering("/bs", Code::NOT_ACCEPTABLE);
    client.ask(address, "lamp-3");
    let told = client.obey();
    let repair = ["Delete ", "Put /0/0", "Put /1/0", "Post /bs"];
    assert_eq!(commands(&told)[6..], repair);
    program.expect("finished lamp-3");
}

#[test]
fn a_client_without_discover_is_told_where_most_have_their_account() {
    let file = File::new("blind", PLANS);
    let (mut program, address) = program(&file, &[]);
    let mut client = Client::new(FRESH).answering("", Code::METHOD_NOT_ALLOWED);
    client.ask(address, "lamp-1");
    let told = client.obey();
    assert_eq!(commands(&told)[3..5], ["Put /0/1", "Put /1/0"]);
    program.expect("undiscovered lamp-1 / the client answered 4.05");
    program.expect("finished lamp-1");
}

#[test]
fn a_client_that_does_not_show_its_account_keeps_it() {
    let file = File::new("unclear", PLANS);
    let (mut program, address) = program(&file, &[]);
    for links in [
        // Two without a Short Server ID, none without, and none at all.
        "</0/0>,</0/1>,</1>,</3/0>",
        "</0/0>;ssid=101,</1/0>;ssid=101,</3/0>",
        "</1>,</3/0>",
    ] {
        for name in ["lamp-1", "moving"] {
            let client = Client::new(links);
            client.ask(address, name);
            std::thread::spawn(move || {
                let mut client = client;
                client.obey()
            });
            let told = program.expect(&format!("stopped {name} "));
            assert!(told.ends_with("; say it with own"), "{told}");
            program.expect(&format!("failed {name} "));
        }
    }
    // Where it is said, all goes on.
    let said = PLANS.replace("\"lamp-?\"", "\"lamp-?\"\nown = 1");
    fs::write(&file.0, said).unwrap();
    program.say("reload");
    program.expect("reloaded ");
    let mut client = Client::new("</0/0>,</0/1>,</1>,</3/0>");
    client.ask(address, "lamp-1");
    assert_eq!(commands(&client.obey())[2], "Put /0/0");
    program.expect("finished lamp-1");
}

#[test]
fn a_bootstrap_may_begin_without_a_request() {
    let file = File::new("begin", PLANS);
    let (mut program, _) = program(&file, &[]);
    let mut client = Client::new(FRESH);
    let address = client.socket.local_addr().unwrap();
    program.say(&format!("begin lamp-1 {address}"));
    program.expect("started lamp-1 set 101");
    program.say("list");
    assert_eq!(program.next(), "  lamp-1 set 101");
    assert_eq!(commands(&client.obey()).len(), 6);
    program.expect("finished lamp-1");

    program.say(&format!("begin stranger {address}"));
    program.expect("stopped stranger ");
    program.say(&format!("begin lamp-2 {address}"));
    program.expect("started lamp-2 ");
    program.say("abort lamp-2");
    program.expect("failed lamp-2 the application ended the bootstrap");
    program.say("abort lamp-2");
    program.expect("error there is no bootstrap of lamp-2");
}

#[test]
fn lines_are_json_and_no_line_has_a_key() {
    for style in [&[][..], &["--json"]] {
        let file = File::new("keys", PLANS);
        let (mut program, address) = program(&file, style);
        let mut client = Client::new(FRESH).answering("/0/1", Code::UNSUPPORTED_CONTENT_FORMAT);
        client.ask(address, "meter-1");
        let told = client.obey();
        assert_eq!(told[3].0, "Put /0/1", "in JSON");
        let mut other = Client::new(FRESH).answering("/0/1", Code::BAD_REQUEST);
        other.ask(address, "meter-2");
        std::thread::spawn(move || other.obey());
        let mut lines = Vec::new();
        while !lines.iter().any(|line: &String| line.contains("failed")) {
            lines.push(program.next());
        }
        for command in ["plans", "list", "stats", "help", "dance"] {
            program.say(command);
        }
        while !lines
            .iter()
            .any(|line: &String| line.contains("expected a command"))
        {
            lines.push(program.next());
        }
        for line in &lines {
            assert!(
                !line.contains("c0ffee") && !line.contains("192, 255"),
                "{line}"
            );
            if !style.is_empty() {
                let json: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(
                    json["event"].is_string() && json["time"].is_number(),
                    "{line}"
                );
            }
        }
        let failed = lines.iter().find(|line| line.contains("failed")).unwrap();
        let told =
            "step 2, Write of /0/1 in application/vnd.oma.lwm2m+tlv: the client answered 4.00";
        assert!(failed.contains(told), "{failed}");
    }
}

#[test]
fn plans_are_read_again_and_the_old_ones_stay_if_there_is_a_mistake() {
    let file = File::new("reload", PLANS);
    let (mut program, address) = program(&file, &[]);
    fs::write(&file.0, "[[plan]]\nendpoint = 3").unwrap();
    program.say("reload");
    let told = program.expect("error ");
    assert!(
        told.ends_with("reload:2: plan[0].endpoint: expected a string"),
        "{told}"
    );
    program.say("plans");
    assert_eq!(program.next(), "  lamp-? set 101");

    let only = PLANS.split("\n\n").next().unwrap().replace("lamp-?", "new");
    fs::write(&file.0, only).unwrap();
    program.say("reload");
    program.expect("reloaded 1 plan");
    let client = Client::new(FRESH);
    client.ask(address, "lamp-1");
    assert_eq!(client.code(), Code::BAD_REQUEST);
    let mut client = Client::new(FRESH);
    client.ask(address, "new");
    assert_eq!(client.obey().len(), 6);
}

#[test]
fn the_example_is_without_mistakes() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/bootstrap-server.toml");
    let (status, told) = complaint(PROGRAM, &[example, "--check"]);
    assert_eq!((status, &*told), (Some(0), ""));
}

/// A plan of a server with these lines.
fn of_server(lines: &str) -> String {
    format!("[[plan]]\nendpoint = \"a\"\n[[plan.server]]\n{lines}")
}

/// A plan of a client that is reached with what these lines say.
fn of_device(lines: &str) -> String {
    format!("[[plan]]\nendpoint = \"a\"\n[plan.device]\n{lines}")
}

/// A plan of a server with a pre-shared key that these lines say.
fn psk(lines: &str) -> String {
    let head = "id = 1\nuri = \"coaps://h\"\nmode = \"psk\"\n";
    of_server(&[head, lines].concat())
}

#[test]
fn a_mistake_is_told_with_file_line_and_key_and_without_the_value() {
    for (text, told) in [
        (String::new(), ":1: plan: expected at least one [[plan]]"),
        ("plan = 3".into(), ":1: plan: expected tables"),
        ("[[plan]]".into(), ":1: plan[0].endpoint: expected this key"),
        (
            "[[plan]]\nendpoint = \"a\"\nkind = \"dance\"".into(),
            ":3: plan[0].kind: expected set, wipe, add, rotate, replace or steps",
        ),
        (
            "[[plan]]\nendpoint = \"a\"\nkey = \"c0ffee\"".into(),
            ":3: plan[0].key: unknown key; expected one of endpoint, kind",
        ),
        (
            "[[plan]]\nendpoint = \"a\"".into(),
            ":1: plan[0]: there is no account of a server",
        ),
        (
            "[[plan]]\nendpoint = \"a\"\nrepair = \"c0ffee\"".into(),
            ":3: plan[0].repair: expected accounts or wipe",
        ),
        (
            "[[plan]]\nendpoint = \"a\"\nkind = \"add\"\nrepair = \"wipe\"".into(),
            ":4: plan[0].repair: not with kind = \"add\"",
        ),
        (
            of_server("id = 0\nuri = \"coap://h\""),
            ":4: plan[0].server[0].id: expected a Short Server ID of 1 to 65534",
        ),
        (
            of_server("id = 1\nuri = \"http://h\""),
            ":3: plan[0].server[0]: LwM2M Server URI: offset 0: expected",
        ),
        (
            of_server("id = 1\nuri = \"coaps://h\""),
            ":3: plan[0].server[0].mode: expected this key with coaps://",
        ),
        (
            psk("key = \"c0ffeg\""),
            ":7: plan[0].server[0].key: expected an even number of hexadecimal digits",
        ),
        (psk("key = 0xc0ffee"), ":7: plan[0].server[0].key: expected a string"),
        (psk("key = \"c0ffee"), ":7: "),
        (psk(""), ":3: plan[0].server[0].key: expected this key, or key-file"),
        (
            psk("key-file = \"no such file\""),
            ":7: plan[0].server[0].key-file: /",
        ),
        (
            psk("psk-file = \"no such file\""),
            ":7: plan[0].server[0].psk-file: /",
        ),
        (
            of_server("id = 1\nuri = \"coap://h\"\n[[plan.server]]\nid = 2\nuri = \"coap://i\""),
            ":1: plan[0]: several servers need access control",
        ),
        (
            of_server("id = 1\nuri = \"coap://h\"\n[[plan.access]]\non = \"/3/0\"\nowner = 2"),
            ":1: plan[0]: access control on",
        ),
        (
            of_server("id = 1\nuri = \"coap://h\"\n[[plan.access]]\non = \"/3/0\"\nrights = { 1 = \"X\" }"),
            ":8: plan[0].access[0].rights.1: expected letters of R",
        ),
        (
            "[[plan]]\nendpoint = \"a\"\nkind = \"steps\"\n[[plan.step]]\nwrite = \"/1/0/1\"\nvalue = \"c0ffee\"".into(),
            ":6: plan[0].step[0].value: ",
        ),
        (
            "[[plan]]\nendpoint = \"a\"\nkind = \"steps\"\n[[plan.step]]\ndelete = \"/1\"\nwrite = \"/1\"".into(),
            ":4: plan[0].step[0]: expected one of discover,",
        ),
        (
            "[[plan]]\nendpoint = \"a\"\nkind = \"steps\"\n[[plan.step]]\nwrite = \"/9999/0/1\"\nvalue = \"1\"".into(),
            ":6: plan[0].step[0].value: /9999/0/1: expected a Resource with a known type",
        ),
    ] {
        assert_mistake(&text, told);
    }
}

#[test]
fn keys_of_another_mode_are_a_mistake() {
    for (text, told) in [
        (
            of_server("id = 1\nuri = \"coaps://{endpoint}.example\""),
            ":3: plan[0].server[0].mode: expected this key with coaps://",
        ),
        (
            of_server("id = 1\nuri = \"{endpoint}\""),
            ":3: plan[0].server[0].mode: expected this key, as the URI doesn't tell",
        ),
        (
            of_server("id = 1\nuri = \"coaps://{endpoint}\"\nmode = \"nosec\""),
            ":6: plan[0].server[0].mode: expected psk, rpk,",
        ),
        (
            of_server("id = 1\nuri = \"coap://{endpoint}\"\nmode = \"psk\"\nkey = \"c0ffee\""),
            ":6: plan[0].server[0].mode: expected nosec with coap://",
        ),
        (
            of_server("id = 1\nuri = \"coap://h\"\nkey = \"c0ffee\""),
            ":6: plan[0].server[0].key: not with mode = \"nosec\"",
        ),
        (
            of_server("id = 1\nuri = \"coap://h\"\nidentity = \"c0ffee\""),
            ":6: plan[0].server[0].identity: not with mode = \"nosec\"",
        ),
        (
            of_device("mode = \"nosec\""),
            ":4: plan[0].device.mode: expected psk, rpk or certificate",
        ),
        (
            of_device("mode = \"psk\"\nkey = \"c0ffee\"\ndevice-certificate-file = \"x\""),
            ":6: plan[0].device.device-certificate-file: not with mode = \"psk\"",
        ),
        (
            of_device("mode = \"psk\"\nuri = \"coaps://h\""),
            ":5: plan[0].device.uri: unknown key; expected one of mode, identity",
        ),
        (
            psk("key = \"c0ffee\"\nprivate-key-file = \"x\""),
            ":8: plan[0].server[0].private-key-file: not with mode = \"psk\"",
        ),
        (
            psk("psk-file = \"keys\"\nkey = \"c0ffee\""),
            ":8: plan[0].server[0].key: there is psk-file as well",
        ),
        (
            psk("psk-file = \"keys\"\nkey-file = \"x\""),
            ":8: plan[0].server[0].key-file: there is psk-file as well",
        ),
    ] {
        assert_mistake(&text, told);
    }
}

/// The program doesn't take these plans, and says where the mistake is.
fn assert_mistake(text: &str, told: &str) {
    // Tests run side by side.
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default().replace("::", "-") + "-mistake";
    let file = File::new(&name, text);
    let (status, complaint) = complaint(PROGRAM, &[file.path()]);
    assert_eq!(status, Some(1), "{text}: {complaint}");
    assert!(
        complaint.contains(&format!("mistake{told}")),
        "{text}: {complaint}"
    );
    assert!(!complaint.contains("c0ffe"), "{complaint}");
}

#[cfg(any(feature = "dtls", feature = "dtls-openssl"))]
#[test]
fn a_client_without_security_gets_no_plan_from_a_program_with_keys_unless_it_is_allowed() {
    let file = File::new("secured", PLANS);
    let keys = [
        "--listen-secure",
        "127.0.0.1:0",
        "--psk-identity",
        "lamp-1",
        "--psk-key",
        "00010203",
    ];
    let (mut strict, address) = program(&file, &keys);
    strict.expect("listening coaps://127.0.0.1:");
    let client = Client::new(FRESH);
    client.ask(address, "lamp-1");
    assert_eq!(client.code(), Code::BAD_REQUEST);
    let told = strict.expect("refused lamp-1 from 127.0.0.1:");
    assert!(
        told.ends_with("the endpoint name needs a proven identity"),
        "{told}"
    );

    let (mut open, address) = program(&file, &[&keys[..], &["--allow-nosec"]].concat());
    let mut client = Client::new(FRESH);
    client.ask(address, "lamp-1");
    assert_eq!(client.obey().len(), 6);
    open.expect("finished lamp-1");
}

/// The plan of a server that is there.
fn plan_of(endpoint: &str, uri: &str) -> String {
    format!("[[plan]]\nendpoint = {endpoint:?}\n[[plan.server]]\nid = 7\nuri = {uri:?}\n")
}

#[test]
fn a_device_is_told_its_server_and_registers_there() {
    let (mut server, uri) = server(&[]);
    let file = File::new("together", &plan_of("me", &uri));
    let (mut program, address) = program(&file, &[]);
    let mut device = client(&["--bootstrap", &format!("coap://{address}")]);
    program.expect("requested me from 127.0.0.1:");
    program.expect("discovered me / /0/0 ");
    program.expect("finished me");
    device.expect("bootstrapping bootstrap Client Initiated Bootstrap");
    device.expect("bootstrapped bootstrap");
    device.expect("registered 7 /rd/");
    server.expect("registered me /rd/");
    server.say("read me /1/0/0");
    server.expect("answer me read /1/0/0 2.05 Content");
    assert_eq!(server.next(), "  /1/0/0 = 7");

    // Again: the same server stays registered, or registers anew.
    device.say("bootstrap");
    program.expect("finished me");
    device.expect("bootstrapped bootstrap");
    server.say("read me /3/0/0");
    server.expect("answer me read /3/0/0 2.05 Content");
}

#[cfg(any(feature = "dtls", feature = "dtls-openssl"))]
#[test]
fn a_device_with_a_key_is_told_its_server_over_coaps() {
    let (mut server, uri) = server(&[]);
    let file = File::new("coaps", &plan_of("me", &uri));
    let key = ["--psk-identity", "me", "--psk-key", "c0ffee00c0ffee00"];
    let listening = [&["--listen-secure", "127.0.0.1:0"][..], &key].concat();
    let (mut program, _) = program(&file, &listening);
    let line = program.expect("listening coaps://127.0.0.1:");
    let uri = line.strip_prefix("listening ").unwrap();
    let mut device = client(&[&["--bootstrap", uri][..], &key].concat());
    program.expect("connected ");
    let requested = program.expect("requested me from ");
    assert!(requested.contains("PreSharedKey"), "{requested}");
    program.expect("finished me");
    device.expect("bootstrapped bootstrap");
    device.expect("registered 7 /rd/");
    server.expect("registered me /rd/");

    // A wrong key gets nothing.
    let wrong = ["--psk-identity", "me", "--psk-key", "c0ffee00c0ffee01"];
    let _stranger = client(&[&["--bootstrap", uri][..], &wrong].concat());
    program.expect("handshake coaps://127.0.0.1:");
    program.say("stats");
    program.expect("stats requested=1 refused=0 ");
}

#[test]
fn a_device_that_is_unknown_asks_again_later() {
    let file = File::new("unknown", &plan_of("other", "coap://127.0.0.1"));
    let (mut program, address) = program(&file, &[]);
    let mut device = client(&["--bootstrap", &format!("coap://{address}"), "--json"]);
    program.expect("unknown me ");
    let line = device.expect("{\"event\":\"failed\"");
    let failed: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(failed["operation"], "bootstrap", "{line}");
    assert!(failed["retry"].is_number(), "{line}");
}
