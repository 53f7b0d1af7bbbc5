//! The device with several servers: its Objects, its commands, and what it prints.

use serde_json::Value as Json;

use crate::support::{Program, client, server, server_and_device};

const OBJECTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/objects");

/// Two servers that know the Objects of the device, and the device, registered at both.
fn two_servers_and_device(arguments: &[&str]) -> (Program, Program, Program) {
    let (mut first, first_uri) = server(&["--ddf", OBJECTS]);
    let (mut second, second_uri) = server(&["--ddf", OBJECTS]);
    let (first_uri, second_uri) = (format!("101={first_uri}"), format!("102={second_uri}"));
    let servers = ["--server", &first_uri, "--server", &second_uri];
    let client = client(&[&servers, arguments].concat());
    first.expect("registered me /rd/");
    second.expect("registered me /rd/");
    (first, second, client)
}

/// What a server is told.
fn asks(server: &mut Program, request: &str) -> String {
    server.say(request);
    let mut words = request.split(' ');
    let (verb, path) = (words.next().unwrap(), words.nth(1).unwrap());
    let answer = format!("answer me {verb} {path} ");
    server.expect(&answer).replace(&answer, "")
}

#[test]
fn the_device_has_objects_0_to_7_and_9_and_its_own() {
    let (mut server, uri) = server(&[]);
    let mut client = client(&["--server", &uri]);
    let registered = server.expect("registered me /rd/");
    for object in [1, 2, 3, 4, 5, 6, 7, 9, 3442] {
        assert!(registered.contains(&format!("/{object}/0")), "{registered}");
    }
    assert!(registered.contains("/26241/0,/26241/1"), "{registered}");
    client.say("list");
    for line in [
        "  /0/0 LwM2M Security",
        "  /3/0 Device owner=101 0:R",
        "  /26241 Thermostat 101:C",
        "  /26241/0 Thermostat owner=101 0:R",
    ] {
        assert_eq!(client.expect(line), line);
    }
}

#[test]
fn a_device_below_an_alternate_path_is_managed_there() {
    let (mut server, uri) = server(&[]);
    let mut client = client(&[
        "--server",
        &uri,
        "--alternate-path",
        "/lwm2m",
        "--binding",
        "US",
        "--sms-number",
        "491234567",
    ]);
    let registered = server.expect("registered me /rd/");
    assert!(registered.contains(" binding=US "), "{registered}");
    assert!(asks(&mut server, "write me /3/0/14 +03:00").starts_with("2.04"));
    client.expect("written 101 /3/0/14 = \"+03:00\"");
}

#[test]
fn each_server_may_do_what_it_has_the_right_to() {
    let (mut first, mut second, mut client) = two_servers_and_device(&[
        "--owner",
        "/26241/1=102",
        "--right",
        "/6/0=0:-",
        "--right",
        "/26241/1=101:RE",
    ]);
    for (is_first, request, code) in [
        (true, "write me /3/0/14 +03:00", "2.04"),
        (false, "read me /3/0/14", "2.05"),
        (false, "write me /3/0/14 +04:00", "4.01"),
        (false, "exec me /3/0/4", "4.01"),
        (true, "read me /6/0", "2.05"),
        (false, "read me /6/0", "4.01"),
        (false, "observe me /6/0", "4.01"),
        (false, "write me /26241/1/2 22", "2.04"),
        (true, "write me /26241/1/2 23", "4.01"),
        (true, "exec me /26241/1/6", "2.04"),
        (false, "read me /0/0", "4.01"),
        (false, "read me /1/1/0", "2.05"),
        (false, "read me /1/0/0", "4.01"),
        (true, "read me /3/0/77", "4.04"),
        (true, "write me /3/0/9 5", "4.05"),
    ] {
        let server = if is_first { &mut first } else { &mut second };
        let answer = asks(server, request);
        assert!(answer.starts_with(code), "{request}: {answer}");
    }
    client.expect("written 101 /3/0/14 = \"+03:00\"");
    client.expect("written 102 /26241/1/2 = 22");
    client.expect("executed 101 /26241/1/6");
}

