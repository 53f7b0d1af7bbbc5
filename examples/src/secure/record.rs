//! The headers of DTLS records, as far as they say where a datagram belongs (RFC 6347 §4.1, §4.2.2).
//!
//! Nothing here is verified: whatever a header says, a session has to check the record.

/// The content type of a change_cipher_spec.
pub const CHANGE_CIPHER_SPEC: u8 = 20;
/// The content type of an alert.
pub const ALERT: u8 = 21;
/// The content type of a handshake message.
pub const HANDSHAKE: u8 = 22;
/// The content type of application data.
pub const APPLICATION_DATA: u8 = 23;

/// The handshake type of a ClientHello.
pub const CLIENT_HELLO: u8 = 1;
/// The handshake type of a HelloVerifyRequest.
pub const HELLO_VERIFY_REQUEST: u8 = 3;

/// The handshake type of a ServerHello.
pub const SERVER_HELLO: u8 = 2;
/// The handshake type of a Certificate, which both ends may send.
pub const CERTIFICATE: u8 = 11;
/// The handshake type of a ServerHelloDone.
pub const SERVER_HELLO_DONE: u8 = 14;

/// Whether only the client of a handshake sends messages of this type: ClientHello, CertificateVerify and
/// ClientKeyExchange (RFC 5246 §7.4).
pub const fn is_of_client(handshake_type: u8) -> bool {
    matches!(handshake_type, CLIENT_HELLO | 15 | 16)
}

/// Whether only the server of a handshake sends messages of this type: ServerHello, HelloVerifyRequest,
/// NewSessionTicket, ServerKeyExchange, CertificateRequest and ServerHelloDone (RFC 5246 §7.4, RFC 5077 §3.3).
pub const fn is_of_server(handshake_type: u8) -> bool {
    matches!(
        handshake_type,
        SERVER_HELLO | HELLO_VERIFY_REQUEST | 4 | 12..=14
    )
}

/// A record of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Such as [`HANDSHAKE`].
    pub content_type: u8,
    /// Zero until the handshake has agreed on keys.
    pub epoch: u16,
    /// What the record carries; encrypted, unless its epoch is zero.
    pub fragment: &'a [u8],
}

/// What a ClientHello says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// It is the same in all copies of one ClientHello, and in those that return the cookie.
    pub random: [u8; 32],
    /// The cookie of the HelloVerifyRequest; empty before.
    pub cookie: &'a [u8],
    /// The cipher suites, two bytes each, the preferred one first. Empty if they are in another
    /// fragment.
    pub cipher_suites: &'a [u8],
}

/// The first record of a datagram, if it begins with a complete one.
pub fn first(datagram: &[u8]) -> Option<Record<'_>> {
    records(datagram).next()
}

/// The complete records at the beginning of a datagram.
pub fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut reader = Reader(datagram);
    core::iter::from_fn(move || reader.record())
}

impl<'a> Record<'a> {
    /// The type of the handshake message, if it is one that can be read.
    pub fn handshake_type(&self) -> Option<u8> {
        let readable = self.content_type == HANDSHAKE && self.epoch == 0;
        readable.then(|| self.fragment.first().copied()).flatten()
    }

    /// The ClientHello that begins in this record.
    pub fn client_hello(&self) -> Option<ClientHello<'a>> {
        if self.handshake_type() != Some(CLIENT_HELLO) {
            return None;
        }
        let mut message = Reader(self.fragment);
        // Type, length and number of the message.
        message.take(6)?;
        let is_first_fragment = message.take(3)? == [0; 3];
        // The length of the fragment.
        message.take(3)?;
        let _version = is_first_fragment.then(|| message.take(2))??;
        let random = message.take(32)?.try_into().ok()?;
        let _session = message.vector()?;
        let cookie = message.vector()?;
        let suites = message.number().and_then(|length| message.take(length));
        Some(ClientHello {
            random,
            cookie,
            cipher_suites: suites.unwrap_or_default(),
        })
    }
}

impl Record<'_> {
    /// Whether it has a part of a ClientHello that isn't the first: it doesn't say of which one.
    pub fn continues_client_hello(&self) -> bool {
        /// Behind the type, the length and the number of the message.
        const OFFSET: core::ops::Range<usize> = 6..9;
        let offset = self.fragment.get(OFFSET);
        self.handshake_type() == Some(CLIENT_HELLO) && offset.is_some_and(|it| it != [0; 3])
    }
}

