//! The values of a tree, to be saved across a restart. Feature `serde` makes them serialise.

use alloc::{string::ToString, vec::Vec};
use core::fmt;

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Value, Version};
use thiserror::Error;

use super::check_sum::CheckSum;

/// The values of all Objects that keep theirs in memory, at one moment.
///
/// It is plain data, made by [`ObjectTree::snapshot`] and restored by [`ObjectTree::restore`],
/// whole or not at all. A check sum over all of it detects damage. It contains secrets if the
/// Security Object is in the tree.
///
/// [`ObjectTree::snapshot`]: crate::ObjectTree::snapshot
/// [`ObjectTree::restore`]: crate::ObjectTree::restore
///
/// ```
/// use lwm2m_core::{InstanceId, Path, Value};
/// use lwm2m_objects::{DEVICE, ObjectTree, Store};
///
/// let battery: Path = "/3/0/9".parse()?;
/// let tree_with = |level: i64| {
///     let mut tree = ObjectTree::new();
///     tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 9, level));
///     tree
/// };
/// let snapshot = tree_with(42).snapshot();
/// let mut restarted = tree_with(100); // as the factory made it
/// restarted.restore(&snapshot)?;
/// assert_eq!(restarted.get(battery), Some(Value::Integer(42)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    /// The format version.
    format: u16,
    objects: Vec<ObjectSnapshot>,
    check_sum: u64,
}

/// The format version that is written, and the only one that is read.
const FORMAT: u16 = 2;

/// The values of one Object; [`Debug`](core::fmt::Debug) does not show them.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ObjectSnapshot {
    /// The Object ID.
    pub object: ObjectId,
    /// The version of the Object.
    pub version: Version,
    /// Its instances, in ascending order.
    pub instances: Vec<InstanceSnapshot>,
    /// What the Object saves in addition to the values of its Resources. Only the Object knows what
    /// it means.
    #[cfg_attr(feature = "serde", serde(with = "plain::list"))]
    pub state: Vec<Value>,
}

/// The values of one Object Instance; [`Debug`](core::fmt::Debug) does not show them.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct InstanceSnapshot {
    /// The Object Instance ID.
    pub instance: InstanceId,
    /// Its Resources, in ascending order: those that have a value, and executable ones.
    pub resources: Vec<(ResourceId, ResourceSnapshot)>,
}

/// The value of one Resource; [`Debug`](core::fmt::Debug) does not show it.
///
/// A Resource has one value, several or none, so it won't grow.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ResourceSnapshot {
    /// A value.
    Single(#[cfg_attr(feature = "serde", serde(with = "plain"))] Value),
    /// The values of a multiple Resource, in ascending order.
    Multiple(
        #[cfg_attr(feature = "serde", serde(with = "plain::instances"))]
        Vec<(ResourceInstanceId, Value)>,
    ),
    /// None: the Resource is executable.
    Executable,
}

/// Why a snapshot was not restored. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The snapshot has another format version.
    #[error("expected a snapshot of format {FORMAT}, not of {0}")]
    Format(u16),
    /// The check sum does not match the content.
    #[error("the snapshot is damaged")]
    Damaged,
    /// The tree has no such Object, or has it in another version;
    /// [`supported_by`](Snapshot::supported_by) leaves it out.
    #[error("there is no Object {0} of the version of the snapshot")]
    Object(ObjectId),
    /// Something in the snapshot does not fit its Object: it is unknown, there twice, of the wrong
    /// type or out of range.
    #[error("{0} does not fit its Object")]
    Content(Path),
    /// The [state](ObjectSnapshot::state) is not one that the Object has saved.
    #[error("the state of Object {0} is unusable")]
    State(ObjectId),
}

impl Snapshot {
    pub(crate) fn new(objects: Vec<ObjectSnapshot>) -> Self {
        let check_sum = check_sum(&objects);
        Self {
            format: FORMAT,
            objects,
            check_sum,
        }
    }

    /// The Objects in it, unchecked.
    pub(crate) fn objects(&self) -> &[ObjectSnapshot] {
        &self.objects
    }

    /// The Objects in it, if it is intact and each is there once.
    pub(crate) fn checked(&self) -> Result<&[ObjectSnapshot], SnapshotError> {
        if self.format != FORMAT {
            return Err(SnapshotError::Format(self.format));
        }
        let ascending = self.objects.is_sorted_by(|a, b| a.object < b.object);
        if self.check_sum != check_sum(&self.objects) || !ascending {
            return Err(SnapshotError::Damaged);
        }
        Ok(&self.objects)
    }
}

impl fmt::Debug for ObjectSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSnapshot")
            .field("object", &self.object)
            .field("version", &self.version)
            .field("instances", &self.instances)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for InstanceSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources = self.resources.iter();
        f.debug_struct("InstanceSnapshot")
            .field("instance", &self.instance)
            .field(
                "resources",
                &resources.map(|(id, _)| id).collect::<Vec<_>>(),
            )
            .finish()
    }
}

impl fmt::Debug for ResourceSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single(_) => "Single(..)",
            Self::Multiple(_) => "Multiple(..)",
            Self::Executable => "Executable",
        })
    }
}

impl fmt::Debug for Snapshot {
    /// Shows Object IDs only, because values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.objects.iter().map(|object| object.object))
            .finish()
    }
}

