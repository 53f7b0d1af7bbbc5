//! From events to a payload.

use alloc::vec::Vec;

use lwm2m_core::{
    InstanceId, ObjectId, ObjectLink, Path, ResourceId, ResourceInstanceId, ValueRef,
    codec::{EncodeError, Event, Scope, Sink, Step},
};

use crate::kind::{Kind, LENGTH_8, WIDE_ID};

/// The longest value that a TLV can have, in bytes: 2^24-1. That limits an Object Instance and a
/// multiple Resource with all that is in them, not a payload of bare Resources.
pub const MAX_LENGTH: usize = 0xFF_FFFF;

/// The sink that writes a payload.
///
/// The payload is appended to the buffer and is complete once [`finish`](Self::finish) has returned
/// `Ok`. If the encoder is dropped without that, the buffer is as it was. After an error it refuses
/// every event with that error.
///
/// Identifiers, lengths and integers are as short as they can be; floats have 8 bytes unless 4
/// carry the same value. What the path of the scope says already is left out:
///
/// - path of an Object: Object Instance TLVs; for an Object Instance without an identifier, which
///   must then be the only one, bare Resources;
/// - path of an Object Instance: bare Resources and multiple Resources;
/// - path of a Resource: that Resource or multiple Resource, exactly once.
///
/// ```
/// use lwm2m_core::{InstanceId, ObjectId, ValueRef, codec::{Event, Scope, Sink}};
/// use lwm2m_tlv::Encoder;
///
/// let mut buffer = b"header".to_vec();
/// let mut encoder = Encoder::new(&mut buffer, Scope::answer(ObjectId::DEVICE.into()));
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
/// identifier, for a second value of a Resource's path, for paths without values, and for all events
/// if the path is the root or that of a Resource Instance, which have no TLV payload;
/// [`EncodeError::OutsidePath`]; [`EncodeError::Time`], because TLV has no times;
/// [`EncodeError::TooLong`] past [`MAX_LENGTH`].
#[derive(Debug)]
pub struct Encoder<'b> {
    buffer: &'b mut Vec<u8>,
    /// The length that the buffer is cut to if the encoder is dropped.
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
    /// As `Instance`, of the path of a Resource: it has room for that Resource, once.
    Only,
    Multiple,
    Failed,
}

/// The form that the payload turned out to have.
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
    /// Begins a payload at the end of the buffer.
    pub const fn new(buffer: &'b mut Vec<u8>, scope: Scope) -> Self {
        let keep = buffer.len();
        Self {
            buffer,
            keep,
            base: scope.base(),
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
    /// The error of an event; [`EncodeError::Structure`] if something is still open, or if a
    /// Resource's path got no value. Then the buffer is as it was.
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
    /// Removes what [`finish`](Encoder::finish) didn't keep.
    fn drop(&mut self) {
        self.buffer.truncate(self.keep);
    }
}

impl Sink for Encoder<'_> {
    type Error = EncodeError;

    #[expect(
        clippy::inline_always,
        reason = "where the source fixes the event, one call is left and no unpredictable jump"
    )]
    #[inline(always)]
    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        let taken = match event {
            Event::Object(id) => self.object(id),
            Event::Instance(id) => self.instance(id),
            Event::Resource { id, value, time } => self.resource(id, value, time.is_some()),
            Event::Multiple(id) => self.multiple(id),
            Event::ResourceInstance { id, value, time } => {
                self.resource_instance(id, value, time.is_some())
            }
            Event::EndMultiple => self.end_multiple(),
            Event::EndInstance => self.end_instance(),
            Event::EndObject => self.end_object(),
            other => Err(self.fail(EncodeError::Structure(other.step()))),
        };
        taken.map_err(|Failed| self.failure())
    }
}

/// The error is kept in the encoder.
struct Failed;

