//! Attributes of the NOTIFICATION class, and how they are written (TS 5.1, 5.4.4, 8.2.5).

use core::fmt;

use thiserror::Error;

use crate::{
    Path,
    number::{self, NumberError},
};

/// The NOTIFICATION class attributes that one Server has set at one level (TS Table 4).
///
/// They print as link-format attributes, in the order of the specification's examples.
///
/// ```
/// use lwm2m_core::{AttributeLevel, Attributes, AttributesUpdate};
///
/// let update = AttributesUpdate::from_queries(["gt=50", "lt=42.2", "pmin"])?;
/// let mut battery = Attributes { pmin: Some(10), ..Attributes::NONE };
/// battery.update(AttributeLevel::Resource, &update)?;
/// assert_eq!(battery.to_string(), ";gt=50;lt=42.2");
/// # Ok::<(), lwm2m_core::AttributeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Attributes {
    /// Minimum Period, seconds: no two notifications are closer than this.
    pub pmin: Option<u32>,
    /// Maximum Period, seconds: no two notifications are farther apart than this.
    pub pmax: Option<u32>,
    /// Greater Than: notify when the value crosses this.
    pub gt: Option<f64>,
    /// Less Than: notify when the value crosses this.
    pub lt: Option<f64>,
    /// Step: notify when the value is this far from the last one that was sent. Not negative.
    pub st: Option<f64>,
}

/// The changes of a Write-Attributes (TS 5.4.4): each attribute is set, unset or kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AttributesUpdate {
    /// Minimum Period, seconds.
    pub pmin: Change<u32>,
    /// Maximum Period, seconds.
    pub pmax: Change<u32>,
    /// Greater Than.
    pub gt: Change<f64>,
    /// Less Than.
    pub lt: Change<f64>,
    /// Step.
    pub st: Change<f64>,
}

/// A change of one attribute.
///
/// An update sets, unsets or keeps, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is unset at this level: an upper level, or the default, holds again.
    Unset,
    /// It gets this value.
    Set(T),
}

/// The conditions of notifications of one Resource, with all levels and defaults considered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NotificationConditions {
    /// Minimum Period, seconds; 0 if there is none.
    pub pmin: u32,
    /// Maximum Period, seconds; never 0, never below `pmin`.
    pub pmax: Option<u32>,
    /// Greater Than.
    pub gt: Option<f64>,
    /// Less Than.
    pub lt: Option<f64>,
    /// Step.
    pub st: Option<f64>,
}

/// The periods if no level sets them: Resources 2 and 3 of the Server Object (TS E.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DefaultPeriods {
    /// Default Minimum Period, seconds; 0 if the Resource does not exist.
    pub pmin: u32,
    /// Default Maximum Period, seconds.
    pub pmax: Option<u32>,
}

/// Where attributes are set (TS 5.1.1).
///
/// It may grow: LwM2M 1.1 attaches attributes to Resource Instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AttributeLevel {
    /// For all Resources of all Instances of an Object.
    Object,
    /// For all Resources of an Object Instance.
    Instance,
    /// For one Resource.
    Resource,
}

/// The attributes of LwM2M 1.0 (TS Tables 3, 4).
///
/// It may grow: LwM2M 1.1 adds `epmin` and `epmax`, 1.2 `edge`, `con` and `hqmax`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AttributeName {
    /// Dimension, `dim`; of the PROPERTIES class.
    Dimension,
    /// Object Version, `ver`; of the PROPERTIES class.
    ObjectVersion,
    /// Minimum Period, `pmin`.
    MinimumPeriod,
    /// Maximum Period, `pmax`.
    MaximumPeriod,
    /// Greater Than, `gt`.
    GreaterThan,
    /// Less Than, `lt`.
    LessThan,
    /// Step, `st`.
    Step,
}

