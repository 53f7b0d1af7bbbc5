//! Writing a message directly into the bytes that are sent and retransmitted (RFC 7252 §3).

use alloc::vec::Vec;
use core::{
    fmt::{self, Write},
    mem,
};

use bytes::Bytes;
use lwm2m_core::{Code, ContentFormat, Method};
use thiserror::Error;

use super::{
    message::{MessageRef, MessageType, Options},
    option::{BlockOption, OptionNumber, OptionSet, Uint},
    token::Token,
};

/// Room for the header and the longest token. They are written last and right-aligned, so that
/// nothing has to move when the token is known.
const HEAD: usize = 12;

/// The capacity that most answers need besides the head.
const DEFAULT_CAPACITY: usize = 36;

/// A message under construction: code, options in the order of their numbers, payload. Type,
/// message id and token are set when it is sent.
///
/// ```
/// use lwm2m_core::{ContentFormat, Method};
/// use lwm2m_statemachine::coap::{MessageBuf, MessageType, Token};
///
/// let mut message = MessageBuf::request(Method::Post);
/// message.uri_path("rd")?.content_format(ContentFormat::LINK_FORMAT)?.uri_query("ep=me")?;
/// message.payload_mut().extend_from_slice(b"</3/0>");
/// let wire = message.finish(MessageType::Confirmable, 0x1234, Token::EMPTY);
/// assert_eq!(wire.as_ref(), b"\x40\x02\x12\x34\xb2rd\x11\x28\x35ep=me\xff</3/0>");
/// # Ok::<(), lwm2m_statemachine::coap::OptionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MessageBuf {
    /// The head, the options and, if it has been started, the payload after its marker.
    bytes: Vec<u8>,
    code: Code,
    /// The number of the last option.
    last: u16,
    present: OptionSet,
    /// Where the payload's marker is; 0 if there is none.
    marker: usize,
}

/// An option that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum OptionError {
    /// Options are written in the order of their numbers.
    #[error("{option} comes after {after}, which has a higher number")]
    Order {
        /// The option.
        option: OptionNumber,
        /// The one written before it.
        after: OptionNumber,
    },
    /// The value is shorter or longer than the option's definition allows (RFC 7252 §5.4.3).
    #[error("{length} bytes are no legal length of {option}")]
    Length {
        /// The option.
        option: OptionNumber,
        /// The length of its value in bytes.
        length: usize,
    },
    /// The option must not be repeated (RFC 7252 §5.4.5).
    #[error("{0} must not be repeated")]
    Repeated(OptionNumber),
    /// The payload has been started.
    #[error("{0} comes after the payload")]
    AfterPayload(OptionNumber),
    /// "." and ".." aren't legal path segments (RFC 7252 §5.10.1, §5.10.7).
    #[error("a segment of {0} is neither \".\" nor \"..\"")]
    DotSegment(OptionNumber),
}

impl MessageBuf {
    /// A request.
    #[inline]
    pub fn request(method: Method) -> Self {
        Self::new(method.code())
    }

    /// A request whose options and payload take up to `capacity` bytes.
    #[inline]
    pub fn request_with_capacity(method: Method, capacity: usize) -> Self {
        Self::with_capacity(method.code(), capacity)
    }

    /// A response.
    #[inline]
    pub fn response(code: Code) -> Self {
        Self::new(code)
    }

    /// A response whose options and payload take up to `capacity` bytes.
    #[inline]
    pub fn response_with_capacity(code: Code, capacity: usize) -> Self {
        Self::with_capacity(code, capacity)
    }

    /// A message of any code, for tools and tests: a method or a response code that the RFC defines
    /// elsewhere, one of a reserved class, or Empty. An Empty message must have no options, no
    /// payload and an empty token (RFC 7252 §4.1); the caller must ensure that.
    ///
    /// ```
    /// use lwm2m_core::Code;
    /// use lwm2m_statemachine::coap::{MessageBuf, MessageType, Token};
    ///
    /// // FETCH (RFC 8132) and a ping (RFC 7252 §4.3).
    /// let fetch = MessageBuf::new(Code::new(0, 5));
    /// let wire = fetch.finish(MessageType::Confirmable, 1, Token::EMPTY);
    /// assert_eq!(wire.as_ref(), [0x40, 0x05, 0, 1]);
    /// let ping = MessageBuf::new(Code::EMPTY);
    /// let wire = ping.finish(MessageType::Confirmable, 2, Token::EMPTY);
    /// assert_eq!(wire.as_ref(), [0x40, 0x00, 0, 2]);
    /// ```
    #[inline]
    pub fn new(code: Code) -> Self {
        Self::with_capacity(code, DEFAULT_CAPACITY)
    }

