//! The parts of JSON (RFC 8259) that the encoder writes.

use alloc::vec::Vec;

use base64::{Engine, encoded_len, engine::general_purpose::STANDARD};

use crate::reader::{is_plain, plain_len};

/// Appends to a buffer.
///
/// It makes room beforehand and writes into it, so the length of the buffer is updated once for many
/// parts.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    /// The written bytes, and room behind them.
    buffer: &'b mut Vec<u8>,
    /// Where the written bytes end.
    end: usize,
    /// The length that the buffer is cut to if the writer is dropped.
    keep: usize,
}

/// How much room is made at once, in bytes, unless the buffer would have to grow for it.
const ROOM: usize = 256;

impl<'b> Writer<'b> {
    pub(crate) const fn new(buffer: &'b mut Vec<u8>) -> Self {
        let end = buffer.len();
        let keep = end;
        Self { buffer, end, keep }
    }

    /// Keeps what was written in the buffer.
    pub(crate) fn keep(&mut self) {
        self.keep = self.end;
    }

    /// Reserves so many bytes, if the buffer has no memory yet.
    pub(crate) fn begin(&mut self, bytes: usize) {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(bytes);
        }
    }

    /// Room for at least this many bytes.
    #[inline(always)]
    fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.buffer.len().wrapping_sub(self.end) < bytes {
            self.make_room(bytes);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, bytes: usize) {
        let needed = self.end.saturating_add(bytes);
        let plenty = self.end.saturating_add(ROOM).min(self.buffer.capacity());
        self.buffer.resize(needed.max(plenty), 0);
    }

    pub(crate) fn text(&mut self, text: &str) {
        // Appended without making room, which would write each byte of a long text twice.
        self.buffer.truncate(self.end);
        self.buffer.extend_from_slice(text.as_bytes());
        self.end = self.buffer.len();
    }

    /// Appends what `write` makes, at most [`Piece::MAX`] bytes.
    #[inline(always)]
    pub(crate) fn piece(&mut self, write: impl FnOnce(&mut Piece<'_>)) {
        if let Some(room) = self.room(Piece::MAX).first_chunk_mut() {
            let len = Piece::write(room, write);
            self.end = self.end.wrapping_add(len);
        }
    }

    /// The same, then the text of a string, then the end of an entry.
    #[inline(always)]
    pub(crate) fn piece_and_string(&mut self, write: impl FnOnce(&mut Piece<'_>), text: &str) {
        const END: &str = "\"},";
        let room = self.room(Piece::MAX);
        let Some(start) = room.first_chunk_mut() else {
            return;
        };
        let len = Piece::write(start, write);
        let plain = is_plain(text.as_bytes());
        // Mostly there is room for all of it.
        if plain
            && let Some((_, rest)) = room.split_at_mut_checked(len)
            && let Some((place, rest)) = rest.split_at_mut_checked(text.len())
            && let Some((end, rest)) = rest.split_at_mut_checked(END.len())
        {
            place.copy_from_slice(text.as_bytes());
            end.copy_from_slice(END.as_bytes());
            let left = rest.len();
            self.end = self.buffer.len().wrapping_sub(left);
            return;
        }
        self.end = self.end.wrapping_add(len);
        if plain {
            self.text(text);
        } else {
            self.escaped(text);
        }
        self.text(END);
    }

    /// Removes the last bytes.
    pub(crate) fn take_back(&mut self, count: usize) {
        self.end = self.end.saturating_sub(count);
    }

    /// A finite number, in the shortest form that reads back equal.
    pub(crate) fn float(&mut self, number: f64) {
        self.text(ryu::Buffer::new().format_finite(number));
    }

    /// The same; whole numbers without a fraction.
    pub(crate) fn seconds(&mut self, seconds: f64) {
        let mut buffer = ryu::Buffer::new();
        let text = buffer.format_finite(seconds);
        self.text(text.strip_suffix(".0").unwrap_or(text));
    }

    /// A string with characters that must be escaped.
    #[cold]
    fn escaped(&mut self, mut text: &str) {
        let mut plain = plain_len(text.as_bytes());
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

    /// Octets in Base64 (RFC 4648, 4); `None` if the length of the text overflows.
    pub(crate) fn base64(&mut self, bytes: &[u8]) -> Option<()> {
        let len = encoded_len(bytes.len(), true)?;
        self.end.checked_add(len)?;
        let written = STANDARD.encode_slice(bytes, self.room(len)).ok()?;
        self.end = self.end.saturating_add(written);
        Some(())
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.buffer.truncate(self.keep);
    }
}

/// A short part of a document.
///
/// The compiler knows the size of each part, or a limit of it. So it sees that there is room, and checks
/// only for long numbers.
pub(crate) struct Piece<'p> {
    room: &'p mut [u8; Piece::MAX],
    len: usize,
}

impl Piece<'_> {
    /// Room for a name of four identifiers and an integer: `{"n":"/65535/65535/65535/65535","v":`
    /// and `-9223372036854775808`.
    pub(crate) const MAX: usize = 64;

    /// Returns its length.
    #[inline(always)]
    fn write(room: &mut [u8; Piece::MAX], write: impl FnOnce(&mut Piece<'_>)) -> usize {
        let mut piece = Piece { room, len: 0 };
        write(&mut piece);
        piece.len
    }

    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    #[inline(always)]
    pub(crate) fn prefix(&mut self, prefix: &Prefix) {
        // The whole array: a copy of a known size is two instructions.
        let end = self.len.wrapping_add(prefix.len.min(Prefix::MAX));
        self.bytes(&prefix.bytes);
        self.len = end;
    }

    #[inline(always)]
    pub(crate) fn id(&mut self, id: u16) {
        let digit = |unit: u16| b'0' | u8::try_from(id / unit % 10).unwrap_or(0);
        match id {
            ..10 => self.bytes(&[digit(1)]),
            10..100 => self.bytes(&[digit(10), digit(1)]),
            100..1000 => self.bytes(&[digit(100), digit(10), digit(1)]),
            1000..10_000 => self.bytes(&[digit(1000), digit(100), digit(10), digit(1)]),
            _ => self.bytes(&[10_000, 1000, 100, 10, 1].map(digit)),
        }
    }

    #[inline(always)]
    pub(crate) fn integer(&mut self, number: i64) {
        match u16::try_from(number) {
            Ok(small) => self.id(small),
            _ => self.text(itoa::Buffer::new().format(number)),
        }
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.wrapping_add(bytes.len());
        if let Some(place) = self.room.get_mut(self.len..end) {
            place.copy_from_slice(bytes);
            self.len = end;
        }
    }
}

/// The common beginning of many names, made once: a slash, or the identifiers of an Object and of an
/// Object Instance, each followed by a slash.
#[derive(Debug)]
pub(crate) struct Prefix {
    /// The text, padded with zeros.
    bytes: [u8; 16],
    len: usize,
}

impl Prefix {
    const MAX: usize = "65535/65535/".len();

    pub(crate) const EMPTY: Self = Self {
        bytes: [0; 16],
        len: 0,
    };

    /// What `write` makes, at most `65535/65535/`.
    pub(crate) fn of(write: impl FnOnce(&mut Piece<'_>)) -> Self {
        let mut room = [0; Piece::MAX];
        let len = Piece::write(&mut room, write);
        match room.first_chunk() {
            Some(bytes) => Self { bytes: *bytes, len },
            None => Self::EMPTY,
        }
    }
}
