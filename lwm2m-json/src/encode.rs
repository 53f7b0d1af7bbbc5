//! From events to bytes.

use alloc::vec::Vec;

use lwm2m_core::{
    InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Timestamp, ValueRef,
    codec::{EncodeError, Event, Sink, Step},
};

use crate::writer::{Piece, Writer};

/// Writes the events of a payload into a buffer, behind what is there already.
///
/// The payload is there once [`finish`](Self::finish) has returned `Ok`; an encoder that goes away
/// otherwise takes back all that it has written.
///
/// Base Name is the path that the payload answers or is sent to; entries have `n`, the value and
/// `t`, in this order, and nothing is written that could be left out:
///
/// ```
/// use lwm2m_core::{Path, Value, codec::Content};
/// use lwm2m_json::Encoder;
///
/// let device: Path = "/3/0".parse()?;
/// let content = Content::from_iter([
///     ("/3/0/0".parse()?, Value::from("Open Mobile Alliance")),
///     ("/3/0/7/0".parse()?, Value::from(3800)),
/// ]);
/// let mut payload = Vec::new();
/// let mut encoder = Encoder::new(&mut payload, device);
/// content.push(&mut encoder)?;
/// encoder.finish()?;
/// assert_eq!(
///     payload,
///     br#"{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},{"n":"7/0","v":3800}]}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A time is written as `t`, without Base Time: so relative and absolute ones can stand side by
/// side, and all are read as they were written.
///
/// # What JSON cannot carry
///
/// * NaN and infinities, and bytes whose data type is not known ([`ValueRef::Raw`]):
///   [`EncodeError::Value`].
/// * Times that are not finite, absolute ones that are not above zero, relative ones that are:
///   [`EncodeError::Time`].
/// * Instances and multiple Resources that are empty, and empty Objects unless the payload is
///   about this one Object: [`EncodeError::Empty`].
/// * An Object Instance without identifier beside others or without a single Resource, because
///   nothing would tell it from one that has an identifier (see [`decode_create`](crate::decode_create)):
///   [`EncodeError::Structure`]. Resource 65535 of such an Object Instance: [`EncodeError::Value`].
///
/// After an error it refuses every event with that error.
#[derive(Debug)]
pub struct Encoder<'b> {
    out: Writer<'b>,
    base: Path,
    open: Open,
    /// Whether there is something in what was opened last.
    filled: bool,
    names: Names,
    /// How many identifiers at the beginning of a path the names leave out.
    left_out: usize,
    /// Whether there is a value of a single Resource.
    single: bool,
    error: Option<EncodeError>,
}

/// What is open. An Object Instance may have no identifier.
#[derive(Clone, Copy, Debug)]
enum Open {
    /// Nothing can be opened any more.
    Failed,
    Nothing,
    Object(ObjectId),
    Instance(ObjectId, Option<InstanceId>),
    Multiple(ObjectId, Option<InstanceId>, ResourceId),
}

/// Which names the payload has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// None yet, not even the Base Name was written.
    Undecided,
    /// Base Name is the base itself.
    Base,
    /// Base Name is the base and a slash.
    Below,
    /// The same, and the Object Instance is left out.
    Unnamed,
}

impl<'b> Encoder<'b> {
    /// A payload that answers, or is sent to, the path `base`.
    ///
    /// A Read answer that shows linked Objects too (third example of TS 6.4.4) has the base
    /// [`Path::Root`].
    pub fn new(buffer: &'b mut Vec<u8>, base: Path) -> Self {
        Self {
            out: Writer::new(buffer),
            base,
            open: Open::Nothing,
            filled: false,
            names: Names::Undecided,
            left_out: 0,
            single: false,
            error: None,
        }
    }

    /// Writes the end, and leaves the payload in the buffer.
    ///
    /// # Errors
    ///
    /// The error of an event; [`EncodeError::Structure`] if something is open still;
    /// [`EncodeError::Empty`] if there was no value and the base is below an Object. The buffer is
    /// as it was then.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        let Open::Nothing = self.open else {
            return Err(self.error.unwrap_or(EncodeError::Structure(Step::End)));
        };
        if self.names == Names::Undecided {
            if self.base.instance().is_some() {
                return Err(EncodeError::Empty(self.base));
            }
            self.begin(Names::Below);
        } else {
            self.out.take_back(1);
        }
        self.out.text("]}");
        self.out.keep();
        Ok(())
    }
}