#[test]
fn an_object_instance_comes_and_goes_by_a_server_with_the_right_to_it() {
    let (mut first, mut second, mut client) = two_servers_and_device(&[]);
    let create = "create me /26241 0=\"Living room\" 2=21.5";
    let refused = asks(&mut second, create);
    assert!(refused.starts_with("4.01"), "{refused}");
    let created = asks(&mut first, create);
    assert_eq!(created, "2.01 Created /26241/2");
    client.expect("created 101 /26241/2");
    // Both are told that there is one more, but it is the first one's.
    for server in [&mut first, &mut second] {
        assert!(server.expect("updated me ").contains("/26241/2"));
    }
    assert!(asks(&mut first, "read me /26241/2").starts_with("2.05"));
    first.expect("  /26241/2/1 = 18");
    assert!(asks(&mut second, "read me /26241/2").starts_with("4.01"));
    assert!(asks(&mut second, "delete me /26241/2").starts_with("4.01"));
    assert!(asks(&mut first, "delete me /26241/2").starts_with("2.02"));
    client.expect("deleted 101 /26241/2");
    for server in [&mut first, &mut second] {
        assert!(!server.expect("updated me ").contains("/26241/2"));
    }
}

#[test]
fn an_object_instance_comes_and_goes_by_a_command() {
    let (mut first, mut second, mut client) = two_servers_and_device(&[]);
    client.say("add /26241 0=\"Living room\" 2=21.5");
    assert_eq!(client.expect("added"), "added /26241/2");
    for server in [&mut first, &mut second] {
        assert!(server.expect("updated me ").contains("/26241/2"));
    }
    assert!(asks(&mut first, "read me /26241/2/0").starts_with("2.05"));
    first.expect("  /26241/2/0 = \"Living room\"");
    assert!(asks(&mut second, "read me /26241/2/0").starts_with("4.01"));
    client.say("remove /26241/2");
    assert_eq!(client.expect("removed"), "removed /26241/2");
    for server in [&mut first, &mut second] {
        assert!(!server.expect("updated me ").contains("/26241/2"));
    }
    assert!(asks(&mut first, "read me /26241/2").starts_with("4.04"));
    // Its Access Control Object Instance has gone with it.
    client.say("list");
    let listed = core::iter::from_fn(|| {
        let line = client.next();
        (!line.starts_with("  /9/0")).then_some(line)
    });
    let lines: Vec<_> = listed.collect();
    assert!(
        !lines.iter().any(|line| line.contains("/26241/2")),
        "{lines:?}"
    );
}

#[test]
fn what_a_person_reads_fits_a_terminal() {
    let coap = env!("CARGO_BIN_EXE_coap");
    for (program, command) in [
        (env!("CARGO_BIN_EXE_client"), ""),
        (env!("CARGO_BIN_EXE_demo"), ""),
        (env!("CARGO_BIN_EXE_server"), ""),
        (env!("CARGO_BIN_EXE_bootstrap-server"), ""),
        (env!("CARGO_BIN_EXE_relay"), ""),
        (coap, ""),
        (coap, "serve"),
        (coap, "get"),
        (coap, "put"),
        (coap, "observe"),
    ] {
        for help in ["-h", "--help"] {
            let arguments = command.split_whitespace().chain([help]);
            let output = std::process::Command::new(program).args(arguments).output();
            let printed = String::from_utf8(output.unwrap().stdout).unwrap();
            assert!(
                printed.contains("Usage: "),
                "{program} {command}: {printed}"
            );
            for line in printed.lines() {
                assert!(line.chars().count() <= 80, "{program} {command}: {line}");
            }
        }
    }
}

#[test]
fn values_are_shown_and_set() {
    let (mut server, mut client) = server_and_device();
    client.say("get /3/0/7");
    assert_eq!(
        client.expect("  /3/0/7/0"),
        "  /3/0/7/0 = 3800 (Power Source Voltage)"
    );
    client.say("set /3/0/7/1 4900");
    client.say("get /3/0/7/1");
    client.expect("  /3/0/7/1 = 4900");
    server.say("read me /3/0/7");
    server.expect("  /3/0/7/1 = 4900");
    client.say("get");
    client.expect("  /0/0/0 = \"coap://");
    client.expect("  /26241/1/0 = \"Bedroom\" (Room)");
    client.say("error 3");
    client.say("get /3/0/11");
    client.expect("  /3/0/11/0 = 3 ");
}

