//! Reading a message in place (RFC 7252 §3).

use alloc::vec::Vec;
use core::str;

use lwm2m_core::{Code, ContentFormat};
use thiserror::Error;

mod offending;
mod options;

pub use self::{
    offending::{OffendingOption, OffendingOptions},
    options::{FormatError, Options, Strings},
};

use self::options::{Step, next_option};
use super::{
    option::{BlockOption, OptionNumber, OptionSet, Uint},
    token::Token,
};

/// The type of a message (RFC 7252 §3, §4).
///
/// Two bits have four values, so no variants will be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// CON: retransmitted until it is acknowledged.
    Confirmable,
    /// NON: sent once.
    NonConfirmable,
    /// ACK: answers a confirmable message; may carry a response.
    Acknowledgement,
    /// RST: rejects a message.
    Reset,
}

impl MessageType {
    /// The two bits of the header.
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Confirmable => 0,
            Self::NonConfirmable => 1,
            Self::Acknowledgement => 2,
            Self::Reset => 3,
        }
    }
}

/// A message borrowed from its datagram. [`parse`](Self::parse) has checked its format.
///
/// ```
/// use lwm2m_core::Code;
/// use lwm2m_statemachine::coap::{MessageRef, MessageType};
///
/// let message = MessageRef::parse(b"\x41\x02\x12\x34\x07\xb2rd\x45ep=me\xffhello")?;
/// assert_eq!((message.kind(), message.code()), (MessageType::Confirmable, Code::POST));
/// assert_eq!(message.uri_path().collect::<Vec<_>>(), ["rd"]);
/// assert_eq!(message.uri_query().collect::<Vec<_>>(), ["ep=me"]);
/// assert_eq!(message.payload(), b"hello");
/// # Ok::<(), lwm2m_statemachine::coap::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MessageRef<'a> {
    header: Header,
    scan: Scan,
    /// Token and options.
    head: &'a [u8],
    payload: &'a [u8],
    /// The Content-Format in the first block of its body.
    body_format: Option<ContentFormat>,
}

/// The first four bytes.
#[derive(Clone, Copy, Debug)]
struct Header([u8; 4]);

impl Header {
    const fn version(self) -> u8 {
        self.0[0] >> 6
    }

    const fn kind(self) -> MessageType {
        match self.0[0] >> 4 & 0x3 {
            0 => MessageType::Confirmable,
            1 => MessageType::NonConfirmable,
            2 => MessageType::Acknowledgement,
            _ => MessageType::Reset,
        }
    }

    const fn token_length(self) -> u8 {
        self.0[0] & 0x0f
    }

    const fn code(self) -> Code {
        Code::from_byte(self.0[1])
    }

    const fn message_id(self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }
}

/// Why a datagram isn't a CoAP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("{format} at byte {offset}")]
pub struct ParseError {
    /// What is wrong.
    #[source]
    pub format: FormatError,
    /// Where the error was detected.
    pub offset: usize,
    /// Type and message id, if they could be read: a confirmable message must be rejected with a
    /// Reset, any other ignored (RFC 7252 §4.2, §4.3).
    pub header: Option<(MessageType, u16)>,
}

