//! Values of a new Object Instance as a person types them: `0="Living room" 2=21.5 7/0=3800`.

use core::fmt;

use lwm2m_core::{DataType, InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Value};

use crate::value::{self, ValueError};

/// The value of a Resource, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The Resource.
    pub resource: ResourceId,
    /// Which Resource Instance, of a multiple Resource.
    pub instance: Option<ResourceInstanceId>,
    /// The value, as text.
    pub text: String,
}

/// A word that is no [`Given`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenError(String);

/// A value that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnusableError {
    /// The type of the Resource is not known, or it has no value.
    Untyped(Path),
    /// The text is no value of the data type.
    Value(Path, ValueError),
}

impl Given {
    /// Reads the rest of a line: any number of values.
    pub fn all(line: &str) -> Result<Vec<Self>, GivenError> {
        words(line).into_iter().map(Self::of).collect()
    }

    /// Reads `RESOURCE=VALUE` or `RESOURCE/INSTANCE=VALUE`.
    fn of(word: &str) -> Result<Self, GivenError> {
        let read = || {
            let (at, text) = word.split_once('=')?;
            let (resource, instance) = match at.split_once('/') {
                Some((resource, instance)) => (resource, Some(instance.parse::<u16>().ok()?)),
                None => (at, None),
            };
            Some(Self {
                resource: resource.parse::<u16>().ok()?.into(),
                instance: instance.map(Into::into),
                text: text.to_owned(),
            })
        };
        read().ok_or_else(|| GivenError(word.to_owned()))
    }

    /// The path and the value in this Object Instance, if the Resource has this type.
    pub fn value(
        &self,
        object: ObjectId,
        instance: InstanceId,
        data_type: Option<DataType>,
    ) -> Result<(Path, Value), UnusableError> {
        let path = match self.instance {
            Some(of) => Path::ResourceInstance(object, instance, self.resource, of),
            None => Path::Resource(object, instance, self.resource),
        };
        let data_type = data_type.ok_or(UnusableError::Untyped(path))?;
        match value::read(data_type, &self.text) {
            Ok(value) => Ok((path, value)),
            Err(error) => Err(UnusableError::Value(path, error)),
        }
    }
}

/// The words of a line; blanks between double quotes belong to a word.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (None, false, false);
    for (at, character) in line.char_indices() {
        if character.is_whitespace() && !quoted {
            words.extend(start.take().and_then(|start: usize| line.get(start..at)));
        } else {
            start.get_or_insert(at);
            quoted ^= character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
        }
    }
    words.extend(start.and_then(|start| line.get(start..)));
    words
}

impl fmt::Display for GivenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected RESOURCE=VALUE such as 0=\"Hall\", or RESOURCE/INSTANCE=VALUE; found {:?}",
            self.0
        )
    }
}

impl fmt::Display for UnusableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untyped(path) => write!(f, "{path}: expected a Resource that has values"),
            Self::Value(path, error) => write!(f, "{path}: {error}"),
        }
    }
}

impl core::error::Error for GivenError {}
impl core::error::Error for UnusableError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(resource: u16, instance: Option<u16>, text: &str) -> Given {
        Given {
            resource: resource.into(),
            instance: instance.map(Into::into),
            text: text.into(),
        }
    }

    #[test]
    fn values_have_a_resource_and_may_have_an_instance() {
        assert_eq!(Given::all("  "), Ok(Vec::new()));
        assert_eq!(
            Given::all("0=\"a \\\" b\"  2=21.5\t7/1=x=y 3="),
            Ok(vec![
                given(0, None, r#""a \" b""#),
                given(2, None, "21.5"),
                given(7, Some(1), "x=y"),
                given(3, None, ""),
            ])
        );
        for word in ["x", "x=1", "1/x=1", "70000=1", "=1"] {
            let error = Given::all(word).unwrap_err().to_string();
            assert!(error.contains("expected RESOURCE=VALUE"), "{error}");
        }
    }

    #[test]
    fn a_value_is_of_the_type_of_its_resource() {
        let (object, instance) = (ObjectId::new(26241), InstanceId::ZERO);
        let value = |data_type| given(2, None, "21.5").value(object, instance, data_type);
        let path: Path = "/26241/0/2".parse().unwrap();
        assert_eq!(value(Some(DataType::Float)), Ok((path, Value::Float(21.5))));
        assert_eq!(value(None), Err(UnusableError::Untyped(path)));
        let error = value(Some(DataType::Boolean)).unwrap_err().to_string();
        assert!(error.starts_with("/26241/0/2: expected true"), "{error}");
    }
}
