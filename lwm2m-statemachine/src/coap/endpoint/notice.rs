//! A notification before it is sent.

use crate::{coap::token::Token, machine::Channel};

/// A notification that is to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    pub(crate) id: u64,
    pub(crate) token: Token,
    pub(crate) confirmable: bool,
    pub(crate) channel: Channel,
}
