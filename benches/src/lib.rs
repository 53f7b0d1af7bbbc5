//! What the benchmarks share.

use core::hint::black_box;

use lwm2m_core::{
    InstanceId, ObjectId, ResourceId, ResourceInstanceId, ValueRef,
    codec::{Event, Sink},
};

/// A Register of 161 bytes, the yardstick of parsing: confirmable, message id 0x1234, token
/// 01020304, link-format, four queries, and a list of eleven links.
pub const REGISTER: &[u8] = b"\x44\x02\x12\x34\x01\x02\x03\x04\xb2rd\x11\x28\
    \x3d\x0eep=urn:dev:os:0023C7-000001\x08lt=86400\x09lwm2m=1.0\x03b=U\xff\
    </>;rt=\"oma.lwm2m\";ct=11543,</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>";

/// A Resource as an object keeps it.
enum Held {
    Single(ValueRef<'static>),
    Multiple(&'static [(u16, ValueRef<'static>)]),
}

use Held::{Multiple, Single};
use ValueRef::{Integer, String, Time};

/// The values of the Device.
static DEVICE_VALUES: [(u16, Held); 13] = [
    (0, Single(String("Open Mobile Alliance"))),
    (1, Single(String("Lightweight M2M Client"))),
    (2, Single(String("345000123"))),
    (3, Single(String("1.0"))),
    (6, Multiple(&[(0, Integer(1)), (1, Integer(5))])),
    (7, Multiple(&[(0, Integer(3800)), (1, Integer(5000))])),
    (8, Multiple(&[(0, Integer(125)), (1, Integer(900))])),
    (9, Single(Integer(100))),
    (10, Single(Integer(15))),
    (11, Multiple(&[(0, Integer(0))])),
    (13, Single(Time(1_367_491_215))),
    (14, Single(String("+02:00"))),
    (16, Single(String("U"))),
];

/// Pushes the Device of TS 6.4.3.1, as an object tree does for a Read.
pub fn push_device<S: Sink>(sink: &mut S) -> Result<(), S::Error> {
    let time = None;
    sink.event(Event::Object(ObjectId::DEVICE))?;
    sink.event(Event::Instance(Some(InstanceId::ZERO)))?;
    for (id, held) in black_box(&DEVICE_VALUES) {
        let id = ResourceId::new(*id);
        match held {
            Single(value) => {
                let value = *value;
                sink.event(Event::Resource { id, value, time })?;
            }
            Multiple(values) => {
                sink.event(Event::Multiple(id))?;
                for (id, value) in *values {
                    let (id, value) = (ResourceInstanceId::new(*id), *value);
                    sink.event(Event::ResourceInstance { id, value, time })?;
                }
                sink.event(Event::EndMultiple)?;
            }
        }
    }
    sink.event(Event::EndInstance)?;
    sink.event(Event::EndObject)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_register_is_the_yardstick() {
        assert_eq!(super::REGISTER.len(), 161);
    }
}
