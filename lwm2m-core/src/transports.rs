//! How a Client of any version of the Enabler is reached (TS 5.3.1.1; LwM2M 1.1, Transport
//! Bindings).

use core::{fmt, str::FromStr};

use thiserror::Error;

use crate::BindingMode;

/// A transport that a Client may be reached over.
///
/// It may grow: LwM2M 1.2 adds MQTT and HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Transport {
    /// `U`: UDP.
    Udp,
    /// `T`: TCP, from LwM2M 1.1 on.
    Tcp,
    /// `S`: SMS.
    Sms,
    /// `N`: non-IP, from LwM2M 1.1 on.
    NonIp,
}

/// A set of transports, never empty: the value of `b` from LwM2M 1.1 on.
///
/// ```
/// use lwm2m_core::{Transport, Transports};
///
/// let transports: Transports = "TU".parse()?;
/// assert!(transports.has(Transport::Udp) && !transports.has(Transport::Sms));
/// assert_eq!(transports.to_string(), "UT");
/// assert!("UQ".parse::<Transports>().is_err()); // since 1.1 Queue Mode is a parameter of its own
/// # Ok::<(), lwm2m_core::TransportsError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transports {
    /// One bit for each; see [`Transport::bit`].
    bits: u8,
}

/// Text that isn't a set of [`Transports`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected letters of U, T, S and N, each once")]
pub struct TransportsError;

/// How a Client is reached, in the form of its version of the Enabler.
///
/// ```
/// use lwm2m_core::{Binding, BindingMode, Transport};
///
/// let binding = Binding::from(BindingMode::UQS);
/// assert!(binding.queues(Transport::Udp) && !binding.queues(Transport::Sms));
/// assert_eq!(binding, BindingMode::UQS);
///
/// let later = Binding::Transports { transports: "UT".parse()?, queue_mode: true };
/// assert!(later.has(Transport::Tcp) && later.queues(Transport::Udp));
/// assert_eq!((later.mode(), later.to_string()), (None, "UT&Q".into()));
/// # Ok::<(), lwm2m_core::TransportsError>(())
/// ```
///
/// LwM2M 1.0 has one form and all later versions the other, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Binding {
    /// LwM2M 1.0: Current Transport Binding and Mode (TS Table 8).
    Mode(BindingMode),
    /// From LwM2M 1.1 on.
    Transports {
        /// The transports (`b`).
        transports: Transports,
        /// Whether the Client uses Queue Mode, on all of them (`Q`).
        queue_mode: bool,
    },
}

impl Transport {
    /// All transports, in the order in which a set is written.
    pub const ALL: &[Self] = &[Self::Udp, Self::Tcp, Self::Sms, Self::NonIp];

    /// Its letter in `b`.
    pub const fn letter(self) -> char {
        match self {
            Self::Udp => 'U',
            Self::Tcp => 'T',
            Self::Sms => 'S',
            Self::NonIp => 'N',
        }
    }

    /// Its bit in a set. A set has room for eight.
    const fn bit(self) -> u8 {
        match self {
            Self::Udp => 1,
            Self::Tcp => 2,
            Self::Sms => 4,
            Self::NonIp => 8,
        }
    }
}

impl Transports {
    /// UDP alone: the default.
    pub const UDP: Self = Self::only(Transport::Udp);

    /// One transport.
    pub const fn only(transport: Transport) -> Self {
        Self {
            bits: transport.bit(),
        }
    }

    /// These transports and this one.
    #[must_use]
    pub const fn and(self, transport: Transport) -> Self {
        Self {
            bits: self.bits | transport.bit(),
        }
    }

    /// Whether this transport is among them.
    pub const fn has(self, transport: Transport) -> bool {
        self.bits & transport.bit() != 0
    }

    /// The transports, in the order in which they are written.
    pub fn iter(self) -> impl Iterator<Item = Transport> {
        let all = Transport::ALL.iter().copied();
        all.filter(move |transport| self.has(*transport))
    }
}

impl Default for Transports {
    /// [`UDP`](Self::UDP)
    fn default() -> Self {
        Self::UDP
    }
}

impl FromStr for Transports {
    type Err = TransportsError;

    /// Reads letters in any order, each once, in upper case.
    fn from_str(text: &str) -> Result<Self, TransportsError> {
        let mut bits = 0;
        for letter in text.chars() {
            let transport = Transport::ALL
                .iter()
                .copied()
                .find(|transport| transport.letter() == letter)
                .filter(|transport| bits & transport.bit() == 0)
                .ok_or(TransportsError)?;
            bits |= transport.bit();
        }
        if bits == 0 {
            return Err(TransportsError);
        }
        Ok(Self { bits })
    }
}

