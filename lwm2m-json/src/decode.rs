//! From bytes to events.

mod document;
mod name;

use alloc::{string::String, vec::Vec};

use base64::{Engine, engine::general_purpose::STANDARD};
use lwm2m_core::{
    DataType, InstanceId, Path, ResourceId, Timestamp, ValueRef,
    codec::{Cursor, DecodeFailure, Purpose, Scope, Sink, TypeLookup, WithInstance},
};

use self::{
    document::{Document, Entries, Entry, Field},
    name::Name,
};
use crate::{
    error::{DecodeError, Problem},
    reader::{Number, Text},
    scope::carries,
};

/// Reads a payload and pushes it into `sink`.
///
/// What is to be written is at or below the path of the scope, has one entry at least, and no time
/// but zero. An answer may hold Object Instances that are linked from the path of the scope, and
/// values over time.
///
/// The events are absolute and in the order of [`lwm2m_core::codec`]. The data type of each
/// Resource decides which field its value must be in (TS Table 22). A Resource that `types` doesn't
/// know has the type of its field: String, Integer (a number without fraction and
/// exponent), Float, Boolean or ObjectLink. Strings borrow from the payload unless they are
/// escaped.
///
/// An answer without entries says that the path of the scope is empty, which a Resource Instance
/// can't be. Its Base Name, if there is one, is that path or contains it.
///
/// ```
/// use lwm2m_core::{
///     DataType, ObjectId, Path, ResourceId, Timestamp, Value,
///     codec::{Content, Scope},
/// };
/// use lwm2m_json::decode;
///
/// let payload = br#"{"bn":"/72/","e":[
///     {"n":"1/2","v":22.4,"t":-5},
///     {"n":"1/2","v":22.9,"t":-30}],
///     "bt":25462634}"#;
/// let temperature: Path = "/72/1/2".parse()?;
/// let types = |_: ObjectId, _: ResourceId| Some(DataType::Float);
/// let mut content = Content::new();
/// decode(payload, Scope::answer(temperature), &types, &mut content)?;
/// let [first, second] = content.entries() else { panic!() };
/// assert_eq!(first.value, Some(Value::Float(22.4)));
/// assert_eq!(first.time, Some(Timestamp::Absolute(25462629.0)));
/// assert_eq!(second.time, Some(Timestamp::Absolute(25462604.0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Create
///
/// The payload of a Create (TS 5.4.6) need not say which Object Instance is created. Then no name has
/// one: `/16/0` is Resource 0, and `/16/1/0` is Resource Instance 0 of Resource 1, of an Object
/// Instance whose identifier the client is to choose,
/// [`Event::Instance`](lwm2m_core::codec::Event::Instance) with `None`. [`WithInstance`] gives it one
/// on its way into a [`Content`](lwm2m_core::codec::Content), where everything has a path.
///
/// That is so if at least one name has two levels. Otherwise `/16/1/0` is Resource 0 of
/// Object Instance 1: an Object Instance that has multiple Resources only must be named.
///
/// ```
/// use lwm2m_core::{ObjectId, codec::{Event, Events, Scope, Untyped}};
/// use lwm2m_json::decode;
///
/// let create = Scope::create(ObjectId::new(16));
/// for (payload, instance) in [
///     (br#"{"bn":"/16/","e":[{"n":"0","v":1}]}"#.as_slice(), None),
///     (br#"{"bn":"/16/","e":[{"n":"5/0","v":1}]}"#, Some(5.try_into()?)),
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
/// [`DecodeFailure::Malformed`] with the place and the [`Problem`], or what the sink refuses. The sink
/// has got all that stands before an error. It is for the sink to apply a whole payload or nothing.
pub fn decode<S: Sink + ?Sized>(
    payload: &[u8],
    scope: Scope,
    types: &(impl TypeLookup + ?Sized),
    sink: &mut S,
) -> Result<(), DecodeFailure<DecodeError, S::Error>> {
    if !carries(scope) {
        let error = DecodeError::at(0, Problem::Purpose(scope.purpose()));
        return Err(DecodeFailure::Malformed(error));
    }
    let mut document = Document::open(payload).map_err(DecodeFailure::Malformed)?;
    let decoder = Decoder::new(&document, scope, types);
    let unnamed = decoder.unnamed(document.entries);
    if unnamed.map_err(DecodeFailure::Malformed)? {
        let mut unnamed = WithInstance::new(sink, None);
        decoder.push(&mut document.entries, true, &mut unnamed)?;
    } else {
        decoder.push(&mut document.entries, false, sink)?;
    }
    document.close().map_err(DecodeFailure::Malformed)
}