    /// A message of any code whose options and payload take up to `capacity` bytes.
    #[inline]
    pub fn with_capacity(code: Code, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEAD.saturating_add(capacity));
        bytes.extend_from_slice(&[0; HEAD]);
        Self {
            bytes,
            code,
            last: 0,
            present: OptionSet::NONE,
            marker: 0,
        }
    }

    /// The same message as one that was written, with its code, options and payload.
    pub(crate) fn copy_of(message: &MessageRef<'_>) -> Result<Self, OptionError> {
        let payload = message.payload();
        let options: usize = message.options().map(|(_, value)| value.len() + 1).sum();
        let mut copy = Self::with_capacity(message.code(), options + payload.len() + 1);
        for (number, value) in message.options() {
            copy.option(number, value)?;
        }
        if !payload.is_empty() {
            copy.payload(payload);
        }
        Ok(copy)
    }

    /// The bytes it takes.
    #[cfg(feature = "server")]
    pub(crate) const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Moves the message out; `self` can't be sent afterwards.
    #[cfg(feature = "server")]
    pub(crate) fn take(&mut self) -> Self {
        Self {
            bytes: mem::take(&mut self.bytes),
            ..*self
        }
    }

    /// The code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Whether the option was added.
    pub const fn has(&self, option: OptionNumber) -> bool {
        self.present.contains(option)
    }

    /// The options that were added.
    pub fn options(&self) -> Options<'_> {
        Options::new(self.bytes.get(HEAD..).unwrap_or(&[]))
    }

    /// The payload so far.
    pub fn payload_bytes(&self) -> &[u8] {
        match self.marker {
            0 => &[],
            marker => self.bytes.get(marker + 1..).unwrap_or(&[]),
        }
    }

    /// How long the message will be with the longest token.
    pub(super) const fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Adds any option, including those without a method.
    #[inline]
    pub fn option(&mut self, number: OptionNumber, value: &[u8]) -> Result<&mut Self, OptionError> {
        let delta = self.admit(number, value.len())?;
        let length = value.len();
        if delta < 13 && length < 13 {
            #[allow(clippy::cast_possible_truncation, reason = "both are below 13")]
            self.bytes.push((delta as u8) << 4 | length as u8);
        } else {
            self.long_header(delta, length);
        }
        self.bytes.extend_from_slice(value);
        Ok(self)
    }

    /// Observe: 0 or 1 in a request, the sequence number, of which 24 bits count, in a
    /// notification (RFC 7641 §2).
    pub fn observe(&mut self, value: u32) -> Result<&mut Self, OptionError> {
        self.uint(OptionNumber::OBSERVE, value & 0x00ff_ffff)
    }

    /// A path segment of the location of a created resource.
    pub fn location_path(&mut self, segment: &str) -> Result<&mut Self, OptionError> {
        self.segment(OptionNumber::LOCATION_PATH, segment)
    }

    /// A segment of the path.
    pub fn uri_path(&mut self, segment: &str) -> Result<&mut Self, OptionError> {
        self.segment(OptionNumber::URI_PATH, segment)
    }

    /// A segment of the path, written with `Display` without an intermediate string.
    pub fn uri_path_display(
        &mut self,
        segment: &dyn fmt::Display,
    ) -> Result<&mut Self, OptionError> {
        self.display(OptionNumber::URI_PATH, segment)
    }

    /// The format of the payload.
    #[inline]
    pub fn content_format(&mut self, format: ContentFormat) -> Result<&mut Self, OptionError> {
        self.uint(OptionNumber::CONTENT_FORMAT, format.number().into())
    }

    /// How long the response may be cached, in seconds.
    pub fn max_age(&mut self, seconds: u32) -> Result<&mut Self, OptionError> {
        self.uint(OptionNumber::MAX_AGE, seconds)
    }

    /// An argument of the query, `name` or `name=value`.
    pub fn uri_query(&mut self, argument: &str) -> Result<&mut Self, OptionError> {
        self.option(OptionNumber::URI_QUERY, argument.as_bytes())
    }

    /// An argument of the query, written with `Display` without an intermediate string.
    pub fn uri_query_display(
        &mut self,
        argument: &dyn fmt::Display,
    ) -> Result<&mut Self, OptionError> {
        self.display(OptionNumber::URI_QUERY, argument)
    }

    /// The format that the response should have.
    pub fn accept(&mut self, format: ContentFormat) -> Result<&mut Self, OptionError> {
        self.uint(OptionNumber::ACCEPT, format.number().into())
    }

    /// An entity-tag, 1 to 8 bytes.
    pub fn etag(&mut self, tag: &[u8]) -> Result<&mut Self, OptionError> {
        self.option(OptionNumber::ETAG, tag)
    }

    /// The block of the response's body that this is or requests.
    pub fn block2(&mut self, block: BlockOption) -> Result<&mut Self, OptionError> {
        self.uint(OptionNumber::BLOCK2, block.value())
    }

    /// Which block of the request's body this is.
    pub fn block1(&mut self, block: BlockOption) -> Result<&mut Self, OptionError> {
        self.uint(OptionNumber::BLOCK1, block.value())
    }

    #[inline]
    fn segment(&mut self, number: OptionNumber, segment: &str) -> Result<&mut Self, OptionError> {
        if matches!(segment, "." | "..") {
            return Err(OptionError::DotSegment(number));
        }
        self.option(number, segment.as_bytes())
    }

    /// An option that holds a number.
    #[expect(
        clippy::inline_always,
        reason = "most of it is known where it is called"
    )]
    #[inline(always)]
    pub fn uint(&mut self, number: OptionNumber, value: u32) -> Result<&mut Self, OptionError> {
        let value = Uint::new(value);
        let length = value.as_bytes().len();
        let delta = self.admit(number, length)?;
        if delta < 13 {
            // Truncate the excess: faster than a copy of variable length.
            let end = self.bytes.len() + 1 + length;
            let header = u64::from(delta) << 60 | (length as u64) << 56;
            let word = header | value.at_start();
            self.bytes.extend_from_slice(&word.to_be_bytes());
            self.bytes.truncate(end);
        } else {
            self.long_header(delta, length);
            self.bytes.extend_from_slice(value.as_bytes());
        }
        Ok(self)
    }

    /// An option that holds text, formatted in place. Not changed on error.
    pub fn display(
        &mut self,
        number: OptionNumber,
        value: &dyn fmt::Display,
    ) -> Result<&mut Self, OptionError> {
        // The legal length is known afterwards; the rest is checked before.
        let legal = number.lengths().map_or(0, |(shortest, _)| shortest);
        let before = (self.last, self.present);
        let delta = self.admit(number, legal.into())?;
        let header = self.bytes.len();
        self.long_header(delta, 0);
        let start = self.bytes.len();
        // Writing into a vector doesn't fail; a value whose `Display` fails is truncated.
        let _ = Append(&mut self.bytes).write_fmt(format_args!("{value}"));
        let length = self.bytes.len().saturating_sub(start);
        let lengths = number.lengths().unwrap_or((0, u16::MAX));
        let is_legal = usize::from(lengths.0) <= length && length <= usize::from(lengths.1);
        let is_dots = number.is_path() && matches!(self.bytes.get(start..), Some(b"." | b".."));
        if is_dots || !is_legal {
            self.bytes.truncate(header);
            (self.last, self.present) = before;
            return Err(if is_dots {
                OptionError::DotSegment(number)
            } else {
                OptionError::Length {
                    option: number,
                    length,
                }
            });
        }
        let (nibble, extension) = Extension::new(length);
        let extension = extension.as_bytes();
        if let Some(head) = self.bytes.get_mut(header) {
            *head |= nibble;
        }
        if !extension.is_empty() {
            self.bytes.extend_from_slice(extension);
            if let Some(moved) = self.bytes.get_mut(start..) {
                moved.rotate_right(extension.len());
            }
        }
        Ok(self)
    }

    /// Appends to the payload.
    #[inline]
    pub fn payload(&mut self, bytes: &[u8]) -> &mut Self {
        self.payload_mut().extend_from_slice(bytes);
        self
    }

    /// The buffer to append the payload to; its existing content must not be changed. This writes
    /// the payload marker, which is removed when the message is sent if the payload is still empty.
    /// No options can be added afterwards.
    #[inline]
    pub fn payload_mut(&mut self) -> &mut Vec<u8> {
        if self.marker == 0 {
            self.marker = self.bytes.len();
            self.bytes.push(0xff);
        }
        &mut self.bytes
    }

    /// Completes the message with type, message id and token. An endpoint does this itself; this is
    /// for tools and tests.
    #[inline]
    pub fn finish(mut self, kind: MessageType, message_id: u16, token: Token) -> WireMessage {
        if self.marker != 0 && self.bytes.len() <= self.marker + 1 {
            self.bytes.truncate(self.marker);
        }
        let start = write_head(&mut self.bytes, self.code, kind, message_id, token);
        WireMessage {
            bytes: self.bytes,
            start,
        }
    }

    /// The message without its payload, and the payload, which is not copied.
    pub(super) fn split_payload(mut self) -> (Self, Bytes) {
        let marker = mem::take(&mut self.marker);
        let Some(head) = self.bytes.get(..marker).filter(|head| !head.is_empty()) else {
            return (self, Bytes::new());
        };
        let head = head.to_vec();
        // It may be kept for a while, so excess capacity is released.
        self.bytes.shrink_to_fit();
        let mut payload = Bytes::from(mem::replace(&mut self.bytes, head));
        let start = payload.len().min(marker.saturating_add(1));
        let _ = payload.split_to(start);
        (self, payload)
    }

    /// Checks an option against those already written, and records it. Returns its delta.
    #[inline]
    fn admit(&mut self, number: OptionNumber, length: usize) -> Result<u16, OptionError> {
        if self.marker != 0 {
            return Err(OptionError::AfterPayload(number));
        }
        let Some(delta) = number.number().checked_sub(self.last) else {
            return Err(OptionError::Order {
                option: number,
                after: OptionNumber::new(self.last),
            });
        };
        if let Some((shortest, longest)) = number.lengths() {
            if length < shortest.into() || length > longest.into() {
                return Err(OptionError::Length {
                    option: number,
                    length,
                });
            }
            if delta == 0 && self.present.contains(number) && !number.is_repeatable() {
                return Err(OptionError::Repeated(number));
            }
        } else if length > usize::from(u16::MAX) {
            return Err(OptionError::Length {
                option: number,
                length,
            });
        }
        self.last = number.number();
        self.present = self.present.with(number);
        Ok(delta)
    }

    #[inline(never)]
    fn long_header(&mut self, delta: u16, length: usize) {
        let (delta, delta_extension) = Extension::new(delta.into());
        let (length, length_extension) = Extension::new(length);
        self.bytes.push(delta << 4 | length);
        self.bytes.extend_from_slice(delta_extension.as_bytes());
        self.bytes.extend_from_slice(length_extension.as_bytes());
    }
}

