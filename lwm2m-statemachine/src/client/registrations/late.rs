//! A Register that was given up without an answer. It may still arrive, after the next one, and take its place
//! at the server (RFC 7252 §4.2, TS 5.3.1).

use lwm2m_core::Instant;

/// Until when such a Register may arrive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late(Option<Instant>);

impl Late {
    pub(super) const NONE: Self = Self(None);

    /// A Register was given up that arrives before this, or never.
    pub(super) fn gave_up(&mut self, until: Instant) {
        self.0 = self.0.max(Some(until));
    }

    /// What was sent before doesn't reach the server any more.
    pub(super) const fn forget(&mut self) {
        self.0 = None;
    }

    /// When the server has to be asked whether it still has the registration that it has confirmed in answer to
    /// what was sent then; `None` if nothing can have been late.
    pub(super) fn ask_at(&mut self, sent: Instant) -> Option<Instant> {
        self.0 = self.0.filter(|until| sent < *until);
        self.0
    }
}
