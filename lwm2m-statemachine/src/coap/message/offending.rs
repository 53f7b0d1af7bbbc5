//! The invalid options of a message (RFC 7252 §5.4).

use core::fmt;

use super::options::Options;
use crate::coap::option::{OptionFault, OptionNumber};

/// An invalid option of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffendingOption<'a> {
    /// Its number.
    pub number: OptionNumber,
    /// Its value, as it was written.
    pub value: &'a [u8],
    /// What is wrong.
    pub fault: OptionFault,
}

impl fmt::Display for OffendingOption<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.number, self.fault)
    }
}

/// The invalid options of a message in the order of their numbers; see
/// [`MessageRef::offending`](super::MessageRef::offending).
#[derive(Clone, Debug)]
pub struct OffendingOptions<'a> {
    options: Options<'a>,
    last: Option<OptionNumber>,
}

impl<'a> OffendingOptions<'a> {
    pub(super) const fn new(options: Options<'a>) -> Self {
        Self {
            options,
            last: None,
        }
    }
}

impl<'a> Iterator for OffendingOptions<'a> {
    type Item = OffendingOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (number, value) = self.options.next()?;
            let repeated = self.last.replace(number) == Some(number);
            if let Some(fault) = number.fault(value, repeated) {
                return Some(OffendingOption {
                    number,
                    value,
                    fault,
                });
            }
        }
    }
}
