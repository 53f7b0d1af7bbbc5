//! The values of LwM2M's attributes. All are read quoted or not.

use lwm2m_core::{ShortServerId, Version};

use crate::{
    attribute::AttributeValue,
    error::{LinkFormatError, Reason},
};

/// The value of an attribute, and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located<'a> {
    pub(crate) value: Option<AttributeValue<'a>>,
    /// Where the attribute ends in the document.
    pub(crate) end: usize,
}

impl<'a> Located<'a> {
    /// `ver`, `lwm2m`
    pub(crate) fn version(self) -> Result<Version, LinkFormatError> {
        self.parse(Reason::Version, |text| text.parse().ok())
    }

    /// `ssid`
    pub(crate) fn short_server_id(self) -> Result<ShortServerId, LinkFormatError> {
        self.parse(Reason::ShortServerId, |text| text.parse().ok())
    }

    /// `dim`
    pub(crate) fn dimension(self) -> Result<u8, LinkFormatError> {
        self.parse(Reason::Dimension, |text| match text.as_bytes() {
            [b'0'..=b'9', ..] => text.parse().ok(),
            _ => None,
        })
    }

    /// Any value, but there must be one.
    pub(crate) fn value(self) -> Result<AttributeValue<'a>, LinkFormatError> {
        self.value.ok_or_else(|| self.error(Reason::Value))
    }

    /// An error at the value, or where it is missing.
    pub(crate) fn error(self, reason: Reason) -> LinkFormatError {
        let length = self.value.map_or(0, |value| value.written_length());
        LinkFormatError::new(self.end.saturating_sub(length), reason)
    }

    pub(crate) fn parse<T>(
        self,
        reason: Reason,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, LinkFormatError> {
        self.value()?
            .as_str()
            .and_then(parse)
            .ok_or_else(|| self.error(reason))
    }
}