impl fmt::Display for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter()
            .try_for_each(|transport| fmt::Write::write_char(f, transport.letter()))
    }
}

impl fmt::Debug for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transports({self})")
    }
}

#[cfg(feature = "serde")]
crate::serde_text::as_text!(Transports, "letters of U, T, S and N, each once");

impl Binding {
    /// Whether the Client is reached over this transport.
    pub const fn has(self, transport: Transport) -> bool {
        match (self, transport) {
            (Self::Mode(mode), Transport::Udp) => mode.has_udp(),
            (Self::Mode(mode), Transport::Sms) => mode.has_sms(),
            (Self::Mode(_), Transport::Tcp | Transport::NonIp) => false,
            (Self::Transports { transports, .. }, transport) => transports.has(transport),
        }
    }

    /// Whether requests over this transport wait until the Client is on-line (TS 8.3).
    pub const fn queues(self, transport: Transport) -> bool {
        match (self, transport) {
            (Self::Mode(mode), Transport::Udp) => mode.queues_udp(),
            (Self::Mode(mode), Transport::Sms) => mode.queues_sms(),
            (Self::Mode(_), Transport::Tcp | Transport::NonIp) => false,
            (Self::Transports { queue_mode, .. }, transport) => queue_mode && self.has(transport),
        }
    }

    /// Current Transport Binding and Mode of a Client of LwM2M 1.0 (TS Table 8). Later versions have
    /// no such mode.
    pub const fn mode(self) -> Option<BindingMode> {
        match self {
            Self::Mode(mode) => Some(mode),
            Self::Transports { .. } => None,
        }
    }
}

impl Default for Binding {
    /// U, the default (TS Table 7).
    fn default() -> Self {
        Self::Mode(BindingMode::U)
    }
}

impl From<BindingMode> for Binding {
    fn from(mode: BindingMode) -> Self {
        Self::Mode(mode)
    }
}

impl PartialEq<BindingMode> for Binding {
    fn eq(&self, mode: &BindingMode) -> bool {
        self.mode() == Some(*mode)
    }
}

impl fmt::Display for Binding {
    /// As the value of `b`, with `&Q` behind it where Queue Mode is a parameter of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(mode) => mode.fmt(f),
            Self::Transports {
                transports,
                queue_mode,
            } => write!(f, "{transports}{}", if *queue_mode { "&Q" } else { "" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_set_is_read_in_any_order_and_written_in_one() {
        for (text, written) in [
            ("U", "U"),
            ("UT", "UT"),
            ("TU", "UT"),
            ("NSTU", "UTSN"),
            ("N", "N"),
            ("SU", "US"),
        ] {
            let transports: Transports = text.parse().unwrap();
            assert_eq!(transports.to_string(), written);
            assert_eq!(transports.to_string().parse(), Ok(transports));
            for transport in Transport::ALL.iter().copied() {
                assert_eq!(transports.has(transport), text.contains(transport.letter()));
            }
        }
        for text in ["", "UU", "Q", "UQ", "u", "U ", "X", "UTM", "UTSNU"] {
            assert_eq!(text.parse::<Transports>(), Err(TransportsError), "{text}");
        }
    }

    #[test]
    fn a_mode_of_1_0_says_the_same_of_each_transport() {
        for mode in BindingMode::ALL {
            let binding = Binding::from(mode);
            assert_eq!(
                (binding.mode(), binding.to_string()),
                (Some(mode), mode.to_string())
            );
            for transport in Transport::ALL.iter().copied() {
                let letter = transport.letter();
                assert_eq!(binding.has(transport), mode.as_str().contains(letter));
                let queued = [letter, 'Q'].iter().collect::<alloc::string::String>();
                assert_eq!(binding.queues(transport), mode.as_str().contains(&queued));
            }
        }
    }

    #[test]
    fn queue_mode_of_1_1_is_that_of_all_transports() {
        let binding = |queue_mode| Binding::Transports {
            transports: Transports::UDP.and(Transport::NonIp),
            queue_mode,
        };
        for transport in Transport::ALL.iter().copied() {
            let has = matches!(transport, Transport::Udp | Transport::NonIp);
            assert_eq!(binding(true).has(transport), has);
            assert_eq!(binding(true).queues(transport), has);
            assert!(!binding(false).queues(transport));
        }
        assert_eq!(binding(true).to_string(), "UN&Q");
        assert_eq!(binding(false).to_string(), "UN");
        // It means the same as a mode, but isn't one.
        let udp = Binding::Transports {
            transports: Transports::UDP,
            queue_mode: false,
        };
        assert!(udp != BindingMode::U && udp != Binding::default());
    }
}
