//! Parameters of Register, Update and Bootstrap-Request as URI-queries
//! (TS 5.2.7.1, 5.3.1, 5.3.2, 8.2.3, 8.2.4).

mod types;

use core::fmt;

use thiserror::Error;

pub use self::types::{
    EndpointName, EndpointNameError, Lifetime, LifetimeError, Msisdn, MsisdnError,
};
use crate::{BindingMode, Code, Version};

/// The parameters of a Register (TS Table 7): `/rd?ep=…&lt=…&sms=…&lwm2m=…&b=…`.
///
/// Reading borrows and allocates nothing. What is no parameter of the specification goes to the
/// caller, who accepts or refuses it.
///
/// ```
/// use lwm2m_core::{RegisterParameters, UnknownParameter, Version};
///
/// let mut vendor = Vec::new();
/// let queries = ["b=U", "lwm2m=1.0", "site=north", "lt=86400", "ep=meter-1"];
/// let parameters = RegisterParameters::read(queries, Version::INITIAL, |query| {
///     vendor.push(query);
///     UnknownParameter::Accept
/// })?;
/// assert_eq!(parameters.endpoint.as_str(), "meter-1");
/// assert_eq!(vendor, ["site=north"]);
///
/// let written: Vec<_> = parameters.queries().map(|query| query.to_string()).collect();
/// assert_eq!(written, ["ep=meter-1", "lt=86400", "lwm2m=1.0", "b=U"]);
/// # Ok::<(), lwm2m_core::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RegisterParameters<'a> {
    /// Endpoint Client Name, `ep`.
    pub endpoint: EndpointName<'a>,
    /// Lifetime of the registration, `lt`.
    pub lifetime: Lifetime,
    /// Version of the LwM2M Enabler that the Client supports, `lwm2m`.
    pub version: Version,
    /// Binding Mode, `b`; U if it was absent.
    pub binding: BindingMode,
    /// SMS Number, `sms`.
    pub sms: Option<Msisdn>,
}

/// The parameters of an Update (TS Table 9): `/{location}?lt=…&sms=…&b=…`, those that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UpdateParameters {
    /// The new Lifetime, `lt`.
    pub lifetime: Option<Lifetime>,
    /// The new Binding Mode, `b`.
    pub binding: Option<BindingMode>,
    /// The new SMS Number, `sms`.
    pub sms: Option<Msisdn>,
}

/// The parameters of a Bootstrap-Request (TS 5.2.7.1): `/bs?ep=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BootstrapParameters<'a> {
    /// Endpoint Client Name, `ep`.
    pub endpoint: EndpointName<'a>,
}

/// What becomes of a request with a parameter that its table does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum UnknownParameter {
    /// The request is read as if the parameter were not there.
    Accept,
    /// The request is refused with [`ParameterError::Unknown`].
    Refuse,
}

/// A parameter of the registration and bootstrap interfaces (TS Tables 7, 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
}

/// Why the parameters of a request are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// A parameter that must be there is not.
    #[error("expected a query {0}=")]
    Missing(Parameter),
    /// A parameter is there twice.
    #[error("query {query}: {parameter} was given before")]
    Duplicate {
        /// Which query, from 0: the later one.
        query: usize,
        /// Which parameter.
        parameter: Parameter,
    },
    /// The value of a parameter is malformed, or there is none.
    #[error("query {query}: expected {parameter}= and {}", parameter.expectation())]
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
    /// The Client's version of the Enabler is not compatible with the Server's (TS 5.3.1).
    #[error("query {query}: LwM2M {client} is not compatible with {server}")]
    Version {
        /// Which query, from 0.
        query: usize,
        /// What the Client supports.
        client: Version,
        /// What the Server supports.
        server: Version,
    },
}

