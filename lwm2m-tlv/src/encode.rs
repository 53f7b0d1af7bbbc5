//! From events to a payload.

use alloc::vec::Vec;

use lwm2m_core::{
    InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Timestamp, ValueRef,
    codec::{EncodeError, Event, Sink, Step},
};

use crate::{Kind, reader::WIDE_ID};

/// The longest value that a TLV can have, in bytes: 2^24-1. That limits an Object Instance and a
/// multiple Resource with all that is in them, not a payload of bare Resources.
pub const MAX_LENGTH: usize = 0xFF_FFFF;

/// Writes the events that are pushed into it as the payload of an answer or request of one path.
///
/// The payload is appended to the buffer, which may hold something already. It is there once
/// [`finish`](Self::finish) has returned `Ok`; an encoder that goes away otherwise takes back all
/// that it has written. After an error it refuses every event with that error.
///
/// Identifiers, lengths and integers are as short as they can be; floats have 8 bytes unless 4
/// carry the same value. Nothing is written of what the path says already:
///
/// - path of an Object: Object Instance TLVs; for an Object Instance without an identifier, which
///   must then be the only one, bare Resources;
/// - path of an Object Instance: bare Resources and multiple Resources;
/// - path of a Resource: that Resource or multiple Resource, exactly once.
///
/// ```
/// use lwm2m_core::{InstanceId, ObjectId, Path, ValueRef, codec::{Event, Sink}};
/// use lwm2m_tlv::Encoder;
///
/// let mut buffer = b"header".to_vec();
/// let mut encoder = Encoder::new(&mut buffer, Path::Object(ObjectId::DEVICE));
/// for event in [
///     Event::Object(ObjectId::DEVICE),
///     Event::Instance(Some(InstanceId::ZERO)),
///     Event::Resource { id: 9.into(), value: ValueRef::Integer(100), time: None },
///     Event::EndInstance,
///     Event::EndObject,
/// ] {
///     encoder.event(event)?;
/// }
/// encoder.finish()?;
/// assert_eq!(buffer, b"header\x03\x00\xC1\x09\x64");
/// # Ok::<(), lwm2m_core::codec::EncodeError>(())
/// ```
///
/// # Errors
///
/// [`EncodeError::Structure`] for events out of order, for Object Instances beside one without an
/// identifier, for a second value of a Resource's path, and for all events if the path is the root
/// or that of a Resource Instance, which have no TLV payload; [`EncodeError::OutsidePath`];
/// [`EncodeError::Time`], because TLV has no times; [`EncodeError::TooLong`] past
/// [`MAX_LENGTH`].
#[derive(Debug)]
pub struct Encoder<'b> {
    buffer: &'b mut Vec<u8>,
    /// The length that the buffer goes back to if the encoder goes away.
    keep: usize,
    base: Path,
    place: Place,
    shape: Shape,
    instance: Option<InstanceId>,
    open_instance: Open,
    multiple: ResourceId,
    open_multiple: Open,
    error: Option<EncodeError>,
}

/// Which events may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Payload,
    Object,
    Instance,
    Multiple,
    Failed,
}

/// What the payload turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Not known yet.
    Unknown,
    /// Object Instance TLVs.
    Wrapped,
    /// The Resources of one Object Instance.
    Bare,
    /// The one TLV of a Resource's path.
    Single,
}

impl<'b> Encoder<'b> {
    /// Begins the payload of this path at the end of the buffer.
    pub const fn new(buffer: &'b mut Vec<u8>, base: Path) -> Self {
        let keep = buffer.len();
        Self {
            buffer,
            keep,
            base,
            place: Place::Payload,
            shape: Shape::Unknown,
            instance: None,
            open_instance: Open { first: 0, value: 0 },
            multiple: ResourceId::new(0),
            open_multiple: Open { first: 0, value: 0 },
            error: None,
        }
    }

    /// Ends the payload and leaves it in the buffer.
    ///
    /// # Errors
    ///
    /// The error of an event; [`EncodeError::Structure`] if something is open still, or if a
    /// Resource's path got no value. The buffer is as it was then.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        let complete = match self.base {
            Path::Object(_) | Path::Instance(..) => true,
            Path::Resource(..) => self.shape == Shape::Single,
            Path::Root | Path::ResourceInstance(..) => false,
        };
        match (self.place, self.error) {
            (Place::Payload, None) if complete => {
                self.keep = self.buffer.len();
                Ok(())
            }
            (_, error) => Err(error.unwrap_or(EncodeError::Structure(Step::End))),
        }
    }
}

