//! From events to bytes.

mod entry;

use alloc::vec::Vec;

use lwm2m_core::{
    InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Timestamp, ValueRef,
    codec::{EncodeError, Event, Purpose, Scope, Sink, Step},
};

use self::entry::{EntryWriter, Uncarried};
use crate::{
    scope::carries,
    writer::{Prefix, Writer},
};

/// The sink that writes a payload.
///
/// The payload is appended to the buffer and is complete once [`finish`](Self::finish) has returned
/// `Ok`. If the encoder is dropped without that, the buffer is as it was. After an error it refuses
/// every event with that error.
///
/// Base Name is the path of the scope; entries have `n`, the value and `t`, in this order, and
/// whatever can be left out is:
///
/// ```
/// use lwm2m_core::{Value, codec::{Content, Scope}};
/// use lwm2m_json::Encoder;
///
/// let device = Scope::answer("/3/0".parse()?);
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
/// A time is written as `t`, without Base Time. So relative and absolute times can stand side by
/// side, and all read back as they were written.
///
/// The answer to a Read that has linked Objects too (third example of TS 6.4.4) is an answer about
/// the root.
///
/// # What JSON can't carry
///
/// * NaN and infinities, and bytes whose data type isn't known ([`ValueRef::Raw`]):
///   [`EncodeError::Value`].
/// * Times that aren't finite, absolute ones that aren't above zero, relative ones that are:
///   [`EncodeError::Time`].
/// * Object Instances and multiple Resources that are empty, and empty Objects unless the payload is
///   about this one Object: [`EncodeError::Empty`]. To leave them out of what is to be written would
///   mean something else. An answer leaves them out, unless it is about the multiple Resource itself.
/// * An Object Instance without identifier beside others or without a single Resource, because
///   nothing would distinguish it from one that has an identifier (see [`decode`](crate::decode)):
///   [`EncodeError::Structure`]. Resource 65535 of such an Object Instance: [`EncodeError::Value`].
/// * Paths without values: [`EncodeError::Structure`].
///
/// An answer leaves out the empty Resource 2:
///
/// ```
/// use lwm2m_core::{Path, ValueRef, codec::{Event, Scope, Sink}};
/// use lwm2m_json::Encoder;
///
/// let instance: Path = "/2/4".parse()?;
/// let mut payload = Vec::new();
/// let mut encoder = Encoder::new(&mut payload, Scope::answer(instance));
/// for event in [
///     Event::Object(2.into()),
///     Event::Instance(instance.instance()),
///     Event::Multiple(2.into()),
///     Event::EndMultiple,
///     Event::Resource { id: 3.into(), value: ValueRef::Integer(65535), time: None },
///     Event::EndInstance,
///     Event::EndObject,
/// ] {
///     encoder.event(event)?;
/// }
/// encoder.finish()?;
/// assert_eq!(payload, br#"{"bn":"/2/4/","e":[{"n":"3","v":65535}]}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub struct Encoder<'b> {
    entries: EntryWriter<'b>,
    base: Path,
    place: Place,
    known: Known,
    /// The identifiers of what is open: Object, Object Instance, multiple Resource.
    ids: [u16; 3],
    /// Whether the Object Instance that is open has no identifier; 0 stands for it.
    without_id: bool,
    /// Whether what was opened last has something in it.
    filled: bool,
    names: Names,
    /// How many identifiers the names leave out at the beginning of a path.
    left_out: usize,
    /// Whether there has been a value of a single Resource.
    single: bool,
    /// Whether what is empty is left out.
    leaves_out: bool,
    error: Option<EncodeError>,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Payload,
    Object,
    Instance,
    Multiple,
    /// After an error, or if there is no payload of the scope.
    Failed,
}

/// Which values are known to be allowed here, whatever their identifiers: one was allowed since
/// something was opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Resources,
    ResourceInstances,
}

/// Which names the payload has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// None yet: not even the Base Name was written.
    Undecided,
    /// Base Name is the base itself.
    Base,
    /// Base Name is the base and a slash.
    Below,
    /// The same, and the Object Instance is left out.
    Unnamed,
}

