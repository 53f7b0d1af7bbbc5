//! The parts of JSON (RFC 8259) that the encoder puts together.

use alloc::vec::Vec;
use core::mem;

use base64::{Engine, encoded_len, engine::general_purpose::STANDARD};

use crate::reader::plain_len;

/// Appends to a buffer.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    buffer: &'b mut Vec<u8>,
    /// The length that the buffer goes back to if the writer goes away.
    keep: usize,
}

impl<'b> Writer<'b> {
    pub(crate) const fn new(buffer: &'b mut Vec<u8>) -> Self {
        let keep = buffer.len();
        Self { buffer, keep }
    }

    /// Leaves in the buffer what was written.
    pub(crate) fn keep(&mut self) {
        self.keep = self.buffer.len();
    }

    /// Makes room for so many bytes, if there is none at all.
    pub(crate) fn begin(&mut self, bytes: usize) {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(bytes);
        }
    }

    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    /// Appends what `write` puts together, at most [`Piece::MAX`] bytes.
    ///
    /// That is faster than to append each part, because the buffer's length is brought up to date
    /// once.
    #[inline(always)]
    pub(crate) fn piece(&mut self, write: impl FnOnce(&mut Piece<'_>)) {
        let start = self.buffer.len();
        self.buffer.resize(start.saturating_add(Piece::MAX), 0);
        let mut piece = Piece {
            room: self.buffer.get_mut(start..).unwrap_or_default(),
        };
        write(&mut piece);
        let left = piece.room.len();
        self.buffer.truncate(self.buffer.len().saturating_sub(left));
    }

    /// Takes the last bytes back.
    pub(crate) fn take_back(&mut self, count: usize) {
        let len = self.buffer.len().saturating_sub(count);
        self.buffer.truncate(len);
    }

    pub(crate) fn id(&mut self, id: u16) {
        self.piece(|piece| piece.id(id));
    }

    /// A number that is finite, in the shortest form that reads back equal.
    pub(crate) fn float(&mut self, number: f64) {
        self.text(ryu::Buffer::new().format_finite(number));
    }

    /// The same, full numbers without a fraction.
    pub(crate) fn seconds(&mut self, seconds: f64) {
        let mut buffer = ryu::Buffer::new();
        let text = buffer.format_finite(seconds);
        self.text(text.strip_suffix(".0").unwrap_or(text));
    }

    /// What stands between the quotation marks of a string.
    #[inline(always)]
    pub(crate) fn string(&mut self, text: &str) {
        let plain = plain_len(text.as_bytes());
        if plain == text.len() {
            self.text(text);
        } else {
            self.escaped(text, plain);
        }
    }

    /// A string of which the first `plain` bytes stand for themselves.
    #[cold]
    fn escaped(&mut self, mut text: &str, mut plain: usize) {
        while let Some((before, rest)) = text.split_at_checked(plain) {
            self.text(before);
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
                    self.text(if control < '\u{10}' {
                        "\\u000"
                    } else {
                        "\\u001"
                    });
                    let digit = char::from_digit(u32::from(control) & 0xF, 16);
                    self.text(digit.unwrap_or('0').encode_utf8(&mut [0; 4]));
                }
                None => return,
            }
            text = chars.as_str();
            plain = plain_len(text.as_bytes());
        }
    }

    /// Octets in Base64 (RFC 4648, 4); `None` if their text would be longer than memory can be.
    pub(crate) fn base64(&mut self, bytes: &[u8]) -> Option<()> {
        let start = self.buffer.len();
        let end = start.checked_add(encoded_len(bytes.len(), true)?)?;
        self.buffer.resize(end, 0);
        let room = self.buffer.get_mut(start..)?;
        STANDARD.encode_slice(bytes, room).ok().map(drop)
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.buffer.truncate(self.keep);
    }
}

/// A short part of a document.
pub(crate) struct Piece<'p> {
    room: &'p mut [u8],
}

impl Piece<'_> {
    /// Room for a name of four identifiers and an integer: `{"n":"/65535/65535/65535/65535","v":`
    /// and `-9223372036854775808`.
    pub(crate) const MAX: usize = 64;

    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    #[inline(always)]
    pub(crate) fn id(&mut self, id: u16) {
        match id {
            ..10_000 => self.small(id),
            _ => self.text(itoa::Buffer::new().format(id)),
        }
    }

    #[inline(always)]
    pub(crate) fn integer(&mut self, number: i64) {
        match u16::try_from(number) {
            Ok(small @ ..10_000) => self.small(small),
            _ => self.text(itoa::Buffer::new().format(number)),
        }
    }

    /// A number of up to four digits.
    #[inline(always)]
    fn small(&mut self, number: u16) {
        let digit = |unit: u16| b'0' | u8::try_from(number / unit % 10).unwrap_or(0);
        match number {
            ..10 => self.bytes(&[digit(1)]),
            10..100 => self.bytes(&[digit(10), digit(1)]),
            100..1000 => self.bytes(&[digit(100), digit(10), digit(1)]),
            _ => self.bytes(&[digit(1000), digit(100), digit(10), digit(1)]),
        }
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        let room = mem::take(&mut self.room);
        if let Some((place, rest)) = room.split_at_mut_checked(bytes.len()) {
            place.copy_from_slice(bytes);
            self.room = rest;
        }
    }
}
