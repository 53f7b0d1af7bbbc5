//! Parameters of Register, Update and Bootstrap-Request as URI-queries
//! (TS 5.2.7.1, 5.3.1, 5.3.2, 8.2.3, 8.2.4).

mod given;
mod parameter;
mod types;

use core::fmt;

use self::given::{GivenParameters, Style, first_version};
pub use self::{
    parameter::{Parameter, ParameterError, UnknownParameter},
    types::{EndpointName, EndpointNameError, Lifetime, LifetimeError, Msisdn, MsisdnError},
};
use crate::{Binding, BindingMode, EnablerVersions, Transports, Version};

/// The parameters of a Register (TS Table 7): `/rd?ep=…&lt=…&sms=…&lwm2m=…&b=…`.
///
/// Reading borrows and allocates nothing. Parameters that aren't in the specification go to the
/// caller, who accepts or refuses them.
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
    /// Binding Mode, `b`; U if it was absent. From LwM2M 1.1 on the transports, `b`, and Queue
    /// Mode, `Q`.
    pub binding: Binding,
    /// SMS Number, `sms`.
    pub sms: Option<Msisdn>,
}

/// The parameters of an Update (TS Table 9): `/{location}?lt=…&sms=…&b=…`, those that changed.
///
/// ```
/// use lwm2m_core::{Binding, BindingMode, UnknownParameter, UpdateParameters};
///
/// let registered = Binding::from(BindingMode::U);
/// let refuse = |_: &str| UnknownParameter::Refuse;
/// let update = UpdateParameters::read(["lt=6000", "b=UQ"], registered, refuse)?;
/// assert_eq!(update.binding, Some(BindingMode::UQ.into()));
/// # Ok::<(), lwm2m_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UpdateParameters {
    /// The new Lifetime, `lt`.
    pub lifetime: Option<Lifetime>,
    /// The new Binding Mode, `b`; from LwM2M 1.1 on the transports and Queue Mode, `b` and `Q`.
    pub binding: Option<Binding>,
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

/// How many queries a Register usually has at most.
const FEW: usize = 8;

impl<'a> RegisterParameters<'a> {
    /// Reads the URI-queries of a Register, in any order, for a Server that accepts these versions
    /// of the Enabler; a single [`Version`] means all [up to](EnablerVersions::up_to) it.
    ///
    /// The version is checked first: a Client of another version may have other parameters, and 4.12
    /// tells it more than 4.00. In 1.0, `b` is one of Table 8, and `Q` is unknown; later, `b` is a
    /// set of letters, and `Q` a flag. Otherwise the first error is returned.
    pub fn read<Q>(
        queries: Q,
        accepted: impl Into<EnablerVersions>,
        unknown: impl FnMut(&'a str) -> UnknownParameter,
    ) -> Result<Self, ParameterError>
    where
        Q: IntoIterator<Item = &'a str, IntoIter: Clone>,
    {
        use Parameter::{Binding, EndpointName, Lifetime, QueueMode, SmsNumber, Version};

        let accepted = accepted.into();
        // They are walked twice, and to walk those of a message means to check its options.
        let mut queries = queries.into_iter();
        let mut first = [""; FEW];
        let count = first
            .iter_mut()
            .zip(&mut queries)
            .map(|(slot, query)| *slot = query)
            .count();
        let queries = first.into_iter().take(count).chain(queries);
        let judged = first_version(queries.clone());
        if let Some((query, client)) = judged
            && !accepted.contains(client)
        {
            return Err(ParameterError::Version {
                query,
                client,
                accepted,
            });
        }
        let style = Style::of(judged.map_or(crate::Version::INITIAL, |(_, version)| version));
        let known = [
            EndpointName,
            Lifetime,
            SmsNumber,
            Version,
            Binding,
            QueueMode,
        ];
        let given = GivenParameters::read(queries, style, &known, judged, unknown)?;
        let binding = given.binding(style);
        Ok(Self {
            endpoint: given.endpoint.ok_or(missing(EndpointName))?,
            lifetime: given.lifetime.ok_or(missing(Lifetime))?,
            version: given.version.ok_or(missing(Version))?,
            binding: binding.unwrap_or_else(|| style.default_binding()),
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
        ]
        .into_iter()
        .chain(Item::of_binding(self.binding))
        .flatten()
        .map(ParameterQuery)
    }

    /// The parameters with an owned endpoint name.
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
    /// Reads the URI-queries of an Update, in any order, of a Client that registered with this
    /// binding. `ep` and `lwm2m` aren't parameters of an Update, so they are unknown here.
    ///
    /// `b`, with or without `Q`, gives the whole binding. `Q` alone turns Queue Mode on.
    pub fn read<'a>(
        queries: impl IntoIterator<Item = &'a str>,
        registered: Binding,
        unknown: impl FnMut(&'a str) -> UnknownParameter,
    ) -> Result<Self, ParameterError> {
        use Parameter::{Binding, Lifetime, QueueMode, SmsNumber};

        let style = Style::like(registered);
        let known = [Lifetime, SmsNumber, Binding, QueueMode];
        let given = GivenParameters::read(queries, style, &known, None, unknown)?;
        Ok(Self {
            lifetime: given.lifetime,
            binding: given.binding(style),
            sms: given.sms,
        })
    }

    /// The URI-queries, in the order of TS 8.2.4.
    pub fn queries(&self) -> impl Iterator<Item = ParameterQuery<'static>> + use<> {
        [self.lifetime.map(Item::Lifetime), self.sms.map(Item::Sms)]
            .into_iter()
            .chain(self.binding.into_iter().flat_map(Item::of_binding))
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
        let known = [Parameter::EndpointName];
        let given = GivenParameters::read(queries, Style::Mode, &known, None, unknown)?;
        Ok(Self {
            endpoint: given.endpoint.ok_or(missing(Parameter::EndpointName))?,
        })
    }

    /// The URI-queries.
    pub fn queries(&self) -> impl Iterator<Item = ParameterQuery<'_>> {
        [ParameterQuery(Item::Endpoint(self.endpoint.as_str()))].into_iter()
    }

    /// The parameters with an owned endpoint name.
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
    Mode(BindingMode),
    Transports(Transports),
    QueueMode,
}

impl Item<'_> {
    fn of_binding(binding: Binding) -> [Option<Self>; 2] {
        match binding {
            Binding::Mode(mode) => [Some(Self::Mode(mode)), None],
            Binding::Transports {
                transports,
                queue_mode,
            } => [
                Some(Self::Transports(transports)),
                queue_mode.then_some(Self::QueueMode),
            ],
        }
    }
}

impl fmt::Display for ParameterQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Item::Endpoint(name) => write!(f, "{}={name}", Parameter::EndpointName),
            Item::Lifetime(lifetime) => write!(f, "{}={lifetime}", Parameter::Lifetime),
            Item::Sms(number) => write!(f, "{}={number}", Parameter::SmsNumber),
            Item::Version(version) => write!(f, "{}={version}", Parameter::Version),
            Item::Mode(mode) => write!(f, "{}={mode}", Parameter::Binding),
            Item::Transports(transports) => write!(f, "{}={transports}", Parameter::Binding),
            Item::QueueMode => Parameter::QueueMode.fmt(f),
        }
    }
}

fn missing(parameter: Parameter) -> ParameterError {
    ParameterError::Missing(parameter)
}

#[cfg(test)]
mod tests;
