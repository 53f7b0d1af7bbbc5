//! From flat entries to structure: opens and closes what lies between one path and the next.

use super::{event::Event, sink::Sink};
use crate::{InstanceId, ObjectId, Path, ResourceId, Timestamp, ValueRef};

/// A position in the structure of a payload, for sources whose entries are flat: JSON, and
/// [`Content`](super::Content).
///
/// Each call pushes the ends and beginnings between the last path and the next, so the sink gets the
/// nested sequence of the [module](super).
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// The innermost open Object, Object Instance or multiple Resource; or the root.
    open: Path,
}

impl Default for Cursor {
    fn default() -> Self {
        Self::new()
    }
}

impl Cursor {
    /// Nothing is open yet.
    pub const fn new() -> Self {
        Self { open: Path::Root }
    }

    /// Pushes the value of a Resource or of a Resource Instance. A `path` above Resource level only
    /// moves the cursor.
    #[inline]
    pub fn value<S: Sink + ?Sized>(
        &mut self,
        path: Path,
        value: ValueRef<'_>,
        time: Option<Timestamp>,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        match path {
            Path::Resource(object, instance, id) => {
                // It is mostly open: the last value was in the same Object Instance.
                match self.open {
                    Path::Instance(o, i) if (o, i) == (object, instance) => {}
                    _ => self.go(Some(object), Some(instance), None, sink)?,
                }
                sink.event(Event::Resource { id, value, time })?;
            }
            Path::ResourceInstance(object, instance, resource, id) => {
                match self.open {
                    Path::Resource(o, i, r) if (o, i, r) == (object, instance, resource) => {}
                    _ => self.go(Some(object), Some(instance), Some(resource), sink)?,
                }
                sink.event(Event::ResourceInstance { id, value, time })?;
            }
            path => self.open(path, sink)?,
        }
        Ok(())
    }

    /// Opens `path`: an Object, an Object Instance, or a multiple Resource. (For a Resource Instance, its
    /// multiple Resource.) Everything else is closed.
    pub fn open<S: Sink + ?Sized>(&mut self, path: Path, sink: &mut S) -> Result<(), S::Error> {
        self.go(path.object(), path.instance(), path.resource(), sink)
    }

    /// Closes all that is open.
    pub fn finish<S: Sink + ?Sized>(mut self, sink: &mut S) -> Result<(), S::Error> {
        self.go(None, None, None, sink)
    }

    /// Makes this, and nothing else, open.
    // Its parameters aren't a `Path`: that would be stored in parts and loaded as a whole, and the load
    // would wait for the stores.
    fn go<S: Sink + ?Sized>(
        &mut self,
        object: Option<ObjectId>,
        instance: Option<InstanceId>,
        resource: Option<ResourceId>,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        if let Path::Resource(o, i, r) = self.open
            && (Some(o), Some(i), Some(r)) != (object, instance, resource)
        {
            sink.event(Event::EndMultiple)?;
            self.open = Path::Instance(o, i);
        }
        if let Path::Instance(o, i) = self.open
            && (Some(o), Some(i)) != (object, instance)
        {
            sink.event(Event::EndInstance)?;
            self.open = Path::Object(o);
        }
        if let Path::Object(o) = self.open
            && Some(o) != object
        {
            sink.event(Event::EndObject)?;
            self.open = Path::Root;
        }
        if let (Path::Root, Some(object)) = (self.open, object) {
            sink.event(Event::Object(object))?;
            self.open = Path::Object(object);
        }
        if let (Path::Object(object), Some(instance)) = (self.open, instance) {
            sink.event(Event::Instance(Some(instance)))?;
            self.open = Path::Instance(object, instance);
        }
        if let (Path::Instance(object, instance), Some(resource)) = (self.open, resource) {
            sink.event(Event::Multiple(resource))?;
            self.open = Path::Resource(object, instance, resource);
        }
        Ok(())
    }
}

/// The other direction: the path of each event of a nested sequence.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    pub(crate) object: Option<ObjectId>,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) resource: Option<ResourceId>,
}

impl Position {
    /// Before the first event.
    pub(crate) const START: Self = Self {
        object: None,
        instance: None,
        resource: None,
    };

