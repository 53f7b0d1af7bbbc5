//! What charts look like.

use lwm2m_core::Instant;

use super::*;

const CLIENT: &str = "127.0.0.1:40000";
const SERVER: &str = "127.0.0.1:5683";

fn chart(datagrams: &[(bool, &[u8])]) -> String {
    let (client, server) = (CLIENT.parse().unwrap(), SERVER.parse().unwrap());
    let mut chart = Chart::new(server);
    let mut text = Chart::heading("client", "server");
    for (number, (to_server, payload)) in datagrams.iter().enumerate() {
        let (from, to) = if *to_server {
            (client, server)
        } else {
            (server, client)
        };
        text.push_str(&chart.rows(&Captured {
            at: Instant::from_millis(number as u64),
            sent: true,
            from,
            to,
            payload,
        }));
    }
    text
}

#[test]
fn a_registration() {
    let register = b"\x44\x02\x12\x34\x01\x02\x03\x04\xb2rd\x11\x28\x39ep=device\x05lt=60\
        \xff</>;rt=\"oma.lwm2m\",</1/0>,</3/0>";
    let created = b"\x64\x41\x12\x34\x01\x02\x03\x04\x82rd\x025a";
    let expected = r#"
   time client            server
  0.000 │─── CON POST ───▶│ 1234 01… /rd?ep=device&lt=60
        │                 │          link-format, 32 bytes:
        │                 │            </>;rt="oma.lwm2m", </1/0>, </3/0>
  0.001 │◀─── ACK 2.01 ───│ 1234 01… Created /rd/5a
"#;
    let chart = chart(&[(true, register), (false, created)]);
    assert_eq!(chart.trim(), expected.trim(), "\n{chart}");
}

#[test]
fn an_answer_is_decoded_by_its_request() {
    let read = b"\x42\x01\x00\x07\xab\xcd\xb13\x010\x62\x2d\x16";
    let answer = b"\x62\x45\x00\x07\xab\xcd\xc2\x2d\x16\xff\xc8\x00\x04acme\xc1\x09\x64";
    let chart = chart(&[(false, read), (true, answer)]);
    for line in [
        "/3/0 (Device), Accept TLV",
        "Content /3/0",
        "TLV, 10 bytes:",
        "/3/0/0 Manufacturer = \"acme\"",
        "/3/0/9 Battery Level = 100",
    ] {
        assert!(chart.contains(line), "no {line:?} in\n{chart}");
    }
}

#[test]
fn notifications_are_decoded_by_the_observe_before_them() {
    let observe = b"\x42\x01\x00\x07\xab\xcd\x60\x513\x010\x019";
    let answer = b"\x62\x45\x00\x07\xab\xcd\x60\x60\xff100";
    let notification = b"\x52\x45\x11\x11\xab\xcd\x61\x05\x60\xff99";
    let chart = chart(&[(false, observe), (true, answer), (true, notification)]);
    for line in [
        "/3/0/9 (Battery Level), Observe",
        "Content /3/0/9, Observe 0",
        "Content /3/0/9, Observe 5",
        "/3/0/9 Battery Level = 99",
    ] {
        assert!(chart.contains(line), "no {line:?} in\n{chart}");
    }
}

#[test]
fn what_is_not_coap_and_what_is_repeated_is_shown_as_such() {
    let chart = chart(&[
        (true, b"\x01\x02\x03"),
        (true, b"\x40\x00\x00\x01"),
        (false, b"\x70\x00\x00\x01"),
        (true, b"\x40\x00\x00\x01"),
    ]);
    assert!(
        chart.contains("no CoAP: shorter than the header"),
        "{chart}"
    );
    assert!(chart.contains("010203"), "{chart}");
    assert!(chart.contains("ping (repeated)"), "{chart}");
    assert!(chart.contains("── RST ──"), "{chart}");
}

