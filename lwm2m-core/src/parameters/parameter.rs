//! Which parameters there are, and why those of a request are refused.

use core::fmt;

use thiserror::Error;

use crate::{Code, EnablerVersions, Version};

/// Whether a request may have a parameter that its table doesn't list.
///
/// It is yes or no, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum UnknownParameter {
    /// The parameter is ignored.
    Accept,
    /// The request is refused with [`ParameterError::Unknown`].
    Refuse,
}

/// A parameter of the registration and bootstrap interfaces (TS Tables 7, 9).
///
/// It may grow: LwM2M 1.1 adds `pct`, LwM2M 1.2 `pid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Parameter {
    /// `ep`
    EndpointName,
    /// `lt`
    Lifetime,
    /// `sms`
    SmsNumber,
    /// `lwm2m`
    Version,
    /// `b`
    Binding,
    /// `Q`, from LwM2M 1.1 on
    QueueMode,
}

/// Why the parameters of a request are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// A mandatory parameter is missing.
    #[error("expected a query {0}=")]
    Missing(Parameter),
    /// A repeated parameter.
    #[error("query {query}: {parameter} was given before")]
    Duplicate {
        /// Which query, from 0: the later one.
        query: usize,
        /// Which parameter.
        parameter: Parameter,
    },
    /// The value of a parameter is malformed or missing.
    #[error("query {query}: expected {}", parameter.expectation())]
    Malformed {
        /// Which query, from 0.
        query: usize,
        /// Which parameter.
        parameter: Parameter,
    },
    /// A parameter that the caller refuses.
    #[error("query {query}: unknown parameter")]
    Unknown {
        /// Which query, from 0.
        query: usize,
    },
    /// The Client's version of the Enabler isn't compatible with the Server's (TS 5.3.1).
    #[error("query {query}: LwM2M {client} is not compatible with {accepted}")]
    Version {
        /// Which query, from 0.
        query: usize,
        /// What the Client supports.
        client: Version,
        /// What the Server accepts.
        accepted: EnablerVersions,
    },
}

impl Parameter {
    /// The key of the query.
    pub const fn key(self) -> &'static str {
        match self {
            Self::EndpointName => "ep",
            Self::Lifetime => "lt",
            Self::SmsNumber => "sms",
            Self::Version => "lwm2m",
            Self::Binding => "b",
            Self::QueueMode => "Q",
        }
    }

    const fn expectation(self) -> &'static str {
        match self {
            Self::EndpointName => "ep= and a name of 1 to 252 bytes",
            Self::Lifetime => "lt= and seconds, 1 to 4294967295",
            Self::SmsNumber => "sms= and 1 to 15 digits",
            Self::Version => "lwm2m= and a version such as 1.0",
            Self::Binding => {
                "b= and one of U, UQ, S, SQ, US, UQS, or from LwM2M 1.1 on letters of U, T, S, N"
            }
            Self::QueueMode => "Q without a value",
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl ParameterError {
    /// The answer to such a request (TS Table 27): 4.12 for a version that isn't compatible, otherwise
    /// 4.00.
    pub const fn code(&self) -> Code {
        match self {
            Self::Version { .. } => Code::PRECONDITION_FAILED,
            _ => Code::BAD_REQUEST,
        }
    }
}
