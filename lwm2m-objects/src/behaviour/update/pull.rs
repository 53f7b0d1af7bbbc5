//! Package URI, and how much of a package has been received from it.

/// Package URI has 0 to 255 bytes (TS E.6, Resource 1; Object 9, Resource 3).
pub(super) const LONGEST_URI: usize = 255;

/// The limit of bytes received: the largest Integer.
pub(super) const MOST_RECEIVED: u64 = i64::MAX as u64;

/// Whether a machine can have this URI and this many received bytes. The caller creates the error.
pub(crate) fn check_pull<E>(
    package_uri: &str,
    received: u64,
    too_long: impl FnOnce(usize) -> E,
    too_many: impl FnOnce(u64) -> E,
) -> Result<(), E> {
    if package_uri.len() > LONGEST_URI {
        return Err(too_long(package_uri.len()));
    }
    if received > MOST_RECEIVED {
        return Err(too_many(received));
    }
    Ok(())
}

/// The scheme of a URI with an authority (RFC 3986 §3); `None` if the text isn't one.
///
/// It checks what it takes to choose a protocol, and no more; the application resolves the URI.
pub(super) fn scheme(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    let mut bytes = scheme.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let goes_on = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A URI has neither spaces and controls, nor anything but ASCII.
    let printable = uri.bytes().all(|byte| byte.is_ascii_graphic());
    (begins && goes_on && printable && !authority.is_empty()).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::scheme;

    #[test]
    fn schemes() {
        assert_eq!(scheme("coaps://example.org/firmware"), Some("coaps"));
        assert_eq!(scheme("HTTP://[2001:db8::1]:8080"), Some("HTTP"));
        assert_eq!(scheme("x-my+1.0://host?query"), Some("x-my+1.0"));
        for bad in [
            "",
            "coap",
            "coap:host",
            "coap://",
            "coap:///path",
            "://host",
            "1coap://host",
            "co_ap://host",
            "coap://ho st",
            "coap://host/\u{e9}",
        ] {
            assert_eq!(scheme(bad), None, "{bad:?}");
        }
    }
}
