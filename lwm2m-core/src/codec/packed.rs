//! A content in one piece of memory.
//!
//! The form is one of memory alone: neither a payload, nor something to save. It may change with any
//! version.

use alloc::{string::String, vec::Vec};

use super::content::{Content, Entry};
use crate::{ObjectLink, Path, Timestamp, Value};

/// The kinds of values, in the lower bits of the first byte of an entry.
mod kind {
    pub(super) const NONE: u8 = 0;
    pub(super) const STRING: u8 = 1;
    pub(super) const INTEGER: u8 = 2;
    pub(super) const FLOAT: u8 = 3;
    pub(super) const FALSE: u8 = 4;
    pub(super) const TRUE: u8 = 5;
    pub(super) const OPAQUE: u8 = 6;
    pub(super) const TIME: u8 = 7;
    pub(super) const OBJECT_LINK: u8 = 8;
    pub(super) const RAW: u8 = 9;
    pub(super) const MASK: u8 = 0x0f;
}

/// Where in the first byte of an entry the depth of its path is.
const DEPTH_SHIFT: u32 = 4;

/// Whether the value has a time.
const TIMED: u8 = 0x80;

impl Content {
    /// Appends the content to `buffer` in a form without allocations of its own. A content that waits
    /// for a long time takes a tenth of the memory in this form, and one place instead of many.
    ///
    /// The form isn't a payload, nor fit to be saved: another version may have another one.
    ///
    /// ```
    /// use lwm2m_core::{Path, codec::Content};
    ///
    /// let lifetime: Path = "/1/0/1".parse()?;
    /// let content = Content::from_iter([(lifetime, 86_400)]);
    /// let mut buffer = Vec::new();
    /// content.pack(&mut buffer);
    /// content.pack(&mut buffer);
    /// let mut packed = buffer.as_slice();
    /// assert_eq!(Content::unpack(&mut packed), Some(content.clone()));
    /// assert_eq!(Content::unpack(&mut packed), Some(content));
    /// assert!(packed.is_empty());
    /// # Ok::<(), lwm2m_core::PathError>(())
    /// ```
    pub fn pack(&self, buffer: &mut Vec<u8>) {
        length(buffer, self.entries().len());
        self.entries()
            .iter()
            .for_each(|entry| pack_entry(buffer, entry));
    }

    /// Takes a content that was [packed](Self::pack) from the front of `bytes`. Other bytes give some
    /// content or none.
    pub fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let entries = take_length(bytes)?;
        // Each entry has at least one byte, so that no number reserves more than there can be.
        if entries > bytes.len() {
            return None;
        }
        let mut content = Self::with_capacity(entries);
        for _ in 0..entries {
            content.extend([take_entry(bytes)?]);
        }
        Some(content)
    }
}

fn pack_entry(buffer: &mut Vec<u8>, entry: &Entry) {
    let timed = if entry.time.is_some() { TIMED } else { 0 };
    let depth = u8::try_from(entry.path.depth()).unwrap_or(0) << DEPTH_SHIFT;
    buffer.push(timed | depth | entry.value.as_ref().map_or(kind::NONE, kind_of));
    for id in entry.path.segments() {
        buffer.extend(id.to_le_bytes());
    }
    match &entry.value {
        Some(Value::String(text)) => pack_bytes(buffer, text.as_bytes()),
        Some(Value::Opaque(bytes) | Value::Raw(bytes)) => pack_bytes(buffer, bytes),
        Some(Value::Integer(number) | Value::Time(number)) => buffer.extend(number.to_le_bytes()),
        Some(Value::Float(number)) => buffer.extend(number.to_bits().to_le_bytes()),
        Some(Value::ObjectLink(link)) => {
            buffer.extend(link.object.to_le_bytes());
            buffer.extend(link.instance.to_le_bytes());
        }
        Some(Value::Boolean(_)) | None => {}
    }
    if let Some(time) = entry.time {
        let (relative, seconds) = match time {
            Timestamp::Absolute(seconds) => (0, seconds),
            Timestamp::Relative(seconds) => (1, seconds),
        };
        buffer.push(relative);
        buffer.extend(seconds.to_bits().to_le_bytes());
    }
}