impl<'a> MessageRef<'a> {
    /// Parses a datagram. Errors in individual options aren't format errors: see
    /// [`unrecognised`](Self::unrecognised).
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "written where the caller has it: to copy what was written field by field just \
                  before takes as long as to read a short message"
    )]
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let Some((header, rest)) = datagram.split_first_chunk::<4>() else {
            return Err(ParseError::new(FormatError::Header, datagram.len(), None));
        };
        let header = Header(*header);
        if header.version() != 1 {
            let error = FormatError::Version(header.version());
            return Err(ParseError::new(error, 0, None));
        }
        let length = header.token_length();
        if header.code() == Code::EMPTY && (length != 0 || !rest.is_empty()) {
            return Err(ParseError::new(FormatError::Empty, 4, Some(header)));
        }
        if length > 8 {
            let error = FormatError::TokenLength(length);
            return Err(ParseError::new(error, 0, Some(header)));
        }
        let Some((_, options)) = rest.split_at_checked(length.into()) else {
            let error = FormatError::Token;
            return Err(ParseError::new(error, datagram.len(), Some(header)));
        };
        let mut scan = Scan::default();
        match scan.options(options) {
            Ok(left) => {
                let head = rest.len().saturating_sub(left.len());
                Ok(Self {
                    header,
                    scan,
                    head: rest.get(..head).unwrap_or(rest),
                    // After its marker.
                    payload: left.get(1..).unwrap_or(&[]),
                    body_format: None,
                })
            }
            Err((error, left)) => {
                let offset = datagram.len().saturating_sub(left);
                Err(ParseError::new(error, offset, Some(header)))
            }
        }
    }

    /// The type.
    pub const fn kind(&self) -> MessageType {
        self.header.kind()
    }

    /// The code: method, response code, or Empty.
    pub const fn code(&self) -> Code {
        self.header.code()
    }

    /// The message id.
    pub const fn message_id(&self) -> u16 {
        self.header.message_id()
    }

    /// The token.
    #[inline]
    pub fn token(&self) -> Token {
        Token::at_start(self.head, self.header.token_length()).unwrap_or_default()
    }

    /// All options as they were written, unknown and illegal ones included, in the order of their
    /// numbers.
    #[inline]
    pub fn options(&self) -> Options<'a> {
        Options::new(self.option_bytes())
    }

    /// The payload; empty if there is none (RFC 7252 §3 allows no other empty payload).
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The first critical option that is unknown, has an illegal length, is illegally repeated, or
    /// should be text and is not UTF-8 (RFC 7252 §5.4.1, §5.4.3, §5.4.5).
    pub const fn unrecognised(&self) -> Option<OptionNumber> {
        match self.scan.unrecognised {
            0 => None,
            number => Some(OptionNumber::new(number)),
        }
    }

    /// All invalid options, each with its fault: critical ones, which prevent a message from being
    /// processed, and elective ones, which are ignored (RFC 7252 §5.4.1). Doesn't allocate.
    ///
    /// ```
    /// use lwm2m_statemachine::coap::{MessageRef, OptionFault, OptionNumber};
    ///
    /// // GET with Uri-Path "3", two of Accept, and option 65000.
    /// let datagram = b"\x40\x01\x00\x01\xb1\x33\x61\x32\x01\x2a\xe0\xfc\xca";
    /// let message = MessageRef::parse(datagram)?;
    /// let mut offending = message.offending();
    /// let accept = offending.next().unwrap();
    /// assert_eq!((accept.number, accept.fault), (OptionNumber::ACCEPT, OptionFault::Repeated));
    /// assert_eq!(offending.next().unwrap().to_string(), "option 65000: unknown");
    /// assert!(offending.next().is_none());
    /// # Ok::<(), lwm2m_statemachine::coap::ParseError>(())
    /// ```
    pub fn offending(&self) -> OffendingOptions<'a> {
        OffendingOptions::new(self.options())
    }

    /// Whether the message has this option, known and legal.
    pub const fn has(&self, option: OptionNumber) -> bool {
        self.scan.present.contains(option)
    }

    /// Copies the message.
    pub fn to_owned(&self) -> OwnedMessage {
        OwnedMessage {
            header: self.header,
            scan: self.scan,
            bytes: [self.head, self.payload].concat(),
            head: self.head.len(),
            body_format: self.body_format,
        }
    }

    /// The message as a block of a body whose first block has this Content-Format.
    pub(super) const fn of_body(self, body_format: Option<ContentFormat>) -> Self {
        Self {
            body_format,
            ..self
        }
    }

    /// All known and legal options.
    pub(super) const fn present(&self) -> OptionSet {
        self.scan.present
    }

    /// The first critical option that is unrecognised, or is not in this set.
    pub(super) fn unrecognised_outside(&self, understood: OptionSet) -> Option<OptionNumber> {
        let outside = self.scan.present.critical_outside(understood).first();
        match (self.unrecognised(), outside) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// The segments of the path.
    pub fn uri_path(&self) -> Strings<'a> {
        self.strings(OptionNumber::URI_PATH)
    }

    /// The arguments of the query.
    pub fn uri_query(&self) -> Strings<'a> {
        self.strings(OptionNumber::URI_QUERY)
    }

    /// The segments of a location.
    pub fn location_path(&self) -> Strings<'a> {
        self.strings(OptionNumber::LOCATION_PATH)
    }

    /// The arguments of a location's query.
    pub fn location_query(&self) -> Strings<'a> {
        self.strings(OptionNumber::LOCATION_QUERY)
    }

    /// The requested host.
    pub fn uri_host(&self) -> Option<&'a str> {
        self.strings(OptionNumber::URI_HOST).next()
    }

    /// The requested port.
    pub fn uri_port(&self) -> Option<u16> {
        self.uint(OptionNumber::URI_PORT)
            .and_then(|port| u16::try_from(port).ok())
    }

    /// The format of the payload. If an endpoint returns the message as a block of a body, or with
    /// the body that it completes, this is the format of the body: later blocks may omit the option
    /// (RFC 7959 §2.4). It is among the [`options`](Self::options) only if the message itself has
    /// it.
    pub fn content_format(&self) -> Option<ContentFormat> {
        self.format(OptionNumber::CONTENT_FORMAT)
            .or(self.body_format)
    }

    /// The format that the client accepts.
    pub fn accept(&self) -> Option<ContentFormat> {
        self.format(OptionNumber::ACCEPT)
    }

    /// Observe: 0 or 1 in a request, the sequence number in a notification.
    pub fn observe(&self) -> Option<u32> {
        self.uint(OptionNumber::OBSERVE)
    }

    /// How long a response may be cached, in seconds; 60 without the option.
    pub fn max_age(&self) -> u32 {
        self.uint(OptionNumber::MAX_AGE).unwrap_or(60)
    }

    /// The first entity-tag.
    pub fn etag(&self) -> Option<&'a [u8]> {
        self.value(OptionNumber::ETAG)
    }

    /// The block of the request's body; also `None` if its size is the reserved one.
    pub fn block1(&self) -> Option<BlockOption> {
        BlockOption::read(self.value(OptionNumber::BLOCK1)?)
    }

    /// The block of the response's body; also `None` if its size is the reserved one.
    pub fn block2(&self) -> Option<BlockOption> {
        BlockOption::read(self.value(OptionNumber::BLOCK2)?)
    }

    /// The size of the request's body in bytes.
    pub fn size1(&self) -> Option<u32> {
        self.uint(OptionNumber::SIZE1)
    }

    /// The size of the response's body in bytes.
    pub fn size2(&self) -> Option<u32> {
        self.uint(OptionNumber::SIZE2)
    }

    fn option_bytes(&self) -> &'a [u8] {
        self.head
            .get(usize::from(self.header.token_length())..)
            .unwrap_or(&[])
    }

    /// The value of the first option of this number, if it is legal.
    fn value(&self, number: OptionNumber) -> Option<&'a [u8]> {
        if !self.scan.present.contains(number) {
            return None;
        }
        self.options()
            .find(|(option, value)| *option == number && option.is_legal(value, false))
            .map(|(_, value)| value)
    }

    fn uint(&self, number: OptionNumber) -> Option<u32> {
        self.value(number).and_then(Uint::read)
    }

    fn format(&self, number: OptionNumber) -> Option<ContentFormat> {
        let format = u16::try_from(self.uint(number)?).ok()?;
        Some(ContentFormat::new(format))
    }

    fn strings(&self, number: OptionNumber) -> Strings<'a> {
        let options = if self.scan.present.contains(number) {
            self.options()
        } else {
            Options::new(&[])
        };
        Strings::new(options, number)
    }
}

