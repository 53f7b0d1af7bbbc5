//! Transport bindings and modes (TS 5.3.1.1, Table 8).

use core::{fmt, str::FromStr};

use thiserror::Error;

/// Current Transport Binding and Mode: how a Client is reached (TS Table 8).
///
/// ```
/// use lwm2m_core::BindingMode;
///
/// let binding: BindingMode = "UQS".parse()?;
/// assert!(binding.queues_udp() && binding.has_sms() && !binding.queues_sms());
/// assert!("UQSQ".parse::<BindingMode>().is_err());
/// # Ok::<(), lwm2m_core::BindingModeError>(())
/// ```
///
/// Later versions have [`Transports`](crate::Transports) instead, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BindingMode {
    /// `U`: UDP, reachable at any time; the default (TS Table 7).
    #[default]
    U,
    /// `UQ`: UDP with Queue Mode.
    UQ,
    /// `S`: SMS, reachable at any time.
    S,
    /// `SQ`: SMS with Queue Mode.
    SQ,
    /// `US`: UDP and SMS, both reachable at any time.
    US,
    /// `UQS`: UDP with Queue Mode, and SMS that is reachable at any time.
    UQS,
}

/// Text that is no [`BindingMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a binding of U, UQ, S, SQ, US or UQS")]
pub struct BindingModeError;

impl BindingMode {
    /// All of Table 8, in its order.
    pub const ALL: [Self; 6] = [Self::U, Self::UQ, Self::S, Self::SQ, Self::US, Self::UQS];

    /// As it travels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::U => "U",
            Self::UQ => "UQ",
            Self::S => "S",
            Self::SQ => "SQ",
            Self::US => "US",
            Self::UQS => "UQS",
        }
    }

    /// Whether the Client is reached over UDP.
    pub const fn has_udp(self) -> bool {
        matches!(self, Self::U | Self::UQ | Self::US | Self::UQS)
    }

    /// Whether the Client is reached over SMS.
    pub const fn has_sms(self) -> bool {
        matches!(self, Self::S | Self::SQ | Self::US | Self::UQS)
    }

    /// Whether requests over UDP wait until the Client is on-line (TS 8.3).
    pub const fn queues_udp(self) -> bool {
        matches!(self, Self::UQ | Self::UQS)
    }

    /// Whether requests over SMS wait until the Client is on-line (TS 8.3).
    pub const fn queues_sms(self) -> bool {
        matches!(self, Self::SQ)
    }
}

impl BindingMode {
    /// Whether a Client can use it that supports these bindings and modes: the value of Resource 16 of
    /// the Device Object, which is U or UQ, S or SQ, or one of each in this order (TS E.4).
    ///
    /// ```
    /// use lwm2m_core::BindingMode;
    ///
    /// assert!(BindingMode::US.is_supported_by("UQS"));
    /// assert!(!BindingMode::SQ.is_supported_by("UQS"));
    /// ```
    pub fn is_supported_by(self, supported: &str) -> bool {
        let udp = supported.strip_prefix('U');
        let rest = udp.unwrap_or(supported);
        let queues_udp = udp.and_then(|rest| rest.strip_prefix('Q'));
        let rest = queues_udp.unwrap_or(rest);
        let sms = rest.strip_prefix('S');
        let rest = sms.unwrap_or(rest);
        let queues_sms = sms.and_then(|rest| rest.strip_prefix('Q'));
        let rest = queues_sms.unwrap_or(rest);
        let fits = |wanted: bool, found: Option<&str>| !wanted || found.is_some();
        rest.is_empty()
            && fits(self.has_udp(), udp)
            && fits(self.queues_udp(), queues_udp)
            && fits(self.has_sms(), sms)
            && fits(self.queues_sms(), queues_sms)
    }
}

impl FromStr for BindingMode {
    type Err = BindingModeError;

    /// Reads exactly the six of Table 8, in upper case: UQSQ and USQ are not supported.
    fn from_str(text: &str) -> Result<Self, BindingModeError> {
        Self::ALL
            .into_iter()
            .find(|binding| binding.as_str() == text)
            .ok_or(BindingModeError)
    }
}

impl fmt::Display for BindingMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
crate::serde_text::as_text!(BindingMode, "a binding of U, UQ, S, SQ, US or UQS");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_table_8_is_read() {
        for binding in BindingMode::ALL {
            assert_eq!(binding.as_str().parse(), Ok(binding));
        }
        for text in [
            "", "u", "Q", "SU", "USQ", "UQSQ", "SQU", "UT", "N", "U ", "UU",
        ] {
            assert_eq!(text.parse::<BindingMode>(), Err(BindingModeError), "{text}");
        }
    }

    #[test]
    fn the_letters_tell_transports_and_queueing() {
        for binding in BindingMode::ALL {
            let text = binding.as_str();
            assert_eq!(binding.has_udp(), text.contains('U'), "{text}");
            assert_eq!(binding.has_sms(), text.contains('S'), "{text}");
            assert_eq!(binding.queues_udp(), text.contains("UQ"), "{text}");
            assert_eq!(binding.queues_sms(), text.contains("SQ"), "{text}");
        }
    }

    /// TS E.4: U or UQ, S or SQ, or one of each.
    #[test]
    fn what_is_supported_is_what_its_letters_hold() {
        use BindingMode::{S, SQ, U, UQ, UQS, US};

        for (supported, usable) in [
            ("U", &[U][..]),
            ("UQ", &[U, UQ]),
            ("S", &[S]),
            ("SQ", &[S, SQ]),
            ("US", &[U, S, US]),
            ("UQS", &[U, UQ, S, US, UQS]),
            ("USQ", &[U, S, SQ, US]),
            ("UQSQ", &[U, UQ, S, SQ, US, UQS]),
            ("", &[]),
            ("Q", &[]),
            ("SU", &[]),
            ("UQQ", &[]),
            ("UT", &[]),
        ] {
            let found = BindingMode::ALL.map(|mode| mode.is_supported_by(supported));
            let expected = BindingMode::ALL.map(|mode| usable.contains(&mode));
            assert_eq!(found, expected, "{supported}");
        }
    }
}
