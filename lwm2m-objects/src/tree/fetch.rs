//! What an Object has the Client fetch.

use alloc::string::String;

use lwm2m_core::Path;
use thiserror::Error;

/// What an Object asks of the Client: to fetch the value of a URI, or to stop.
///
/// A fetch begins or ends, so it won't grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchOrder {
    /// Fetch what a URI names, and pass it to [`Object::fetched`](super::Object::fetched). It
    /// replaces what is being fetched for the same path.
    Begin {
        /// The Resource with the URI.
        path: Path,
        /// A `coap` or `coaps` URI (RFC 7252 §6), or text that only looks like one.
        uri: String,
    },
    /// It isn't needed any more.
    Stop {
        /// The Resource with the URI.
        path: Path,
    },
}

/// A part of what the Client fetches for an Object: any number of `Bytes`, then `End` or `Failed`.
///
/// These are all steps of a download, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched<'a> {
    /// The next bytes. At offset 0 it begins anew: what came before was of another body.
    Bytes {
        /// How many bytes came before.
        offset: u64,
        /// The bytes; never empty.
        bytes: &'a [u8],
    },
    /// All is there.
    End,
    /// It won't arrive.
    Failed(FetchFailure),
}

/// Why something could not be fetched.
///
/// It may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum FetchFailure {
    /// The connection was lost, or the server didn't answer, for too long.
    #[error("the connection was lost")]
    ConnectionLost,
    /// The URI isn't one, or names nothing that can be had.
    #[error("the URI is invalid")]
    InvalidUri,
    /// The server doesn't speak the protocol, or does so without blocks.
    #[error("the protocol is not supported")]
    Protocol,
    /// It is larger than there is room for.
    #[error("it is too large")]
    Storage,
    /// What arrived doesn't fit together, or changes all the time.
    #[error("the parts do not fit together")]
    Integrity,
}
