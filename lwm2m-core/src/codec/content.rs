//! The values of a payload, owned.

use alloc::vec::Vec;
use core::fmt;

use super::{
    cursor::{Cursor, Position},
    error::EncodeError,
    event::Event,
    sink::Sink,
};
use crate::{Path, Timestamp, Value, ValueRef};

/// The values of a payload, one entry each, in the order of the payload.
///
/// It is a [`Sink`], so anything can be decoded into it, and a source ([`push`](Self::push)), so it
/// can be encoded in any format. It is made from pairs of a path and a value, or from [`Entry`]s,
/// which may have times, and iterates over its entries.
///
/// ```
/// use lwm2m_core::{Path, Value, codec::Content};
///
/// let name: Path = "/3/0/0".parse()?;
/// let voltage: Path = "/3/0/7/1".parse()?;
/// let content = Content::from_iter([(name, Value::from("acme")), (voltage, Value::from(3800))]);
/// assert_eq!(content.get(&voltage), Some(&Value::Integer(3800)));
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
#[derive(Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Content {
    entries: Vec<Entry>,
    #[cfg_attr(feature = "serde", serde(skip))]
    position: PositionState,
}

/// One line of a [`Content`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// The path of a Resource or a Resource Instance; or, without a value, of an Object, an Object
    /// Instance or a multiple Resource that is empty.
    pub path: Path,
    /// The value; what is empty has none.
    pub value: Option<Value>,
    /// The time of the value, if the payload had one.
    pub time: Option<Timestamp>,
}

/// Where the sink half stands. Two contents are equal whatever it is.
#[derive(Clone, Copy, Default)]
struct PositionState {
    position: Position,
    /// Whether something was pushed since the last beginning.
    filled: bool,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.entries).finish()
    }
}

impl PartialEq for PositionState {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Content {
    /// A content without entries.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            position: PositionState {
                position: Position::START,
                filled: false,
            },
        }
    }

    /// A content without entries that has room for so many.
    pub fn with_capacity(entries: usize) -> Self {
        Self {
            entries: Vec::with_capacity(entries),
            ..Self::new()
        }
    }

    /// All entries, in the order of the payload.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The value at `path`; of several over time, the last one.
    pub fn get(&self, path: &Path) -> Option<&Value> {
        self.entries
            .iter()
            .rev()
            .find(|entry| entry.path == *path)?
            .value
            .as_ref()
    }

    /// All values with their paths.
    pub fn values(&self) -> impl Iterator<Item = (Path, &Value)> {
        self.entries
            .iter()
            .filter_map(|entry| Some((entry.path, entry.value.as_ref()?)))
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a value at the end. `path` is that of a Resource or of a Resource Instance. No payload has
    /// values elsewhere, so [`push`](Self::push) leaves them out.
    pub fn insert(&mut self, path: Path, value: impl Into<Value>) {
        self.entries.push(Entry {
            path,
            value: Some(value.into()),
            time: None,
        });
    }

    /// Pushes the content into a sink, such as an encoder.
    pub fn push<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<(), S::Error> {
        let mut cursor = Cursor::new();
        for entry in &self.entries {
            match &entry.value {
                Some(value) => cursor.value(entry.path, value.as_ref(), entry.time, sink)?,
                None => cursor.open(entry.path, sink)?,
            }
        }
        cursor.finish(sink)
    }

    fn add(&mut self, path: Path, value: ValueRef<'_>, time: Option<Timestamp>) {
        self.entries.push(Entry {
            path,
            value: Some(value.to_owned()),
            time,
        });
        self.position.filled = true;
    }
}

impl Sink for Content {
    type Error = EncodeError;

