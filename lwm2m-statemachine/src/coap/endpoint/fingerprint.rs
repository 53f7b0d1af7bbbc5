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

/// Options that belong to one message, not to what it asks for. That includes ETag and
/// Content-Format: not every client repeats them when it asks for the next block.
const OF_MESSAGE: OptionSet = OptionSet::NONE
    .with(OptionNumber::ETAG)
    .with(OptionNumber::OBSERVE)
    .with(OptionNumber::CONTENT_FORMAT)
    .with(OptionNumber::BLOCK1)
    .with(OptionNumber::BLOCK2)
    .with(OptionNumber::SIZE1)
    .with(OptionNumber::SIZE2);

/// The fingerprint of what a request is about. The requests of one transfer have it in common: it
/// is made of method and Cache-Key (RFC 7959 §2.4, §2.5). Bodies are kept per peer, so that even two
/// resources with the same fingerprint never mix bodies of different peers.
pub(super) fn of_resource(method: Code, options: Options<'_>, keys: KeyedState) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write_u8(method.to_byte());
    for (option, value) in options {
        // NoCacheKey (RFC 7252 §5.4.6).
        let no_cache_key = option.number() & 0x1e == 0x1c;
        if no_cache_key || OF_MESSAGE.contains(option) {
            continue;
        }
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        hasher.write_u64(u64::from(option.number()) << 32 | length);
        hasher.write(value);
    }
    hasher.finish()
}

/// The fingerprint of a body, or of a block of one.
pub(super) fn of_bytes(bytes: &[u8], keys: KeyedState) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}
