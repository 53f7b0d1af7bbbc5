//! Object Instances under another identifier.

use super::{event::Event, sink::Sink};
use crate::InstanceId;

/// A sink that gives every Object Instance this identifier, or none, and passes it on.
///
/// It is made for Create (TS 5.4.6): a payload that leaves the identifier to the client gets one
/// here, and a content that has one is written without.
///
/// ```
/// use lwm2m_core::{
///     InstanceId, Value,
///     codec::{Content, Event, Sink, WithInstance},
/// };
///
/// let mut content = Content::new();
/// let mut created = WithInstance::new(&mut content, InstanceId::new(5));
/// for event in [
///     Event::Object(1.into()),
///     Event::Instance(None),
///     Event::Resource { id: 1.into(), value: Value::from(60).as_ref(), time: None },
///     Event::EndInstance,
///     Event::EndObject,
/// ] {
///     created.event(event)?;
/// }
/// assert_eq!(content.get(&"/1/5/1".parse()?), Some(&Value::from(60)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WithInstance<S> {
    sink: S,
    instance: Option<InstanceId>,
}

impl<S: Sink> WithInstance<S> {
    /// Passes on to `sink`, which may be a mutable reference.
    pub const fn new(sink: S, instance: Option<InstanceId>) -> Self {
        Self { sink, instance }
    }
}

impl<S: Sink> Sink for WithInstance<S> {
    type Error = S::Error;

    fn event(&mut self, event: Event<'_>) -> Result<(), S::Error> {
        self.sink.event(match event {
            Event::Instance(_) => Event::Instance(self.instance),
            event => event,
        })
    }
}