    /// Refuses what is out of order, paths without values, and an Object Instance without an
    /// identifier, which has no path: [`WithInstance`](super::WithInstance) gives it one.
    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        let Position {
            object,
            instance,
            resource,
        } = self.position.position;
        // Most events are values, which change no position.
        match (event, object, instance, resource) {
            (Event::Resource { id, value, time }, Some(object), Some(instance), None) => {
                self.add(Path::Resource(object, instance, id), value, time);
                return Ok(());
            }
            (Event::ResourceInstance { id, value, time }, Some(o), Some(i), Some(r)) => {
                self.add(Path::ResourceInstance(o, i, r, id), value, time);
                return Ok(());
            }
            _ => {}
        }
        let out_of_order = EncodeError::Structure(event.step());
        let path = self.position.position.follow(&event).ok_or(out_of_order)?;
        match event {
            Event::Object(_) | Event::Instance(_) | Event::Multiple(_) => {
                self.position.filled = false;
            }
            Event::EndObject | Event::EndInstance | Event::EndMultiple => {
                if !self.position.filled {
                    self.entries.push(Entry {
                        path,
                        value: None,
                        time: None,
                    });
                    self.position.filled = true;
                }
            }
            Event::Resource { .. } | Event::ResourceInstance { .. } | Event::Path(_) => {
                return Err(out_of_order);
            }
        }
        Ok(())
    }
}

impl FromIterator<Entry> for Content {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut content = Self::new();
        content.extend(entries);
        content
    }
}

impl Extend<Entry> for Content {
    fn extend<I: IntoIterator<Item = Entry>>(&mut self, entries: I) {
        self.entries.extend(entries);
    }
}

impl IntoIterator for Content {
    type Item = Entry;
    type IntoIter = alloc::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<V: Into<Value>> FromIterator<(Path, V)> for Content {
    fn from_iter<I: IntoIterator<Item = (Path, V)>>(values: I) -> Self {
        let mut content = Self::new();
        content.extend(values);
        content
    }
}

impl<V: Into<Value>> Extend<(Path, V)> for Content {
    fn extend<I: IntoIterator<Item = (Path, V)>>(&mut self, values: I) {
        values
            .into_iter()
            .for_each(|(path, value)| self.insert(path, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_pushed_comes_back() {
        let mut content = Content::from_iter([
            (path("/3/0/0"), Value::from("acme")),
            (path("/3/0/7/0"), Value::from(3800)),
            (path("/3/0/7/1"), Value::from(5000)),
            (path("/3/1/0"), Value::from("other")),
            (path("/4/0/1/0"), Value::from(true)),
            (path("/3/0/9"), Value::from(1.5)),
        ]);
        content.extend(["/3/0/6", "/5", "/2/1"].map(|empty| Entry {
            path: path(empty),
            value: None,
            time: None,
        }));
        content.extend([Entry {
            path: path("/3/0/9"),
            value: Some(Value::from(2.5)),
            time: Some(Timestamp::Relative(-5.0)),
        }]);
        let mut copy = Content::new();
        assert!(copy.is_empty() && !content.is_empty());
        content.push(&mut copy).unwrap();
        assert_eq!(copy, content);
        assert_eq!(content.get(&path("/3/0/9")), Some(&Value::from(2.5)));
        assert_eq!(content.into_iter().collect::<Content>(), copy);
    }

    #[test]
    fn an_empty_inner_thing_fills_the_outer() {
        let mut content = Content::new();
        for event in [
            Event::Object(3.into()),
            Event::Instance(Some(crate::InstanceId::ZERO)),
            Event::Multiple(6.into()),
            Event::EndMultiple,
            Event::EndInstance,
            Event::EndObject,
        ] {
            content.event(event).unwrap();
        }
        assert_eq!(
            content.entries(),
            [Entry {
                path: path("/3/0/6"),
                value: None,
                time: None
            }]
        );
    }

    #[test]
    fn only_what_it_is_is_shown() {
        let mut content = Content::new();
        content.event(Event::Object(3.into())).unwrap();
        assert_eq!(alloc::format!("{content:?}"), "[]");
    }

    #[test]
    fn broken_order_is_refused() {
        let mut content = Content::new();
        let step = |event: Event<'_>| Err(EncodeError::Structure(event.step()));
        assert_eq!(content.event(Event::EndObject), step(Event::EndObject));
        content.event(Event::Object(3.into())).unwrap();
        assert_eq!(
            content.event(Event::Instance(None)),
            step(Event::Instance(None))
        );
        assert_eq!(content.event(Event::EndMultiple), step(Event::EndMultiple));
    }
}
