//! The rules of the template (TS Appendix D).

use alloc::string::ToString;
use core::{cmp::Ordering, fmt, iter};

use lwm2m_core::{DataType, ObjectId, ResourceId, Version};
use thiserror::Error;

use super::{
    ArgumentDefinition, ObjectDefinition, Range, ResourceDefinition, Urn, UrnClass, UrnError,
};

/// A definition that breaks a rule of the template (TS Appendix D).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub struct DefinitionError {
    /// The Object that is defined.
    pub object: ObjectId,
    /// The Resource at fault, if it is one.
    pub resource: Option<ResourceId>,
    /// The rule.
    pub fault: DefinitionFault,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "definition of /{}", self.object)?;
        if let Some(resource) = self.resource {
            write!(f, ", Resource {resource}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

/// The rule that a definition breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DefinitionFault {
    /// The text isn't an Object URN.
    #[error("{0}")]
    Urn(UrnError),
    /// The Object URN names another Object.
    #[error("expected the Object ID in the URN, found {0}")]
    UrnObject(ObjectId),
    /// The class of the Object URN is not that of the Object ID. It is a
    /// [warning](Self::is_warning), as the TS gives no numbers for the ranges.
    #[error("{}", UrnClassFault(*expected, *found))]
    UrnClass {
        /// The class of the Object ID ([`UrnClass::of`]); a reserved Object ID has none.
        expected: Option<UrnClass>,
        /// The class in the URN.
        found: UrnClass,
    },
    /// The Object URN names another version.
    #[error("expected version {expected} in the URN, found {found}")]
    UrnVersion {
        /// The version of the definition.
        expected: Version,
        /// The version in the URN; a URN without a version means 1.0.
        found: Version,
    },
    /// Two Resources have the same Resource ID.
    #[error("expected a Resource ID that no other Resource has, found it again")]
    Duplicate,
    /// A Resource comes after one with a higher Resource ID.
    #[error("expected Resources in ascending order of their IDs, found it after {after}")]
    Order {
        /// The Resource before it.
        after: ResourceId,
    },
    /// An executable Resource has a data type. It is a [warning](Self::is_warning), as the Resource
    /// has no values.
    #[error("expected no data type, as the Resource is executable, found {0}")]
    ExecutableType(DataType),
    /// An executable Resource is multiple. It is a [warning](Self::is_warning), as the Resource has
    /// no values.
    #[error("expected Single, as the Resource is executable, found Multiple")]
    ExecutableMultiple,
    /// A Resource with values has no data type. It is a [warning](Self::is_warning): its values are
    /// raw.
    #[error("expected a data type, as the Resource is not executable, found none")]
    NoType,
    /// A range doesn't apply to the data type, such as a length for a number.
    #[error("expected a range for {}, found one for another data type", TypeName(*.0))]
    RangeType(Option<DataType>),
    /// A range allows no value, or a bound is not a number.
    #[error("expected a range that allows some value, found an empty one")]
    RangeEmpty,
    /// A range would be read back by [`Range::read`] as another variant, such as the words `0..7`.
    #[error("expected the range in its simplest form, found another form")]
    RangeForm,
    /// An argument belongs to no executable Resource of the Object.
    #[error("expected arguments of executable Resources only, found one of another")]
    ArgumentResource,
    /// An argument isn't named by a digit.
    #[error("expected an argument named by a digit, found {0}")]
    ArgumentDigit(u8),
    /// Arguments are not in ascending order of Resource and digit.
    #[error("expected arguments in ascending order, found that of digit {digit} out of place")]
    ArgumentOrder {
        /// The digit that names it.
        digit: u8,
    },
}

impl DefinitionFault {
    /// Whether a definition that breaks the rule can be used all the same: it is clear which Resources
    /// there are, and of which types, or the values of one Resource are taken as raw. Some registered
    /// definitions break these rules.
    ///
    /// Any other fault leaves open what is defined.
    pub const fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::UrnClass { .. }
                | Self::ExecutableType(_)
                | Self::ExecutableMultiple
                | Self::NoType
        )
    }
}

/// Prints what is wrong with the class of a URN.
struct UrnClassFault(Option<UrnClass>, UrnClass);

impl fmt::Display for UrnClassFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(expected, found) = self;
        match expected {
            Some(class) => write!(f, "expected the class {class} in the URN, found {found}"),
            None => write!(
                f,
                "expected an Object ID that is not reserved, found one of {found}"
            ),
        }
    }
}

/// Prints the name of a data type, or that there is none.
struct TypeName(Option<DataType>);

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(data_type) => data_type.fmt(f),
            None => f.write_str("no data type"),
        }
    }
}

// A definition that cannot be used does not deserialise.
#[cfg(feature = "serde")]
crate::saved::sealed::sealed! {
    ObjectDefinition = "ObjectDefinition" {
        id: ObjectId,
        name: alloc::borrow::Cow<'static, str>,
        urn: alloc::borrow::Cow<'static, str>,
        version: Version,
        enabler: Version,
        instances: super::Multiplicity,
        mandatory: bool,
        description: alloc::borrow::Cow<'static, str>,
        resources: alloc::borrow::Cow<'static, [ResourceDefinition]>,
        arguments: alloc::borrow::Cow<'static, [ArgumentDefinition]>,
    } if ObjectDefinition::check
}