/// What the entries of one document have in common.
struct Decoder<'a, 't, T: ?Sized> {
    base_name: Option<Text<'a>>,
    base_name_offset: usize,
    /// The Base Name, parsed.
    prefix: Name,
    base_time: Option<f64>,
    scope: Scope,
    types: &'t T,
}

impl<'a, 't, T: TypeLookup + ?Sized> Decoder<'a, 't, T> {
    fn new(document: &Document<'a>, scope: Scope, types: &'t T) -> Self {
        let base_name = document.base_name;
        Self {
            base_name,
            base_name_offset: document.base_name_offset,
            prefix: base_name.map_or(Name::EMPTY, |text| Name::EMPTY.followed_by(text)),
            base_time: document.base_time,
            scope,
            types,
        }
    }

    /// Whether the names are those of an Object Instance without an identifier.
    fn unnamed(&self, mut entries: Entries<'_>) -> Result<bool, DecodeError> {
        if self.scope.purpose() != Purpose::Create {
            return Ok(false);
        }
        let mut entry = Entry::BEFORE_FIRST;
        while entries.next(&mut entry)? {
            if let Some(Path::Instance(..)) = self.name(&entry) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn push<S: Sink + ?Sized>(
        &self,
        entries: &mut Entries<'_>,
        unnamed: bool,
        sink: &mut S,
    ) -> Result<(), DecodeFailure<DecodeError, S::Error>> {
        let mut cursor = Cursor::new();
        let mut scratch = Scratch::default();
        let mut entry = Entry::BEFORE_FIRST;
        let mut any = false;
        while entries.next(&mut entry).map_err(DecodeFailure::Malformed)? {
            any = true;
            let path = self.path(&entry, unnamed);
            let path = path.map_err(DecodeFailure::Malformed)?;
            let time = self.time(&entry).map_err(DecodeFailure::Malformed)?;
            let value = self.value(&entry, path, &mut scratch);
            let value = value.map_err(DecodeFailure::Malformed)?;
            let pushed = cursor.value(path, value, time, sink);
            pushed.map_err(DecodeFailure::Sink)?;
        }
        if !any {
            let empty = self.check_empty(entries.offset());
            empty.map_err(DecodeFailure::Malformed)?;
            let pushed = cursor.open(self.scope.base(), sink);
            pushed.map_err(DecodeFailure::Sink)?;
        }
        cursor.finish(sink).map_err(DecodeFailure::Sink)
    }

    /// Checks that a document without entries may say that the path of the scope is empty. Nothing
    /// else reads the Base Name then.
    #[cold]
    fn check_empty(&self, offset: usize) -> Result<(), DecodeError> {
        let base = self.scope.base();
        if self.is_request() || base.resource_instance().is_some() {
            return Err(DecodeError::at(offset, Problem::NoEntries));
        }
        let problem = match self.prefix.place() {
            Some(path) if path.contains(&base) => return Ok(()),
            Some(path) => Problem::OtherPath { path, base },
            None => Problem::Name(name::reason(self.base_name, None)),
        };
        Err(DecodeError::at(self.base_name_offset, problem))
    }

    /// Whether the payload has new values, not present or past ones.
    #[inline(always)]
    fn is_request(&self) -> bool {
        self.scope.purpose() != Purpose::Answer
    }

    /// Base Name and Name.
    #[inline(always)]
    fn name(&self, entry: &Entry<'_>) -> Option<Path> {
        match entry.name {
            Some(name) => self.prefix.followed_by(name).path(),
            None => self.prefix.path(),
        }
    }

    /// The path of the value. In an Object Instance without identifier, as if that were 0.
    #[inline(always)]
    fn path(&self, entry: &Entry<'_>, unnamed: bool) -> Result<Path, DecodeError> {
        let error = |problem| entry.error(entry.name_offset, problem);
        let Some(mut path) = self.name(entry) else {
            let reason = name::reason(self.base_name, entry.name);
            return Err(error(Problem::Name(reason)));
        };
        let base = self.scope.base();
        if self.is_request() && !base.contains(&path) {
            return Err(error(Problem::OutsidePath { path, base }));
        }
        if unnamed {
            path = in_instance_0(path).ok_or_else(|| error(Problem::MixedNames))?;
        }
        if path.resource().is_none() {
            return Err(error(Problem::NotAResource(path)));
        }
        Ok(path)
    }

    #[inline(always)]
    fn time(&self, entry: &Entry<'_>) -> Result<Option<Timestamp>, DecodeError> {
        if self.base_time.is_none() && entry.time.is_none() {
            return Ok(None);
        }
        let error = |problem| entry.error(entry.offset, problem);
        let time = match entry.time {
            Some(time) => time.float().ok_or_else(|| error(Problem::Time))?,
            None => 0.0,
        };
        let time = self.base_time.unwrap_or(0.0) + time;
        match Timestamp::from_seconds(time) {
            None => Err(error(Problem::Time)),
            time if !self.is_request() => Ok(time),
            Some(Timestamp::NOW) => Ok(None),
            Some(_) => Err(error(Problem::TimeInRequest)),
        }
    }

    #[inline(always)]
    fn value<'v>(
        &self,
        entry: &Entry<'v>,
        path: Path,
        scratch: &'v mut Scratch,
    ) -> Result<ValueRef<'v>, DecodeError> {
        let error = |problem| entry.error(entry.value_offset, problem);
        let field = entry.value.ok_or_else(|| error(Problem::NoValue))?;
        let data_type = match (path.object(), path.resource()) {
            (Some(object), Some(resource)) => self.types.data_type(object, resource),
            _ => None,
        };
        let Some(data_type) = data_type else {
            return untyped(field, scratch).map_err(error);
        };
        let value = match (data_type, field) {
            (DataType::String, Field::String(text)) => Ok(ValueRef::String(scratch.string(text))),
            (DataType::Integer, Field::Number(number)) => integer(number).map(ValueRef::Integer),
            (DataType::Time, Field::Number(number)) => integer(number).map(ValueRef::Time),
            (DataType::Float, Field::Number(number)) => float(number).map(ValueRef::Float),
            (DataType::Boolean, Field::Boolean(truth)) => Ok(ValueRef::Boolean(truth)),
            (DataType::Opaque, Field::String(text)) => scratch.opaque(text).map(ValueRef::Opaque),
            (DataType::ObjectLink, Field::ObjectLink(text)) => object_link(text, scratch),
            (expected, field) => Err(Problem::WrongValue {
                path,
                expected,
                found: field.member(),
            }),
        };
        value.map_err(error)
    }
}

