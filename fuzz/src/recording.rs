use lwm2m_core::{
    DataType, ObjectId, ResourceId, ResourceInstanceId, Timestamp, Value,
    codec::{Event, Sink},
};

/// The events of a payload, to push them again and to compare them.
#[derive(Default)]
pub(crate) struct Recording(Vec<Recorded>);

#[derive(Debug)]
enum Recorded {
    Structure(Event<'static>),
    Resource(ResourceId, Value, Option<Timestamp>),
    ResourceInstance(ResourceInstanceId, Value, Option<Timestamp>),
}

impl Recording {
    /// Pushes what was recorded.
    pub(crate) fn push<S: Sink>(&self, sink: &mut S) -> Result<(), S::Error> {
        self.0.iter().try_for_each(|recorded| {
            sink.event(match recorded {
                Recorded::Structure(event) => *event,
                Recorded::Resource(id, value, time) => Event::Resource {
                    id: *id,
                    value: value.as_ref(),
                    time: *time,
                },
                Recorded::ResourceInstance(id, value, time) => Event::ResourceInstance {
                    id: *id,
                    value: value.as_ref(),
                    time: *time,
                },
            })
        })
    }

    /// What was recorded, comparable: unlike the values themselves, NaN equals NaN, and -0 is not 0.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|recorded| format!("{recorded:?}"))
            .collect()
    }

    /// Whether there is no value.
    pub(crate) fn is_empty(&self) -> bool {
        let structure = |recorded: &Recorded| matches!(recorded, Recorded::Structure(_));
        self.0.iter().all(structure)
    }
}

impl Sink for Recording {
    type Error = core::convert::Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Self::Error> {
        self.0.push(match event {
            Event::Resource { id, value, time } => Recorded::Resource(id, value.to_owned(), time),
            Event::ResourceInstance { id, value, time } => {
                Recorded::ResourceInstance(id, value.to_owned(), time)
            }
            Event::Object(id) => Recorded::Structure(Event::Object(id)),
            Event::Instance(id) => Recorded::Structure(Event::Instance(id)),
            Event::Multiple(id) => Recorded::Structure(Event::Multiple(id)),
            Event::EndMultiple => Recorded::Structure(Event::EndMultiple),
            Event::EndInstance => Recorded::Structure(Event::EndInstance),
            Event::EndObject => Recorded::Structure(Event::EndObject),
        });
        Ok(())
    }
}

/// Definitions in which every data type has its turn, by the last digit of the Resource ID, and
/// those of the Device that the specification's examples have, and 8 and 9 have none.
pub(crate) fn types(object: ObjectId, resource: ResourceId) -> Option<DataType> {
    Some(match (object.get(), resource.get()) {
        (3, 0..=3 | 14 | 16) => DataType::String,
        (3, 6..=11) => DataType::Integer,
        (3, 13) => DataType::Time,
        (_, id) => match id % 10 {
            0 => DataType::String,
            1 | 2 => DataType::Integer,
            3 => DataType::Float,
            4 => DataType::Boolean,
            5 => DataType::Opaque,
            6 => DataType::Time,
            7 => DataType::ObjectLink,
            _ => return None,
        },
    })
}

/// The path that the first byte of the data chooses, and the rest of the data.
pub(crate) fn choose<'a>(
    data: &'a [u8],
    paths: &[&str],
) -> Option<(usize, lwm2m_core::Path, &'a [u8])> {
    let (choice, payload) = data.split_first()?;
    let choice = usize::from(*choice) % paths.len();
    Some((choice, paths[choice].parse().unwrap(), payload))
}