/// A fatal alert without protection (RFC 5246 §7.2). Its number is beyond those of any handshake before it, so that no
/// window takes it for a repetition (RFC 6347 §4.1.2.6).
pub fn fatal_alert(description: u8) -> Vec<u8> {
    const FATAL: u8 = 2;
    let header = [ALERT, 254, 253, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2];
    [&header[..], &[FATAL, description]].concat()
}

/// The ClientHello that a datagram begins with, as it was before it returned a cookie: without the cookie,
/// the first message of the first record. It has to be in one fragment.
pub fn without_cookie(datagram: &[u8]) -> Option<Vec<u8>> {
    let record = first(datagram)?;
    let cookie = record.client_hello()?.cookie.len();
    let mut message = Reader(record.fragment);
    let kind = message.take(1)?;
    let (length, _number, offset, here) = (
        message.take(3)?,
        message.take(2)?,
        message.take(3)?,
        message.take(3)?,
    );
    if length != here || offset != [0; 3] {
        return None;
    }
    let body = message.0;
    // Version and random, then the session ID.
    let _ = message.take(34)?;
    message.vector()?;
    let before = body.get(..body.len().checked_sub(message.0.len())?)?;
    message.vector()?;
    let after = message.0;
    let number = u16::try_from(body.len().checked_sub(cookie)?).ok()?;
    let [high, low] = number.to_be_bytes();
    let [record_high, record_low] = number.checked_add(12)?.to_be_bytes();
    let headers = [
        &[HANDSHAKE][..],
        datagram.get(1..3)?,
        &[0; 8],
        &[record_high, record_low],
        kind,
        &[0, high, low, 0, 0, 0, 0, 0, 0, high, low],
    ];
    Some([&headers.concat(), before, &[0], after].concat())
}

