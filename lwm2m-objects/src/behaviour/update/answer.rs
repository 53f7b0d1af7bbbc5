//! How an application answers.

/// What an application answers when an update asks something of it.
///
/// What is asked is done now, later or not at all, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<E> {
    /// It is done.
    Done,
    /// It is under way. The application will report by a call how it went.
    Later,
    /// It failed.
    Failed(E),
}
