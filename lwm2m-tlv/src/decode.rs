//! From a payload to its events.

use lwm2m_core::{
    DataType, InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, ValueRef,
    codec::{DecodeFailure, Event, Sink, TypeLookup},
};

use crate::{DecodeError, Kind, Kinds, Problem, Reader, Tlv, value};

/// Reads the payload of a request or answer of this path, and pushes it into `sink`.
///
/// The events are absolute and in the order of [`lwm2m_core::codec`]; the [crate](crate) says
/// which shapes a path has. Values borrow from the payload, and have the data types that `types`
/// tells; a Resource without one is handed on as [`ValueRef::Raw`]. An Object Instance or a
/// multiple Resource that occurs twice is opened twice.
///
/// The sink has seen all that stands before an error. It is for the sink to apply a payload only
/// if it came to its end.
///
/// The payload of a Create on an Object is read by [`decode_create`].
///
/// # Errors
///
/// [`DecodeFailure::Malformed`] with the offset of what is wrong, or what the sink refused.
pub fn decode<S: Sink + ?Sized>(
    payload: &[u8],
    base: Path,
    types: &(impl TypeLookup + ?Sized),
    sink: &mut S,
) -> Result<(), DecodeFailure<DecodeError, S::Error>> {
    let reader = Reader::new(payload);
    let (Path::Object(object) | Path::Instance(object, _) | Path::Resource(object, ..)) = base
    else {
        return Err(DecodeFailure::Malformed(Problem::Base(base).at(0)));
    };
    let mut walk = Walk {
        object,
        types,
        sink,
    };
    walk.push(Event::Object(object))?;
    match base {
        Path::Instance(_, instance) => walk.instance_payload(instance, reader)?,
        Path::Resource(_, instance, resource) => {
            walk.push(Event::Instance(Some(instance)))?;
            walk.resource_payload(resource, reader)?;
            walk.push(Event::EndInstance)?;
        }
        _ => walk.instances(reader)?,
    }
    walk.push(Event::EndObject)
}

/// Reads the payload of a Create on an Object (TS 5.4.6), and pushes it into `sink`.
///
/// The same as [`decode`] of the Object's path, but that Resources may stand without an Object
/// Instance around them: they belong to one whose identifier the client is to choose,
/// [`Event::Instance`] with `None`. An empty payload asks for such an Object Instance without any
/// Resource. [`WithInstance`](lwm2m_core::codec::WithInstance) gives it an identifier on its way into
/// a [`Content`](lwm2m_core::codec::Content), where all has a path.
///
/// ```
/// use lwm2m_core::{ObjectId, codec::{Event, Sink, Untyped}};
/// use lwm2m_tlv::decode_create;
///
/// struct Ids(Vec<Option<u16>>);
///
/// impl Sink for Ids {
///     type Error = core::convert::Infallible;
///
///     fn event(&mut self, event: Event<'_>) -> Result<(), Self::Error> {
///         if let Event::Instance(id) = event {
///             self.0.push(id.map(u16::from));
///         }
///         Ok(())
///     }
/// }
///
/// let mut ids = Ids(Vec::new());
/// decode_create(&[0xC1, 0x00, 0x01], ObjectId::SERVER, &Untyped, &mut ids)?;
/// decode_create(&[0x03, 0x05, 0xC1, 0x00, 0x01], ObjectId::SERVER, &Untyped, &mut ids)?;
/// assert_eq!(ids.0, [None, Some(5)]);
/// # Ok::<(), lwm2m_core::codec::DecodeFailure<lwm2m_tlv::DecodeError, std::convert::Infallible>>(())
/// ```
///
/// # Errors
///
/// As [`decode`].
pub fn decode_create<S: Sink + ?Sized>(
    payload: &[u8],
    object: ObjectId,
    types: &(impl TypeLookup + ?Sized),
    sink: &mut S,
) -> Result<(), DecodeFailure<DecodeError, S::Error>> {
    let reader = Reader::new(payload);
    let mut walk = Walk {
        object,
        types,
        sink,
    };
    walk.push(Event::Object(object))?;
    match reader.peek() {
        Some(Kind::ObjectInstance) => walk.instances(reader)?,
        None | Some(Kind::Resource | Kind::MultipleResource) => walk.instance(None, &reader)?,
        Some(Kind::ResourceInstance) => {
            unexpected(reader, Kinds::INSTANCES.or(Kinds::RESOURCES))?;
        }
    }
    walk.push(Event::EndObject)
}

/// What stays the same on the way through a payload. Each level of nesting is a function of its
/// own, so there are three and never more.
struct Walk<'w, T: ?Sized, S: ?Sized> {
    object: ObjectId,
    types: &'w T,
    sink: &'w mut S,
}

type Outcome<S> = Result<(), DecodeFailure<DecodeError, <S as Sink>::Error>>;