/// Values in a form that every format can carry: JSON has neither infinities nor NaN.
#[cfg(feature = "serde")]
mod plain {
    use alloc::borrow::Cow;

    use lwm2m_core::Value;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    enum Plain<'v> {
        Value(Cow<'v, Value>),
        /// The bits of a floating point number that is not finite.
        FloatBits(u64),
    }

    impl<'v> From<&'v Value> for Plain<'v> {
        fn from(value: &'v Value) -> Self {
            match value {
                Value::Float(number) if !number.is_finite() => Self::FloatBits(number.to_bits()),
                value => Self::Value(Cow::Borrowed(value)),
            }
        }
    }

    impl From<Plain<'_>> for Value {
        fn from(plain: Plain<'_>) -> Self {
            match plain {
                Plain::Value(value) => value.into_owned(),
                Plain::FloatBits(bits) => Self::Float(f64::from_bits(bits)),
            }
        }
    }

    pub(super) fn serialize<S: Serializer>(value: &Value, to: S) -> Result<S::Ok, S::Error> {
        Plain::from(value).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        Plain::deserialize(from).map(Value::from)
    }

    pub(super) mod list {
        use alloc::vec::Vec;

        use lwm2m_core::Value;
        use serde::{Deserialize, Deserializer, Serializer};

        use super::Plain;

        pub(in super::super) fn serialize<S: Serializer>(
            values: &[Value],
            to: S,
        ) -> Result<S::Ok, S::Error> {
            to.collect_seq(values.iter().map(Plain::from))
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Vec<Value>, D::Error> {
            let values = Vec::<Plain<'_>>::deserialize(from)?;
            Ok(values.into_iter().map(Value::from).collect())
        }
    }

    pub(super) mod instances {
        use alloc::vec::Vec;

        use lwm2m_core::{ResourceInstanceId, Value};
        use serde::{Deserialize, Deserializer, Serializer};

        use super::Plain;

        pub(in super::super) fn serialize<S: Serializer>(
            values: &[(ResourceInstanceId, Value)],
            to: S,
        ) -> Result<S::Ok, S::Error> {
            to.collect_seq(values.iter().map(|(id, value)| (id, Plain::from(value))))
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Vec<(ResourceInstanceId, Value)>, D::Error> {
            let values = Vec::<(ResourceInstanceId, Plain<'_>)>::deserialize(from)?;
            Ok(values
                .into_iter()
                .map(|(id, plain)| (id, plain.into()))
                .collect())
        }
    }
}

/// The FNV-1a hash of everything, each part after its length or kind.
fn check_sum(objects: &[ObjectSnapshot]) -> u64 {
    let mut sum = CheckSum::new();
    sum.length(objects.len());
    for object in objects {
        sum.bytes(&object.object.get().to_be_bytes());
        sum.bytes(&[object.version.major, object.version.minor]);
        sum.length(object.instances.len());
        for instance in &object.instances {
            sum.bytes(&instance.instance.get().to_be_bytes());
            sum.length(instance.resources.len());
            for (id, resource) in &instance.resources {
                sum.bytes(&id.get().to_be_bytes());
                match resource {
                    ResourceSnapshot::Single(value) => sum_value(&mut sum, value),
                    ResourceSnapshot::Multiple(values) => {
                        sum.bytes(b"*");
                        sum.length(values.len());
                        for (id, value) in values {
                            sum.bytes(&id.get().to_be_bytes());
                            sum_value(&mut sum, value);
                        }
                    }
                    ResourceSnapshot::Executable => sum.bytes(b"x"),
                }
            }
        }
        sum.length(object.state.len());
        object
            .state
            .iter()
            .for_each(|value| sum_value(&mut sum, value));
    }
    sum.value()
}

/// Adds a value to the sum, after its kind and length.
fn sum_value(sum: &mut CheckSum, value: &Value) {
    let mut part = |kind: &[u8], bytes: &[u8]| {
        sum.bytes(kind);
        sum.length(bytes.len());
        sum.bytes(bytes);
    };
    match value {
        Value::String(text) => part(b"s", text.as_bytes()),
        Value::Integer(number) => part(b"i", &number.to_be_bytes()),
        Value::Float(number) => part(b"f", &number.to_bits().to_be_bytes()),
        Value::Boolean(truth) => part(b"b", &[u8::from(*truth)]),
        Value::Opaque(bytes) => part(b"o", bytes),
        Value::Time(seconds) => part(b"t", &seconds.to_be_bytes()),
        Value::ObjectLink(link) => part(b"l", &link.to_bytes()),
        Value::Raw(bytes) => part(b"r", bytes),
        // A data type that isn't known here.
        other => part(b"?", other.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Snapshots are made with each Object once, in ascending order.
    #[test]
    fn an_object_is_in_it_once() {
        let object = |id: u16| ObjectSnapshot {
            object: id.into(),
            version: Version::default(),
            instances: Vec::new(),
            state: Vec::new(),
        };
        let checked = |ids: Vec<u16>| {
            let snapshot = Snapshot::new(ids.into_iter().map(object).collect());
            snapshot.checked().map(<[_]>::len)
        };
        assert_eq!(checked(vec![1, 3]), Ok(2));
        assert_eq!(checked(vec![3, 3]), Err(SnapshotError::Damaged));
        assert_eq!(checked(vec![3, 1]), Err(SnapshotError::Damaged));
    }
}
