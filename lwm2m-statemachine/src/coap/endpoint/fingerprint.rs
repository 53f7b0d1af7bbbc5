//! Fingerprints of resources and bodies: hashes with keys that peers don't know.

use core::hash::{BuildHasher, Hasher};

use lwm2m_core::Code;

use crate::{
    coap::{
        message::Options,
        option::{OptionNumber, OptionSet},
    },
    machine::KeyedState,
};

/// Options that belong to a single message, not to the resource it requests. That includes ETag and
/// Content-Format: not every client repeats them when it asks for the next block.
const OF_MESSAGE: OptionSet = OptionSet::NONE
    .with(OptionNumber::ETAG)
    .with(OptionNumber::OBSERVE)
    .with(OptionNumber::CONTENT_FORMAT)
    .with(OptionNumber::BLOCK1)
    .with(OptionNumber::BLOCK2)
    .with(OptionNumber::SIZE1)
    .with(OptionNumber::SIZE2);

/// The fingerprint of the resource a request addresses. All requests of one transfer share it: it
/// is computed from the method and the Cache-Key (RFC 7959 §2.4, §2.5). Bodies are kept per peer,
/// so that even two resources with the same fingerprint never mix bodies of different peers.
///
/// It is computed for every request, so it uses one multiplication per eight bytes. The application
/// can compare it but not read it, and it is never sent to peers.
pub(super) fn of_resource(method: Code, options: Options<'_>, keys: KeyedState) -> u64 {
    let mut fingerprint = u64::from(method.to_byte());
    for (option, value) in options {
        // NoCacheKey (RFC 7252 §5.4.6).
        let no_cache_key = option.number() & 0x1e == 0x1c;
        if no_cache_key || OF_MESSAGE.contains(option) {
            continue;
        }
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        let head = u64::from(option.number()) << 32 | length;
        fingerprint = keys.hash_numbers(fingerprint, head);
        let (words, rest) = value.as_chunks();
        for word in words {
            fingerprint = keys.hash_numbers(fingerprint, u64::from_le_bytes(*word));
        }
        // No byte shifts beyond the word: fewer than eight are left.
        let rest = rest
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        fingerprint = keys.hash_numbers(fingerprint, rest);
    }
    fingerprint
}

/// The fingerprint of a body, or of a block of one.
pub(super) fn of_bytes(bytes: &[u8], keys: KeyedState) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, format, string::String};

    use lwm2m_core::Method;

    use super::*;
    use crate::{
        coap::{
            message::{MessageRef, MessageType},
            message_buf::MessageBuf,
            option::BlockOption,
            token::Token,
        },
        machine::Random,
    };

    fn fingerprint(method: Method, path: &[&str], add: impl Fn(&mut MessageBuf)) -> u64 {
        let mut message = MessageBuf::request(method);
        for segment in path {
            message.uri_path(segment).unwrap();
        }
        add(&mut message);
        let wire = message.finish(MessageType::Confirmable, 1, Token::EMPTY);
        let message = MessageRef::parse(wire.as_ref()).unwrap();
        let keys = Random::new([1; 32]).hash_keys();
        of_resource(message.code(), message.options(), keys)
    }

    #[test]
    fn what_requests_are_about_is_told_apart_and_blocks_are_not() {
        let nothing = |_: &mut MessageBuf| {};
        let mut seen = BTreeSet::new();
        let long = "12345678".repeat(3);
        let paths: [&[&str]; 9] = [
            &[],
            &["1"],
            &["1", "2"],
            &["12"],
            &["2", "1"],
            &["1", ""],
            &["12345678"],
            &["1234567", "8"],
            &[&long],
        ];
        for path in paths {
            for method in [Method::Get, Method::Put] {
                assert!(seen.insert(fingerprint(method, path, nothing)), "{path:?}");
            }
        }
        for object in 0..50 {
            for instance in 0..50 {
                let path = [format!("o{object}"), format!("i{instance}")];
                let path = path.each_ref().map(String::as_str);
                assert!(
                    seen.insert(fingerprint(Method::Get, &path, nothing)),
                    "{path:?}"
                );
            }
        }
        let block = BlockOption::new(3, false, 64).unwrap();
        let of_block = fingerprint(Method::Get, &["1"], |message| {
            message.block2(block).unwrap();
        });
        assert_eq!(of_block, fingerprint(Method::Get, &["1"], nothing));
    }
}