impl Sink for Encoder<'_> {
    type Error = EncodeError;

    #[inline(always)]
    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        let taken = match &event {
            Event::Resource { id, value, time } => self.resource(*id, value, time.as_ref()),
            Event::ResourceInstance { id, value, time } => {
                self.resource_instance(*id, value, time.as_ref())
            }
            _ => self.structure(&event),
        };
        taken.map_err(|error| self.fail(error))
    }
}

/// What each event does.
impl Encoder<'_> {
    /// Keeps the first error; nothing is taken any more.
    #[cold]
    fn fail(&mut self, error: EncodeError) -> EncodeError {
        self.open = Open::Failed;
        *self.error.get_or_insert(error)
    }

    /// Opens or closes something.
    #[inline(always)]
    fn structure(&mut self, event: &Event<'_>) -> Result<(), EncodeError> {
        match (*event, self.open) {
            (Event::Object(object), Open::Nothing) => {
                inside(self.base.object(), object, Path::Object(object))?;
                self.open(Open::Object(object));
                Ok(())
            }
            (Event::Instance(instance), Open::Object(object)) => self.instance(object, instance),
            (Event::Multiple(resource), Open::Instance(object, instance)) => {
                let path = resource_path(object, instance, resource);
                inside(self.base.resource(), resource, path)?;
                self.open(Open::Multiple(object, instance, resource));
                Ok(())
            }
            (Event::EndObject | Event::EndInstance | Event::EndMultiple, _) => self.close(event),
            _ => Err(EncodeError::Structure(event.step())),
        }
    }

    /// Opens what has content of its own.
    fn open(&mut self, open: Open) {
        self.open = open;
        self.filled = false;
    }

    /// Opens an Object Instance.
    fn instance(
        &mut self,
        object: ObjectId,
        instance: Option<InstanceId>,
    ) -> Result<(), EncodeError> {
        let possible = match instance {
            Some(instance) => {
                let path = Path::Instance(object, instance);
                inside(self.base.instance(), instance, path)?;
                self.names != Names::Unnamed
            }
            None => self.base == Path::Object(object) && self.names == Names::Undecided,
        };
        if !possible {
            return Err(EncodeError::Structure(Step::Instance));
        }
        self.open(Open::Instance(object, instance));
        Ok(())
    }

    /// Closes what is open.
    fn close(&mut self, end: &Event<'_>) -> Result<(), EncodeError> {
        let structure = EncodeError::Structure(end.step());
        let (path, outer) = match (end, self.open) {
            (Event::EndObject, Open::Object(object)) => (Path::Object(object), Open::Nothing),
            (Event::EndInstance, Open::Instance(object, instance)) => {
                (instance_path(object, instance), Open::Object(object))
            }
            (Event::EndMultiple, Open::Multiple(object, instance, resource)) => (
                resource_path(object, instance, resource),
                Open::Instance(object, instance),
            ),
            _ => return Err(structure),
        };
        let whole_object = matches!(end, Event::EndObject) && path == self.base;
        if !self.filled && !whole_object {
            return Err(EncodeError::Empty(path));
        }
        if let (Event::EndInstance, Names::Unnamed, false) = (end, self.names, self.single) {
            return Err(structure);
        }
        self.open = outer;
        Ok(())
    }

    /// Writes the entry of a Resource.
    #[inline]
    fn resource(
        &mut self,
        id: ResourceId,
        value: &ValueRef<'_>,
        time: Option<&Timestamp>,
    ) -> Result<(), EncodeError> {
        let Open::Instance(object, instance) = self.open else {
            return Err(EncodeError::Structure(Step::Resource));
        };
        let names = match self.base {
            Path::Resource(_, _, base) if base == id => Names::Base,
            Path::Resource(..) | Path::ResourceInstance(..) => {
                return Err(EncodeError::OutsidePath(resource_path(
                    object, instance, id,
                )));
            }
            _ => Names::of(object, instance, id)?,
        };
        // Once the Base Name ends with a slash, no name after it is the base.
        if names == Names::Base && self.names == Names::Below {
            return Err(EncodeError::Structure(Step::Resource));
        }
        self.single = true;
        let parent = instance.unwrap_or(InstanceId::ZERO);
        let ids = [object.get(), parent.get(), id.get()];
        self.entry(names, &ids, value, time)
    }

    /// Writes the entry of a Resource Instance.
    #[inline]
    fn resource_instance(
        &mut self,
        id: ResourceInstanceId,
        value: &ValueRef<'_>,
        time: Option<&Timestamp>,
    ) -> Result<(), EncodeError> {
        let Open::Multiple(object, instance, resource) = self.open else {
            return Err(EncodeError::Structure(Step::ResourceInstance));
        };
        let parent = instance.unwrap_or(InstanceId::ZERO);
        let names = match self.base {
            Path::ResourceInstance(.., base) if base == id => Names::Base,
            Path::ResourceInstance(..) => {
                let path = Path::ResourceInstance(object, parent, resource, id);
                return Err(EncodeError::OutsidePath(path));
            }
            _ => Names::of(object, instance, resource)?,
        };
        let ids = [object.get(), parent.get(), resource.get(), id.get()];
        self.entry(names, &ids, value, time)
    }

    /// Writes what comes before the first entry.
    #[cold]
    fn begin(&mut self, names: Names) {
        self.names = names;
        self.left_out = match names {
            Names::Unnamed => 2,
            _ => self.base.depth(),
        };
        // An Object Instance has some hundred bytes: a new buffer need not grow often.
        self.out.begin(match self.base {
            Path::Root | Path::Object(_) | Path::Instance(..) => 512,
            Path::Resource(..) | Path::ResourceInstance(..) => 64,
        });
        self.out.text("{\"bn\":\"");
        for id in self.base.segments() {
            self.out.text("/");
            self.out.id(id);
        }
        self.out.text(match names {
            Names::Base => "\",\"e\":[",
            _ => "/\",\"e\":[",
        });
    }

    /// Writes an entry and a comma. `ids` are those of its path.
    #[inline]
    fn entry(
        &mut self,
        names: Names,
        ids: &[u16],
        value: &ValueRef<'_>,
        time: Option<&Timestamp>,
    ) -> Result<(), EncodeError> {
        if self.names == Names::Undecided {
            self.begin(names);
        }
        // Told apart here, so that the usual ones need not be put into memory to be handed on.
        match *value {
            ValueRef::Integer(number) | ValueRef::Time(number) => self.integer(ids, number),
            ValueRef::String(text) => self.string(ids, text),
            value => self.other(ids, value)?,
        }
        if let Some(time) = time {
            self.time(ids, *time)?;
        }
        self.filled = true;
        Ok(())
    }

    fn integer(&mut self, ids: &[u16], number: i64) {
        let head = self.head(ids);
        self.out.piece(|piece| {
            head.write(piece, "\",\"v\":");
            piece.integer(number);
            piece.text("},");
        });
    }

    fn string(&mut self, ids: &[u16], text: &str) {
        let head = self.head(ids);
        self.out.piece(|piece| head.write(piece, "\",\"sv\":\""));
        self.out.string(text);
        self.out.text("\"},");
    }

    #[inline(never)]
    fn other(&mut self, ids: &[u16], value: ValueRef<'_>) -> Result<(), EncodeError> {
        let head = self.head(ids);
        let out = &mut self.out;
        match value {
            ValueRef::Float(number) if number.is_finite() => {
                out.piece(|piece| head.write(piece, "\",\"v\":"));
                out.float(number);
                out.text("},");
            }
            ValueRef::Boolean(truth) => out.piece(|piece| {
                head.write(piece, "\",\"bv\":");
                piece.text(if truth { "true}," } else { "false}," });
            }),
            ValueRef::Opaque(bytes) => {
                out.piece(|piece| head.write(piece, "\",\"sv\":\""));
                out.base64(bytes).ok_or_else(|| unwritable_value(ids))?;
                out.text("\"},");
            }
            ValueRef::ObjectLink(link) => out.piece(|piece| {
                head.write(piece, "\",\"ov\":\"");
                piece.id(link.object);
                piece.text(":");
                piece.id(link.instance);
                piece.text("\"},");
            }),
            _ => return Err(unwritable_value(ids)),
        }
        Ok(())
    }

    /// Adds the time to the entry that was written last.
    #[inline(never)]
    fn time(&mut self, ids: &[u16], time: Timestamp) -> Result<(), EncodeError> {
        let seconds = seconds(time).ok_or_else(|| EncodeError::Time(path(ids)))?;
        self.out.take_back(2);
        self.out.text(",\"t\":");
        self.out.seconds(seconds);
        self.out.text("},");
        Ok(())
    }

    #[inline(always)]
    fn head<'i>(&self, ids: &'i [u16]) -> Head<'i> {
        Head {
            slash: self.names == Names::Base,
            ids: ids.get(self.left_out..).unwrap_or_default(),
        }
    }
}