impl<'b> Encoder<'b> {
    /// Begins a payload at the end of the buffer.
    #[inline]
    pub fn new(buffer: &'b mut Vec<u8>, scope: Scope) -> Self {
        let base = scope.base();
        Self {
            entries: EntryWriter::new(Writer::new(buffer)),
            base,
            place: if carries(scope) {
                Place::Payload
            } else {
                Place::Failed
            },
            known: Known::Nothing,
            ids: [0; 3],
            without_id: false,
            filled: false,
            names: Names::Undecided,
            left_out: 0,
            single: false,
            leaves_out: scope.purpose() == Purpose::Answer && base.depth() < 3,
            error: None,
        }
    }

    /// Ends the payload and leaves it in the buffer.
    ///
    /// # Errors
    ///
    /// The error of an event; [`EncodeError::Structure`] if something is still open;
    /// [`EncodeError::Empty`] if there was no value and the path of the scope is below an Object, for
    /// an answer below an Object Instance. Then the buffer is as it was.
    #[inline]
    pub fn finish(mut self) -> Result<(), EncodeError> {
        self.end()
    }

    /// [`finish`](Self::finish), without moving the encoder.
    fn end(&mut self) -> Result<(), EncodeError> {
        if self.place != Place::Payload {
            return Err(self.error.unwrap_or(EncodeError::Structure(Step::End)));
        }
        if self.names == Names::Undecided {
            if self.base.instance().is_some() && !self.leaves_out {
                return Err(EncodeError::Empty(self.base));
            }
            self.begin(Names::Below);
        } else {
            self.entries.out.take_back(1);
        }
        self.entries.out.text("]}");
        self.entries.out.keep();
        Ok(())
    }
}

impl Sink for Encoder<'_> {
    type Error = EncodeError;

    #[inline(always)]
    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        let taken = match event {
            Event::Object(id) => self.object(id),
            Event::Instance(id) => self.instance(id),
            Event::Resource { id, value, time } => self.resource(id, value, time),
            Event::Multiple(id) => self.multiple(id),
            Event::ResourceInstance { id, value, time } => self.resource_instance(id, value, time),
            Event::EndMultiple => self.end_multiple(),
            Event::EndInstance => self.end_instance(),
            Event::EndObject => self.end_object(),
            other => Err(self.fail(EncodeError::Structure(other.step()))),
        };
        taken.map_err(|Failed| self.failure())
    }
}

/// An error; the encoder keeps it.
struct Failed;