/// Why attributes are refused; the answer to such a Write-Attributes is 4.00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// A query that doesn't name an attribute.
    #[error("query {query}: expected pmin, pmax, gt, lt or st")]
    Unknown {
        /// Which query, from 0.
        query: usize,
    },
    /// A query that names an attribute which can't be written.
    #[error("query {query}: {name} is read-only")]
    ReadOnly {
        /// Which query, from 0.
        query: usize,
        /// Which attribute.
        name: AttributeName,
    },
    /// Two queries name the same attribute.
    #[error("query {query}: {name} was named before")]
    Duplicate {
        /// Which query, from 0: the later one.
        query: usize,
        /// Which attribute.
        name: AttributeName,
    },
    /// The value of an attribute is malformed, or out of range.
    #[error("query {query}: expected {name} to be {}", name.expectation())]
    Value {
        /// Which query, from 0.
        query: usize,
        /// Which attribute.
        name: AttributeName,
    },
    /// An attribute that can't be set at this level.
    #[error("{name} cannot be set for {level}")]
    Level {
        /// Which attribute.
        name: AttributeName,
        /// The requested level.
        level: AttributeLevel,
    },
    /// `gt`, `lt` or `st` is infinite or not a number, or `st` is negative. Only a program can
    /// cause this; queries are checked when they are read.
    #[error("expected {0} to be {expectation}", expectation = .0.expectation())]
    Number(AttributeName),
    /// The resulting maximum period would be shorter than the minimum period.
    #[error("pmax {pmax} is below pmin {pmin}")]
    Periods {
        /// Seconds.
        pmin: u32,
        /// Seconds.
        pmax: u32,
    },
    /// The resulting thresholds would break `lt + 2*st < gt` (without `st`: `lt < gt`).
    #[error("expected lt + 2*st < gt")]
    Thresholds,
}

impl Attributes {
    /// No attribute is set.
    pub const NONE: Self = Self {
        pmin: None,
        pmax: None,
        gt: None,
        lt: None,
        st: None,
    };

    /// Whether no attribute is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Applies a Write-Attributes at `level`. With an error, nothing changes.
    pub fn update(
        &mut self,
        level: AttributeLevel,
        update: &AttributesUpdate,
    ) -> Result<(), AttributeError> {
        update.check_level(level)?;
        let result = Self {
            pmin: update.pmin.apply(self.pmin),
            pmax: update.pmax.apply(self.pmax),
            gt: update.gt.apply(self.gt),
            lt: update.lt.apply(self.lt),
            st: update.st.apply(self.st),
        };
        result.validate()?;
        *self = result;
        Ok(())
    }

    /// Checks the rules that one set must respect (TS 5.1.2): finite numbers, a step that isn't
    /// negative, `pmin <= pmax`, and `lt + 2*st < gt` where `lt` and `gt` are present.
    pub fn validate(&self) -> Result<(), AttributeError> {
        self.check_ranges()?;
        match *self {
            Self {
                pmin: Some(pmin),
                pmax: Some(pmax),
                ..
            } if pmax < pmin => return Err(AttributeError::Periods { pmin, pmax }),
            _ => {}
        }
        match (self.lt, self.gt) {
            (Some(lt), Some(gt)) if lt + 2.0 * self.st.unwrap_or(0.0) >= gt => {
                Err(AttributeError::Thresholds)
            }
            _ => Ok(()),
        }
    }

    /// Checks each value alone: `gt`, `lt` and `st` are finite, and `st` isn't negative. A set
    /// inherited from several levels may break the rules between attributes, but never these.
    pub fn check_ranges(&self) -> Result<(), AttributeError> {
        AttributesUpdate::from(*self).check_ranges()
    }

    /// This set, completed by that of the level above: what is set here prevails (TS 5.1.1,
    /// rules 1 to 5).
    ///
    /// ```
    /// use lwm2m_core::Attributes;
    ///
    /// let object = Attributes { pmin: Some(10), pmax: Some(300), ..Attributes::NONE };
    /// let instance = Attributes { pmax: Some(60), ..Attributes::NONE };
    /// let resource = Attributes { gt: Some(50.0), lt: Some(42.2), ..Attributes::NONE };
    /// let effective = resource.or(&instance).or(&object);
    /// assert_eq!(effective.to_string(), ";pmin=10;pmax=60;gt=50;lt=42.2");
    /// ```
    #[must_use]
    pub fn or(&self, upper: &Self) -> Self {
        Self {
            pmin: self.pmin.or(upper.pmin),
            pmax: self.pmax.or(upper.pmax),
            gt: self.gt.or(upper.gt),
            lt: self.lt.or(upper.lt),
            st: self.st.or(upper.st),
        }
    }

    /// The conditions of notifications, if this is the effective set of all levels (see
    /// [`or`](Self::or)).
    ///
    /// Each level is valid alone. If together they make a maximum period that is 0 or below the
    /// minimum period, there is no maximum period.
    pub fn conditions(&self, defaults: DefaultPeriods) -> NotificationConditions {
        let pmin = self.pmin.unwrap_or(defaults.pmin);
        NotificationConditions {
            pmin,
            pmax: self
                .pmax
                .or(defaults.pmax)
                .filter(|pmax| *pmax > 0 && *pmax >= pmin),
            gt: self.gt,
            lt: self.lt,
            st: self.st,
        }
    }