impl Names {
    /// The names of what is below the base: of this Resource in this Object Instance.
    #[inline]
    fn of(
        object: ObjectId,
        instance: Option<InstanceId>,
        resource: ResourceId,
    ) -> Result<Self, EncodeError> {
        match instance {
            Some(_) => Ok(Self::Below),
            None => Self::unnamed(object, resource),
        }
    }

    /// Without the Object Instance, the Resource is where that should be: 65535 cannot be read there.
    #[cold]
    fn unnamed(object: ObjectId, resource: ResourceId) -> Result<Self, EncodeError> {
        match InstanceId::new(resource.get()) {
            Some(_) => Ok(Self::Unnamed),
            None => Err(EncodeError::Value(resource_path(object, None, resource))),
        }
    }
}

/// The beginning of an entry, up to its value.
struct Head<'i> {
    /// Whether the name begins with a slash.
    slash: bool,
    /// The identifiers of the name; without one there is no name.
    ids: &'i [u16],
}

impl Head<'_> {
    /// `field` starts with the end of the name.
    #[inline(always)]
    fn write(&self, piece: &mut Piece<'_>, field: &'static str) {
        if let [first, rest @ ..] = self.ids {
            piece.text("{\"n\":\"");
            if self.slash {
                piece.text("/");
            }
            piece.id(*first);
            for id in rest {
                piece.text("/");
                piece.id(*id);
            }
            piece.text(field);
        } else {
            piece.text("{");
            piece.text(field.get(2..).unwrap_or(field));
        }
    }
}

