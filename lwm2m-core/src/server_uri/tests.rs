use alloc::string::{String, ToString};

use proptest::prelude::*;

use super::{ServerUriExpected as Expected, *};

fn coap(host: &str, port: u16) -> ServerUri<'_> {
    ServerUri::Coap { host, port }
}

fn coaps(host: &str, port: u16) -> ServerUri<'_> {
    ServerUri::Coaps { host, port }
}

#[test]
fn a_server_uri_names_host_and_port_or_the_default_port() {
    for (text, uri) in [
        ("coap://192.0.2.1", coap("192.0.2.1", 5683)),
        ("coap://192.0.2.1:5700", coap("192.0.2.1", 5700)),
        ("coap://192.0.2.1/", coap("192.0.2.1", 5683)),
        ("coap://192.0.2.1:", coap("192.0.2.1", 5683)),
        ("coap://192.0.2.1:/", coap("192.0.2.1", 5683)),
        ("coap://localhost:1", coap("localhost", 1)),
        ("coap://example.org.:65535/", coap("example.org.", 65535)),
        ("coap://my_host-1:005700", coap("my_host-1", 5700)),
        ("coap://[::1]", coap("::1", 5683)),
        ("coap://[2001:db8::2:1]:5700/", coap("2001:db8::2:1", 5700)),
        ("coap://[::ffff:192.0.2.1]", coap("::ffff:192.0.2.1", 5683)),
        // TS F and 7.1.9.
        (
            "coaps://server1.example.com",
            coaps("server1.example.com", 5684),
        ),
        ("coaps://[2001:db8::2:1]/", coaps("2001:db8::2:1", 5684)),
        ("coaps://[::1]:5683", coaps("::1", 5683)),
        // Schemes are written in either case (RFC 3986 §3.1).
        ("CoAPS://EXAMPLE.org", coaps("EXAMPLE.org", 5684)),
    ] {
        assert_eq!(ServerUri::parse(text), Ok(uri), "{text}");
        let written = uri.to_string();
        assert_eq!(ServerUri::parse(&written), Ok(uri), "{written}");
    }
}

#[test]
fn an_sms_uri_names_a_number() {
    let number = "4915112345678".parse().unwrap();
    for text in [
        "sms:+4915112345678",
        "tel:+4915112345678",
        "SMS:4915112345678",
        "sms://4915112345678",
        "tel://+4915112345678",
    ] {
        assert_eq!(ServerUri::parse(text), Ok(ServerUri::Sms(number)), "{text}");
    }
    let written = ServerUri::Sms(number).to_string();
    assert_eq!(written, "tel:+4915112345678");
    assert_eq!(ServerUri::Sms(number).address(), None);
}

