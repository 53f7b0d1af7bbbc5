use alloc::string::ToString;

use lwm2m_core::{DataType, ObjectId, ResourceId};
use thiserror::Error;

use super::{
    ArgumentDefinition, Multiplicity, ObjectDefinition, Range, ResourceDefinition, Urn, UrnClass,
    UrnError,
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

impl core::fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
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
    /// The Object URN is none.
    #[error("{0}")]
    Urn(UrnError),
    /// The Object URN names another Object.
    #[error("the URN is that of Object {0}")]
    UrnObject(ObjectId),
    /// The class of the Object URN is not that of the Object ID ([`UrnClass::of`]).
    #[error("the Object ID is not in the range of the URN's class")]
    UrnClass,
    /// The Object URN names another version; one without a version names 1.0.
    #[error("the URN is that of another version")]
    UrnVersion,
    /// A Resource ID that another Resource has.
    #[error("the Resource ID is not unique")]
    Duplicate,
    /// A Resource after one with a higher Resource ID.
    #[error("Resources are not in ascending order of their IDs")]
    Order,
    /// An executable Resource with a data type.
    #[error("an executable Resource has no data type")]
    ExecutableType,
    /// An executable Resource that is multiple.
    #[error("an executable Resource is single")]
    ExecutableMultiple,
    /// A Resource without a data type that is not executable.
    #[error("a Resource that does not execute has a data type")]
    NoType,
    /// A range that no value of the data type can be in, such as a length for a number.
    #[error("the range does not fit the data type")]
    RangeType,
    /// A range that allows no value, or with a bound that is no number.
    #[error("the range is empty")]
    RangeEmpty,
    /// A range that [`Range::read`] understands as another one, such as one in words that says
    /// `0..7`, or one of a single length.
    #[error("the range has a simpler form")]
    RangeForm,
    /// An argument of something that is no executable Resource of the Object.
    #[error("only executable Resources have arguments")]
    ArgumentResource,
    /// An argument whose name is no digit.
    #[error("an argument is named by a digit, not by {0}")]
    ArgumentDigit(u8),
    /// An argument that is not after those of lower Resources and digits.
    #[error("arguments are not in ascending order")]
    ArgumentOrder,
}

impl ObjectDefinition {
    /// Checks the rules of the template (TS Appendix D). A [`Registry`](crate::Registry) takes no
    /// definition that breaks one.
    pub fn validate(&self) -> Result<(), DefinitionError> {
        let error = |resource, fault| DefinitionError {
            object: self.id,
            resource,
            fault,
        };
        self.validate_urn().map_err(|fault| error(None, fault))?;
        let mut previous: Option<ResourceId> = None;
        for resource in self.resources.iter() {
            let ordered = match previous {
                Some(previous) if resource.id == previous => Err(DefinitionFault::Duplicate),
                Some(previous) if resource.id < previous => Err(DefinitionFault::Order),
                _ => Ok(()),
            };
            ordered
                .and_then(|()| resource.validate())
                .map_err(|fault| error(Some(resource.id), fault))?;
            previous = Some(resource.id);
        }
        let mut previous: Option<(ResourceId, u8)> = None;
        for argument in self.arguments.iter() {
            let place = (argument.resource, argument.digit);
            let ordered = match previous {
                Some(previous) if previous >= place => Err(DefinitionFault::ArgumentOrder),
                _ => Ok(()),
            };
            ordered
                .and_then(|()| argument.validate(self.resource(argument.resource)))
                .map_err(|fault| error(Some(argument.resource), fault))?;
            previous = Some(place);
        }
        Ok(())
    }

    fn validate_urn(&self) -> Result<(), DefinitionFault> {
        let urn: Urn = self.urn.parse().map_err(DefinitionFault::Urn)?;
        if urn.object != self.id {
            return Err(DefinitionFault::UrnObject(urn.object));
        }
        if UrnClass::of(urn.object) != Some(urn.class) {
            return Err(DefinitionFault::UrnClass);
        }
        if urn.version() != self.version {
            return Err(DefinitionFault::UrnVersion);
        }
        Ok(())
    }
}

impl ResourceDefinition {
    fn validate(&self) -> Result<(), DefinitionFault> {
        match (self.operations.executable(), self.data_type) {
            (true, Some(_)) => return Err(DefinitionFault::ExecutableType),
            (false, None) => return Err(DefinitionFault::NoType),
            _ => {}
        }
        if self.operations.executable() && self.instances == Multiplicity::Multiple {
            return Err(DefinitionFault::ExecutableMultiple);
        }
        validate_range(self.range.as_ref(), self.data_type)
    }
}

impl ArgumentDefinition {
    fn validate(&self, resource: Option<&ResourceDefinition>) -> Result<(), DefinitionFault> {
        if self.digit > 9 {
            return Err(DefinitionFault::ArgumentDigit(self.digit));
        }
        if !resource.is_some_and(|resource| resource.operations.executable()) {
            return Err(DefinitionFault::ArgumentResource);
        }
        validate_range(self.range.as_ref(), self.data_type)
    }
}

fn validate_range(
    range: Option<&Range>,
    data_type: Option<DataType>,
) -> Result<(), DefinitionFault> {
    let Some(range) = range else { return Ok(()) };
    if !range.fits(data_type) {
        Err(DefinitionFault::RangeType)
    } else if range.is_empty() {
        Err(DefinitionFault::RangeEmpty)
    } else if Range::read(&range.to_string(), data_type).as_ref() != Some(range) {
        Err(DefinitionFault::RangeForm)
    } else {
        Ok(())
    }
}
