use lwm2m_core::{DataType, ObjectId, ResourceId, codec::Events};

/// The events that were pushed, in a form to compare: here NaN equals NaN, and -0 isn't 0.
pub(crate) fn lines(events: &Events) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}")).collect()
}

/// Whether there is no value.
pub(crate) fn is_empty(events: &Events) -> bool {
    events.iter().all(|event| event.value().is_none())
}

/// The last digit of the Resource ID chooses the data type, except for the Resources of the Device
/// in the specification's examples. 8 and 9 have no definition.
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

/// The path that the first byte chooses, and the other bytes.
pub(crate) fn choose<'a>(
    data: &'a [u8],
    paths: &[&str],
) -> Option<(usize, lwm2m_core::Path, &'a [u8])> {
    let (choice, payload) = data.split_first()?;
    let choice = usize::from(*choice) % paths.len();
    Some((choice, paths[choice].parse().unwrap(), payload))
}