    /// Takes the next event and returns the path that it is about. `None` if it is out of order or
    /// unknown, or if an Object Instance has no identifier.
    pub(crate) fn follow(&mut self, event: &Event<'_>) -> Option<Path> {
        match (*event, self.object, self.instance, self.resource) {
            (Event::Object(id), None, None, None) => {
                self.object = Some(id);
                Some(Path::Object(id))
            }
            (Event::Instance(Some(id)), Some(object), None, None) => {
                self.instance = Some(id);
                Some(Path::Instance(object, id))
            }
            (Event::Resource { id, .. }, Some(object), Some(instance), None) => {
                Some(Path::Resource(object, instance, id))
            }
            (Event::Multiple(id), Some(object), Some(instance), None) => {
                self.resource = Some(id);
                Some(Path::Resource(object, instance, id))
            }
            (Event::ResourceInstance { id, .. }, Some(o), Some(i), Some(r)) => {
                Some(Path::ResourceInstance(o, i, r, id))
            }
            (Event::EndMultiple, Some(object), Some(instance), Some(id)) => {
                self.resource = None;
                Some(Path::Resource(object, instance, id))
            }
            (Event::EndInstance, Some(object), Some(id), None) => {
                self.instance = None;
                Some(Path::Instance(object, id))
            }
            (Event::EndObject, Some(id), None, None) => {
                self.object = None;
                Some(Path::Object(id))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{
        format,
        string::{String, ToString},
        vec::Vec,
    };
    use core::convert::Infallible;

    use super::*;

    /// The events as text, such as `/3 /3/0 /3/0/9=1 end end`.
    #[derive(Default)]
    struct Told(Vec<String>, Position);

    impl Sink for Told {
        type Error = Infallible;

        fn event(&mut self, event: Event<'_>) -> Result<(), Infallible> {
            let path = self.1.follow(&event).expect("the order of a payload");
            self.0.push(match event {
                Event::EndMultiple | Event::EndInstance | Event::EndObject => "end".to_string(),
                Event::Resource { value, .. } | Event::ResourceInstance { value, .. } => {
                    format!("{path}={value}")
                }
                _ => path.to_string(),
            });
            Ok(())
        }
    }

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    /// From any place to any other, the identifiers of which may be the same: what they do not
    /// have in common ends, from the inside, and begins, from the outside.
    #[test]
    fn what_two_places_have_in_common_stays_open() {
        let places = [
            "/3/0/7", "/3/0/9", "/3/1/7", "/4/0/7", "/3/0/7/0", "/3/0/7/1", "/3/0/9/0", "/3/1/7/0",
            "/4/0/7/0", "/4/1/9/1",
        ]
        .map(path);
        // What is open around a value.
        let around = |place: Path| {
            let mut around: Vec<_> = core::iter::successors(place.parent(), Path::parent).collect();
            around.pop();
            around.reverse();
            around
        };
        for from in places {
            for to in places {
                let mut told = Told::default();
                let mut cursor = Cursor::new();
                for place in [from, to] {
                    let Ok(()) = cursor.value(place, ValueRef::Integer(1), None, &mut told);
                }
                let Ok(()) = cursor.finish(&mut told);

                let (before, after) = (around(from), around(to));
                let same = before
                    .iter()
                    .zip(&after)
                    .take_while(|(a, b)| a == b)
                    .count();
                let mut expected: Vec<_> = before.iter().map(Path::to_string).collect();
                expected.push(format!("{from}=1"));
                expected.extend(before[same..].iter().map(|_| "end".to_string()));
                expected.extend(after[same..].iter().map(Path::to_string));
                expected.push(format!("{to}=1"));
                expected.extend(after.iter().map(|_| "end".to_string()));
                assert_eq!(told.0, expected, "{from} to {to}");
            }
        }
    }

    #[test]
    fn what_is_opened_alone_is_empty() {
        for (place, events) in [
            ("/", ""),
            ("/3", "/3 end"),
            ("/3/0", "/3 /3/0 end end"),
            ("/3/0/7", "/3 /3/0 /3/0/7 end end end"),
            ("/3/0/7/1", "/3 /3/0 /3/0/7 end end end"),
        ] {
            let mut told = Told::default();
            let mut cursor = Cursor::new();
            let Ok(()) = cursor.open(path(place), &mut told);
            let Ok(()) = cursor.finish(&mut told);
            assert_eq!(told.0.join(" "), events, "{place}");
        }
    }
}