impl Drop for Encoder<'_> {
    /// Takes back what [`finish`](Encoder::finish) did not keep.
    fn drop(&mut self) {
        self.buffer.truncate(self.keep);
    }
}

impl Sink for Encoder<'_> {
    type Error = EncodeError;

    #[expect(
        clippy::inline_always,
        reason = "a few calls; where the source says which event it is, one is left, and no jump \
                  that cannot be foreseen"
    )]
    #[inline(always)]
    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        // By reference: a value is not copied, but read where the source has built it.
        let taken = match &event {
            Event::Object(id) => self.object(*id),
            Event::Instance(id) => self.instance(*id),
            Event::Resource { id, value, time } => self.resource(*id, value, time.as_ref()),
            Event::Multiple(id) => self.multiple(*id),
            Event::ResourceInstance { id, value, time } => {
                self.resource_instance(*id, value, time.as_ref())
            }
            Event::EndMultiple => self.end_multiple(),
            Event::EndInstance => self.end_instance(),
            Event::EndObject => self.end_object(),
        };
        taken.map_err(|Failed| self.failure())
    }
}

/// The error is kept in the encoder.
struct Failed;

/// What each event does: what the path says already is checked and left out.
impl Encoder<'_> {
    fn object(&mut self, id: ObjectId) -> Result<(), Failed> {
        self.expect(Place::Payload, Step::Object)?;
        match self.base {
            Path::Object(base) | Path::Instance(base, _) | Path::Resource(base, ..) => {
                self.inside(base == id, Path::Object(id))?;
            }
            // TLV cannot tell Objects apart, and a Resource Instance has no payload of its own.
            Path::Root | Path::ResourceInstance(..) => {
                return Err(self.fail(EncodeError::Structure(Step::Object)));
            }
        }
        self.place = Place::Object;
        Ok(())
    }

    fn instance(&mut self, id: Option<InstanceId>) -> Result<(), Failed> {
        self.expect(Place::Object, Step::Instance)?;
        match (self.base, id, self.shape) {
            (Path::Object(_), Some(id), Shape::Unknown | Shape::Wrapped) => {
                self.shape = Shape::Wrapped;
                self.open_instance = self.open(Kind::ObjectInstance, id.get());
            }
            (Path::Object(_), None, Shape::Unknown) => self.shape = Shape::Bare,
            (Path::Instance(object, base) | Path::Resource(object, base, _), Some(id), _) => {
                self.inside(base == id, Path::Instance(object, id))?;
            }
            _ => return Err(self.fail(EncodeError::Structure(Step::Instance))),
        }
        self.instance = id;
        self.place = Place::Instance;
        Ok(())
    }

    fn resource(
        &mut self,
        id: ResourceId,
        value: &ValueRef<'_>,
        time: Option<&Timestamp>,
    ) -> Result<(), Failed> {
        self.expect(Place::Instance, Step::Resource)?;
        self.single(id, Step::Resource)?;
        if time.is_some() {
            return Err(self.fail(EncodeError::Time(self.resource_path(id))));
        }
        self.value(Kind::Resource, id.get(), value)
    }

    fn multiple(&mut self, id: ResourceId) -> Result<(), Failed> {
        self.expect(Place::Instance, Step::Multiple)?;
        self.single(id, Step::Multiple)?;
        self.multiple = id;
        self.open_multiple = self.open(Kind::MultipleResource, id.get());
        self.place = Place::Multiple;
        Ok(())
    }

    fn resource_instance(
        &mut self,
        id: ResourceInstanceId,
        value: &ValueRef<'_>,
        time: Option<&Timestamp>,
    ) -> Result<(), Failed> {
        self.expect(Place::Multiple, Step::ResourceInstance)?;
        if time.is_some() {
            let path = match self.resource_path(self.multiple) {
                Path::Resource(o, i, r) => Path::ResourceInstance(o, i, r, id),
                path => path,
            };
            return Err(self.fail(EncodeError::Time(path)));
        }
        self.value(Kind::ResourceInstance, id.get(), value)
    }

    fn end_multiple(&mut self) -> Result<(), Failed> {
        self.expect(Place::Multiple, Step::EndMultiple)?;
        self.place = Place::Instance;
        self.close(self.open_multiple)
    }

    fn end_instance(&mut self) -> Result<(), Failed> {
        self.expect(Place::Instance, Step::EndInstance)?;
        self.place = Place::Object;
        match self.shape {
            Shape::Wrapped => self.close(self.open_instance),
            Shape::Unknown | Shape::Bare | Shape::Single => Ok(()),
        }
    }

    fn end_object(&mut self) -> Result<(), Failed> {
        self.expect(Place::Object, Step::EndObject)?;
        self.place = Place::Payload;
        Ok(())
    }

    #[inline]
    fn expect(&mut self, place: Place, step: Step) -> Result<(), Failed> {
        if self.place == place {
            return Ok(());
        }
        Err(self.fail(EncodeError::Structure(step)))
    }

    /// The path of a Resource has room for that Resource, once.
    #[inline]
    fn single(&mut self, id: ResourceId, step: Step) -> Result<(), Failed> {
        if let Path::Resource(.., base) = self.base {
            self.inside(base == id, self.resource_path(id))?;
            if self.shape == Shape::Single {
                return Err(self.fail(EncodeError::Structure(step)));
            }
            self.shape = Shape::Single;
        }
        Ok(())
    }

    fn inside(&mut self, inside: bool, path: Path) -> Result<(), Failed> {
        if inside {
            return Ok(());
        }
        Err(self.fail(EncodeError::OutsidePath(path)))
    }

    /// The path of a Resource of the Object Instance that is open; if that has no identifier, the
    /// path of the Object.
    fn resource_path(&self, id: ResourceId) -> Path {
        match (self.base.object(), self.instance) {
            (Some(object), Some(instance)) => Path::Resource(object, instance, id),
            _ => self.base,
        }
    }

    /// Keeps the first error; nothing is taken any more.
    #[cold]
    fn fail(&mut self, error: EncodeError) -> Failed {
        self.place = Place::Failed;
        self.error.get_or_insert(error);
        Failed
    }

    #[cold]
    fn failure(&self) -> EncodeError {
        self.error.unwrap_or(EncodeError::Structure(Step::End))
    }
}

