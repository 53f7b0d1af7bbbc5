//! From events to bytes.

use alloc::vec::Vec;

use base64::{Engine, encoded_len, engine::general_purpose::STANDARD};
use lwm2m_core::{
    InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Timestamp, ValueRef,
    codec::{EncodeError, Event, Sink, Step},
};

/// Writes the events of a payload into a buffer, behind what is there already.
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
///   [`EncodeError::Structure`].
///
/// After an error the buffer ends with a part of a payload, which is of no use.
#[derive(Debug)]
pub struct Encoder<'b> {
    buffer: &'b mut Vec<u8>,
    base: Path,
    open: Open,
    /// Whether there is something in what was opened last.
    filled: bool,
    names: Names,
    /// Whether there is a value of a single Resource.
    single: bool,
}

/// What is open. An Object Instance may have no identifier.
#[derive(Clone, Copy, Debug)]
enum Open {
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
            buffer,
            base,
            open: Open::Nothing,
            filled: false,
            names: Names::Undecided,
            single: false,
        }
    }

    /// Writes the end.
    ///
    /// # Errors
    ///
    /// Something is open still, or there was no value and the base is below an Object.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        let Open::Nothing = self.open else {
            return Err(EncodeError::Structure(Step::End));
        };
        if self.names == Names::Undecided {
            if self.base.instance().is_some() {
                return Err(EncodeError::Empty(self.base));
            }
            self.begin(Names::Below);
        }
        self.text("]}");
        Ok(())
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
                self.inside(self.base.instance(), instance, path)?;
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
        value: ValueRef<'_>,
        time: Option<Timestamp>,
    ) -> Result<(), EncodeError> {
        let Open::Instance(object, instance) = self.open else {
            return Err(EncodeError::Structure(Step::Resource));
        };
        let path = resource_path(object, instance, id);
        match self.base {
            Path::Resource(_, _, base) if base == id => {
                match self.names {
                    Names::Undecided => self.begin(Names::Base),
                    Names::Base => self.text(","),
                    // The Base Name ends with a slash: no name after it is the base.
                    _ => return Err(EncodeError::Structure(Step::Resource)),
                }
                self.text("{");
            }
            Path::Resource(..) | Path::ResourceInstance(..) => return Err(self.outside(path)),
            _ => {
                self.next_entry(instance);
                self.name(object, instance, id);
                self.text("\",");
            }
        }
        self.single = true;
        self.value(value, time, path)
    }

    /// Writes the entry of a Resource Instance.
    #[inline]
    fn resource_instance(
        &mut self,
        id: ResourceInstanceId,
        value: ValueRef<'_>,
        time: Option<Timestamp>,
    ) -> Result<(), EncodeError> {
        let Open::Multiple(object, instance, resource) = self.open else {
            return Err(EncodeError::Structure(Step::ResourceInstance));
        };
        let parent = instance.unwrap_or(InstanceId::ZERO);
        let path = Path::ResourceInstance(object, parent, resource, id);
        match self.base {
            Path::ResourceInstance(..) => {
                self.inside(self.base.resource_instance(), id, path)?;
                match self.names {
                    Names::Undecided => self.begin(Names::Base),
                    _ => self.text(","),
                }
                self.text("{");
            }
            Path::Resource(..) => {
                self.next_entry(instance);
                let slash = self.names == Names::Base;
                self.text(if slash { "{\"n\":\"/" } else { "{\"n\":\"" });
                self.number(id.get());
                self.text("\",");
            }
            _ => {
                self.next_entry(instance);
                self.name(object, instance, resource);
                self.text("/");
                self.number(id.get());
                self.text("\",");
            }
        }
        self.value(value, time, path)
    }

    /// Checks that an identifier is the one of the base, if the base has one.
    #[inline]
    fn inside<T: PartialEq + Copy>(
        &self,
        base: Option<T>,
        id: T,
        path: Path,
    ) -> Result<(), EncodeError> {
        match base {
            Some(base) if base != id => Err(self.outside(path)),
            _ => Ok(()),
        }
    }

    #[cold]
    fn outside(&self, path: Path) -> EncodeError {
        EncodeError::OutsidePath {
            path,
            base: self.base,
        }
    }

    /// Writes what comes before an entry that is below the base.
    #[inline]
    fn next_entry(&mut self, instance: Option<InstanceId>) {
        match (self.names, instance) {
            (Names::Undecided, Some(_)) => self.begin(Names::Below),
            (Names::Undecided, None) => self.begin(Names::Unnamed),
            _ => self.text(","),
        }
    }

    /// Writes what comes before the first entry.
    fn begin(&mut self, names: Names) {
        self.names = names;
        self.text("{\"bn\":\"");
        for segment in self.base.segments() {
            self.text("/");
            self.number(segment);
        }
        self.text(match names {
            Names::Base => "\",\"e\":[",
            _ => "/\",\"e\":[",
        });
    }

    /// Writes the beginning of an entry and its name below the base, as far as the Resource.
    #[inline]
    fn name(&mut self, object: ObjectId, instance: Option<InstanceId>, resource: ResourceId) {
        self.text("{\"n\":\"");
        if self.base == Path::Root {
            self.number(object.get());
            self.text("/");
        }
        if let (None, Some(instance)) = (self.base.instance(), instance) {
            self.number(instance.get());
            self.text("/");
        }
        self.number(resource.get());
    }

    /// Writes a value, its time, and the end of the entry.
    #[inline]
    fn value(
        &mut self,
        value: ValueRef<'_>,
        time: Option<Timestamp>,
        path: Path,
    ) -> Result<(), EncodeError> {
        match value {
            ValueRef::String(text) => {
                self.text("\"sv\":\"");
                self.escaped(text);
                self.text("\"");
            }
            ValueRef::Integer(number) | ValueRef::Time(number) => {
                self.text("\"v\":");
                self.text(itoa::Buffer::new().format(number));
            }
            ValueRef::Float(number) => {
                if !number.is_finite() {
                    return Err(EncodeError::Value(path));
                }
                self.text("\"v\":");
                self.text(ryu::Buffer::new().format_finite(number));
            }
            ValueRef::Boolean(true) => self.text("\"bv\":true"),
            ValueRef::Boolean(false) => self.text("\"bv\":false"),
            ValueRef::Opaque(bytes) => {
                self.text("\"sv\":\"");
                self.base64(bytes, path)?;
                self.text("\"");
            }
            ValueRef::ObjectLink(link) => {
                self.text("\"ov\":\"");
                self.number(link.object);
                self.text(":");
                self.number(link.instance);
                self.text("\"");
            }
            ValueRef::Raw(_) => return Err(EncodeError::Value(path)),
        }
        if let Some(time) = time {
            self.time(time, path)?;
        }
        self.text("}");
        self.filled = true;
        Ok(())
    }

    fn time(&mut self, time: Timestamp, path: Path) -> Result<(), EncodeError> {
        let seconds = match time {
            Timestamp::Absolute(seconds) if seconds.is_finite() && seconds > 0.0 => seconds,
            Timestamp::Relative(seconds) if seconds.is_finite() && seconds <= 0.0 => seconds,
            _ => return Err(EncodeError::Time(path)),
        };
        self.text(",\"t\":");
        let mut buffer = ryu::Buffer::new();
        let text = buffer.format_finite(seconds);
        // Full seconds need no fraction.
        self.text(text.strip_suffix(".0").unwrap_or(text));
        Ok(())
    }

    /// Writes a string's content (RFC 8259, 7): all as it is but what must be escaped.
    #[inline]
    fn escaped(&mut self, mut text: &str) {
        let special = |byte: u8| matches!(byte, b'"' | b'\\' | 0..=0x1F);
        while let Some((plain, rest)) = text
            .bytes()
            .position(special)
            .and_then(|plain| text.split_at_checked(plain))
        {
            self.text(plain);
            let mut chars = rest.chars();
            match chars.next() {
                Some('"') => self.text("\\\""),
                Some('\\') => self.text("\\\\"),
                Some('\u{8}') => self.text("\\b"),
                Some('\u{C}') => self.text("\\f"),
                Some('\n') => self.text("\\n"),
                Some('\r') => self.text("\\r"),
                Some('\t') => self.text("\\t"),
                Some(control) => {
                    let digit =
                        |shift: u32| char::from_digit(u32::from(control) >> shift & 0xF, 16);
                    self.text("\\u00");
                    let digits = [digit(4), digit(0)].into_iter().flatten();
                    self.buffer.extend(digits.map(|digit| digit as u8));
                }
                None => {}
            }
            text = chars.as_str();
        }
        self.text(text);
    }

    fn base64(&mut self, bytes: &[u8], path: Path) -> Result<(), EncodeError> {
        let start = self.buffer.len();
        let end = encoded_len(bytes.len(), true).and_then(|len| start.checked_add(len));
        let end = end.ok_or(EncodeError::Value(path))?;
        self.buffer.resize(end, 0);
        let room = self.buffer.get_mut(start..).unwrap_or_default();
        let written = STANDARD.encode_slice(bytes, room);
        written.map(drop).map_err(|_| EncodeError::Value(path))
    }

    #[inline]
    fn number(&mut self, number: u16) {
        self.text(itoa::Buffer::new().format(number));
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }
}

