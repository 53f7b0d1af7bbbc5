//! Cookies that need no memory (RFC 6347 §4.2.1).

use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;

use crate::secure::record::{self, ClientHello};

/// What a HelloVerifyRequest brings.
pub(super) type Cookie = [u8; 32];

/// The secret of a server's cookies.
#[derive(Clone)]
pub(super) struct Secret(Arc<PKey<Private>>);

impl Secret {
    /// A random one.
    pub(super) fn new() -> Result<Self, ErrorStack> {
        let mut secret = [0; 32];
        openssl::rand::rand_bytes(&mut secret)?;
        Ok(Self(Arc::new(PKey::hmac(&secret)?)))
    }

    /// The cookie of a peer for this ClientHello: HMAC-SHA-256 of both.
    fn cookie(&self, peer: u64, random: &[u8; 32]) -> Result<Cookie, ErrorStack> {
        let mut cookie = Cookie::default();
        let mut signer = Signer::new(MessageDigest::sha256(), &self.0)?;
        signer.update(&peer.to_be_bytes())?;
        signer.update(random)?;
        signer.sign(&mut cookie)?;
        Ok(cookie)
    }
}

/// The cookies of one peer.
#[derive(Clone)]
pub(super) struct Baker {
    pub(super) secret: Secret,
    /// The number of its address.
    pub(super) peer: u64,
}

/// What a datagram does about cookies.
pub(super) enum Taste {
    /// It has no ClientHello.
    None,
    /// It asks for this cookie.
    Asks(Cookie),
    /// It returns this cookie.
    Returns(Cookie),
    /// It returns a cookie that isn't its peer's.
    Wrong,
}

impl Baker {
    pub(super) fn taste(&self, datagram: &[u8]) -> Taste {
        let hello = record::records(datagram).find_map(|record| record.client_hello());
        hello.map_or(Taste::None, |hello| self.taste_hello(&hello))
    }

    fn taste_hello(&self, hello: &ClientHello<'_>) -> Taste {
        match self.secret.cookie(self.peer, &hello.random) {
            Ok(cookie) if hello.cookie.is_empty() => Taste::Asks(cookie),
            Ok(cookie) if is_same(hello.cookie, &cookie) => Taste::Returns(cookie),
            _ => Taste::Wrong,
        }
    }
}

fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && openssl::memcmp::eq(one, other)
}