#[test]
fn what_is_not_a_server_uri_is_told_with_its_place() {
    for (text, offset, expected) in [
        ("", 0, Expected::Scheme),
        ("192.0.2.1", 0, Expected::Scheme),
        ("localhost:5683", 0, Expected::Scheme),
        ("http://192.0.2.1", 0, Expected::Scheme),
        ("coap+tcp://192.0.2.1", 0, Expected::Scheme),
        (" coap://192.0.2.1", 0, Expected::Scheme),
        ("://192.0.2.1", 0, Expected::Scheme),
        ("coap:192.0.2.1", 5, Expected::Slashes),
        ("coap:/192.0.2.1", 5, Expected::Slashes),
        ("coap://", 7, Expected::Host),
        ("coap:///path", 7, Expected::Host),
        ("coap://:5683", 7, Expected::Host),
        ("coap://.", 7, Expected::Host),
        ("coap://a..b", 9, Expected::Host),
        ("coap://.a", 7, Expected::Host),
        ("coap://user@host", 11, Expected::Host),
        ("coap://h%6Fst", 8, Expected::Host),
        ("coap://192.0.2.1 ", 16, Expected::Host),
        ("coap://h\u{f6}st", 8, Expected::Host),
        ("coap://2001:db8::1", 7, Expected::Host),
        ("coap://::1", 7, Expected::Host),
        ("coap://300.0.2.1", 7, Expected::Ipv4),
        ("coap://192.0.2", 7, Expected::Ipv4),
        ("coap://1234:5683", 7, Expected::Ipv4),
        ("coap://192.0.2.1.", 7, Expected::Ipv4),
        ("coap://[2001:db8::1", 8, Expected::Ipv6),
        ("coap://[192.0.2.1]", 8, Expected::Ipv6),
        ("coap://[]", 8, Expected::Ipv6),
        ("coap://[fe80::1%25eth0]", 8, Expected::Ipv6),
        ("coap://[::1]5683", 12, Expected::PortOrEnd),
        ("coap://192.0.2.1:0", 17, Expected::Port),
        ("coap://192.0.2.1:65536", 17, Expected::Port),
        ("coap://192.0.2.1:+5", 17, Expected::Port),
        ("coap://[::1]:coap", 13, Expected::Port),
        ("coap://192.0.2.1/path", 17, Expected::End),
        ("coap://192.0.2.1:5683/rd/", 22, Expected::End),
        ("coap://192.0.2.1//", 17, Expected::End),
        ("coap://192.0.2.1?x=1", 16, Expected::End),
        ("coap://192.0.2.1/?", 17, Expected::End),
        ("coap://192.0.2.1#", 16, Expected::NoFragment),
        ("coap://192.0.2.1/a#b", 18, Expected::NoFragment),
        ("sms:", 4, Expected::Number),
        ("tel:+", 5, Expected::Number),
        ("tel:+49 151", 5, Expected::Number),
        ("sms:+4915112345678?body=x", 5, Expected::Number),
        ("sms:+1234567890123456", 5, Expected::Number),
    ] {
        let error = ServerUriError { offset, expected };
        assert_eq!(ServerUri::parse(text), Err(error), "{text:?}");
        assert!(error.to_string().contains("expected"), "{error}");
    }
}

#[test]
fn the_uri_of_a_resource_keeps_its_path_and_query() {
    for (text, host, resource) in [
        ("coap://host", "host", ""),
        ("coap://host/", "host", "/"),
        ("coap://host/a:b/c", "host", "/a:b/c"),
        ("coap://host?q", "host", "?q"),
        ("coap://[::1]/a//?b=c/d&e", "::1", "/a//?b=c/d&e"),
        ("coap://host/%2F\u{e9}", "host", "/%2F\u{e9}"),
    ] {
        let split = ServerUri::split(text);
        assert_eq!(split, Ok((coap(host, 5683), resource)), "{text}");
    }
    let fragment = ServerUri::split("coap://host/a#b").unwrap_err();
    assert_eq!(
        (fragment.offset, fragment.expected),
        (13, Expected::NoFragment)
    );
}

#[test]
fn a_host_that_is_an_address_needs_no_resolution() {
    for (text, address) in [
        ("coap://192.0.2.1", Some("192.0.2.1:5683")),
        ("coaps://192.0.2.1", Some("192.0.2.1:5684")),
        ("coap://[::1]:5700", Some("[::1]:5700")),
        ("coap://localhost", None),
    ] {
        let address = address.map(|address| address.parse().unwrap());
        assert_eq!(ServerUri::parse(text).unwrap().address(), address, "{text}");
    }
}

/// Parts of URIs in any order, and any other text.
fn near_uri() -> impl Strategy<Value = String> {
    let part = proptest::sample::select(
        &[
            "coap",
            "coaps",
            "tel",
            ":",
            "/",
            "[",
            "]",
            "::1",
            "192.0.2.1",
            "host",
            ".",
            "5683",
            "?",
            "#",
            "\u{e9}",
        ][..],
    );
    let parts = proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat());
    prop_oneof![parts, any::<String>()]
}

proptest! {
    #[test]
    fn any_text_is_a_uri_that_reads_back_or_an_error_within_it(text in near_uri()) {
        match ServerUri::split(&text) {
            Ok((uri, resource)) => {
                let written = uri.to_string();
                prop_assert_eq!(ServerUri::parse(&written), Ok(uri));
                prop_assert!(text.ends_with(resource));
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.offset)),
        }
    }
}