#[test]
fn what_is_wrong_with_a_command_is_told() {
    let (_server, mut client) = server_and_device();
    for (command, told) in [
        ("dance", "error expected get, set, add, "),
        ("get /77", "error there is no value at /77"),
        ("set /3/0 1", "error expected the path of a Resource"),
        (
            "set /3/0/9 full",
            "error /3/0/9: offset 0: expected an integer",
        ),
        (
            "set /3/0/9 101",
            "error the value of /3/0/9 is out of range",
        ),
        ("set /3/7/9 1", "error /3/7/9 is not there"),
        ("add /77 1=2", "error there is no Object 77"),
        ("add /26241/0", "error /26241/0 exists already"),
        (
            "add /26241/5 2=hot",
            "error /26241/5/2: offset 0: expected a decimal number",
        ),
        (
            "add /26241/5 2=50",
            "error the value of /26241/5/2 is out of range",
        ),
        ("remove /26241/7", "error there is no /26241/7"),
        ("remove /3/0", "error /3/0 stays: Device is mandatory"),
        (
            "update 105",
            "error expected the Short Server ID of an account",
        ),
        (
            "offline x",
            "error expected a Short Server ID of 1 to 65534",
        ),
        ("online", "error the device is online already"),
        ("online 101", "error the link to 101 is not cut"),
        ("error 9", "error expected an error code of 1 to 8"),
    ] {
        client.say(command);
        let line = client.next();
        assert!(line.starts_with(told), "{command}: {line}");
    }
}

#[test]
fn registrations_come_and_go_by_commands() {
    let (mut first, mut second, mut client) = two_servers_and_device(&["--lifetime", "300"]);
    client.expect_each(["registered 101 /rd/", "registered 102 /rd/"]);
    client.say("update 102");
    client.expect("updated 102");
    second.expect("updated me ");
    client.say("update");
    client.expect_each(["updated 101", "updated 102"]);
    first.expect("updated me ");
    second.expect("updated me ");
    client.say("accounts");
    for (id, uri) in [("101", "coap://127.0.0.1:"), ("102", "coap://127.0.0.1:")] {
        let line = client.expect(&format!("  {id} registered /rd/"));
        assert!(line.contains(uri), "{line}");
    }
    client.say("deregister");
    first.expect("deregistered me");
    second.expect("deregistered me");
    client.expect_each(["deregistered 101", "deregistered 102"]);
    client.say("accounts");
    client.expect("  101 stopped coap://");
    client.say("register");
    assert!(
        first
            .expect("registered me /rd/")
            .contains(" lifetime=300 ")
    );
    second.expect("registered me /rd/");
    client.expect_each(["registered 101 /rd/", "registered 102 /rd/"]);
    client.say("reboot");
    client.expect("rebooted");
    for server in [&mut first, &mut second] {
        server.expect("replaced me");
        server.expect("registered me /rd/");
    }
}

#[test]
fn a_factory_reset_restores_what_the_device_had_at_first() {
    let (mut server, mut client) = server_and_device();
    assert!(asks(&mut server, "write me /3/0/14 +05:00").starts_with("2.04"));
    assert!(asks(&mut server, "delete me /26241/1").starts_with("2.02"));
    assert!(asks(&mut server, "exec me /3/0/5").starts_with("2.04"));
    client.expect("executed 101 /3/0/5");
    server.expect("deregistered me");
    client.expect("deregistered 101");
    client.expect("reset to the state of the factory");
    assert!(server.expect("registered me /rd/").contains("/26241/1"));
    client.expect("registered 101 /rd/");
    assert!(asks(&mut server, "read me /3/0/14").starts_with("2.05"));
    server.expect("  /3/0/14 = \"+02:00\"");
}