#[test]
fn of_several_servers_each_row_says_which() {
    let client: SocketAddr = CLIENT.parse().unwrap();
    let servers = [(SERVER, "101"), ("127.0.0.1:5684", "102")];
    let servers = servers.map(|(at, name)| (at.parse().unwrap(), name.to_owned()));
    let mut chart = Chart::of_servers(servers.clone());
    let ping = b"\x40\x00\x00\x01";
    let mut rows = String::new();
    for (from, to) in [(client, servers[0].0), (servers[1].0, client)] {
        rows.push_str(&chart.rows(&Captured {
            at: Instant::ZERO,
            sent: true,
            from,
            to,
            payload: ping,
        }));
    }
    let expected = "  0.000 │───── CON ──────▶│ 101 0001     ping\n  \
        0.000 │◀───── CON ──────│ 102 0001     ping\n";
    assert_eq!(rows, expected);
}

#[test]
fn what_is_long_may_be_cut_off() {
    let mut long = b"\x50\x02\x00\x07\xb2rd\x11\x28\xff".to_vec();
    for instance in 0..60 {
        long.extend_from_slice(format!("</3/{instance}>,").as_bytes());
    }
    let at = SERVER.parse().unwrap();
    let datagram = Captured {
        at: Instant::ZERO,
        sent: true,
        from: CLIENT.parse().unwrap(),
        to: at,
        payload: &long,
    };
    let whole = Chart::new(at).rows(&datagram).lines().count();
    let cut = Chart::new(at).at_most(5).rows(&datagram);
    assert_eq!(cut.lines().count(), 5);
    assert!(
        cut.ends_with(&format!("… {} more lines\n", whole - 4)),
        "{cut}"
    );
}

#[test]
fn no_line_is_wider_than_the_page() {
    let mut long = b"\x50\x02\x00\x07\xb2rd\x11\x28\xff".to_vec();
    for instance in 0..60 {
        long.extend_from_slice(format!("</3/{instance}>;title=\"a, b\",").as_bytes());
    }
    let mut opaque = b"\x50\x03\x00\x08\xb13\x010\x12\x2d\x16\xff".to_vec();
    opaque.extend_from_slice(&[0xff; 200]);
    let chart = chart(&[(true, &long), (true, &opaque)]);
    let widest = chart.lines().map(|line| line.chars().count()).max();
    assert!(
        widest.is_some_and(|widest| (76..=80).contains(&widest)),
        "{widest:?}\n{chart}"
    );
    assert!(chart.lines().count() > 20, "{chart}");
}

#[test]
fn a_key_is_not_shown() {
    let put = |path: &[u8], format: &[u8], body: &[u8]| {
        let mut bytes = vec![0x40, 3, 0, 7];
        bytes.extend_from_slice(path);
        bytes.extend_from_slice(format);
        bytes.push(0xff);
        bytes.extend_from_slice(body);
        bytes
    };
    let instance = b"\xb10\x011";
    let key = b"\xb10\x011\x015";
    // TLV of the Instance and of the Resource, the key as octets, JSON, and what isn't right.
    for bytes in [
        put(instance, b"\x12\x2d\x16", b"\xc2\x03me\xc4\x05k3y!"),
        put(key, b"\x12\x2d\x16", b"\xc4\x05k3y!"),
        put(key, b"\x11\x2a", b"k3y!"),
        put(key, b"\x12\x2d\x17", br#"{"e":[{"n":"","sv":"azN5IQ=="}]}"#),
        put(key, b"", b"k3y!"),
        put(instance, b"\x12\x2d\x16", b"\xc9\x05k3y!"),
        put(instance, b"\x12\x2d\x16\xd1\x02\x08", b"\xc4\x05k3y!"),
    ] {
        let chart = chart(&[(false, &bytes)]);
        assert!(chart.contains("(not shown)"), "{chart}");
        for form in ["k3y!", "6b337921", "6b 33 79 21", "azN5IQ"] {
            assert!(!chart.contains(form), "{chart}");
        }
    }
}