    /// Sets one link-format attribute of a Discover answer; its value has no quotes. Returns false, and
    /// changes nothing, if it isn't one of the NOTIFICATION class with a valid value.
    ///
    /// Answers are read leniently: the set as a whole isn't checked.
    pub fn set_link_attribute(&mut self, name: &str, value: &str) -> bool {
        let mut update = AttributesUpdate::default();
        let read = AttributeName::from_link_param(name)
            .is_some_and(|name| update.set(name, value).is_some());
        if read {
            self.pmin = update.pmin.apply(self.pmin);
            self.pmax = update.pmax.apply(self.pmax);
            self.gt = update.gt.apply(self.gt);
            self.lt = update.lt.apply(self.lt);
            self.st = update.st.apply(self.st);
        }
        read
    }
}

impl fmt::Display for Attributes {
    /// As link-format attributes, each after a `;`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        AttributesUpdate::from(*self)
            .queries()
            .try_for_each(|query| write!(f, ";{query}"))
    }
}

impl AttributesUpdate {
    /// Reads the URI-queries of a Write-Attributes, in any order: `pmin=10` sets, `pmin` unsets.
    /// Only the bare name unsets (TS 8.2.5): `pmin=` is a malformed value.
    pub fn from_queries<'a>(
        queries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, AttributeError> {
        let mut update = Self::default();
        for (query, text) in queries.into_iter().enumerate() {
            let (key, value) = match text.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (text, None),
            };
            let name =
                AttributeName::from_link_param(key).ok_or(AttributeError::Unknown { query })?;
            if !name.is_writable() {
                return Err(AttributeError::ReadOnly { query, name });
            }
            if update.names(name) {
                return Err(AttributeError::Duplicate { query, name });
            }
            match value {
                None => update.unset(name),
                Some(value) => update
                    .set(name, value)
                    .ok_or(AttributeError::Value { query, name })?,
            }
        }
        Ok(update)
    }

    /// The URI-queries of such a Write-Attributes: `pmin=10`, or `pmin` to unset.
    pub fn queries(&self) -> impl Iterator<Item = AttributeQuery> + use<> {
        let seconds = |name, change: Change<u32>| change.query(name, Number::Seconds);
        let number = |name, change: Change<f64>| change.query(name, Number::Float);
        [
            seconds(AttributeName::MinimumPeriod, self.pmin),
            seconds(AttributeName::MaximumPeriod, self.pmax),
            number(AttributeName::GreaterThan, self.gt),
            number(AttributeName::LessThan, self.lt),
            number(AttributeName::Step, self.st),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether nothing is set or unset.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks each value that is set alone: `gt`, `lt` and `st` are finite, and `st` isn't negative.
    /// What was read from queries always passes.
    pub fn check_ranges(&self) -> Result<(), AttributeError> {
        let wrong = |query: &AttributeQuery| match query.value {
            Some(Number::Float(number)) => !query.name.allows(number),
            Some(Number::Seconds(_)) | None => false,
        };
        match self.queries().find(wrong) {
            Some(AttributeQuery { name, .. }) => Err(AttributeError::Number(name)),
            None => Ok(()),
        }
    }

    /// Refuses attributes that can't be set at this level.
    fn check_level(&self, level: AttributeLevel) -> Result<(), AttributeError> {
        match self
            .queries()
            .find(|query| !query.name.may_be_set_at(level))
        {
            Some(AttributeQuery { name, .. }) => Err(AttributeError::Level { name, level }),
            None => Ok(()),
        }
    }

    fn names(&self, name: AttributeName) -> bool {
        self.queries().any(|query| query.name == name)
    }

    /// Sets an attribute to the value of this text; `None` if that isn't a value.
    fn set(&mut self, name: AttributeName, text: &str) -> Option<()> {
        match name {
            AttributeName::Dimension | AttributeName::ObjectVersion => return None,
            AttributeName::MinimumPeriod => self.pmin = Change::Set(seconds(text)?),
            AttributeName::MaximumPeriod => self.pmax = Change::Set(seconds(text)?),
            AttributeName::GreaterThan => self.gt = Change::Set(float(name, text)?),
            AttributeName::LessThan => self.lt = Change::Set(float(name, text)?),
            AttributeName::Step => self.st = Change::Set(float(name, text)?),
        }
        Some(())
    }

    fn unset(&mut self, name: AttributeName) {
        match name {
            AttributeName::Dimension | AttributeName::ObjectVersion => {}
            AttributeName::MinimumPeriod => self.pmin = Change::Unset,
            AttributeName::MaximumPeriod => self.pmax = Change::Unset,
            AttributeName::GreaterThan => self.gt = Change::Unset,
            AttributeName::LessThan => self.lt = Change::Unset,
            AttributeName::Step => self.st = Change::Unset,
        }
    }
}

fn seconds(text: &str) -> Option<u32> {
    let number = number::parse_integer(text).ok()?;
    u32::try_from(number).ok()
}

fn float(name: AttributeName, text: &str) -> Option<f64> {
    let number: Result<f64, NumberError> = number::parse_float(text);
    number.ok().filter(|number| name.allows(*number))
}

impl From<Attributes> for AttributesUpdate {
    /// Sets the attributes that are set, and keeps the rest.
    fn from(attributes: Attributes) -> Self {
        Self {
            pmin: attributes.pmin.into(),
            pmax: attributes.pmax.into(),
            gt: attributes.gt.into(),
            lt: attributes.lt.into(),
            st: attributes.st.into(),
        }
    }
}

impl<T> Change<T> {
    fn apply(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Unset => None,
            Self::Set(value) => Some(value),
        }
    }

    fn query(self, name: AttributeName, number: impl Fn(T) -> Number) -> Option<AttributeQuery> {
        let value = match self {
            Self::Keep => return None,
            Self::Unset => None,
            Self::Set(value) => Some(number(value)),
        };
        Some(AttributeQuery { name, value })
    }
}

