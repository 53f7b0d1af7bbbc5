//! What failures have in common.

/// What a failure says of the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The server has judged, and another attempt will end the same way unless someone changes
    /// something: 4.xx, such as 4.00, 4.03 and 4.12 for a Register, and a location that can't be used.
    Refused,
    /// Nothing was heard of the server: no answer in time, or no connection.
    Silent,
    /// The server is there, and another attempt may end better: 5.xx, a Reset, a failed exchange.
    Passing,
    /// Nothing was sent: the fault is the Client's.
    Own,
}
