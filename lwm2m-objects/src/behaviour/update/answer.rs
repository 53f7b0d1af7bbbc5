//! How an application answers.

/// What an application answers when an update asks something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<E> {
    /// It is done.
    Done,
    /// It is under way; a call of the application will tell its end.
    Later,
    /// It went wrong.
    Failed(E),
}