/// What each event does.
impl Encoder<'_> {
    fn object(&mut self, id: ObjectId) -> Result<(), Failed> {
        self.expect(Place::Payload, Step::Object)?;
        let [object, ..] = &mut self.ids;
        *object = id.get();
        if self.base.object().is_some_and(|base| base != id) {
            return Err(self.fail(EncodeError::OutsidePath(Path::Object(id))));
        }
        self.open(Place::Object);
        Ok(())
    }

    fn instance(&mut self, id: Option<InstanceId>) -> Result<(), Failed> {
        self.expect(Place::Object, Step::Instance)?;
        let [object, instance, _] = &mut self.ids;
        let object = ObjectId::new(*object);
        *instance = id.map_or(0, InstanceId::get);
        self.without_id = id.is_none();
        self.entries.named = false;
        let possible = match (id, self.base.instance()) {
            (Some(id), Some(base)) if id != base => {
                let path = Path::Instance(object, id);
                return Err(self.fail(EncodeError::OutsidePath(path)));
            }
            (Some(_), _) => self.names != Names::Unnamed,
            (None, _) => self.base == Path::Object(object) && self.names == Names::Undecided,
        };
        if !possible {
            return Err(self.fail(EncodeError::Structure(Step::Instance)));
        }
        self.open(Place::Instance);
        Ok(())
    }

    #[inline]
    fn resource(
        &mut self,
        id: ResourceId,
        value: ValueRef<'_>,
        time: Option<Timestamp>,
    ) -> Result<(), Failed> {
        if self.known != Known::Resources {
            self.first_resource(id)?;
        }
        self.entry(None, id.get(), value, time)
    }

    fn multiple(&mut self, id: ResourceId) -> Result<(), Failed> {
        self.expect(Place::Instance, Step::Multiple)?;
        if self.base.resource().is_some_and(|base| base != id) {
            return Err(self.outside(id.get()));
        }
        let [.., multiple] = &mut self.ids;
        *multiple = id.get();
        self.open(Place::Multiple);
        Ok(())
    }

    #[inline]
    fn resource_instance(
        &mut self,
        id: ResourceInstanceId,
        value: ValueRef<'_>,
        time: Option<Timestamp>,
    ) -> Result<(), Failed> {
        if self.known != Known::ResourceInstances {
            self.first_resource_instance(id)?;
        }
        let [.., multiple] = self.ids;
        let parent = (self.left_out < self.ids.len()).then_some(multiple);
        self.entry(parent, id.get(), value, time)
    }

    /// Writes an entry; see [`EntryWriter::entry`].
    #[inline(always)]
    fn entry(
        &mut self,
        parent: Option<u16>,
        id: u16,
        value: ValueRef<'_>,
        time: Option<Timestamp>,
    ) -> Result<(), Failed> {
        match self.entries.entry(parent, id, value, time) {
            Ok(()) => {
                self.filled = true;
                Ok(())
            }
            Err(part) => Err(self.uncarried(part, id)),
        }
    }

    fn end_multiple(&mut self) -> Result<(), Failed> {
        self.expect(Place::Multiple, Step::EndMultiple)?;
        self.close(Place::Instance)
    }

    fn end_instance(&mut self) -> Result<(), Failed> {
        self.expect(Place::Instance, Step::EndInstance)?;
        self.close(Place::Object)?;
        if self.names == Names::Unnamed && !self.single {
            return Err(self.fail(EncodeError::Structure(Step::EndInstance)));
        }
        Ok(())
    }

    fn end_object(&mut self) -> Result<(), Failed> {
        self.expect(Place::Object, Step::EndObject)?;
        if let (Path::Object(base), [object, ..]) = (self.base, self.ids) {
            // If the payload is about this one Object, it may be empty.
            self.filled |= base.get() == object;
        }
        self.close(Place::Payload)
    }

    #[inline]
    fn open(&mut self, place: Place) {
        self.place = place;
        self.known = Known::Nothing;
        self.filled = false;
    }

    /// Closes the place that is open; `outer` is around it.
    #[inline]
    fn close(&mut self, outer: Place) -> Result<(), Failed> {
        if !self.filled && !self.leaves_out {
            return Err(self.fail(EncodeError::Empty(self.place_path())));
        }
        self.place = outer;
        self.known = Known::Nothing;
        Ok(())
    }

    /// Checks a Resource that isn't known to be allowed here.
    #[inline(never)]
    fn first_resource(&mut self, id: ResourceId) -> Result<(), Failed> {
        self.expect(Place::Instance, Step::Resource)?;
        let names = match self.base {
            Path::Resource(_, _, base) if base == id => Names::Base,
            Path::Resource(..) | Path::ResourceInstance(..) => return Err(self.outside(id.get())),
            _ => self.names_below(id.get())?,
        };
        // Once the Base Name ends with a slash, no name after it is the base.
        if names == Names::Base && self.names == Names::Below {
            return Err(self.fail(EncodeError::Structure(Step::Resource)));
        }
        self.begin_entry(names);
        self.single = true;
        if names == Names::Below {
            self.known = Known::Resources;
        }
        Ok(())
    }

    /// Checks a Resource Instance that isn't known to be allowed here.
    #[inline(never)]
    fn first_resource_instance(&mut self, id: ResourceInstanceId) -> Result<(), Failed> {
        self.expect(Place::Multiple, Step::ResourceInstance)?;
        let [.., multiple] = self.ids;
        let names = match self.base {
            Path::ResourceInstance(.., base) if base == id => Names::Base,
            Path::ResourceInstance(..) => return Err(self.outside(id.get())),
            _ => self.names_below(multiple)?,
        };
        self.begin_entry(names);
        if names != Names::Base {
            self.known = Known::ResourceInstances;
        }
        Ok(())
    }

    /// The names of what is below the base: of this Resource in the Object Instance that is open.
    fn names_below(&mut self, resource: u16) -> Result<Names, Failed> {
        match InstanceId::new(resource) {
            _ if !self.without_id => Ok(Names::Below),
            Some(_) => Ok(Names::Unnamed),
            // The Resource stands where the Object Instance would, and that can't be 65535.
            None => {
                let [object, instance, _] = self.ids;
                Err(self.fail(EncodeError::Value(path(&[object, instance, resource]))))
            }
        }
    }

    /// Prepares for an entry with such a name.
    #[inline]
    fn begin_entry(&mut self, names: Names) {
        if self.names == Names::Undecided {
            self.begin(names);
        }
        if names == Names::Base {
            self.entries.named = false;
        } else if !self.entries.named {
            self.entries.named = true;
            self.find_prefix();
        }
    }

    /// Finds what names begin with in the Object Instance that is open. If that is nothing, it is so
    /// in the whole payload.
    fn find_prefix(&mut self) {
        let [ids @ .., _] = &self.ids;
        match (self.names, ids.get(self.left_out..)) {
            (Names::Base, _) => self.entries.prefix = Prefix::of(|piece| piece.text("/")),
            (_, None | Some([])) => {}
            (_, Some(ids)) => {
                self.entries.prefix = Prefix::of(|piece| {
                    for id in ids {
                        piece.id(*id);
                        piece.text("/");
                    }
                });
            }
        }
    }

    /// Writes what comes before the first entry.
    #[inline(never)]
    fn begin(&mut self, names: Names) {
        self.names = names;
        self.left_out = match names {
            Names::Unnamed => 2,
            _ => self.base.depth(),
        };
        // An Object Instance has some hundred bytes, so a new buffer need not grow often.
        self.entries.out.begin(match self.base {
            Path::Root | Path::Object(_) | Path::Instance(..) => 512,
            Path::Resource(..) | Path::ResourceInstance(..) => 96,
        });
        self.entries.out.piece(|piece| {
            piece.text("{\"bn\":\"");
            for id in self.base.segments() {
                piece.text("/");
                piece.id(id);
            }
            piece.text(match names {
                Names::Base => "\",\"e\":[",
                _ => "/\",\"e\":[",
            });
        });
    }
}