impl<'a> RegisterParameters<'a> {
    /// Reads the URI-queries of a Register, in any order, for a Server that supports `server`.
    ///
    /// The version is judged first: the other parameters of a Client of another version may be
    /// strange to us, and 4.12 tells it more than 4.00. Otherwise the first error is told.
    pub fn read(
        queries: impl IntoIterator<Item = &'a str>,
        server: Version,
        unknown: impl FnMut(&'a str) -> UnknownParameter,
    ) -> Result<Self, ParameterError> {
        use Parameter::{Binding, EndpointName, Lifetime, SmsNumber, Version};

        let known = [EndpointName, Lifetime, SmsNumber, Version, Binding];
        let read = Given::read(queries, &known, unknown);
        if let Some((query, client)) = read.given.version
            && !server.accepts(client)
        {
            return Err(ParameterError::Version {
                query,
                client,
                server,
            });
        }
        let given = read.checked()?;
        Ok(Self {
            endpoint: given.endpoint.ok_or(missing(EndpointName))?,
            lifetime: given.lifetime.ok_or(missing(Lifetime))?,
            version: given.version.ok_or(missing(Version))?.1,
            binding: given.binding.unwrap_or_default(),
            sms: given.sms,
        })
    }

    /// The URI-queries, in the order of TS 8.2.4.
    pub fn queries(&self) -> impl Iterator<Item = ParameterQuery<'_>> {
        [
            Some(Item::Endpoint(self.endpoint.as_str())),
            Some(Item::Lifetime(self.lifetime)),
            self.sms.map(Item::Sms),
            Some(Item::Version(self.version)),
            Some(Item::Binding(self.binding)),
        ]
        .into_iter()
        .flatten()
        .map(ParameterQuery)
    }

    /// The parameters with an endpoint name of their own.
    pub fn into_owned(self) -> RegisterParameters<'static> {
        RegisterParameters {
            endpoint: self.endpoint.into_owned(),
            lifetime: self.lifetime,
            version: self.version,
            binding: self.binding,
            sms: self.sms,
        }
    }
}

impl UpdateParameters {
    /// Reads the URI-queries of an Update, in any order. `ep` and `lwm2m` are none of its
    /// parameters: they are unknown here.
    pub fn read<'a>(
        queries: impl IntoIterator<Item = &'a str>,
        unknown: impl FnMut(&'a str) -> UnknownParameter,
    ) -> Result<Self, ParameterError> {
        use Parameter::{Binding, Lifetime, SmsNumber};

        let given = Given::read(queries, &[Lifetime, SmsNumber, Binding], unknown).checked()?;
        Ok(Self {
            lifetime: given.lifetime,
            binding: given.binding,
            sms: given.sms,
        })
    }

    /// The URI-queries, in the order of TS 8.2.4.
    pub fn queries(&self) -> impl Iterator<Item = ParameterQuery<'static>> + use<> {
        [
            self.lifetime.map(Item::Lifetime),
            self.sms.map(Item::Sms),
            self.binding.map(Item::Binding),
        ]
        .into_iter()
        .flatten()
        .map(ParameterQuery)
    }
}

impl<'a> BootstrapParameters<'a> {
    /// Reads the URI-queries of a Bootstrap-Request.
    pub fn read(
        queries: impl IntoIterator<Item = &'a str>,
        unknown: impl FnMut(&'a str) -> UnknownParameter,
    ) -> Result<Self, ParameterError> {
        let given = Given::read(queries, &[Parameter::EndpointName], unknown).checked()?;
        Ok(Self {
            endpoint: given.endpoint.ok_or(missing(Parameter::EndpointName))?,
        })
    }

    /// The URI-queries.
    pub fn queries(&self) -> impl Iterator<Item = ParameterQuery<'_>> {
        [ParameterQuery(Item::Endpoint(self.endpoint.as_str()))].into_iter()
    }

    /// The parameters with an endpoint name of their own.
    pub fn into_owned(self) -> BootstrapParameters<'static> {
        BootstrapParameters {
            endpoint: self.endpoint.into_owned(),
        }
    }
}

/// One URI-query of a registration or bootstrap request; prints as `lt=86400`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterQuery<'a>(Item<'a>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item<'a> {
    Endpoint(&'a str),
    Lifetime(Lifetime),
    Sms(Msisdn),
    Version(Version),
    Binding(BindingMode),
}