/// A message that owns its bytes; see [`MessageRef::to_owned`].
#[derive(Clone, Debug)]
pub struct OwnedMessage {
    header: Header,
    scan: Scan,
    /// Token and options, then payload.
    bytes: Vec<u8>,
    /// The length of token and options.
    head: usize,
    /// The Content-Format in the first block of its body.
    body_format: Option<ContentFormat>,
}

impl OwnedMessage {
    /// The message.
    pub fn message(&self) -> MessageRef<'_> {
        let (head, payload) = self.bytes.split_at_checked(self.head).unwrap_or_default();
        MessageRef {
            header: self.header,
            scan: self.scan,
            head,
            payload,
            body_format: self.body_format,
        }
    }

    /// Its payload.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.head..).unwrap_or(&[])
    }
}

impl ParseError {
    #[cold]
    fn new(format: FormatError, offset: usize, header: Option<Header>) -> Self {
        Self {
            format,
            offset,
            header: header.map(|header| (header.kind(), header.message_id())),
        }
    }
}

/// The result of one pass over the options.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    /// The known options with a legal value.
    present: OptionSet,
    /// The first critical option that isn't known or has an illegal value; 0, which isn't critical,
    /// if there is none.
    unrecognised: u16,
}

impl Scan {
    /// Reads the options at the beginning of `body` and returns the rest. An error holds the number
    /// of bytes left where it was detected.
    fn options<'a>(&mut self, body: &'a [u8]) -> Result<&'a [u8], (FormatError, usize)> {
        let mut rest = body;
        let mut number = 0;
        loop {
            match next_option(rest, number)? {
                Step::Option {
                    number: option,
                    value,
                    rest: after,
                } => {
                    let option_number = OptionNumber::new(option);
                    let repeated = option == number;
                    if option_number.is_legal(value, repeated) {
                        self.present.add_known(option_number);
                    } else if option_number.is_critical() && self.unrecognised == 0 {
                        self.unrecognised = option;
                    }
                    number = option;
                    rest = after;
                }
                Step::End => return Ok(rest),
            }
        }
    }
}

#[cfg(test)]
mod tests;
