//! From a payload to its events.

use lwm2m_core::{
    DataType, InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, ValueRef,
    codec::{DecodeFailure, Event, Purpose, Scope, Sink, TypeLookup},
};

use crate::{
    error::{DecodeError, Problem},
    kind::{Kind, Kinds},
    reader::{Reader, Tlv},
    value,
};

/// Reads a payload and pushes it into `sink`.
///
/// The events are absolute and in the order of [`lwm2m_core::codec`]; the [crate](crate) says
/// which shapes a path has. Values borrow from the payload, and have the data types that `types`
/// tells; a Resource without one is handed on as [`ValueRef::Raw`]. An Object Instance or a
/// multiple Resource that occurs twice is opened twice.
///
/// In a Create (TS 5.4.6), Resources may stand without an Object Instance around them: they belong
/// to one whose identifier the client is to choose, [`Event::Instance`] with `None`. An empty
/// payload asks for such an Object Instance without any Resource.
/// [`WithInstance`](lwm2m_core::codec::WithInstance) gives it an identifier on its way into a
/// [`Content`](lwm2m_core::codec::Content), where everything has a path.
///
/// The sink has got all that stands before an error. It is for the sink to apply a whole payload or
/// nothing.
///
/// ```
/// use lwm2m_core::{ObjectId, codec::{Event, Events, Scope, Untyped}};
/// use lwm2m_tlv::decode;
///
/// let create = Scope::create(ObjectId::SERVER);
/// for (payload, instance) in [
///     (&[0xC1, 0x00, 0x01][..], None),
///     (&[0x03, 0x05, 0xC1, 0x00, 0x01], Some(5.try_into()?)),
/// ] {
///     let mut events = Events::new();
///     decode(payload, create, &Untyped, &mut events)?;
///     assert!(events.iter().any(|event| event == Event::Instance(instance)));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`DecodeFailure::Malformed`] with the offset of what is wrong, or what the sink refuses.
pub fn decode<S: Sink + ?Sized>(
    payload: &[u8],
    scope: Scope,
    types: &(impl TypeLookup + ?Sized),
    sink: &mut S,
) -> Result<(), DecodeFailure<DecodeError, S::Error>> {
    let reader = Reader::new(payload);
    let base = scope.base();
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
        _ if scope.purpose() == Purpose::Create => walk.created_instances(reader)?,
        _ => walk.instances(reader)?,
    }
    walk.push(Event::EndObject)
}

/// What stays the same throughout a payload. Each level of nesting is a function of its own, so there
/// are three and never more.
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

    /// The payload of a Create: Object Instance TLVs, or the Resources of one without an identifier.
    fn created_instances(&mut self, reader: Reader<'_>) -> Outcome<S> {
        match reader.peek() {
            Some(Kind::ObjectInstance) => self.instances(reader),
            None | Some(Kind::Resource | Kind::MultipleResource) => self.instance(None, &reader),
            Some(Kind::ResourceInstance) => {
                unexpected(reader, Kinds::INSTANCES.or(Kinds::RESOURCES))
            }
        }
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
        // A copy stays in registers; the parameter is in the caller's memory.
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

/// The only TLV of a payload, which has the identifier of the path.
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

/// The error that the next TLV may not stand here.
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