impl ClientHello<'_> {
    /// The first suite of the client that is among these.
    pub fn preferred(&self, suites: &[u16]) -> Option<u16> {
        let (offered, _) = self.cipher_suites.as_chunks::<2>();
        let mut offered = offered.iter().map(|suite| u16::from_be_bytes(*suite));
        offered.find(|suite| suites.contains(suite))
    }
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of two bytes.
    fn number(&mut self) -> Option<usize> {
        let bytes: [u8; 2] = self.take(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes).into())
    }

    /// Bytes with their length before them, in one byte.
    fn vector(&mut self) -> Option<&'a [u8]> {
        let length = *self.take(1)?.first()?;
        self.take(length.into())
    }

    fn record(&mut self) -> Option<Record<'a>> {
        /// DTLS 1.0 and 1.2 have this major version (RFC 6347 §4.1).
        const MAJOR_VERSION: u8 = 254;
        let content_type = *self.take(1)?.first()?;
        let [major, _minor] = self.take(2)? else {
            return None;
        };
        let known = (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&content_type);
        if !known || *major != MAJOR_VERSION {
            return None;
        }
        let epoch = u16::try_from(self.number()?).ok()?;
        let _sequence_number = self.take(6)?;
        let length = self.number()?;
        let fragment = self.take(length)?;
        Some(Record {
            content_type,
            epoch,
            fragment,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(content_type: u8, epoch: u16, fragment: &[u8]) -> Vec<u8> {
        let mut bytes = vec![content_type, 254, 253];
        bytes.extend(epoch.to_be_bytes());
        bytes.extend([0; 6]);
        bytes.extend(u16::try_from(fragment.len()).unwrap().to_be_bytes());
        bytes.extend(fragment);
        bytes
    }

    fn hello(offset: u8, cookie: &[u8]) -> Vec<u8> {
        let mut message = vec![CLIENT_HELLO, 0, 0, 90, 0, 0, 0, 0, offset, 0, 0, 90];
        message.extend([254, 253]);
        message.extend([7; 32]);
        message.push(0);
        message.push(u8::try_from(cookie.len()).unwrap());
        message.extend(cookie);
        message.extend([0, 4, 0xc0, 0xa8, 0xc0, 0x2b, 1, 0]);
        message
    }

    #[test]
    fn a_client_hello_says_its_random_its_cookie_and_its_suites() {
        let bytes = record(HANDSHAKE, 0, &hello(0, b"crumb"));
        let read = first(&bytes).unwrap().client_hello().unwrap();
        assert_eq!((read.random, read.cookie), ([7; 32], &b"crumb"[..]));
        assert_eq!(read.preferred(&[0xc02b, 0xc0a8]), Some(0xc0a8));
        assert_eq!(read.preferred(&[0xc02b]), Some(0xc02b));
        assert_eq!(read.preferred(&[0x1301]), None);
    }

    #[test]
    fn a_client_hello_is_as_it_was_without_its_cookie() {
        let whole = |cookie: &[u8]| {
            let mut message = hello(0, cookie);
            let length = u8::try_from(message.len() - 12).unwrap();
            message[3] = length;
            message[11] = length;
            record(HANDSHAKE, 0, &message)
        };
        let mut returned = whole(b"crumb");
        // The numbers of the record and of the message.
        returned[10] = 1;
        returned[13 + 5] = 1;
        assert_eq!(without_cookie(&returned), Some(whole(b"")));
        assert_eq!(without_cookie(&whole(b"")), Some(whole(b"")));
        // It is one of several fragments.
        assert_eq!(
            without_cookie(&record(HANDSHAKE, 0, &hello(0, b"crumb"))[..40]),
            None
        );
        returned[13 + 3] += 1;
        assert_eq!(without_cookie(&returned), None);
    }

    #[test]
    fn what_is_encrypted_or_only_continues_is_no_client_hello() {
        for (epoch, offset) in [(1, 0), (0, 1)] {
            let bytes = record(HANDSHAKE, epoch, &hello(offset, b""));
            assert_eq!(first(&bytes).unwrap().client_hello(), None);
        }
        let bytes = record(APPLICATION_DATA, 0, &hello(0, b""));
        assert_eq!(first(&bytes).unwrap().client_hello(), None);
    }

    #[test]
    fn a_later_part_of_a_client_hello_is_told_from_the_first() {
        for (epoch, offset, later) in [(0, 0, false), (0, 1, true), (1, 1, false)] {
            let bytes = record(HANDSHAKE, epoch, &hello(offset, b""));
            assert_eq!(first(&bytes).unwrap().continues_client_hello(), later);
        }
        let cut = record(HANDSHAKE, 0, &[CLIENT_HELLO]);
        assert!(!first(&cut).unwrap().continues_client_hello());
    }

    #[test]
    fn a_datagram_has_several_records() {
        let mut bytes = record(HANDSHAKE, 0, &[16, 0]);
        bytes.extend(record(CHANGE_CIPHER_SPEC, 0, &[1]));
        bytes.extend(record(HANDSHAKE, 1, &[9; 40]));
        bytes.extend([22, 254]);
        let kinds: Vec<_> = records(&bytes)
            .map(|record| (record.content_type, record.epoch))
            .collect();
        assert_eq!(kinds, [(22, 0), (20, 0), (22, 1)]);
    }

    #[test]
    fn what_is_no_record_is_none() {
        for bytes in [
            &b""[..],
            &[22],
            // A CoAP message.
            &[0x40, 1, 0, 7, 0xb2, b'r', b'd', 1, 2, 3, 4, 5, 6, 7],
            // Content type 25, and longer than the datagram.
            &record(25, 0, &[0]),
            &record(22, 0, &[0; 30])[..40],
        ] {
            assert_eq!(first(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            records(&bytes).for_each(|record| {
                record.client_hello();
                record.continues_client_hello();
            });
            without_cookie(&bytes);
        }

        #[test]
        fn any_cut_and_flip_of_a_client_hello_is_safe(
            cut in 0_usize..130,
            at in 0_usize..130,
            flip in any::<u8>(),
        ) {
            let mut bytes = record(HANDSHAKE, 0, &hello(0, &[3; 20]));
            bytes.truncate(cut);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= flip;
            }
            records(&bytes).for_each(|record| {
                record.client_hello();
                record.continues_client_hello();
            });
            without_cookie(&bytes);
        }
    }
}