fn take_entry(bytes: &mut &[u8]) -> Option<Entry> {
    let [first] = take(bytes)?;
    let depth = usize::from((first & !TIMED) >> DEPTH_SHIFT);
    let mut ids = [0; 4];
    for id in ids.get_mut(..depth)? {
        *id = u16::from_le_bytes(take(bytes)?);
    }
    let path = Path::of(ids.get(..depth)?)?;
    let value = match first & kind::MASK {
        kind::NONE => None,
        kind::STRING => Some(Value::String(
            String::from_utf8(take_bytes(bytes)?.to_vec()).ok()?,
        )),
        kind::INTEGER => Some(Value::Integer(i64::from_le_bytes(take(bytes)?))),
        kind::FLOAT => Some(Value::Float(take_float(bytes)?)),
        kind::FALSE => Some(Value::Boolean(false)),
        kind::TRUE => Some(Value::Boolean(true)),
        kind::OPAQUE => Some(Value::Opaque(take_bytes(bytes)?.to_vec())),
        kind::TIME => Some(Value::Time(i64::from_le_bytes(take(bytes)?))),
        kind::OBJECT_LINK => Some(Value::ObjectLink(ObjectLink {
            object: u16::from_le_bytes(take(bytes)?),
            instance: u16::from_le_bytes(take(bytes)?),
        })),
        kind::RAW => Some(Value::Raw(take_bytes(bytes)?.to_vec())),
        _ => return None,
    };
    let time = if first & TIMED == 0 {
        None
    } else {
        let [relative] = take(bytes)?;
        let seconds = take_float(bytes)?;
        Some(match relative {
            0 => Timestamp::Absolute(seconds),
            _ => Timestamp::Relative(seconds),
        })
    };
    Some(Entry { path, value, time })
}

const fn kind_of(value: &Value) -> u8 {
    match value {
        Value::String(_) => kind::STRING,
        Value::Integer(_) => kind::INTEGER,
        Value::Float(_) => kind::FLOAT,
        Value::Boolean(false) => kind::FALSE,
        Value::Boolean(true) => kind::TRUE,
        Value::Opaque(_) => kind::OPAQUE,
        Value::Time(_) => kind::TIME,
        Value::ObjectLink(_) => kind::OBJECT_LINK,
        Value::Raw(_) => kind::RAW,
    }
}

fn pack_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    length(buffer, bytes.len());
    buffer.extend_from_slice(bytes);
}

/// Seven bits in a byte, the lowest first; the highest bit of a byte says that more follow.
fn length(buffer: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        if length == 0 {
            return buffer.push(low);
        }
        buffer.push(low | 0x80);
    }
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let [byte] = take(bytes)?;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(bytes)?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_float(bytes: &mut &[u8]) -> Option<f64> {
    Some(f64::from_bits(u64::from_le_bytes(take(bytes)?)))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(path: &str, value: Option<Value>, time: Option<f64>) -> Entry {
        Entry {
            path: path.parse().unwrap(),
            value,
            time: time.and_then(Timestamp::from_seconds),
        }
    }

    fn packed(content: &Content) -> Vec<u8> {
        let mut buffer = Vec::new();
        content.pack(&mut buffer);
        buffer
    }

    #[test]
    fn each_kind_of_value_comes_back() {
        let values = [
            Value::String(String::new()),
            Value::String("ä".repeat(100)),
            Value::Integer(i64::MIN),
            Value::Float(-0.0),
            Value::Float(f64::INFINITY),
            Value::Boolean(false),
            Value::Boolean(true),
            Value::Opaque(alloc::vec![7; 20_000]),
            Value::Time(-1),
            Value::ObjectLink(ObjectLink {
                object: 3,
                instance: u16::MAX,
            }),
            Value::Raw(alloc::vec![0xff]),
        ];
        for value in values {
            for time in [None, Some(0.0), Some(-1.5), Some(1e9)] {
                for path in ["/65535/65534/65535", "/3/0/7/65535"] {
                    let content = Content::from_iter([entry(path, Some(value.clone()), time)]);
                    let bytes = packed(&content);
                    let mut rest = bytes.as_slice();
                    assert_eq!(Content::unpack(&mut rest), Some(content));
                    assert_eq!(rest, []);
                }
            }
        }
    }

    #[test]
    fn what_is_empty_comes_back() {
        let paths = ["/", "/3", "/3/0", "/3/0/7"];
        let content = Content::from_iter(paths.map(|path| entry(path, None, None)));
        assert_eq!(
            Content::unpack(&mut packed(&content).as_slice()),
            Some(content)
        );
        assert_eq!(packed(&Content::new()), [0]);
        assert_eq!(Content::unpack(&mut [0].as_slice()), Some(Content::new()));
    }

    #[test]
    fn a_content_that_is_cut_off_does_not_come_back() {
        let content = Content::from_iter([
            entry("/0/1/0", Some("coaps://192.0.2.1".into()), None),
            entry("/0/1/2", Some(0.into()), Some(-3.0)),
        ]);
        let bytes = packed(&content);
        for end in 0..bytes.len() {
            assert_eq!(Content::unpack(&mut bytes.get(..end).unwrap()), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut rest = bytes.as_slice();
            if let Some(content) = Content::unpack(&mut rest) {
                let again = packed(&content);
                let again = Content::unpack(&mut again.as_slice()).unwrap();
                // NaN isn't equal to itself.
                prop_assert_eq!(packed(&again), packed(&content));
            }
        }
    }
}
