//! Why a payload can't be read or written.

use thiserror::Error;

use super::event::Step;
use crate::Path;

/// Why a payload was not read to its end.
///
/// It won't grow: whatever goes wrong is the fault of the payload or of its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeFailure<D, S> {
    /// The payload is malformed.
    #[error("{0}")]
    Malformed(D),
    /// The sink refused an event.
    #[error("{0}")]
    Sink(S),
}

/// Why an encoder refuses an event. Small, because it is returned once per event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Events out of the order that the [module](crate::codec) describes, or one that the format
    /// can't carry at all.
    #[error("{0} where the structure of a payload does not allow it")]
    Structure(Step),
    /// Something that isn't at or below the path of the request.
    #[error("{0} is outside of the path of the request")]
    OutsidePath(Path),
    /// The format can't carry this value (JSON: NaN, infinities, and bytes whose data type isn't
    /// known, as of a Resource without a definition).
    #[error("the format cannot carry the value of {0}")]
    Value(Path),
    /// The format can't carry an empty Object Instance or an empty multiple Resource (JSON).
    #[error("the format cannot carry {0} empty")]
    Empty(Path),
    /// The format can't carry the time of a value.
    #[error("the format cannot carry the time of {0}")]
    Time(Path),
    /// The format carries the value of one Resource only (text, opaque).
    #[error("the format carries one value only")]
    SingleValue,
    /// Longer than the format can say (TLV: 2^24-1 bytes).
    #[error("the content is longer than the format can say, {limit} bytes")]
    TooLong {
        /// What the format can say, in bytes.
        limit: usize,
    },
}

// As `EncodeError` promises.
const _: () = assert!(size_of::<Result<(), EncodeError>>() <= 16);
