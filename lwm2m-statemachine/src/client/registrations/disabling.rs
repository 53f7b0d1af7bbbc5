//! Disable (TS E.2, Resource 4): the server is left, and nothing is sent to it and nothing that it sends is answered,
//! until the time is over. Then the Client registers anew.
//!
//! ```text
//! Execute ─ the answer ─> De-register ─ answered, or given up ─> Disconnect ─ Disable Timeout ─> Register
//! ```

use core::time::Duration;

use super::{
    disabled::{Disabled, timeout},
    registration::Registration,
    step::{Outcome, Step},
};

/// Disable of the Server Object Instance was executed. The Disable Timeout is that of now.
pub(super) fn disable(registration: &mut Registration, step: &mut Step<'_>) {
    if let Some(instance) = registration.account.server_instance {
        disable_for(registration, step, timeout(step.tree, instance));
    }
}

/// The server is left, and is then disabled for this long. The period of one that is disabled begins anew.
pub(super) fn disable_for(registration: &mut Registration, step: &mut Step<'_>, period: Duration) {
    registration.disabled = Disabled::Leaving(period);
    registration.advance(step);
}

/// The account is another one: it isn't disabled, and what is kept for its server goes.
pub(super) fn forget(registration: &mut Registration, step: &mut Step<'_>) {
    registration.disabled = Disabled::No;
    // With a registration that goes with it.
    if registration.lease.is_none() {
        step.outcomes.push(Outcome::Ended);
    }
}
