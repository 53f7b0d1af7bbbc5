//! The values of parameters: each is valid by construction.

use alloc::{
    borrow::{Cow, ToOwned},
    string::String,
};
use core::{borrow::Borrow, fmt, num::NonZeroU32, str::FromStr, time::Duration};

use thiserror::Error;

/// An Endpoint Client Name (TS 6.3.1): any text of 1 to 252 bytes, a URN by preference.
///
/// 252 bytes is what `ep=` leaves of a Uri-Query option, 255 bytes long at most (RFC 7252 §5.10).
/// Names are compared byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct EndpointName<'a>(Cow<'a, str>);

/// Text that is no [`EndpointName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected an endpoint name of 1 to 252 bytes")]
pub struct EndpointNameError;

impl<'a> EndpointName<'a> {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 252;

    /// The name, borrowed or owned, if it has the right length.
    pub fn new(name: impl Into<Cow<'a, str>>) -> Result<Self, EndpointNameError> {
        let name = name.into();
        match name.len() {
            1..=Self::MAX_LEN => Ok(Self(name)),
            _ => Err(EndpointNameError),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, on its own.
    pub fn into_owned(self) -> EndpointName<'static> {
        EndpointName(Cow::Owned(self.0.into_owned()))
    }
}

impl FromStr for EndpointName<'static> {
    type Err = EndpointNameError;

    fn from_str(name: &str) -> Result<Self, EndpointNameError> {
        Self::new(name.to_owned())
    }
}

impl TryFrom<String> for EndpointName<'_> {
    type Error = EndpointNameError;

    fn try_from(name: String) -> Result<Self, EndpointNameError> {
        Self::new(name)
    }
}

impl From<EndpointName<'_>> for String {
    fn from(name: EndpointName<'_>) -> Self {
        name.0.into_owned()
    }
}

impl AsRef<str> for EndpointName<'_> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for EndpointName<'_> {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for EndpointName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The lifetime of a registration: 1 to 4,294,967,295 seconds.
///
/// The specification gives no range. 0 is refused, because such a registration would end before its
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Lifetime(NonZeroU32);

/// A number or text that isn't a [`Lifetime`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a lifetime of 1 to 4294967295 seconds")]
pub struct LifetimeError;

impl Lifetime {
    /// This many seconds, unless they are 0.
    pub const fn from_secs(seconds: u32) -> Option<Self> {
        match NonZeroU32::new(seconds) {
            Some(seconds) => Some(Self(seconds)),
            None => None,
        }
    }

    /// In seconds.
    pub const fn as_secs(self) -> u32 {
        self.0.get()
    }

    /// As a duration.
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0.get() as u64)
    }
}

impl TryFrom<i64> for Lifetime {
    type Error = LifetimeError;

    /// From the value of the Resource `/1/x/1`.
    fn try_from(seconds: i64) -> Result<Self, LifetimeError> {
        let seconds = u32::try_from(seconds).map_err(|_| LifetimeError)?;
        Self::from_secs(seconds).ok_or(LifetimeError)
    }
}

impl From<Lifetime> for i64 {
    fn from(lifetime: Lifetime) -> Self {
        Self::from(lifetime.as_secs())
    }
}

impl FromStr for Lifetime {
    type Err = LifetimeError;

    /// Reads digits only, leading zeros allowed.
    fn from_str(text: &str) -> Result<Self, LifetimeError> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(LifetimeError);
        }
        let seconds = text.parse().map_err(|_| LifetimeError)?;
        Self::from_secs(seconds).ok_or(LifetimeError)
    }
}

impl fmt::Display for Lifetime {
    /// In seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An MSISDN: a telephone number of 1 to 15 digits, country code first, without `+`
/// (3GPP TS 23.003 §3.3, TS 8.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Msisdn {
    /// Digits, then zero bytes.
    digits: [u8; Self::MAX_LEN],
}

/// Text that isn't an [`Msisdn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected an MSISDN of 1 to 15 digits without '+'")]
pub struct MsisdnError;

impl Msisdn {
    /// The most digits.
    pub const MAX_LEN: usize = 15;

    /// The digits.
    pub fn as_str(&self) -> &str {
        let mut parts = self.digits.split(|digit| *digit == 0);
        // They are ASCII digits by construction.
        str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default()
    }
}

impl FromStr for Msisdn {
    type Err = MsisdnError;

    fn from_str(text: &str) -> Result<Self, MsisdnError> {
        let mut digits = [0; Self::MAX_LEN];
        let target = digits.get_mut(..text.len()).ok_or(MsisdnError)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(MsisdnError);
        }
        target.copy_from_slice(text.as_bytes());
        Ok(Self { digits })
    }
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Msisdn").field(&self.as_str()).finish()
    }
}

#[cfg(feature = "serde")]
crate::serde_text::as_text!(Msisdn, "an MSISDN of 1 to 15 digits");