/// Errors.
impl Encoder<'_> {
    #[inline]
    fn expect(&mut self, place: Place, step: Step) -> Result<(), Failed> {
        if self.place == place {
            return Ok(());
        }
        Err(self.fail(EncodeError::Structure(step)))
    }

    /// Keeps the first error; every later event is refused.
    #[cold]
    #[inline(never)]
    fn fail(&mut self, error: EncodeError) -> Failed {
        self.place = Place::Failed;
        self.known = Known::Nothing;
        self.error.get_or_insert(error);
        Failed
    }

    /// The error of an event that failed.
    #[cold]
    #[inline(never)]
    fn failure(&self) -> EncodeError {
        self.error.unwrap_or(EncodeError::Structure(Step::End))
    }

    /// Something in the place that is open is outside of the base.
    #[cold]
    fn outside(&mut self, id: u16) -> Failed {
        self.fail(EncodeError::OutsidePath(self.value_path(id)))
    }

    #[cold]
    #[inline(never)]
    fn uncarried(&mut self, part: Uncarried, id: u16) -> Failed {
        let path = self.value_path(id);
        self.fail(match part {
            Uncarried::Value => EncodeError::Value(path),
            Uncarried::Time => EncodeError::Time(path),
        })
    }

    /// The path of what is in the place that is open.
    fn value_path(&self, id: u16) -> Path {
        let [object, instance, multiple] = self.ids;
        match self.place {
            Place::Multiple => path(&[object, instance, multiple, id]),
            _ => path(&[object, instance, id]),
        }
    }

    /// The path of the place that is open; an Object Instance without identifier has none.
    fn place_path(&self) -> Path {
        let [object, instance, multiple] = self.ids;
        match self.place {
            Place::Instance if !self.without_id => path(&[object, instance]),
            Place::Multiple => path(&[object, instance, multiple]),
            _ => path(&[object]),
        }
    }
}

/// The path of these identifiers, for an error.
fn path(ids: &[u16]) -> Path {
    Path::of(ids).unwrap_or(Path::Root)
}

#[cfg(test)]
mod tests;
