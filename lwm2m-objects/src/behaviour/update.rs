//! What Firmware Update and Software Management ask of an application, and how it answers.

/// What an application answers when an update asks something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<E> {
    /// It is done.
    Done,
    /// It is under way; a call of the application will tell its end.
    Later,
    /// It went wrong.
    Failed(E),
}

/// Package URI has 0 to 255 bytes (TS E.6, Resource 1; Object 9, Resource 3).
pub(crate) const LONGEST_URI: usize = 255;

/// The most bytes that are told to have been received: as many as an Integer can tell.
pub(crate) const MOST_RECEIVED: u64 = i64::MAX as u64;

/// Whether text is a URI with an authority (RFC 3986), and its scheme.
///
/// What is looked at is enough to choose a protocol; to resolve the rest is the application's.
pub(crate) fn scheme(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    let mut bytes = scheme.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let goes_on = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Neither spaces and controls, nor anything but ASCII, are in a URI.
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
