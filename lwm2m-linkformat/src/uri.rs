//! Checks URI references (RFC 3986) before they are written. Reading is more lenient.

use core::net::Ipv6Addr;

/// Checks a `URI-reference` (RFC 3986, section 4.1). The error is the index of the first invalid byte.
///
/// Each function below skips its part of the grammar and returns the rest of the text.
pub(crate) fn check_reference(text: &str) -> Result<(), usize> {
    let rest = match (after_scheme(text), text.strip_prefix("//")) {
        (Some(hierarchy), _) => match hierarchy.strip_prefix("//") {
            Some(authority) => pass_path(pass_authority(authority)),
            None => pass(hierarchy, is_path),
        },
        (None, Some(authority)) => pass_path(pass_authority(authority)),
        // With a colon, the first segment would be a scheme.
        (None, None) => pass_path(pass(text, |byte| byte != b':' && is_pchar(byte))),
    };
    let rest = pass_marked(rest, '?');
    let rest = pass_marked(rest, '#');
    if rest.is_empty() {
        Ok(())
    } else {
        Err(text.len().saturating_sub(rest.len()))
    }
}

/// Whether a byte may be in a path without percent-encoding.
pub(crate) fn is_path(byte: u8) -> bool {
    byte == b'/' || is_pchar(byte)
}

/// Skips `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) ":"`, if the text begins with that.
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, after) = text.split_once(':')?;
    let character = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let first = scheme.bytes().next()?;
    (first.is_ascii_alphabetic() && scheme.bytes().all(character)).then_some(after)
}

/// `[ userinfo "@" ] host [ ":" port ]`
fn pass_authority(text: &str) -> &str {
    let user = pass(text, |byte| byte == b':' || is_reg_name(byte));
    let host = user.strip_prefix('@').unwrap_or(text);
    let rest = match host.strip_prefix('[').map(|host| host.split_once(']')) {
        None => pass(host, is_reg_name),
        Some(Some((address, rest))) if is_ip_literal(address) => rest,
        Some(_) => host,
    };
    match rest.strip_prefix(':') {
        Some(port) => port.trim_start_matches(|char: char| char.is_ascii_digit()),
        None => rest,
    }
}

/// `IPv6address / IPvFuture`
fn is_ip_literal(text: &str) -> bool {
    match text.strip_prefix(['v', 'V']) {
        None => text.parse::<Ipv6Addr>().is_ok(),
        Some(future) => future.split_once('.').is_some_and(|(version, address)| {
            let character = |byte: u8| byte == b':' || is_reg_name(byte);
            !version.is_empty()
                && !address.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && address.bytes().all(character)
        }),
    }
}

/// `path-abempty`
fn pass_path(text: &str) -> &str {
    if text.starts_with('/') {
        pass(text, is_path)
    } else {
        text
    }
}

/// `[ "?" query ]` or `[ "#" fragment ]`
fn pass_marked(text: &str, mark: char) -> &str {
    match text.strip_prefix(mark) {
        Some(part) => pass(part, |byte| byte == b'?' || is_path(byte)),
        None => text,
    }
}

/// Bytes of one class, and percent-encoded ones.
fn pass(text: &str, class: impl Fn(u8) -> bool) -> &str {
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [b'%', a, b, rest @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest,
            [byte, rest @ ..] if class(*byte) => rest,
            _ => break,
        };
    }
    let passed = text.len().saturating_sub(rest.len());
    text.get(passed..).unwrap_or_default()
}

/// `pchar`, without percent-encoded bytes.
fn is_pchar(byte: u8) -> bool {
    byte == b':' || byte == b'@' || is_reg_name(byte)
}

/// `unreserved / sub-delims`
fn is_reg_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_every_form_are_right() {
        for text in [
            "",
            "/",
            "/3/0",
            "a/b:c",
            "./a:b",
            "//host",
            "//host:/",
            "?q=/?:@",
            "#f/?:@",
            "/a?b#c",
            "coap:",
            "coap:a:b",
            "coap:/a//b",
            "coap+tcp://user:pw@host.example:5683/a;b=c,d?e&f#g",
            "coap://[::1]",
            "coap://[2001:db8::ffff:192.0.2.1]:5683/",
            "coap://[v1F.a:b]/x",
            "coap://[V1.a]",
            "a.1+b-c:/d",
            "coap://a%20b/%C3%A9%2f",
            "urn:dev:mac:0024befffe804ff1",
            "-._~!$&'()*+,;=@",
        ] {
            assert_eq!(check_reference(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_none_says_which_byte_is_wrong() {
        for (text, index) in [
            ("%", 0),
            ("/%2", 1),
            ("/a%2G", 2),
            ("/%%20", 1),
            ("/é", 1),
            ("/a b", 2),
            ("/\\", 1),
            ("/^", 1),
            ("/`", 1),
            ("/{x}", 1),
            ("/a|b", 2),
            ("/[::1]", 1),
            ("/\x7F", 1),
            ("?\"", 1),
            ("?[", 1),
            ("#a#b", 2),
            ("/a#<", 3),
            ("1a:b", 2),
            (":a", 0),
            ("a_b:c", 3),
            ("é:a", 0),
            ("//a b@c", 3),
            ("//a@b@c", 5),
            ("//host:1a", 8),
            ("//host:%31", 7),
            ("//[::1", 2),
            ("//[::g]/", 2),
            ("//[::1%25eth0]/", 2),
            ("//[::1]x", 7),
            ("//[v.a]", 2),
            ("//[v1.]", 2),
            ("//[vg.a]", 2),
            ("//[v1.é]", 2),
            ("//[v1]", 2),
        ] {
            assert_eq!(check_reference(text), Err(index), "{text}");
        }
    }
}