impl fmt::Display for ParameterQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Item::Endpoint(name) => write!(f, "{}={name}", Parameter::EndpointName),
            Item::Lifetime(lifetime) => write!(f, "{}={lifetime}", Parameter::Lifetime),
            Item::Sms(number) => write!(f, "{}={number}", Parameter::SmsNumber),
            Item::Version(version) => write!(f, "{}={version}", Parameter::Version),
            Item::Binding(binding) => write!(f, "{}={binding}", Parameter::Binding),
        }
    }
}

/// The parameters that were given, whatever the request.
#[derive(Default)]
struct Given<'a> {
    endpoint: Option<EndpointName<'a>>,
    lifetime: Option<Lifetime>,
    version: Option<(usize, Version)>,
    binding: Option<BindingMode>,
    sms: Option<Msisdn>,
}

/// All queries walked: what was given, and the first error among them.
struct Reading<'a> {
    given: Given<'a>,
    error: Option<ParameterError>,
}

impl<'a> Reading<'a> {
    fn checked(self) -> Result<Given<'a>, ParameterError> {
        self.error.map_or(Ok(self.given), Err)
    }
}

impl<'a> Given<'a> {
    fn read(
        queries: impl IntoIterator<Item = &'a str>,
        known: &[Parameter],
        mut unknown: impl FnMut(&'a str) -> UnknownParameter,
    ) -> Reading<'a> {
        let mut given = Self::default();
        let mut error = None;
        for (query, text) in queries.into_iter().enumerate() {
            let (key, value) = text
                .split_once('=')
                .map_or((text, None), |(key, value)| (key, Some(value)));
            let parameter = known.iter().copied().find(|known| known.key() == key);
            let result = match parameter {
                Some(parameter) => given.take(query, parameter, value),
                None => match unknown(text) {
                    UnknownParameter::Accept => Ok(()),
                    UnknownParameter::Refuse => Err(ParameterError::Unknown { query }),
                },
            };
            error = error.or(result.err());
        }
        Reading { given, error }
    }

    fn take(
        &mut self,
        query: usize,
        parameter: Parameter,
        value: Option<&'a str>,
    ) -> Result<(), ParameterError> {
        let malformed = ParameterError::Malformed { query, parameter };
        let value = value.ok_or(malformed)?;
        let before = match parameter {
            Parameter::EndpointName => {
                let name = EndpointName::new(value).map_err(|_| malformed)?;
                self.endpoint.replace(name).is_some()
            }
            Parameter::Lifetime => {
                let lifetime = value.parse().map_err(|_| malformed)?;
                self.lifetime.replace(lifetime).is_some()
            }
            Parameter::SmsNumber => {
                let number = value.parse().map_err(|_| malformed)?;
                self.sms.replace(number).is_some()
            }
            Parameter::Version => {
                let version = value.parse().map_err(|_| malformed)?;
                self.version.replace((query, version)).is_some()
            }
            Parameter::Binding => {
                let binding = value.parse().map_err(|_| malformed)?;
                self.binding.replace(binding).is_some()
            }
        };
        if before {
            return Err(ParameterError::Duplicate { query, parameter });
        }
        Ok(())
    }
}

fn missing(parameter: Parameter) -> ParameterError {
    ParameterError::Missing(parameter)
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
        }
    }

    const fn expectation(self) -> &'static str {
        match self {
            Self::EndpointName => "a name of 1 to 252 bytes",
            Self::Lifetime => "seconds, 1 to 4294967295",
            Self::SmsNumber => "1 to 15 digits",
            Self::Version => "a version such as 1.0",
            Self::Binding => "one of U, UQ, S, SQ, US, UQS",
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl ParameterError {
    /// The answer to such a request (TS Table 27): 4.12 for a version that is not compatible, 4.00
    /// for anything else.
    pub const fn code(&self) -> Code {
        match self {
            Self::Version { .. } => Code::PRECONDITION_FAILED,
            _ => Code::BAD_REQUEST,
        }
    }
}

#[cfg(test)]
mod tests;