#[cold]
fn unwritable_value(ids: &[u16]) -> EncodeError {
    EncodeError::Value(path(ids))
}

/// The path of an entry, for an error.
fn path(ids: &[u16]) -> Path {
    Path::of(ids).unwrap_or(Path::Root)
}

/// A time as `t` says it, if it can.
fn seconds(time: Timestamp) -> Option<f64> {
    let (seconds, possible) = match time {
        Timestamp::Absolute(seconds) => (seconds, seconds > 0.0),
        Timestamp::Relative(seconds) => (seconds, seconds <= 0.0),
    };
    (possible && seconds.is_finite()).then_some(seconds)
}

fn instance_path(object: ObjectId, instance: Option<InstanceId>) -> Path {
    instance.map_or(Path::Object(object), |id| Path::Instance(object, id))
}

/// The path of a Resource; in an instance without identifier, as if it were instance 0.
fn resource_path(object: ObjectId, instance: Option<InstanceId>, resource: ResourceId) -> Path {
    Path::Resource(object, instance.unwrap_or(InstanceId::ZERO), resource)
}

/// Checks that an identifier is the one of the base, if the base has one.
#[inline]
fn inside<T: PartialEq + Copy>(base: Option<T>, id: T, path: Path) -> Result<(), EncodeError> {
    match base {
        Some(base) if base != id => Err(EncodeError::OutsidePath(path)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
