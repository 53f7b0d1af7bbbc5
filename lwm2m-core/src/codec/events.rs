//! The events of a payload, owned.

use alloc::vec::Vec;
use core::convert::Infallible;

use super::{content::Content, event::Event, sink::Sink};
use crate::{InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Timestamp, Value};

/// The events of a payload, kept as they came: structure, values and times, in their order, and
/// Object Instances without an identifier.
///
/// It is a [`Sink`] that refuses nothing, for tools and tests that look at payloads or push one more
/// than once. It is a source as well ([`push`](Self::push)): a sink gets the same events as from the
/// decoder. [`Content`] has only the values, each with its path.
///
/// Bound what comes from a peer by [`Limited`](super::Limited): two bytes can be an event.
///
/// ```
/// use lwm2m_core::{
///     ObjectId,
///     codec::{Content, Event, Events, OwnedEvent, Sink, WithInstance},
/// };
///
/// // A Create that leaves the identifier to the client.
/// let mut events = Events::new();
/// for event in [
///     Event::Object(ObjectId::SERVER),
///     Event::Instance(None),
///     Event::EndInstance,
///     Event::EndObject,
/// ] {
///     events.event(event)?;
/// }
/// assert_eq!(events.as_slice()[1], OwnedEvent::Instance(None));
///
/// // The client chooses it, and everything has a path.
/// let mut content = Content::new();
/// events.push(&mut WithInstance::new(&mut content, lwm2m_core::InstanceId::new(7)))?;
/// assert_eq!(content.entries()[0].path.to_string(), "/1/7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Events {
    events: Vec<OwnedEvent>,
}

/// An [`Event`] that owns its value. It grows with the events.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum OwnedEvent {
    /// An Object begins.
    Object(ObjectId),
    /// An Object Instance begins; without an identifier if the receiver is to choose it.
    Instance(Option<InstanceId>),
    /// A Resource and its value.
    Resource {
        /// Which Resource.
        id: ResourceId,
        /// Its value.
        value: Value,
        /// The time of the value, if the payload has one.
        time: Option<Timestamp>,
    },
    /// A multiple Resource begins.
    Multiple(ResourceId),
    /// A Resource Instance and its value.
    ResourceInstance {
        /// Which Resource Instance.
        id: ResourceInstanceId,
        /// Its value.
        value: Value,
        /// The time of the value, if the payload has one.
        time: Option<Timestamp>,
    },
    /// The multiple Resource ends.
    EndMultiple,
    /// The Object Instance ends.
    EndInstance,
    /// The Object ends.
    EndObject,
    /// A path without a value.
    Path(Path),
}

impl Events {
    /// No events.
    pub const fn new() -> Self {
        Self { events: Vec::new() }
    }

    /// All events, in their order.
    pub fn as_slice(&self) -> &[OwnedEvent] {
        &self.events
    }

    /// All events, in their order, borrowed.
    pub fn iter(&self) -> impl Iterator<Item = Event<'_>> {
        self.events.iter().map(OwnedEvent::as_ref)
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Pushes the events into a sink, such as an encoder, up to the first that it refuses.
    pub fn push<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<(), S::Error> {
        self.iter().try_for_each(|event| sink.event(event))
    }
}

impl Sink for Events {
    type Error = Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Infallible> {
        self.events.push(event.to_owned());
        Ok(())
    }
}

impl OwnedEvent {
    /// The event, its value borrowed.
    pub fn as_ref(&self) -> Event<'_> {
        match self {
            Self::Object(id) => Event::Object(*id),
            Self::Instance(id) => Event::Instance(*id),
            Self::Resource { id, value, time } => Event::Resource {
                id: *id,
                value: value.as_ref(),
                time: *time,
            },
            Self::Multiple(id) => Event::Multiple(*id),
            Self::ResourceInstance { id, value, time } => Event::ResourceInstance {
                id: *id,
                value: value.as_ref(),
                time: *time,
            },
            Self::EndMultiple => Event::EndMultiple,
            Self::EndInstance => Event::EndInstance,
            Self::EndObject => Event::EndObject,
            Self::Path(path) => Event::Path(*path),
        }
    }
}

