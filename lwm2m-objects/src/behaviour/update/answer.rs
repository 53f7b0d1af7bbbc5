//! How an application answers.

/// The answer of an application to a request of an update.
///
/// A request is carried out now, later or not at all, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<E> {
    /// It is done.
    Done,
    /// It is under way. The application will report by a call how it went.
    Later,
    /// It failed.
    Failed(E),
}
