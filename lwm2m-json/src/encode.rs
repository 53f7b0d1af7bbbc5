//! From events to bytes.

mod entry;

use alloc::vec::Vec;

use lwm2m_core::{
    InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Timestamp, ValueRef,
    codec::{EncodeError, Event, Sink, Step},
};

use crate::writer::{Prefix, Writer};

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
///   about this one Object: [`EncodeError::Empty`]. An [answer](Encoder::answer) leaves them out,
///   unless it is about the multiple Resource itself.
/// * An Object Instance without identifier beside others or without a single Resource, because
///   nothing would tell it from one that has an identifier (see [`decode_create`](crate::decode_create)):
///   [`EncodeError::Structure`]. Resource 65535 of such an Object Instance: [`EncodeError::Value`].
///
/// After an error it refuses every event with that error.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "none goes with another")]
pub struct Encoder<'b> {
    out: Writer<'b>,
    base: Path,
    place: Place,
    known: Known,
    /// The identifiers of what is open: Object, Object Instance, multiple Resource.
    ids: [u16; 3],
    /// Whether the Object Instance that is open has no identifier; 0 stands for it.
    without_id: bool,
    /// Whether there is something in what was opened last.
    filled: bool,
    names: Names,
    /// How many identifiers at the beginning of a path the names leave out.
    left_out: usize,
    /// Whether the entries in what is open have names; known once there is one.
    named: bool,
    /// What these names begin with.
    prefix: Prefix,
    /// Whether there is a value of a single Resource.
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
    /// Nothing can be opened any more.
    Failed,
}

/// Which values are known to be allowed here, whatever their identifiers: one of them has been
/// taken since something was opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Resources,
    ResourceInstances,
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
    /// A payload that is sent to the path `base`, or answers it. What is empty is an error: to leave
    /// it out would say something else, if it is to be written.
    ///
    /// A Read answer that shows linked Objects too (third example of TS 6.4.4) has the base
    /// [`Path::Root`].
    #[inline]
    pub fn new(buffer: &'b mut Vec<u8>, base: Path) -> Self {
        Self {
            out: Writer::new(buffer),
            base,
            place: Place::Payload,
            known: Known::Nothing,
            ids: [0; 3],
            without_id: false,
            filled: false,
            names: Names::Undecided,
            left_out: 0,
            named: false,
            prefix: Prefix::EMPTY,
            single: false,
            leaves_out: false,
            error: None,
        }
    }

    /// A payload that answers the path `base`, or notifies of it. An Object Instance or a multiple
    /// Resource in it that is empty is left out, as JSON has no words for it. Only where `base` is
    /// the multiple Resource itself, that it is empty is an error.
    ///
    /// ```
    /// use lwm2m_core::{Path, ValueRef, codec::{Event, Sink}};
    /// use lwm2m_json::Encoder;
    ///
    /// let instance: Path = "/2/4".parse()?;
    /// let mut payload = Vec::new();
    /// let mut encoder = Encoder::answer(&mut payload, instance);
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
    #[inline]
    pub fn answer(buffer: &'b mut Vec<u8>, base: Path) -> Self {
        Self {
            leaves_out: base.depth() < 3,
            ..Self::new(buffer, base)
        }
    }

    /// Writes the end, and leaves the payload in the buffer.
    ///
    /// # Errors
    ///
    /// The error of an event; [`EncodeError::Structure`] if something is open still;
    /// [`EncodeError::Empty`] if there was no value and the base is below an Object, or of an
    /// [answer](Self::answer) below an Object Instance. The buffer is as it was then.
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
        let taken = match event {
            Event::Object(id) => self.object(id),
            Event::Instance(id) => self.instance(id),
            Event::Resource { id, value, time } => self.resource(id, value, time),
            Event::Multiple(id) => self.multiple(id),
            Event::ResourceInstance { id, value, time } => self.resource_instance(id, value, time),
            Event::EndMultiple => self.end_multiple(),
            Event::EndInstance => self.end_instance(),
            Event::EndObject => self.end_object(),
        };
        taken.map_err(|Failed| self.failure())
    }
}

/// The error is kept in the encoder.
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
        self.named = false;
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

    /// Goes back to what is around the place that is open.
    #[inline]
    fn close(&mut self, outer: Place) -> Result<(), Failed> {
        if !self.filled && !self.leaves_out {
            return Err(self.fail(EncodeError::Empty(self.place_path())));
        }
        self.place = outer;
        self.known = Known::Nothing;
        Ok(())
    }

    /// Whether a Resource may be here, when that is not known.
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

    /// Whether a Resource Instance may be here, when that is not known.
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
            // Without the Object Instance, the Resource is where that should be: 65535 cannot be
            // read there.
            None => {
                let [object, instance, _] = self.ids;
                Err(self.fail(EncodeError::Value(path(&[object, instance, resource]))))
            }
        }
    }

    /// Makes ready for an entry that has such a name.
    #[inline]
    fn begin_entry(&mut self, names: Names) {
        if self.names == Names::Undecided {
            self.begin(names);
        }
        if names == Names::Base {
            self.named = false;
        } else if !self.named {
            self.named = true;
            self.find_prefix();
        }
    }

    /// What names begin with in the Object Instance that is open. That is nothing either in all of
    /// the payload or nowhere.
    fn find_prefix(&mut self) {
        let [ids @ .., _] = &self.ids;
        match (self.names, ids.get(self.left_out..)) {
            (Names::Base, _) => self.prefix = Prefix::of(|piece| piece.text("/")),
            (_, None | Some([])) => {}
            (_, Some(ids)) => {
                self.prefix = Prefix::of(|piece| {
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
        // An Object Instance has some hundred bytes: a new buffer need not grow often.
        self.out.begin(match self.base {
            Path::Root | Path::Object(_) | Path::Instance(..) => 512,
            Path::Resource(..) | Path::ResourceInstance(..) => 96,
        });
        self.out.piece(|piece| {
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

/// What is wrong.
impl Encoder<'_> {
    #[inline]
    fn expect(&mut self, place: Place, step: Step) -> Result<(), Failed> {
        if self.place == place {
            return Ok(());
        }
        Err(self.fail(EncodeError::Structure(step)))
    }

    /// Keeps the first error; nothing is taken any more.
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

    /// Something of the place that is open is not what the base says.
    #[cold]
    fn outside(&mut self, id: u16) -> Failed {
        self.fail(EncodeError::OutsidePath(self.value_path(id)))
    }

    #[cold]
    fn unwritable(&mut self, id: u16) -> Failed {
        self.fail(EncodeError::Value(self.value_path(id)))
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