/// What each event does. What the path says already is checked and left out.
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
        // An Object Instance has some hundred bytes: a new buffer need not grow often.
        if self.buffer.capacity() == 0 && !matches!(self.base, Path::Resource(..)) {
            self.buffer.reserve(128);
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
        self.place = self.inside_instance();
        Ok(())
    }

    #[inline]
    fn resource(&mut self, id: ResourceId, value: ValueRef<'_>, time: bool) -> Result<(), Failed> {
        if self.place != Place::Instance {
            self.only(id, Step::Resource)?;
        }
        if time {
            return Err(self.time(id));
        }
        self.value(Kind::Resource, id.get(), value)
    }

    #[inline]
    fn multiple(&mut self, id: ResourceId) -> Result<(), Failed> {
        if self.place != Place::Instance {
            self.only(id, Step::Multiple)?;
        }
        self.multiple = id;
        self.open_multiple = self.open(Kind::MultipleResource, id.get());
        self.place = Place::Multiple;
        Ok(())
    }

    #[inline]
    fn resource_instance(
        &mut self,
        id: ResourceInstanceId,
        value: ValueRef<'_>,
        time: bool,
    ) -> Result<(), Failed> {
        self.expect(Place::Multiple, Step::ResourceInstance)?;
        if time {
            return Err(self.instance_time(id));
        }
        self.value(Kind::ResourceInstance, id.get(), value)
    }

    #[inline]
    fn end_multiple(&mut self) -> Result<(), Failed> {
        self.expect(Place::Multiple, Step::EndMultiple)?;
        self.place = self.inside_instance();
        self.close(self.open_multiple)
    }

    fn end_instance(&mut self) -> Result<(), Failed> {
        if self.place != self.inside_instance() {
            return Err(self.fail(EncodeError::Structure(Step::EndInstance)));
        }
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

    /// Where Resources are taken.
    #[inline]
    const fn inside_instance(&self) -> Place {
        match self.base {
            Path::Resource(..) => Place::Only,
            _ => Place::Instance,
        }
    }

    /// The only Resource or multiple Resource of a Resource's path, or an event that is out of order.
    #[cold]
    #[inline(never)]
    fn only(&mut self, id: ResourceId, step: Step) -> Result<(), Failed> {
        self.expect(Place::Only, step)?;
        if let Path::Resource(.., base) = self.base {
            self.inside(base == id, self.resource_path(id))?;
        }
        if self.shape == Shape::Single {
            return Err(self.fail(EncodeError::Structure(step)));
        }
        self.shape = Shape::Single;
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn time(&mut self, id: ResourceId) -> Failed {
        self.fail(EncodeError::Time(self.resource_path(id)))
    }

    #[cold]
    #[inline(never)]
    fn instance_time(&mut self, id: ResourceInstanceId) -> Failed {
        self.fail(EncodeError::Time(self.resource_instance_path(id)))
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

    /// A value of a data type that isn't known here.
    #[cold]
    #[inline(never)]
    fn unknown(&mut self, kind: Kind, id: u16) -> Failed {
        let path = match kind {
            Kind::ResourceInstance => self.resource_instance_path(id.into()),
            _ => self.resource_path(id.into()),
        };
        self.fail(EncodeError::Value(path))
    }

    /// The same for a Resource Instance of the multiple Resource that is open.
    fn resource_instance_path(&self, id: ResourceInstanceId) -> Path {
        match self.resource_path(self.multiple) {
            Path::Resource(o, i, r) => Path::ResourceInstance(o, i, r, id),
            path => path,
        }
    }

    /// Keeps the first error; every later event is refused.
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
    ///
    /// A short integer and its header are appended as one piece of 8 bytes, if there is room, and the
    /// excess is cut off: that makes the writer fast. The value is matched here, because passing it
    /// on as a whole would put it into memory first.
    #[inline]
    fn value(&mut self, kind: Kind, id: u16, value: ValueRef<'_>) -> Result<(), Failed> {
        match value {
            ValueRef::Integer(number) | ValueRef::Time(number) => self.integer(kind, id, number),
            ValueRef::String(text) => self.bytes(kind, id, text.as_bytes()),
            ValueRef::Opaque(bytes) | ValueRef::Raw(bytes) => self.bytes(kind, id, bytes),
            ValueRef::Float(number) => self.float(kind, id, number),
            // One byte, 0 or 1, as the same integer.
            ValueRef::Boolean(truth) => self.integer(kind, id, truth.into()),
            ValueRef::ObjectLink(link) => self.link(kind, id, link),
            _ => Err(self.unknown(kind, id)),
        }
    }

    /// In as few bytes as it needs: 1, 2, 4 or 8.
    fn integer(&mut self, kind: Kind, id: u16, number: i64) -> Result<(), Failed> {
        match (id.to_be_bytes(), i32::try_from(number)) {
            ([0, id], Ok(short)) if self.room() >= 8 => {
                self.short_integer::<2>([kind.bits(), id, 0, 0, 0, 0, 0, 0], short);
                Ok(())
            }
            _ => self.any_integer(kind, id, number),
        }
    }

    #[inline(never)]
    fn any_integer(&mut self, kind: Kind, id: u16, number: i64) -> Result<(), Failed> {
        let wide = id > u8::MAX.into() && self.room() >= 8;
        if let (true, Ok(short)) = (wide, i32::try_from(number)) {
            let [high, low] = id.to_be_bytes();
            self.short_integer::<3>([kind.bits() | WIDE_ID, high, low, 0, 0, 0, 0, 0], short);
            Ok(())
        } else if let Ok(number) = i8::try_from(number) {
            self.any_bytes(kind, id, &number.to_be_bytes())
        } else if let Ok(number) = i16::try_from(number) {
            self.any_bytes(kind, id, &number.to_be_bytes())
        } else if let Ok(number) = i32::try_from(number) {
            self.any_bytes(kind, id, &number.to_be_bytes())
        } else {
            self.any_bytes(kind, id, &number.to_be_bytes())
        }
    }

    /// An integer of at most 4 bytes in one piece with its header, `HEADER` bytes without the length.
    /// There must be room for 8 bytes.
    #[inline]
    fn short_integer<const HEADER: usize>(&mut self, header: [u8; 8], number: i32) {
        // The value goes to the high bytes, which come first once the bytes are swapped.
        let (length, value) = if i8::try_from(number).is_ok() {
            (1_u8, number << 24)
        } else if i16::try_from(number).is_ok() {
            (2, number << 16)
        } else {
            (4, number)
        };
        let value = u64::from(value.cast_unsigned().swap_bytes()) << (8 * HEADER);
        let tlv = u64::from_le_bytes(header) | u64::from(length) | value;
        let size = HEADER + usize::from(length);
        let end = self.buffer.len().wrapping_add(size);
        self.buffer.extend_from_slice(&tlv.to_le_bytes());
        self.buffer.truncate(end);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::float_cmp,
        reason = "the comparison tells whether the value survives"
    )]
    #[inline(never)]
    fn float(&mut self, kind: Kind, id: u16, number: f64) -> Result<(), Failed> {
        let half = number as f32;
        if f64::from(half) == number {
            self.any_bytes(kind, id, &half.to_be_bytes())
        } else {
            self.any_bytes(kind, id, &number.to_be_bytes())
        }
    }

    #[inline(never)]
    fn link(&mut self, kind: Kind, id: u16, link: ObjectLink) -> Result<(), Failed> {
        self.any_bytes(kind, id, &link.to_bytes())
    }

    fn bytes(&mut self, kind: Kind, id: u16, value: &[u8]) -> Result<(), Failed> {
        let (Ok(short_id), Ok(length)) = (u8::try_from(id), u8::try_from(value.len())) else {
            return self.any_bytes(kind, id, value);
        };
        let kind = kind.bits();
        if length < 8 {
            self.buffer.extend_from_slice(&[kind | length, short_id]);
        } else {
            let header = [kind | LENGTH_8, short_id, length];
            self.buffer.extend_from_slice(&header);
        }
        self.buffer.extend_from_slice(value);
        Ok(())
    }

    /// A value of any length, with any identifier, whether or not there is room.
    #[inline(never)]
    fn any_bytes(&mut self, kind: Kind, id: u16, value: &[u8]) -> Result<(), Failed> {
        let length = self.length(value.len())?;
        self.header(kind, id, length);
        self.buffer.extend_from_slice(value);
        Ok(())
    }

    /// How many bytes can be appended before the buffer has to grow.
    #[inline]
    fn room(&self) -> usize {
        self.buffer.capacity().wrapping_sub(self.buffer.len())
    }

    #[inline]
    fn length(&mut self, length: usize) -> Result<Length, Failed> {
        Length::of(length).ok_or_else(|| self.fail(EncodeError::TooLong { limit: MAX_LENGTH }))
    }

    /// Type, Identifier and Length.
    fn header(&mut self, kind: Kind, id: u16, length: Length) {
        header(self.buffer, kind, id, length);
    }

    /// Begins a TLV whose length isn't known yet, as if it were empty.
    #[inline]
    fn open(&mut self, kind: Kind, id: u16) -> Open {
        let first = self.buffer.len();
        match id.to_be_bytes() {
            [0, id] if self.room() >= 2 => self.buffer.extend_from_slice(&[kind.bits(), id]),
            _ => self.header(kind, id, Length::InType(0)),
        }
        let value = self.buffer.len();
        Open { first, value }
    }

    /// Ends a TLV: writes its length, and moves the value if the length needs room.
    #[inline]
    fn close(&mut self, open: Open) -> Result<(), Failed> {
        let length = self.buffer.len().saturating_sub(open.value);
        match (self.buffer.get_mut(open.first), u8::try_from(length)) {
            (Some(first), Ok(length)) if length < 8 => {
                *first |= length;
                Ok(())
            }
            _ => self.close_long(open),
        }
    }

    #[inline(never)]
    fn close_long(&mut self, open: Open) -> Result<(), Failed> {
        let length = self.length(self.buffer.len().saturating_sub(open.value))?;
        if let Some(first) = self.buffer.get_mut(open.first) {
            *first |= length.bits();
        }
        match length {
            Length::InType(_) => {}
            Length::Bits8(length) => self.buffer.insert(open.value, length),
            Length::Bits16(length) => self.insert(open.value, length),
            Length::Bits24(length) => self.insert(open.value, length),
        }
        Ok(())
    }

    /// Puts the Length field before a value.
    #[inline]
    fn insert<const N: usize>(&mut self, at: usize, length: [u8; N]) {
        let end = self.buffer.len();
        self.buffer.extend_from_slice(&length);
        self.buffer.copy_within(at..end, at.saturating_add(N));
        let value = self.buffer.get_mut(at..);
        if let Some(field) = value.and_then(|value| value.first_chunk_mut()) {
            *field = length;
        }
    }
}

/// Appends what stands before the value of a single Resource in the payload of its path: Type, Identifier
/// and Length. So a value can follow that isn't in memory as a whole.
///
/// ```
/// let mut payload = Vec::new();
/// lwm2m_tlv::resource_header(5.into(), 1000, &mut payload)?;
/// assert_eq!(payload, [0b1101_0000, 5, 0x03, 0xE8]);
/// # Ok::<(), lwm2m_core::codec::EncodeError>(())
/// ```
///
/// # Errors
///
/// [`EncodeError::TooLong`] for a value of more than 16,777,215 bytes. Nothing was written then.
pub fn resource_header(
    resource: ResourceId,
    length: usize,
    buffer: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let length = Length::of(length).ok_or(EncodeError::TooLong { limit: MAX_LENGTH })?;
    header(buffer, Kind::Resource, resource.get(), length);
    Ok(())
}

/// Type, Identifier and Length.
fn header(buffer: &mut Vec<u8>, kind: Kind, id: u16, length: Length) {
    let first = kind.bits() | length.bits();
    match id.to_be_bytes() {
        [0, id] => buffer.extend_from_slice(&[first, id]),
        [high, low] => buffer.extend_from_slice(&[first | WIDE_ID, high, low]),
    }
    match length {
        Length::InType(_) => {}
        Length::Bits8(length) => buffer.push(length),
        Length::Bits16(length) => buffer.extend_from_slice(&length),
        Length::Bits24(length) => buffer.extend_from_slice(&length),
    }
}

/// A TLV whose length isn't known yet: where its Type and its Value are in the buffer.
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
            Self::Bits8(_) => LENGTH_8,
            Self::Bits16(_) => 0b0001_0000,
            Self::Bits24(_) => 0b0001_1000,
        }
    }
}