impl Event<'_> {
    /// The event with an owned value.
    pub fn to_owned(&self) -> OwnedEvent {
        match *self {
            Self::Object(id) => OwnedEvent::Object(id),
            Self::Instance(id) => OwnedEvent::Instance(id),
            Self::Resource { id, value, time } => OwnedEvent::Resource {
                id,
                value: value.to_owned(),
                time,
            },
            Self::Multiple(id) => OwnedEvent::Multiple(id),
            Self::ResourceInstance { id, value, time } => OwnedEvent::ResourceInstance {
                id,
                value: value.to_owned(),
                time,
            },
            Self::EndMultiple => OwnedEvent::EndMultiple,
            Self::EndInstance => OwnedEvent::EndInstance,
            Self::EndObject => OwnedEvent::EndObject,
            Self::Path(path) => OwnedEvent::Path(path),
        }
    }
}

impl From<&Content> for Events {
    /// The events that the content pushes.
    fn from(content: &Content) -> Self {
        let mut events = Self::new();
        let Ok(()) = content.push(&mut events);
        events
    }
}

impl FromIterator<OwnedEvent> for Events {
    fn from_iter<I: IntoIterator<Item = OwnedEvent>>(events: I) -> Self {
        Self {
            events: events.into_iter().collect(),
        }
    }
}

impl Extend<OwnedEvent> for Events {
    fn extend<I: IntoIterator<Item = OwnedEvent>>(&mut self, events: I) {
        self.events.extend(events);
    }
}

impl IntoIterator for Events {
    type Item = OwnedEvent;
    type IntoIter = alloc::vec::IntoIter<OwnedEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ValueRef, codec::Entry};

    /// Every event, values of each kind and both kinds of time among them.
    fn all() -> [Event<'static>; 13] {
        let id = 7.into();
        let time = Some(Timestamp::Relative(-5.0));
        [
            Event::Object(3.into()),
            Event::Instance(None),
            Event::Resource {
                id,
                value: ValueRef::String("acme"),
                time: None,
            },
            Event::Resource {
                id,
                value: ValueRef::Raw(b"\xFF"),
                time: Some(Timestamp::Absolute(1.0)),
            },
            Event::Multiple(id),
            Event::ResourceInstance {
                id: 1.into(),
                value: ValueRef::Float(-0.0),
                time,
            },
            Event::EndMultiple,
            Event::EndInstance,
            Event::Instance(Some(InstanceId::ZERO)),
            Event::EndInstance,
            Event::EndObject,
            Event::Path(Path::Root),
            // Out of order: it is kept as well.
            Event::EndObject,
        ]
    }

    #[test]
    fn events_are_kept_as_they_came_and_pushed_as_they_were() {
        let mut events = Events::new();
        assert!(events.is_empty());
        for event in all() {
            let Ok(()) = events.event(event);
        }
        assert!(events.iter().eq(all()));
        assert_eq!(events.as_slice().len(), all().len());
        let mut copy = Events::new();
        let Ok(()) = events.push(&mut copy);
        assert_eq!(copy, events);
        assert!(!copy.is_empty());
        assert_eq!(events.into_iter().collect::<Events>(), copy);
        let mut twice = Events::new();
        twice.extend(all().map(|event| event.to_owned()));
        assert_eq!(twice, copy);
    }

    #[test]
    fn an_event_tells_its_value() {
        let values: Vec<_> = all().iter().filter_map(Event::value).collect();
        let expected = [
            ValueRef::String("acme"),
            ValueRef::Raw(b"\xFF"),
            ValueRef::Float(-0.0),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn a_sink_that_refuses_ends_the_pushing() {
        struct Two(usize);

        impl Sink for Two {
            type Error = usize;

            fn event(&mut self, _: Event<'_>) -> Result<(), usize> {
                self.0 += 1;
                if self.0 > 2 { Err(self.0) } else { Ok(()) }
            }
        }

        let events: Events = all().map(|event| event.to_owned()).into_iter().collect();
        assert_eq!(events.push(&mut Two(0)), Err(3));
    }

    #[test]
    fn a_content_is_its_events_and_they_are_it() {
        let path = |text: &str| text.parse::<Path>().unwrap();
        let empty = |text| Entry {
            path: path(text),
            value: None,
            time: None,
        };
        let mut content = Content::from_iter([(path("/3/0/7/1"), 5000), (path("/3/0/9"), 100)]);
        content.extend([empty("/3/0/6"), empty("/5")]);
        let events = Events::from(&content);
        assert_eq!(events.as_slice()[0], OwnedEvent::Object(3.into()));
        let mut copy = Content::new();
        events.push(&mut copy).unwrap();
        assert_eq!(copy, content);
    }
}
