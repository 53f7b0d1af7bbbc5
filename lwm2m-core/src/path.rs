//! Where something is: `/Object/Object Instance/Resource/Resource Instance` (TS 6.1, 8.2).

use core::{cmp::Ordering, fmt, str::FromStr};

use thiserror::Error;

use crate::id::{self, IdError, InstanceId, ObjectId, ResourceId, ResourceInstanceId};

/// A place in the resource tree. No level can be skipped, and no identifier is reserved.
///
/// Paths are ordered like a walk of the tree: a parent before its children, children by number.
///
/// ```
/// use lwm2m_core::Path;
///
/// let battery: Path = "/3/0/9".parse()?;
/// assert_eq!(battery.to_string(), "/3/0/9");
/// assert_eq!(format!("{:?}", Some(battery)), "Some(/3/0/9)");
/// assert_eq!(battery.parent(), Some("/3/0".parse()?));
/// assert!("/3".parse::<Path>()?.contains(&battery));
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
///
/// Every version of LwM2M has these levels, so it won't grow.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// `/`, all Objects.
    Root,
    /// `/O`
    Object(ObjectId),
    /// `/O/I`
    Instance(ObjectId, InstanceId),
    /// `/O/I/R`
    Resource(ObjectId, InstanceId, ResourceId),
    /// `/O/I/R/RI`
    ResourceInstance(ObjectId, InstanceId, ResourceId, ResourceInstanceId),
}

/// Text or segments that aren't a [`Path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// The text doesn't begin with `/`.
    #[error("expected a path that begins with '/'")]
    NotAbsolute,
    /// A segment isn't an identifier of its level; segments count from 0.
    #[error("path segment {segment}: {reason}")]
    Segment {
        /// Which segment, from 0 (the Object ID).
        segment: u8,
        /// What is wrong with it.
        reason: IdError,
    },
    /// More than four segments.
    #[error("expected at most 4 path segments")]
    TooDeep,
}

impl Path {
    /// The path of these numbers. There are at most four, and none is reserved.
    ///
    /// ```
    /// use lwm2m_core::Path;
    ///
    /// const BATTERY: Path = Path::of(&[3, 0, 9]).unwrap();
    /// assert_eq!(BATTERY.to_string(), "/3/0/9");
    /// assert_eq!(Path::of(&[3, 65535]), None);
    /// ```
    pub const fn of(ids: &[u16]) -> Option<Self> {
        let object = match ids {
            [] => return Some(Self::Root),
            [object, ..] => ObjectId::new(*object),
        };
        let instance = match ids {
            [_, instance, ..] => match InstanceId::new(*instance) {
                Some(instance) => instance,
                None => return None,
            },
            _ => return Some(Self::Object(object)),
        };
        match ids {
            [_, _] => Some(Self::Instance(object, instance)),
            [_, _, r] => Some(Self::Resource(object, instance, ResourceId::new(*r))),
            [_, _, r, ri] => Some(Self::ResourceInstance(
                object,
                instance,
                ResourceId::new(*r),
                ResourceInstanceId::new(*ri),
            )),
            _ => None,
        }
    }

    /// Reads a path from its segments: Uri-Path options, or the text between slashes.
    pub fn from_segments<'a>(
        segments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, PathError> {
        let mut path = Self::Root;
        for (level, segment) in (0u8..).zip(segments) {
            let number = id::parse_u16(segment);
            let number = number.map_err(|reason| PathError::Segment {
                segment: level,
                reason,
            })?;
            path = path.child(number).map_err(|error| match error {
                ChildError::Id(reason) => PathError::Segment {
                    segment: level,
                    reason,
                },
                ChildError::TooDeep => PathError::TooDeep,
            })?;
        }
        Ok(path)
    }

    /// One level down.
    fn child(self, id: u16) -> Result<Self, ChildError> {
        Ok(match self {
            Self::Root => Self::Object(ObjectId::new(id)),
            Self::Object(o) => Self::Instance(o, InstanceId::try_from(id).map_err(ChildError::Id)?),
            Self::Instance(o, i) => Self::Resource(o, i, ResourceId::new(id)),
            Self::Resource(o, i, r) => Self::ResourceInstance(o, i, r, ResourceInstanceId::new(id)),
            Self::ResourceInstance(..) => return Err(ChildError::TooDeep),
        })
    }

    /// One level up; the root has none.
    pub const fn parent(&self) -> Option<Self> {
        Some(match *self {
            Self::Root => return None,
            Self::Object(_) => Self::Root,
            Self::Instance(o, _) => Self::Object(o),
            Self::Resource(o, i, _) => Self::Instance(o, i),
            Self::ResourceInstance(o, i, r, _) => Self::Resource(o, i, r),
        })
    }

    /// The Object ID, if the path has one.
    pub const fn object(&self) -> Option<ObjectId> {
        match *self {
            Self::Root => None,
            Self::Object(o)
            | Self::Instance(o, _)
            | Self::Resource(o, ..)
            | Self::ResourceInstance(o, ..) => Some(o),
        }
    }

    /// The Object Instance ID, if the path has one.
    pub const fn instance(&self) -> Option<InstanceId> {
        match *self {
            Self::Root | Self::Object(_) => None,
            Self::Instance(_, i) | Self::Resource(_, i, _) | Self::ResourceInstance(_, i, ..) => {
                Some(i)
            }
        }
    }