/// The bytes that extend a delta or a length beyond 12 (RFC 7252 §3.1).
#[derive(Clone, Copy)]
struct Extension {
    bytes: [u8; 2],
    skip: usize,
}

impl Extension {
    /// The nibble and its extension, for at most 65535 + 269.
    fn new(value: usize) -> (u8, Self) {
        let (nibble, rest, skip) = match value {
            0..13 => (u8::try_from(value).unwrap_or(0), 0, 2),
            13..269 => (13, value - 13, 1),
            _ => (14, value - 269, 0),
        };
        let bytes = u16::try_from(rest).unwrap_or(u16::MAX).to_be_bytes();
        (nibble, Self { bytes, skip })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.skip..).unwrap_or(&[])
    }
}

/// Formatting into bytes.
struct Append<'a>(&'a mut Vec<u8>);

impl Write for Append<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// A message as it is sent.
#[derive(Clone)]
pub struct WireMessage {
    bytes: Vec<u8>,
    /// Where it begins: the head is right-aligned.
    start: usize,
}

/// Writes header and token right-aligned into their reserved space; returns where they begin.
#[inline]
fn write_head(
    bytes: &mut Vec<u8>,
    code: Code,
    kind: MessageType,
    message_id: u16,
    token: Token,
) -> usize {
    let length = token.length();
    let start = 8_usize.saturating_sub(length.into());
    let first = 0x40 | kind.bits() << 4 | length;
    let [id_high, id_low] = message_id.to_be_bytes();
    if bytes.len() < HEAD {
        // Only if the bytes before the payload were removed; the remaining ones have no meaning.
        *bytes = [0; HEAD].to_vec();
    }
    // First the token; the header then overwrites its leading zeros. Faster than a copy of variable
    // length.
    if let Some(place) = bytes.get_mut(4..).and_then(<[u8]>::first_chunk_mut::<8>) {
        *place = token.at_end();
    }
    if let Some(place) = bytes
        .get_mut(start..)
        .and_then(<[u8]>::first_chunk_mut::<4>)
    {
        *place = [first, code.to_byte(), id_high, id_low];
    }
    start
}

impl WireMessage {
    /// Changes type and message id; the rest stays.
    pub(super) fn readdress(&mut self, kind: MessageType, message_id: u16) {
        let [id_high, id_low] = message_id.to_be_bytes();
        if let Some([first, _, high, low, ..]) = self.bytes.get_mut(self.start..) {
            *first = *first & 0xcf | kind.bits() << 4;
            (*high, *low) = (id_high, id_low);
        }
    }

    /// The bytes of memory it takes.
    pub(super) const fn size(&self) -> usize {
        self.bytes.capacity()
    }

    /// Releases unused capacity if it is large enough.
    pub(super) fn compact(&mut self) {
        if self.bytes.capacity() - self.bytes.len() > 64 {
            self.bytes.shrink_to_fit();
        }
    }
}

impl AsRef<[u8]> for WireMessage {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or(&[])
    }
}

impl From<WireMessage> for Vec<u8> {
    fn from(mut message: WireMessage) -> Self {
        message
            .bytes
            .drain(..message.start.min(message.bytes.len()));
        message.bytes
    }
}

impl fmt::Debug for WireMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WireMessage(")?;
        self.as_ref()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, ")")
    }
}

#[cfg(test)]
mod tests;