#[test]
fn a_device_that_was_offline_tells_what_it_has_stored() {
    let (mut server, mut client) = server_and_device();
    assert!(asks(&mut server, "observe me /3/0/9").starts_with("2.05"));
    client.say("offline");
    client.expect("offline");
    client.say("offline");
    client.expect("error the device is offline already");
    for level in ["42", "41"] {
        client.say(&format!("set /3/0/9 {level}"));
    }
    client.say("get /3/0/9");
    client.expect("  /3/0/9 = 41");
    client.say("accounts");
    let account = client.expect("  101 registered /rd/");
    assert!(account.ends_with(" offline stored=2"), "{account}");
    client.say("online");
    client.expect("online");
    client.expect("updated 101");
    server.expect("updated me ");
    // Oldest first.
    for level in ["42", "41"] {
        server.expect("notify me /3/0/9 ");
        server.expect(&format!("  /3/0/9 = {level}"));
    }
}

#[test]
fn an_account_comes_and_goes_by_commands() {
    let (mut first, first_uri) = server(&[]);
    let (mut second, second_uri) = server(&[]);
    let mut client = client(&["--server", &first_uri]);
    client.expect("registered 101 /rd/");
    client.say(&format!("add /0/1 0={second_uri} 1=false 2=3 10=102"));
    client.expect("added /0/1");
    client.say("add /1/1 0=102 1=60 6=true 7=U");
    client.expect(&format!("connecting 102 {second_uri}"));
    client.expect_each(["registered 102 /rd/", "updated 101"]);
    assert!(first.expect("updated me ").contains("objects=/1/0,/1/1,"));
    assert!(second.expect("registered me ").contains(" lifetime=60 "));
    // It is not alone any more, and owns only its account.
    assert!(asks(&mut second, "read me /1/1/1").starts_with("2.05"));
    assert!(asks(&mut second, "write me /3/0/14 +03:00").starts_with("4.01"));
    client.say("remove /1/1");
    client.expect("removed /1/1");
    second.expect("deregistered me");
    client.expect_each(["deregistered 102", "updated 101"]);
}

#[test]
fn two_accounts_of_one_address_are_told_apart() {
    let (mut server, uri) = server(&[]);
    let mut client = client(&["--server", &uri, "--server", &uri]);
    client.expect_each(["registered 101 /rd/", "registered 102 /rd/"]);
    // To the server they are one client that registers twice.
    server.expect("replaced me");
    server.expect("registered me ");
    assert!(asks(&mut server, "read me /3/0/0").starts_with("2.05"));
}

#[test]
fn what_is_asked_for_is_allowed_and_refused_by_commands() {
    let (mut server, mut client) = server_and_device();
    for path in ["/26241", "/3/0/14"] {
        client.say(&format!("ask {path}"));
        client.expect(&format!("asks {path}"));
    }
    server.say("write me /3/0/14 +03:00");
    client.expect("asked 101 write /3/0/14 request=1");
    client.say("allow 1");
    client.expect("answered 1 2.04 Changed");
    server.expect("answer me write /3/0/14 2.04");
    server.say("write me /3/0/14 +04:00");
    client.expect("asked 101 write /3/0/14 request=2");
    client.say("refuse 2 5.00");
    client.expect("answered 2 5.00 ");
    server.expect("answer me write /3/0/14 5.00");
    client.say("get /3/0/14");
    client.expect("  /3/0/14 = \"+03:00\"");
    server.say("exec me /26241/0/6 0='all'");
    client.expect("asked 101 execute /26241/0/6 0='all' request=3");
    client.say("refuse 3 2.04");
    client.expect("error ");
    client.say("refuse 3");
    client.expect("answered 3 4.05 ");
    server.expect("answer me exec /26241/0/6 4.05");
    server.say("delete me /26241/1");
    client.expect("asked 101 delete /26241/1 request=4");
    client.say("allow 4");
    server.expect("answer me delete /26241/1 2.02");
    client.say("allow 4");
    client.expect("error there is no request 4");
}