/// A value whose data type is that of its field.
fn untyped<'v>(field: Field<'v>, scratch: &'v mut Scratch) -> Result<ValueRef<'v>, Problem> {
    match field {
        Field::Number(number) => match number.token_integer() {
            Some(integer) => Ok(ValueRef::Integer(integer)),
            None => float(number).map(ValueRef::Float),
        },
        Field::Boolean(truth) => Ok(ValueRef::Boolean(truth)),
        Field::ObjectLink(text) => object_link(text, scratch),
        Field::String(text) => Ok(ValueRef::String(scratch.string(text))),
    }
}

fn integer(number: Number<'_>) -> Result<i64, Problem> {
    number.integer().ok_or(Problem::NotAnInteger)
}

fn float(number: Number<'_>) -> Result<f64, Problem> {
    number.float().ok_or(Problem::NumberRange)
}

fn object_link<'v>(text: Text<'_>, scratch: &mut Scratch) -> Result<ValueRef<'v>, Problem> {
    let link = scratch.string(text).parse();
    link.map(ValueRef::ObjectLink).map_err(Problem::ObjectLink)
}

/// Room to build the values that the payload holds in another form (escaped, Base64). It grows to
/// the length of the longest, not with their number.
#[derive(Default)]
struct Scratch {
    text: String,
    bytes: Vec<u8>,
}

impl Scratch {
    #[inline(always)]
    fn string<'v>(&'v mut self, text: Text<'v>) -> &'v str {
        if text.escaped {
            unescape(text, &mut self.text)
        } else {
            text.raw
        }
    }

    fn opaque(&mut self, text: Text<'_>) -> Result<&[u8], Problem> {
        let text = if text.escaped {
            unescape(text, &mut self.text)
        } else {
            text.raw
        };
        self.bytes.clear();
        let decoded = STANDARD.decode_vec(text, &mut self.bytes);
        decoded.map_err(|_| Problem::Base64)?;
        Ok(&self.bytes)
    }
}

fn unescape<'b>(text: Text<'_>, buffer: &'b mut String) -> &'b str {
    buffer.clear();
    buffer.reserve(text.raw.len());
    buffer.extend(text.chars());
    buffer
}

/// The path with Object Instance 0 between its Object and the rest.
fn in_instance_0(path: Path) -> Option<Path> {
    match path {
        Path::Instance(object, resource) => Some(Path::Resource(
            object,
            InstanceId::ZERO,
            ResourceId::new(resource.get()),
        )),
        Path::Resource(object, resource, id) => Some(Path::ResourceInstance(
            object,
            InstanceId::ZERO,
            ResourceId::new(resource.get()),
            id.get().into(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