impl<T> From<Option<T>> for Change<T> {
    /// `None` keeps.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }
}

/// One URI-query of a Write-Attributes; prints as `pmin=10` or `pmin`, floats in decimal notation
/// without exponent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttributeQuery {
    name: AttributeName,
    value: Option<Number>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Seconds(u32),
    Float(f64),
}

impl fmt::Display for AttributeQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            None => write!(f, "{}", self.name),
            Some(Number::Seconds(seconds)) => write!(f, "{}={seconds}", self.name),
            // The shortest digits that read back to the same number, and never an exponent.
            Some(Number::Float(number)) => write!(f, "{}={number}", self.name),
        }
    }
}

impl AttributeName {
    /// All attributes, in the order of Tables 3 and 4.
    pub const ALL: &[Self] = &[
        Self::Dimension,
        Self::ObjectVersion,
        Self::MinimumPeriod,
        Self::MaximumPeriod,
        Self::GreaterThan,
        Self::LessThan,
        Self::Step,
    ];

    /// The name as link-format attribute and in queries.
    pub const fn link_param(self) -> &'static str {
        match self {
            Self::Dimension => "dim",
            Self::ObjectVersion => "ver",
            Self::MinimumPeriod => "pmin",
            Self::MaximumPeriod => "pmax",
            Self::GreaterThan => "gt",
            Self::LessThan => "lt",
            Self::Step => "st",
        }
    }

    /// The attribute with this name.
    pub fn from_link_param(param: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|name| name.link_param() == param)
    }

    /// Whether Write-Attributes may change it: the NOTIFICATION class may be changed, the
    /// PROPERTIES class is read-only.
    pub const fn is_writable(self) -> bool {
        !matches!(self, Self::Dimension | Self::ObjectVersion)
    }

    /// Whether it may have a value at this level (TS Tables 3, 4, "Assignation Level").
    pub const fn may_be_set_at(self, level: AttributeLevel) -> bool {
        match self {
            Self::ObjectVersion => matches!(level, AttributeLevel::Object),
            Self::MinimumPeriod | Self::MaximumPeriod => true,
            Self::Dimension | Self::GreaterThan | Self::LessThan | Self::Step => {
                matches!(level, AttributeLevel::Resource)
            }
        }
    }

    fn allows(self, number: f64) -> bool {
        number.is_finite() && (self != Self::Step || number >= 0.0)
    }

    const fn expectation(self) -> &'static str {
        match self {
            Self::Dimension => "a number of 0 to 255",
            Self::ObjectVersion => "a version such as 1.0",
            Self::MinimumPeriod | Self::MaximumPeriod => "seconds, 0 to 4294967295",
            Self::GreaterThan | Self::LessThan => "a finite decimal number",
            Self::Step => "a finite decimal number of at least 0",
        }
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.link_param())
    }
}

impl AttributeLevel {
    /// The level of a path; the root and Resource Instances have no attributes of their own.
    pub const fn of(path: &Path) -> Option<Self> {
        Some(match path {
            Path::Root | Path::ResourceInstance(..) => return None,
            Path::Object(_) => Self::Object,
            Path::Instance(..) => Self::Instance,
            Path::Resource(..) => Self::Resource,
        })
    }
}

impl fmt::Display for AttributeLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "an Object",
            Self::Instance => "an Object Instance",
            Self::Resource => "a Resource",
        })
    }
}

#[cfg(test)]
mod tests;