#[test]
fn observations_and_attributes_are_listed_by_server() {
    let (mut first, mut second, mut client) = two_servers_and_device(&[]);
    assert!(asks(&mut first, "attributes me /3/0/9 pmin=5 st=2.5").starts_with("2.04"));
    client.expect("attributes 101 /3/0/9 pmin=5;st=2.5");
    assert!(asks(&mut second, "attributes me /3 pmax=60").starts_with("2.04"));
    client.expect("attributes 102 /3 pmax=60");
    client.say("attributes");
    assert_eq!(client.next(), "  101 /3/0/9 pmin=5;st=2.5");
    assert_eq!(client.next(), "  102 /3 pmax=60");
    assert!(asks(&mut second, "attributes me /3 pmax").starts_with("2.04"));
    client.expect("attributes 102 /3 none");
    assert!(asks(&mut second, "observe me /26241/0").starts_with("2.05"));
    client.expect("observed 102 /26241/0");
    client.say("observations");
    assert_eq!(client.next(), "  102 /26241/0");
    assert!(asks(&mut second, "cancel me /26241/0").starts_with("2.05"));
    client.expect("unobserved 102 /26241/0");
    client.say("observations");
    client.say("accounts");
    client.expect("  101 registered");
}

#[test]
fn the_link_to_one_server_is_cut_and_mended() {
    let (mut first, mut second, mut client) = two_servers_and_device(&[]);
    client.expect_each(["registered 101 /rd/", "registered 102 /rd/"]);
    client.say("offline 102");
    client.expect("offline 102");
    client.say("accounts");
    assert!(!client.expect("  101 registered").ends_with(" offline"));
    assert!(client.expect("  102 registered").ends_with(" offline"));
    // The other one goes on.
    assert!(asks(&mut first, "read me /3/0/9").starts_with("2.05"));
    client.say("online 102");
    client.expect("online 102");
    // The registration has lived on.
    client.expect("updated 102");
    second.expect("updated me ");
    assert!(asks(&mut second, "read me /3/0/9").starts_with("2.05"));
}

#[test]
fn json_has_the_same_lines_with_typed_values() {
    let (mut server, uri) = server(&["--ddf", OBJECTS]);
    let mut client = client(&["--server", &uri, "--json"]);
    let mut before = 0.0;
    let mut expect = |client: &mut Program, event: &str| loop {
        let line = client.next();
        let json: Json = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{error}: {line}");
        });
        let time = json["time"].as_f64().unwrap();
        assert!(time >= before, "{line}");
        before = time;
        if json["event"] == event {
            return json;
        }
    };
    let listening = expect(&mut client, "listening");
    assert!(listening["address"].as_str().unwrap().starts_with("127."));
    let registered = expect(&mut client, "registered");
    assert_eq!(registered["server"], 101);
    assert_eq!(registered["account"], 0);
    assert!(registered["location"].as_str().unwrap().starts_with("/rd/"));
    for (path, text, name, value) in [
        ("/3442/0/110", "a \"b\"", "string", Json::from("a \"b\"")),
        ("/3442/0/120", "-5", "integer", Json::from(-5)),
        ("/3442/0/130", "0.5", "float", Json::from(0.5)),
        ("/3442/0/140", "false", "boolean", Json::from(false)),
        ("/3442/0/150", "0x00ff", "opaque", Json::from("0x00ff")),
        ("/3442/0/160", "60", "time", Json::from(60)),
        ("/3442/0/170", "3:0", "objlnk", Json::from("3:0")),
    ] {
        server.say(&format!("write me {path} {text}"));
        let written = expect(&mut client, "written");
        assert_eq!(
            (&written["server"], &written["path"]),
            (&101.into(), &path.into())
        );
        assert_eq!(
            (&written["type"], &written["value"]),
            (&name.into(), &value)
        );
        client.say(&format!("get {path}"));
        let shown = expect(&mut client, "value");
        assert_eq!((&shown["type"], &shown["value"]), (&name.into(), &value));
        assert!(shown["name"].is_string());
    }
    server.say("exec me /26241/0/6 0='a'");
    let executed = expect(&mut client, "executed");
    assert_eq!(executed["arguments"], "0='a'");
    client.say("dance");
    assert!(expect(&mut client, "error")["message"].is_string());
    client.say("list");
    let listed = expect(&mut client, "object");
    assert_eq!(listed["rights"]["101"], "C");
    client.say("help");
    assert_eq!(expect(&mut client, "help")["usage"], "get [PATH]");
    client.say("accounts");
    let account = expect(&mut client, "account");
    assert_eq!(
        (&account["state"], &account["offline"]),
        (&"registered".into(), &false.into())
    );
    client.say("quit");
    assert!(client.ends());
}
