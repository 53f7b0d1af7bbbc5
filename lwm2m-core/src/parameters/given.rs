//! The parameters in the URI-queries of any request.

use core::str::FromStr;

use super::{
    parameter::{Parameter, ParameterError, UnknownParameter},
    types::{EndpointName, Lifetime, Msisdn},
};
use crate::{Binding, BindingMode, Transports, Version};

/// How a version of the Enabler writes the binding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// 1.0: `b` is one of Table 8.
    Mode,
    /// Later: `b` is a set of transports (these, if it isn't given), and `Q` a flag.
    Transports(Transports),
}

impl Style {
    pub(super) fn of(version: Version) -> Self {
        if version < Version::new(1, 1) {
            Self::Mode
        } else {
            Self::Transports(Transports::UDP)
        }
    }

    /// The style of this binding.
    pub(super) fn like(binding: Binding) -> Self {
        match binding {
            Binding::Mode(_) => Self::Mode,
            Binding::Transports { transports, .. } => Self::Transports(transports),
        }
    }

    pub(super) fn default_binding(self) -> Binding {
        match self {
            Self::Mode => Binding::default(),
            Self::Transports(transports) => Binding::Transports {
                transports,
                queue_mode: false,
            },
        }
    }
}

/// The first version in the queries, if it can be read.
pub(super) fn first_version<'a>(
    queries: impl Iterator<Item = &'a str>,
) -> Option<(usize, Version)> {
    let mut versions = queries.enumerate().filter_map(|(query, text)| {
        let (key, value) = text.split_once('=')?;
        (key == Parameter::Version.key()).then_some((query, value))
    });
    let (query, value) = versions.next()?;
    Some((query, value.parse().ok()?))
}

/// The parameters that were given, whatever the request.
#[derive(Default)]
pub(super) struct GivenParameters<'a> {
    pub(super) endpoint: Option<EndpointName<'a>>,
    pub(super) lifetime: Option<Lifetime>,
    pub(super) version: Option<Version>,
    mode: Option<BindingMode>,
    transports: Option<Transports>,
    queue_mode: Option<()>,
    pub(super) sms: Option<Msisdn>,
}

impl<'a> GivenParameters<'a> {
    /// Reads all queries, so that the caller gets each unknown one. Returns the first error.
    ///
    /// `judged` is the [first version](first_version), if it was read before.
    pub(super) fn read(
        queries: impl IntoIterator<Item = &'a str>,
        style: Style,
        known: &[Parameter],
        judged: Option<(usize, Version)>,
        mut unknown: impl FnMut(&'a str) -> UnknownParameter,
    ) -> Result<Self, ParameterError> {
        let mut given = Self::default();
        let mut error = None;
        for (query, text) in queries.into_iter().enumerate() {
            let (key, value) = text
                .split_once('=')
                .map_or((text, None), |(key, value)| (key, Some(value)));
            let is_it = |known: &Parameter| {
                known.key() == key && (*known != Parameter::QueueMode || style != Style::Mode)
            };
            let result = match known.iter().copied().find(is_it) {
                Some(Parameter::Version) if judged.is_some_and(|(at, _)| at == query) => {
                    given.version = judged.map(|(_, version)| version);
                    Ok(())
                }
                Some(parameter) => given.take(query, style, parameter, value),
                None => match unknown(text) {
                    UnknownParameter::Accept => Ok(()),
                    UnknownParameter::Refuse => Err(ParameterError::Unknown { query }),
                },
            };
            error = error.or(result.err());
        }
        error.map_or(Ok(given), Err)
    }

    fn take(
        &mut self,
        query: usize,
        style: Style,
        parameter: Parameter,
        value: Option<&'a str>,
    ) -> Result<(), ParameterError> {
        let malformed = ParameterError::Malformed { query, parameter };
        let before = match (parameter, value) {
            (Parameter::EndpointName, Some(value)) => {
                let name = EndpointName::new(value).map_err(|_| malformed)?;
                self.endpoint.replace(name).is_some()
            }
            (Parameter::Lifetime, Some(value)) => replace(&mut self.lifetime, value, malformed)?,
            (Parameter::SmsNumber, Some(value)) => replace(&mut self.sms, value, malformed)?,
            (Parameter::Version, Some(value)) => replace(&mut self.version, value, malformed)?,
            (Parameter::Binding, Some(value)) if style == Style::Mode => {
                replace(&mut self.mode, value, malformed)?
            }
            (Parameter::Binding, Some(value)) => replace(&mut self.transports, value, malformed)?,
            (Parameter::QueueMode, None) => self.queue_mode.replace(()).is_some(),
            (Parameter::QueueMode, Some(_)) | (_, None) => return Err(malformed),
        };
        if before {
            return Err(ParameterError::Duplicate { query, parameter });
        }
        Ok(())
    }

    /// The binding, if given.
    pub(super) fn binding(&self, style: Style) -> Option<Binding> {
        match style {
            Style::Mode => self.mode.map(Binding::Mode),
            Style::Transports(before) => {
                let said = self.transports.or(self.queue_mode.map(|()| before));
                said.map(|transports| Binding::Transports {
                    transports,
                    queue_mode: self.queue_mode.is_some(),
                })
            }
        }
    }
}

/// Reads a value. Returns whether there was one before.
fn replace<T: FromStr>(
    slot: &mut Option<T>,
    value: &str,
    malformed: ParameterError,
) -> Result<bool, ParameterError> {
    let value = value.parse().map_err(|_| malformed)?;
    Ok(slot.replace(value).is_some())
}