impl Sink for Encoder<'_> {
    type Error = EncodeError;

    #[inline]
    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        match (event, self.open) {
            (Event::Resource { id, value, time }, _) => self.resource(id, value, time),
            (Event::ResourceInstance { id, value, time }, _) => {
                self.resource_instance(id, value, time)
            }
            (Event::Object(object), Open::Nothing) => {
                self.inside(self.base.object(), object, Path::Object(object))?;
                self.open(Open::Object(object));
                Ok(())
            }
            (Event::Instance(instance), Open::Object(object)) => self.instance(object, instance),
            (Event::Multiple(resource), Open::Instance(object, instance)) => {
                let path = resource_path(object, instance, resource);
                self.inside(self.base.resource(), resource, path)?;
                self.open(Open::Multiple(object, instance, resource));
                Ok(())
            }
            (Event::EndObject | Event::EndInstance | Event::EndMultiple, _) => self.close(&event),
            (event, _) => Err(EncodeError::Structure(event.step())),
        }
    }
}

fn instance_path(object: ObjectId, instance: Option<InstanceId>) -> Path {
    instance.map_or(Path::Object(object), |id| Path::Instance(object, id))
}

/// The path of a Resource; in an instance without identifier, as if it were instance 0.
fn resource_path(object: ObjectId, instance: Option<InstanceId>, resource: ResourceId) -> Path {
    Path::Resource(object, instance.unwrap_or(InstanceId::ZERO), resource)
}

#[cfg(test)]
mod tests;