impl<T: TypeLookup + ?Sized, S: Sink + ?Sized> Walk<'_, T, S> {
    /// The payload of an Object's path: Object Instance TLVs.
    fn instances(&mut self, mut reader: Reader<'_>) -> Outcome<S> {
        while let Some(tlv) = reader.pull() {
            let tlv = tlv.map_err(DecodeFailure::Malformed)?;
            if tlv.kind != Kind::ObjectInstance {
                return malformed(tlv.unexpected(Kinds::INSTANCES));
            }
            let Some(id) = InstanceId::new(tlv.id) else {
                return malformed(Problem::ReservedId.at(tlv.offset));
            };
            self.instance(Some(id), &tlv.contents(Kinds::RESOURCES))?;
        }
        Ok(())
    }

    /// The payload of an Object Instance's path: Resources, or one Object Instance around them.
    fn instance_payload(&mut self, instance: InstanceId, reader: Reader<'_>) -> Outcome<S> {
        match reader.peek() {
            None | Some(Kind::Resource | Kind::MultipleResource) => {
                self.instance(Some(instance), &reader)
            }
            Some(Kind::ObjectInstance) => {
                let tlv = only(reader, instance.get())?;
                self.instance(Some(instance), &tlv.contents(Kinds::RESOURCES))
            }
            Some(Kind::ResourceInstance) => {
                unexpected(reader, Kinds::INSTANCES.or(Kinds::RESOURCES))
            }
        }
    }

    /// The payload of a Resource's path: one TLV of it, or its Resource Instances.
    fn resource_payload(&mut self, resource: ResourceId, reader: Reader<'_>) -> Outcome<S> {
        match reader.peek() {
            None => malformed(Problem::Missing.at(0)),
            Some(Kind::Resource | Kind::MultipleResource) => {
                only(reader.clone(), resource.get())?;
                self.resources(&reader)
            }
            Some(Kind::ResourceInstance) => self.multiple(resource, reader),
            Some(Kind::ObjectInstance) => {
                unexpected(reader, Kinds::RESOURCES.or(Kinds::RESOURCE_INSTANCES))
            }
        }
    }

    /// An Object Instance with these Resources and multiple Resources.
    fn instance(&mut self, id: Option<InstanceId>, resources: &Reader<'_>) -> Outcome<S> {
        self.push(Event::Instance(id))?;
        self.resources(resources)?;
        self.push(Event::EndInstance)
    }

    /// Resources and multiple Resources.
    fn resources(&mut self, reader: &Reader<'_>) -> Outcome<S> {
        // Kept in registers: the parameter is in the caller's memory, and each step would go there.
        let mut reader = reader.clone();
        while let Some(tlv) = reader.pull() {
            let tlv = tlv.map_err(DecodeFailure::Malformed)?;
            let id = ResourceId::new(tlv.id);
            match tlv.kind {
                Kind::Resource => {
                    let data_type = self.types.data_type(self.object, id);
                    self.value(&tlv, data_type, |value| Event::Resource {
                        id,
                        value,
                        time: None,
                    })?;
                }
                Kind::MultipleResource => {
                    self.multiple(id, tlv.contents(Kinds::RESOURCE_INSTANCES))?;
                }
                _ => return malformed(tlv.unexpected(Kinds::RESOURCES)),
            }
        }
        Ok(())
    }

    /// A multiple Resource with these Resource Instances.
    fn multiple(&mut self, resource: ResourceId, mut instances: Reader<'_>) -> Outcome<S> {
        let data_type = self.types.data_type(self.object, resource);
        self.push(Event::Multiple(resource))?;
        while let Some(tlv) = instances.pull() {
            let tlv = tlv.map_err(DecodeFailure::Malformed)?;
            if tlv.kind != Kind::ResourceInstance {
                return malformed(tlv.unexpected(Kinds::RESOURCE_INSTANCES));
            }
            let id = ResourceInstanceId::new(tlv.id);
            self.value(&tlv, data_type, |value| Event::ResourceInstance {
                id,
                value,
                time: None,
            })?;
        }
        self.push(Event::EndMultiple)
    }

    /// The value of a Resource or of a Resource Instance, in its event.
    #[inline]
    fn value<'a>(
        &mut self,
        tlv: &Tlv<'a>,
        data_type: Option<DataType>,
        event: impl Fn(ValueRef<'a>) -> Event<'a>,
    ) -> Outcome<S> {
        match data_type {
            Some(data_type) => value::read(tlv.value, data_type, |value| self.push(event(value)))
                .unwrap_or_else(|| malformed(tlv.problem(data_type))),
            None => self.push(event(ValueRef::Raw(tlv.value))),
        }
    }

    #[inline]
    fn push(&mut self, event: Event<'_>) -> Outcome<S> {
        self.sink.event(event).map_err(DecodeFailure::Sink)
    }
}

type Walked<T, E> = Result<T, DecodeFailure<DecodeError, E>>;

/// The only TLV of a payload, that of what the path names.
fn only<E>(mut reader: Reader<'_>, expected: u16) -> Walked<Tlv<'_>, E> {
    let tlv = match reader.pull() {
        Some(tlv) => tlv.map_err(DecodeFailure::Malformed)?,
        None => return malformed(Problem::Missing.at(reader.offset())),
    };
    if tlv.id != expected {
        let found = tlv.id;
        return malformed(Problem::Id { found, expected }.at(tlv.offset));
    }
    match reader.peek() {
        None => Ok(tlv),
        Some(_) => malformed(Problem::Trailing.at(reader.offset())),
    }
}

/// The next TLV may not stand here, whatever is in it.
fn unexpected<E>(mut reader: Reader<'_>, expected: Kinds) -> Walked<(), E> {
    match reader.pull() {
        Some(Ok(tlv)) => malformed(tlv.unexpected(expected)),
        Some(Err(error)) => malformed(error),
        None => Ok(()),
    }
}

#[cold]
const fn malformed<T, E>(error: DecodeError) -> Walked<T, E> {
    Err(DecodeFailure::Malformed(error))
}
