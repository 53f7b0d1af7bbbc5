//! A list of paths without values.

use alloc::vec::Vec;

use super::{error::EncodeError, event::Event, sink::Sink};
use crate::Path;

/// The paths of a payload that has no values, in the order of the payload.
///
/// It is a [`Sink`] that takes [`Event::Path`] and nothing else, and a source ([`push`](Self::push)).
/// The paths may be of any level, the root included, and may repeat or contain each other.
///
/// Put [`Limited`](super::Limited) in front of it for what comes from a peer.
///
/// ```
/// use lwm2m_core::{Path, codec::PathList};
///
/// let battery: Path = "/3/0/9".parse()?;
/// let list = PathList::from_iter([battery, Path::Root]);
/// let mut copy = PathList::new();
/// list.push(&mut copy).unwrap();
/// assert_eq!(copy.as_slice(), [battery, Path::Root]);
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct PathList {
    paths: Vec<Path>,
}

impl PathList {
    /// No paths.
    pub const fn new() -> Self {
        Self { paths: Vec::new() }
    }

    /// All paths, in their order.
    pub fn as_slice(&self) -> &[Path] {
        &self.paths
    }

    /// Whether there are no paths.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Pushes the paths into a sink, such as an encoder.
    pub fn push<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<(), S::Error> {
        self.paths
            .iter()
            .try_for_each(|path| sink.event(Event::Path(*path)))
    }
}

impl Sink for PathList {
    type Error = EncodeError;

    /// Refuses whatever isn't a path.
    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        match event {
            Event::Path(path) => {
                self.paths.push(path);
                Ok(())
            }
            other => Err(EncodeError::Structure(other.step())),
        }
    }
}

impl FromIterator<Path> for PathList {
    fn from_iter<I: IntoIterator<Item = Path>>(paths: I) -> Self {
        Self {
            paths: paths.into_iter().collect(),
        }
    }
}

impl Extend<Path> for PathList {
    fn extend<I: IntoIterator<Item = Path>>(&mut self, paths: I) {
        self.paths.extend(paths);
    }
}

impl IntoIterator for PathList {
    type Item = Path;
    type IntoIter = alloc::vec::IntoIter<Path>;

    fn into_iter(self) -> Self::IntoIter {
        self.paths.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ContentFormat, Value,
        codec::{Content, Encode, Events, Format, Limited, Scope, Step, Untyped, WithInstance},
        opaque::OpaqueFormat,
        text::TextFormat,
    };

    const BATTERY: Path = Path::of(&[3, 0, 9]).unwrap();

    #[test]
    fn paths_of_every_level_come_back_in_their_order() {
        let paths =
            ["/3/0/7/1", "/", "/3", "/3/0", "/3/0/9", "/3"].map(|path| path.parse().unwrap());
        let list = PathList::from_iter(paths);
        let mut copy = PathList::new();
        assert!(copy.is_empty() && !list.is_empty());
        list.push(&mut WithInstance::new(
            Limited::new(&mut copy, 10_000),
            None,
        ))
        .unwrap();
        assert_eq!(copy, list);
        let mut events = Events::new();
        list.push(&mut events).unwrap();
        let mut again = PathList::new();
        events.push(&mut again).unwrap();
        assert_eq!(again.into_iter().collect::<Vec<_>>(), paths);
    }

    #[test]
    fn a_list_of_paths_has_no_values() {
        let mut list = PathList::from_iter([BATTERY]);
        let content = Content::from_iter([(BATTERY, Value::from(1))]);
        let refused = content.push(&mut list);
        assert_eq!(refused, Err(EncodeError::Structure(Step::Object)));
        assert_eq!(list.as_slice(), [BATTERY]);
    }

    /// A format of one value refuses a list of paths in both directions.
    fn single_value<F: Format>(list: &PathList) -> ContentFormat {
        let mut buffer = alloc::vec![1];
        let mut encoder = F::encoder(&mut buffer, Scope::write(BATTERY));
        assert_eq!(
            list.push(&mut encoder),
            Err(EncodeError::Structure(Step::Path))
        );
        assert_eq!(encoder.finish(), Err(EncodeError::Structure(Step::Path)));
        let mut encoder = F::encoder(&mut buffer, Scope::paths());
        assert_eq!(list.push(&mut encoder), Err(EncodeError::SingleValue));
        drop(encoder);
        assert_eq!(buffer, [1]);

        let mut read = PathList::new();
        assert!(!F::carries(Scope::paths()));
        assert!(F::decode(b"", Scope::paths(), &Untyped, &mut read).is_err());
        assert!(read.is_empty());
        F::CONTENT_FORMAT
    }

    #[test]
    fn values_have_no_list_of_paths() {
        let list = PathList::from_iter([BATTERY]);
        let refused = Err(EncodeError::Structure(Step::Path));
        let mut content = Content::new();
        assert_eq!(list.push(&mut content), refused);
        assert!(content.is_empty());

        let formats = [
            single_value::<TextFormat>(&list),
            single_value::<OpaqueFormat>(&list),
        ];
        assert_eq!(formats, [ContentFormat::TEXT, ContentFormat::OPAQUE]);
    }
}
