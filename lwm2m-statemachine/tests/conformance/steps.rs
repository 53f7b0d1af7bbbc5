//! What a test is doing.

use core::cell::RefCell;

thread_local! {
    /// A failure names it.
    static STEP: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The next step of the test.
pub(crate) fn step(text: &str) {
    STEP.with_borrow_mut(|step| text.clone_into(step));
}

/// The step that the test has come to; the next test begins without one.
pub(crate) fn take_step() -> String {
    STEP.take()
}
