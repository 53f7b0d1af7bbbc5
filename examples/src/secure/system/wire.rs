//! The network of a session, in memory.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use crate::secure::suite::Suite;

/// What OpenSSL takes for its socket: each read takes one datagram, each write makes one.
#[derive(Debug, Default)]
pub(super) struct Wire {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Wire {
    /// Lays a datagram ready. An empty one is the end of a stream to OpenSSL: it is left out.
    pub(super) fn push(&mut self, datagram: Vec<u8>) {
        if !datagram.is_empty() {
            self.incoming.push_back(datagram);
        }
    }

    pub(super) fn is_read(&self) -> bool {
        self.incoming.is_empty()
    }

    pub(super) fn take_written(&mut self) -> VecDeque<Vec<u8>> {
        core::mem::take(&mut self.outgoing)
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(datagram) = self.incoming.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        // OpenSSL reads into a buffer for the longest record: what is beyond it is no record.
        datagram.as_slice().read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The records of a datagram that go to OpenSSL, and the last fatal alert that doesn't.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sifted {
    pub(super) records: Vec<u8>,
    pub(super) alert: Option<u8>,
}

/// Takes out what would end a handshake in OpenSSL though anybody can send it: alerts and data without
/// protection (epoch 0), records of an unknown type, broken handshake messages. Also takes out what
/// follows the last whole record.
///
/// A sealed record that is too short for its suite ends a session in OpenSSL 3.0.19, so it is taken out too.
///
/// It also numbers the records without protection anew. OpenSSL takes the numbers as they come, and a
/// forged record with a high one would make all of the peer too old.
#[derive(Debug)]
pub(super) struct Sieve {
    passed: u64,
    /// The least length of what is in a sealed record, in bytes.
    least: usize,
}

impl Default for Sieve {
    /// OpenSSL keeps sealed records that come too early until it knows the suite. So until then the least is
    /// that of GCM; a shorter one, such as an alert with CCM_8, is as good as lost.
    fn default() -> Self {
        Self {
            passed: 0,
            least: least(Suite::EcdheEcdsaAes128GcmSha256),
        }
    }
}

/// How long a sealed record without content is, in bytes.
const fn least(suite: Suite) -> usize {
    match suite {
        // The explicit nonce and the tag (RFC 6655 §3).
        Suite::PskAes128Ccm8 | Suite::EcdheEcdsaAes128Ccm8 => 8 + 8,
        // RFC 5288 §3.
        Suite::EcdheEcdsaAes128GcmSha256 => 8 + 16,
        // The IV, the MAC and a block of padding (RFC 5246 §6.2.3.2).
        Suite::PskAes128CbcSha256 | Suite::EcdheEcdsaAes128CbcSha256 => 16 + 32 + 16,
    }
}

impl Sieve {
    /// The handshake is over, and has this suite.
    pub(super) const fn expect(&mut self, suite: Suite) {
        self.least = least(suite);
    }

    pub(super) fn sift(&mut self, datagram: &[u8]) -> Sifted {
        let mut sifted = Sifted::default();
        let mut rest = datagram;
        while let Some((record, after)) = split_record(rest) {
            match Record::of(record) {
                Some(Record::Sealed(length)) if length < self.least => {}
                Some(Record::Sealed(_)) => sifted.records.extend_from_slice(record),
                Some(Record::Plain) => {
                    if let Some(numbered) = self.number(record) {
                        sifted.records.extend(numbered);
                    }
                }
                Some(Record::PlainAlert(alert)) => sifted.alert = Some(alert),
                None => {}
            }
            rest = after;
        }
        sifted
    }

    /// The record with the next number: 48 bits, after type, version and epoch.
    fn number(&mut self, record: &[u8]) -> Option<Vec<u8>> {
        let mut record = record.to_vec();
        let number = record.get_mut(5..11)?;
        number.copy_from_slice(self.passed.to_be_bytes().get(2..)?);
        self.passed = self.passed.wrapping_add(1);
        Some(record)
    }
}

/// The first record: type, version, epoch, sequence number, length, fragment (RFC 6347 §4.1).
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, fragment) = bytes.split_first_chunk::<13>()?;
    let [.., high, low] = *header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if fragment.len() < length {
        return None;
    }
    bytes.split_at_checked(header.len().checked_add(length)?)
}

enum Record {
    /// With protection, this long: OpenSSL judges it.
    Sealed(usize),
    /// A step of a handshake, without protection.
    Plain,
    /// A fatal alert without protection (RFC 5246 §7.2).
    PlainAlert(u8),
}

