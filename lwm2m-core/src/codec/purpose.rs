//! What a payload is part of.

/// What a payload is part of. It decides what the payload may say beside values.
///
/// With the path of the request it is the scope of a payload: the two say how its bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Purpose {
    /// What is to be written: Write, Bootstrap-Write (TS 5.4.3, 5.2.7.4). All of it is at or below
    /// the path of the request, and it has no times.
    Write,
    /// What a new Object Instance is to hold: Create (TS 5.4.6). As in a Write, but that the
    /// payload need not name the Object Instance whose identifier the receiver is to choose.
    Create,
    /// What there is: the answer to a Read or Observe, or a notification (TS 5.4.1, 5.5). It may
    /// hold Object Instances that are linked from what was asked for, and values over time (TS
    /// 6.4.4), and it may be empty.
    Answer,
}
