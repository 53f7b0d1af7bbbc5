//! The parts of JSON (RFC 8259) that the encoder puts together.

use alloc::vec::Vec;

use base64::{Engine, encoded_len, engine::general_purpose::STANDARD};

use crate::reader::{is_plain, plain_len};

/// Appends to a buffer.
///
/// It writes into room that it has made beforehand: the buffer's length is brought up to date once
/// for many parts, not for each.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    /// What was written, and room behind it.
    buffer: &'b mut Vec<u8>,
    /// Where what was written ends.
    end: usize,
    /// The length that the buffer goes back to if the writer goes away.
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

    /// Leaves in the buffer what was written.
    pub(crate) fn keep(&mut self) {
        self.keep = self.end;
    }

    /// Takes memory for so many bytes, if the buffer has none at all.
    pub(crate) fn begin(&mut self, bytes: usize) {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(bytes);
        }
    }

    /// Room for this many bytes at least.
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
        // Not into room: of a long text each byte would be written twice.
        self.buffer.truncate(self.end);
        self.buffer.extend_from_slice(text.as_bytes());
        self.end = self.buffer.len();
    }

    /// Appends what `write` puts together, at most [`Piece::MAX`] bytes.
    #[inline(always)]
    pub(crate) fn piece(&mut self, write: impl FnOnce(&mut Piece<'_>)) {
        if let Some(room) = self.room(Piece::MAX).first_chunk_mut() {
            let len = Piece::write(room, write);
            self.end = self.end.wrapping_add(len);
        }
    }

    /// The same, then what stands between the quotation marks of a string, then what ends an entry.
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

    /// Takes the last bytes back.
    pub(crate) fn take_back(&mut self, count: usize) {
        self.end = self.end.saturating_sub(count);
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

    /// A string with characters that do not stand for themselves.
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

    /// Octets in Base64 (RFC 4648, 4); `None` if their text would be longer than memory can be.
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
/// Of what it is put together from, each part has a size that the compiler knows or knows a limit
/// of: so it sees that there is room, and looks for it only where numbers are long.
pub(crate) struct Piece<'p> {
    room: &'p mut [u8; Piece::MAX],
    len: usize,
}

impl Piece<'_> {
    /// Room for a name of four identifiers and an integer: `{"n":"/65535/65535/65535/65535","v":`
    /// and `-9223372036854775808`.
    pub(crate) const MAX: usize = 64;

    /// Tells how long it is.
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
        // All of it, because a copy whose size is known is two instructions.
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

/// What many names begin with, put together once: a slash, or the identifiers of an Object and of
/// an Object Instance, each with the slash that follows it.
#[derive(Debug)]
pub(crate) struct Prefix {
    /// The text, and zeros behind it.
    bytes: [u8; 16],
    len: usize,
}

impl Prefix {
    const MAX: usize = "65535/65535/".len();

    pub(crate) const EMPTY: Self = Self {
        bytes: [0; 16],
        len: 0,
    };

    /// What `write` puts together, at most `65535/65535/`.
    pub(crate) fn of(write: impl FnOnce(&mut Piece<'_>)) -> Self {
        let mut room = [0; Piece::MAX];
        let len = Piece::write(&mut room, write);
        match room.first_chunk() {
            Some(bytes) => Self { bytes: *bytes, len },
            None => Self::EMPTY,
        }
    }
}