impl Record {
    fn of(record: &[u8]) -> Option<Self> {
        const CHANGE_CIPHER_SPEC: u8 = 20;
        const ALERT: u8 = 21;
        const HANDSHAKE: u8 = 22;
        const DATA: u8 = 23;
        const FATAL: u8 = 2;
        let (header, fragment) = record.split_first_chunk::<13>()?;
        let [content_type, _, _, epoch_high, epoch_low, ..] = *header;
        let is_plain = [epoch_high, epoch_low] == [0, 0];
        match (content_type, fragment) {
            (CHANGE_CIPHER_SPEC..=DATA, sealed) if !is_plain => Some(Self::Sealed(sealed.len())),
            (CHANGE_CIPHER_SPEC, [1]) => Some(Self::Plain),
            (ALERT, &[FATAL, description]) => Some(Self::PlainAlert(description)),
            (HANDSHAKE, messages) if are_messages(messages) => Some(Self::Plain),
            _ => None,
        }
    }
}

/// Whether these are fragments of handshake messages, each whole: type, length, number, offset, length
/// of the fragment (RFC 6347 §4.2.2).
fn are_messages(mut bytes: &[u8]) -> bool {
    let number = |bytes: [u8; 3]| {
        let [high, middle, low] = bytes;
        usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
    };
    if bytes.is_empty() {
        return false;
    }
    while let Some((header, rest)) = bytes.split_first_chunk::<12>() {
        let [_, l0, l1, l2, _, _, o0, o1, o2, f0, f1, f2] = *header;
        let here = number([f0, f1, f2]);
        let end = number([o0, o1, o2]).saturating_add(here);
        let Some((_, after)) = rest.split_at_checked(here) else {
            return false;
        };
        if end > number([l0, l1, l2]) {
            return false;
        }
        bytes = after;
    }
    bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// With number 0.
    fn record(content_type: u8, epoch: u8, fragment: &[u8]) -> Vec<u8> {
        let length = u8::try_from(fragment.len()).unwrap();
        let header = [
            content_type,
            254,
            253,
            0,
            epoch,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            length,
        ];
        [&header, fragment].concat()
    }

    fn sift(datagram: &[u8]) -> Sifted {
        Sieve::default().sift(datagram)
    }

    #[test]
    fn alerts_without_protection_are_taken_out() {
        let hello = record(22, 0, &[1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 7, 7]);
        let sealed = record(21, 1, &[7; 26]);
        let alert = record(21, 0, &[2, 40]);
        let warning = record(21, 0, &[1, 0]);
        let datagram = [&hello[..], &alert, &sealed, &warning].concat();
        assert_eq!(
            sift(&datagram),
            Sifted {
                records: [hello, sealed].concat(),
                alert: Some(40)
            }
        );
    }

    #[test]
    fn records_without_protection_are_numbered_anew() {
        let mut high = record(20, 0, &[1]);
        high[5..11].fill(255);
        let mut sealed = record(23, 1, &[1; 24]);
        sealed[5..11].fill(9);
        let mut sieve = Sieve::default();
        let sifted = sieve.sift(&[&high[..], &sealed, &high].concat()).records;
        let mut rest = &sifted[..];
        let mut numbers = Vec::new();
        while let Some((record, after)) = split_record(rest) {
            numbers.push(&record[3..11]);
            rest = after;
        }
        assert_eq!(
            numbers,
            [[0; 8], [0, 1, 9, 9, 9, 9, 9, 9], [0, 0, 0, 0, 0, 0, 0, 1]]
        );
        assert_eq!(sieve.sift(&high).records[5..11], [0, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn broken_records_of_a_handshake_are_taken_out() {
        let message = [1, 0, 0, 9, 0, 0, 0, 0, 4, 0, 0, 2, 7, 7];
        let beyond_the_message = [1, 0, 0, 5, 0, 0, 0, 0, 4, 0, 0, 2, 7, 7];
        let two = [message, message].concat();
        for (content_type, epoch, fragment, good) in [
            (22, 0, &message[..], true),
            (22, 0, &two, true),
            (22, 0, &two[..27], false),
            (22, 0, &message[..13], false),
            (22, 0, &message[..11], false),
            (22, 0, &beyond_the_message, false),
            (22, 0, &[], false),
            (22, 1, &[5; 24], true),
            (20, 0, &[1], true),
            (20, 0, &[2], false),
            (20, 0, &[1, 1], false),
            (20, 1, &[2; 24], true),
            (23, 0, &[2; 24], false),
            (23, 1, &[2; 24], true),
            (25, 1, &[2; 24], false),
            (19, 1, &[2; 24], false),
        ] {
            let datagram = record(content_type, epoch, fragment);
            let expected = if good { datagram.clone() } else { Vec::new() };
            assert_eq!(sift(&datagram).records, expected, "{datagram:02x?}");
        }
    }

    #[test]
    fn sealed_records_too_short_for_their_suite_are_taken_out() {
        let known = Suite::ALL.map(Some);
        for suite in known.into_iter().chain([None]) {
            let mut sieve = Sieve::default();
            if let Some(suite) = suite {
                sieve.expect(suite);
            }
            let least = match suite {
                Some(Suite::PskAes128Ccm8 | Suite::EcdheEcdsaAes128Ccm8) => 16,
                Some(Suite::PskAes128CbcSha256 | Suite::EcdheEcdsaAes128CbcSha256) => 64,
                Some(Suite::EcdheEcdsaAes128GcmSha256) | None => 24,
            };
            for length in 0..100 {
                let sealed = record(21, 1, &vec![7; length]);
                let passes = !sieve.sift(&sealed).records.is_empty();
                assert_eq!(passes, length >= least, "{suite:?}, {length}");
            }
        }
    }

    #[test]
    fn what_is_no_record_is_taken_out() {
        let whole = record(23, 1, &[1; 24]);
        for tail in [&b""[..], &[23], &whole[..13], &whole[..15]] {
            let datagram = [&whole[..], tail].concat();
            let expected = Sifted {
                records: whole.clone(),
                alert: None,
            };
            assert_eq!(sift(&datagram), expected, "{tail:?}");
        }
        assert_eq!(sift(b"@\x01\x12\x34"), Sifted::default());
    }

    #[test]
    fn a_read_takes_one_datagram() {
        let mut wire = Wire::default();
        for datagram in [&b""[..], b"one", b"two"] {
            wire.push(datagram.to_vec());
        }
        let mut buffer = [0; 8];
        assert_eq!(wire.read(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], b"one");
        assert_eq!(wire.read(&mut buffer).unwrap(), 3);
        assert!(wire.is_read());
        let error = wire.read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    /// Records that look like real ones, cut and changed anywhere.
    fn datagrams() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let fragment = proptest::collection::vec(any::<u8>(), 0..100);
        let message = [1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 7, 7];
        let record = (
            18_u8..26,
            0_u8..2,
            prop_oneof![fragment, Just(message.to_vec())],
        )
            .prop_map(|(kind, epoch, fragment)| record(kind, epoch, &fragment));
        let datagram = (
            proptest::collection::vec(record, 0..4),
            any::<proptest::sample::Index>(),
            any::<u8>(),
            0_usize..20,
        )
            .prop_map(|(records, at, flip, cut)| {
                let mut datagram = records.concat();
                if !datagram.is_empty() {
                    let at = at.index(datagram.len());
                    datagram[at] ^= flip;
                }
                datagram.truncate(datagram.len().saturating_sub(cut));
                datagram
            });
        proptest::collection::vec(datagram, 0..6)
    }

    proptest! {
        /// What is left of any datagrams are whole records that came in them, the plain ones numbered from 0 on; no
        /// plain alert is left, and no broken message.
        #[test]
        fn whole_records_are_left_of_any_datagrams(datagrams in datagrams()) {
            let mut sieve = Sieve::default();
            let mut passed = 0_u64;
            for datagram in datagrams {
                let sifted = sieve.sift(&datagram);
                let mut rest = &sifted.records[..];
                prop_assert!(rest.len() <= datagram.len());
                while let Some((record, after)) = split_record(rest) {
                    match Record::of(record) {
                        Some(Record::Plain) => {
                            prop_assert_eq!(&record[5..11], &passed.to_be_bytes()[2..]);
                            passed += 1;
                            let tail = &record[11..];
                            prop_assert!(datagram.windows(tail.len()).any(|part| part == tail));
                        }
                        Some(Record::Sealed(length)) => {
                            prop_assert!(length >= 24);
                            prop_assert!(datagram.windows(record.len()).any(|part| part == record));
                        }
                        Some(Record::PlainAlert(_)) | None => prop_assert!(false, "{:?}", record),
                    }
                    rest = after;
                }
                prop_assert!(rest.is_empty());
                // Twice sifted is once sifted, but for the numbers.
                let again = Sieve::default().sift(&sifted.records);
                prop_assert_eq!(again.records.len(), sifted.records.len());
                prop_assert_eq!(again.alert, None);
            }
        }
    }
}