    /// The Resource ID, if the path has one.
    pub const fn resource(&self) -> Option<ResourceId> {
        match *self {
            Self::Resource(_, _, r) | Self::ResourceInstance(_, _, r, _) => Some(r),
            _ => None,
        }
    }

    /// The Resource Instance ID, if the path has one.
    pub const fn resource_instance(&self) -> Option<ResourceInstanceId> {
        match *self {
            Self::ResourceInstance(.., ri) => Some(ri),
            _ => None,
        }
    }

    /// How many segments the path has: 0 to 4.
    pub const fn depth(&self) -> usize {
        match self {
            Self::Root => 0,
            Self::Object(_) => 1,
            Self::Instance(..) => 2,
            Self::Resource(..) => 3,
            Self::ResourceInstance(..) => 4,
        }
    }

    /// Whether `other` is this place or lies below it.
    pub fn contains(&self, other: &Self) -> bool {
        match *self {
            Self::Root => true,
            Self::Object(object) => other.object() == Some(object),
            Self::Instance(object, instance) => {
                (other.object(), other.instance()) == (Some(object), Some(instance))
            }
            Self::Resource(object, instance, resource) => {
                (other.object(), other.instance(), other.resource())
                    == (Some(object), Some(instance), Some(resource))
            }
            Self::ResourceInstance(..) => self == other,
        }
    }

    /// The numbers of the path, from the Object ID down.
    pub fn segments(&self) -> impl Iterator<Item = u16> + use<> {
        [
            self.object().map(ObjectId::get),
            self.instance().map(InstanceId::get),
            self.resource().map(ResourceId::get),
            self.resource_instance().map(ResourceInstanceId::get),
        ]
        .into_iter()
        .flatten()
    }
}

enum ChildError {
    Id(IdError),
    TooDeep,
}

impl Ord for Path {
    fn cmp(&self, other: &Self) -> Ordering {
        self.segments().cmp(other.segments())
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<ObjectId> for Path {
    fn from(object: ObjectId) -> Self {
        Self::Object(object)
    }
}

impl FromStr for Path {
    type Err = PathError;

    /// Reads `/3/0/9`; `/` is the root. Every number is in its shortest form, and there is no slash at
    /// the end.
    fn from_str(text: &str) -> Result<Self, PathError> {
        match text.strip_prefix('/') {
            None => Err(PathError::NotAbsolute),
            Some("") => Ok(Self::Root),
            Some(segments) => Self::from_segments(segments.split('/')),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::Root {
            return f.write_str("/");
        }
        self.segments()
            .try_for_each(|segment| write!(f, "/{segment}"))
    }
}

impl fmt::Debug for Path {
    /// As it is displayed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Path {
    /// A path is serialised as its text.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Path {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Path;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path such as \"/3/0/9\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Path, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec::Vec};

    use super::*;

    #[test]
    fn every_level_reads_and_prints() {
        for (text, ids) in [
            ("/", &[][..]),
            ("/3", &[3]),
            ("/3/0", &[3, 0]),
            ("/65535/65534/65535", &[65535, 65534, 65535]),
            ("/2/1/2/310", &[2, 1, 2, 310]),
        ] {
            let path = Path::of(ids).unwrap();
            assert_eq!(text.parse(), Ok(path));
            assert_eq!(path.to_string(), text);
            assert_eq!(path.segments().collect::<Vec<_>>(), ids);
            assert_eq!(path.depth(), ids.len());
        }
    }

    #[test]
    fn what_is_no_path_says_which_segment() {
        let segment = |segment, reason| PathError::Segment { segment, reason };
        for (text, error) in [
            ("", PathError::NotAbsolute),
            ("3/0", PathError::NotAbsolute),
            ("/3/", segment(1, IdError::NotDecimal)),
            ("//0", segment(0, IdError::NotDecimal)),
            ("/3/65535", segment(1, IdError::Reserved(65535))),
            // 65536 + 3: an overflowing parser reads Object 3 here.
            ("/65539", segment(0, IdError::OutOfRange)),
            ("/1/2/3/4/5", PathError::TooDeep),
            ("/3/00", segment(1, IdError::NotDecimal)),
        ] {
            assert_eq!(text.parse::<Path>(), Err(error), "{text}");
        }
    }

    #[test]
    fn order_is_the_order_of_the_walk() {
        let texts = [
            "/", "/1", "/1/0", "/1/0/1", "/1/0/2", "/1/0/2/0", "/1/1", "/2", "/10",
        ];
        let mut paths: Vec<Path> = texts
            .iter()
            .rev()
            .map(|text| text.parse().unwrap())
            .collect();
        paths.sort();
        assert_eq!(
            paths.iter().map(ToString::to_string).collect::<Vec<_>>(),
            texts
        );
    }

    #[test]
    fn a_path_contains_itself_and_what_is_below() {
        let path = |text: &str| text.parse::<Path>().unwrap();
        assert!(path("/").contains(&path("/3/0/9")));
        assert!(path("/3/0").contains(&path("/3/0")));
        assert!(!path("/3/0").contains(&path("/3")));
        assert!(!path("/3/0").contains(&path("/3/1/0")));
    }
}