/// The bytes (TS 6.4.3, Table 21).
impl Encoder<'_> {
    /// A Resource or a Resource Instance.
    #[inline]
    fn value(&mut self, kind: Kind, id: u16, value: &ValueRef<'_>) -> Result<(), Failed> {
        // What occurs most is told apart by branches, which are foreseen better than a jump into
        // a table.
        match *value {
            ValueRef::Integer(number) | ValueRef::Time(number) => {
                self.integer(kind, id, number);
                Ok(())
            }
            ValueRef::String(text) => self.bytes(kind, id, text.as_bytes()),
            _ => self.any_value(kind, id, value),
        }
    }

    /// Appendix C, TLV Format.
    #[inline(never)]
    fn any_value(&mut self, kind: Kind, id: u16, value: &ValueRef<'_>) -> Result<(), Failed> {
        match *value {
            ValueRef::String(text) => self.bytes(kind, id, text.as_bytes())?,
            ValueRef::Opaque(bytes) | ValueRef::Raw(bytes) => self.bytes(kind, id, bytes)?,
            ValueRef::Integer(number) | ValueRef::Time(number) => self.integer(kind, id, number),
            ValueRef::Float(number) => self.float(kind, id, number),
            ValueRef::Boolean(truth) => self.fixed(kind, id, [u8::from(truth)]),
            ValueRef::ObjectLink(link) => self.fixed(kind, id, link.to_bytes()),
        }
        Ok(())
    }

    #[inline]
    fn integer(&mut self, kind: Kind, id: u16, number: i64) {
        if let Ok(number) = i8::try_from(number) {
            self.fixed(kind, id, number.to_be_bytes());
        } else if let Ok(number) = i16::try_from(number) {
            self.fixed(kind, id, number.to_be_bytes());
        } else if let Ok(number) = i32::try_from(number) {
            self.fixed(kind, id, number.to_be_bytes());
        } else {
            self.fixed(kind, id, number.to_be_bytes());
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::float_cmp,
        reason = "whether the value survives is what the comparison tells"
    )]
    fn float(&mut self, kind: Kind, id: u16, number: f64) {
        let half = number as f32;
        if f64::from(half) == number {
            self.fixed(kind, id, half.to_be_bytes());
        } else {
            self.fixed(kind, id, number.to_be_bytes());
        }
    }

    /// A value of 1, 2, 4 or 8 bytes. The sizes that occur most are appended in one piece, which
    /// is what makes the writer fast.
    #[inline]
    fn fixed<const N: usize>(&mut self, kind: Kind, id: u16, value: [u8; N]) {
        const { assert!(N <= 8) };
        #[expect(clippy::cast_possible_truncation, reason = "at most 8")]
        let length = match N as u8 {
            8 => Length::Bits8(8),
            length => Length::InType(length),
        };
        let first = kind.bits() | length.bits();
        match (id.to_be_bytes(), value.as_slice()) {
            ([0, id], &[a]) => self.buffer.extend_from_slice(&[first, id, a]),
            ([0, id], &[a, b]) => self.buffer.extend_from_slice(&[first, id, a, b]),
            ([0, id], &[a, b, c, d]) => self.buffer.extend_from_slice(&[first, id, a, b, c, d]),
            _ => {
                self.header(kind, id, length);
                self.buffer.extend_from_slice(&value);
            }
        }
    }

    #[inline]
    fn bytes(&mut self, kind: Kind, id: u16, value: &[u8]) -> Result<(), Failed> {
        let length = self.length(value.len())?;
        let first = kind.bits() | length.bits();
        match (id.to_be_bytes(), length) {
            ([0, id], Length::InType(_)) => self.buffer.extend_from_slice(&[first, id]),
            ([0, id], Length::Bits8(size)) => self.buffer.extend_from_slice(&[first, id, size]),
            _ => self.header(kind, id, length),
        }
        self.buffer.extend_from_slice(value);
        Ok(())
    }

    #[inline]
    fn length(&mut self, length: usize) -> Result<Length, Failed> {
        Length::of(length).ok_or_else(|| self.fail(EncodeError::TooLong { limit: MAX_LENGTH }))
    }

    /// Type, Identifier and Length.
    fn header(&mut self, kind: Kind, id: u16, length: Length) {
        let first = kind.bits() | length.bits();
        match id.to_be_bytes() {
            [0, id] => self.buffer.extend_from_slice(&[first, id]),
            [high, low] => self.buffer.extend_from_slice(&[first | WIDE_ID, high, low]),
        }
        self.append(length);
    }

    /// The Length field; tells how many bytes it has.
    fn append(&mut self, length: Length) -> usize {
        match length {
            Length::InType(_) => 0,
            Length::Bits8(length) => {
                self.buffer.push(length);
                1
            }
            Length::Bits16(length) => {
                self.buffer.extend_from_slice(&length);
                length.len()
            }
            Length::Bits24(length) => {
                self.buffer.extend_from_slice(&length);
                length.len()
            }
        }
    }

    /// Begins a TLV whose length is not known yet, as if it were empty.
    #[inline]
    fn open(&mut self, kind: Kind, id: u16) -> Open {
        let first = self.buffer.len();
        self.header(kind, id, Length::InType(0));
        let value = self.buffer.len();
        Open { first, value }
    }

    /// Ends a TLV: writes its length, and makes room for that if it needs some.
    #[inline]
    fn close(&mut self, open: Open) -> Result<(), Failed> {
        let length = self.length(self.buffer.len().saturating_sub(open.value))?;
        if let Some(first) = self.buffer.get_mut(open.first) {
            *first |= length.bits();
        }
        match length {
            Length::InType(_) => {}
            length => self.insert(open.value, length),
        }
        Ok(())
    }

    /// Puts the Length field before a value.
    fn insert(&mut self, at: usize, length: Length) {
        let size = self.append(length);
        if let Some(value) = self.buffer.get_mut(at..) {
            value.rotate_right(size);
        }
    }
}

/// A TLV whose length is not known yet: where its Type and its Value are in the buffer.
#[derive(Clone, Copy, Debug)]
struct Open {
    first: usize,
    value: usize,
}

/// A length in the shortest form that holds it: in the Type, or in 8, 16 or 24 bits.
#[derive(Clone, Copy)]
enum Length {
    InType(u8),
    Bits8(u8),
    Bits16([u8; 2]),
    Bits24([u8; 3]),
}

impl Length {
    #[inline]
    fn of(length: usize) -> Option<Self> {
        let [.., high, middle, low] = length.to_be_bytes();
        Some(match length {
            0..=7 => Self::InType(low),
            8..=0xFF => Self::Bits8(low),
            0x100..=0xFFFF => Self::Bits16([middle, low]),
            0x1_0000..=MAX_LENGTH => Self::Bits24([high, middle, low]),
            _ => return None,
        })
    }

    /// Bits 4 to 0 of the Type.
    #[inline]
    const fn bits(self) -> u8 {
        match self {
            Self::InType(length) => length,
            Self::Bits8(_) => 0b0000_1000,
            Self::Bits16(_) => 0b0001_0000,
            Self::Bits24(_) => 0b0001_1000,
        }
    }
}
