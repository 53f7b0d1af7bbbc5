//! Where a registration is (TS 8.2.4).

use alloc::{string::String, vec::Vec};
use core::fmt;

use lwm2m_core::Method;

use super::super::event::RegistrationFailure;
use crate::coap::{MessageBuf, MessageRef, OptionError};

/// The segments of the Location-Path that answers a Register, exactly as given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location(Vec<String>);

impl Location {
    /// The most bytes of a location, a slash before each segment included: each Update and the
    /// De-register carry it.
    const MOST: usize = 512;

    /// The location that an answer names, if requests can be sent to it.
    pub(super) fn of(answer: &MessageRef<'_>) -> Result<Self, RegistrationFailure> {
        if length(answer.location_path()) > Self::MOST {
            return Err(RegistrationFailure::LocationTooLong);
        }
        Self::new(answer.location_path().map(String::from).collect())
    }

    /// The location with these segments, if requests can be sent to it.
    pub(super) fn new(segments: Vec<String>) -> Result<Self, RegistrationFailure> {
        if length(segments.iter().map(String::as_str)) > Self::MOST {
            return Err(RegistrationFailure::LocationTooLong);
        }
        let location = Self(segments);
        if location.0.is_empty() || location.request(Method::Delete).is_err() {
            return Err(RegistrationFailure::NoLocation);
        }
        Ok(location)
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// A request to it.
    pub(super) fn request(&self, method: Method) -> Result<MessageBuf, OptionError> {
        let mut message = MessageBuf::request(method);
        for segment in &self.0 {
            message.uri_path(segment)?;
        }
        Ok(message)
    }
}

/// The length of a path, a slash before each segment included.
fn length<'s>(segments: impl Iterator<Item = &'s str>) -> usize {
    segments
        .map(|segment| segment.len().saturating_add(1))
        .fold(0, usize::saturating_add)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut segments = self.0.iter();
        segments.try_for_each(|segment| write!(f, "/{segment}"))
    }
}