impl ObjectDefinition {
    /// Checks all rules of the template (TS Appendix D), and returns the first that the definition
    /// breaks. Call it in a test of your own definitions.
    pub fn validate(&self) -> Result<(), DefinitionError> {
        self.faults().next().map_or(Ok(()), Err)
    }

    /// Checks whether the definition can be used, and returns the first rule that it breaks and that
    /// isn't a [warning](DefinitionFault::is_warning). A [`Registry`](crate::Registry) refuses a
    /// definition that cannot be used.
    pub fn check(&self) -> Result<(), DefinitionError> {
        let mut faults = self.faults();
        faults
            .find(|error| !error.fault.is_warning())
            .map_or(Ok(()), Err)
    }

    /// All rules of the template that the definition breaks.
    pub fn faults(&self) -> impl Iterator<Item = DefinitionError> {
        let urn = self.urn_faults().map(|fault| (None, fault));
        let resources = with_previous(&self.resources).flat_map(|(previous, resource)| {
            let order = previous.and_then(|previous| resource.order_fault(previous.id));
            let faults = order.into_iter().chain(resource.faults());
            faults.map(|fault| (Some(resource.id), fault))
        });
        let arguments = with_previous(&self.arguments).flat_map(|(previous, argument)| {
            let order = previous.and_then(|previous| argument.order_fault(previous));
            let faults = order
                .into_iter()
                .chain(argument.faults(self.resource(argument.resource)));
            faults.map(|fault| (Some(argument.resource), fault))
        });
        let faults = urn.chain(resources).chain(arguments);
        faults.map(|(resource, fault)| DefinitionError {
            object: self.id,
            resource,
            fault,
        })
    }

    fn urn_faults(&self) -> impl Iterator<Item = DefinitionFault> + use<> {
        let faults = match self.urn.parse::<Urn>() {
            Err(error) => [Some(DefinitionFault::Urn(error)), None],
            Ok(urn) if urn.object != self.id => {
                [Some(DefinitionFault::UrnObject(urn.object)), None]
            }
            Ok(urn) => {
                let (class, version) = (UrnClass::of(self.id), urn.version());
                let of_class = (class != Some(urn.class)).then_some(DefinitionFault::UrnClass {
                    expected: class,
                    found: urn.class,
                });
                let of_version = (version != self.version).then_some(DefinitionFault::UrnVersion {
                    expected: self.version,
                    found: version,
                });
                [of_class, of_version]
            }
        };
        faults.into_iter().flatten()
    }
}

/// Each item with the one before it.
fn with_previous<T>(items: &[T]) -> impl Iterator<Item = (Option<&T>, &T)> {
    let previous = iter::once(None).chain(items.iter().map(Some));
    previous.zip(items)
}

impl ResourceDefinition {
    fn order_fault(&self, previous: ResourceId) -> Option<DefinitionFault> {
        match self.id.cmp(&previous) {
            Ordering::Greater => None,
            Ordering::Equal => Some(DefinitionFault::Duplicate),
            Ordering::Less => Some(DefinitionFault::Order { after: previous }),
        }
    }

    fn faults(&self) -> impl Iterator<Item = DefinitionFault> + use<> {
        let data_type = match (self.operations.executable(), self.data_type) {
            (true, Some(data_type)) => Some(DefinitionFault::ExecutableType(data_type)),
            (false, None) => Some(DefinitionFault::NoType),
            _ => None,
        };
        let multiple = self.operations.executable() && self.is_multiple();
        let multiple = multiple.then_some(DefinitionFault::ExecutableMultiple);
        let range = range_fault(self.range.as_ref(), self.data_type);
        [data_type, multiple, range].into_iter().flatten()
    }
}

impl ArgumentDefinition {
    fn order_fault(&self, previous: &Self) -> Option<DefinitionFault> {
        let place = |argument: &Self| (argument.resource, argument.digit);
        (place(previous) >= place(self))
            .then_some(DefinitionFault::ArgumentOrder { digit: self.digit })
    }

    fn faults(
        &self,
        resource: Option<&ResourceDefinition>,
    ) -> impl Iterator<Item = DefinitionFault> + use<> {
        let digit = (self.digit > 9).then_some(DefinitionFault::ArgumentDigit(self.digit));
        let executable = resource.is_some_and(|resource| resource.operations.executable());
        let resource = (!executable).then_some(DefinitionFault::ArgumentResource);
        let range = range_fault(self.range.as_ref(), self.data_type);
        [digit, resource, range].into_iter().flatten()
    }
}

fn range_fault(range: Option<&Range>, data_type: Option<DataType>) -> Option<DefinitionFault> {
    let range = range?;
    if !range.fits(data_type) {
        Some(DefinitionFault::RangeType(data_type))
    } else if range.is_empty() {
        Some(DefinitionFault::RangeEmpty)
    } else if Range::read(&range.to_string(), data_type).as_ref() != Some(range) {
        Some(DefinitionFault::RangeForm)
    } else {
        None
    }
}
