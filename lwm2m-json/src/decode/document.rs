//! The document and its entries, unresolved (TS Table 22).

use crate::{
    error::{DecodeError, Member, Problem},
    reader::{Number, Reader, Text},
};

type Result<T> = core::result::Result<T, DecodeError>;

/// A document: its Resource Array, and the members before and after it.
pub(super) struct Document<'a> {
    /// The Base Name.
    pub(super) base_name: Option<Text<'a>>,
    /// Where the Base Name is, if there is one.
    pub(super) base_name_offset: usize,
    /// The Base Time.
    pub(super) base_time: Option<f64>,
    pub(super) entries: Entries<'a>,
    /// Whether the members after the array have been read. They may be the Base Name or the Base
    /// Time.
    read_to_end: bool,
}

impl<'a> Document<'a> {
    pub(super) fn open(payload: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(payload)?;
        reader.begin(b'{', "an object")?;
        let mut base_name = None;
        let mut base_name_offset = 0;
        let mut base_time = None;
        let mut entries = None;
        let mut first = true;
        while let Some(name) = reader.next_member(&mut first)? {
            match known(name, document_member) {
                Some(Member::BaseName) => {
                    vacant(&reader, base_name.is_some(), Member::BaseName)?;
                    base_name_offset = reader.offset();
                    base_name = Some(reader.string("\"bn\" to be a string")?);
                }
                Some(Member::BaseTime) => {
                    vacant(&reader, base_time.is_some(), Member::BaseTime)?;
                    let offset = reader.offset();
                    let time = reader.number("\"bt\" to be a number")?.float();
                    base_time = Some(time.ok_or(DecodeError::at(offset, Problem::Time))?);
                }
                Some(Member::Entries) => {
                    vacant(&reader, entries.is_some(), Member::Entries)?;
                    let read_to_end = !reader.last_array();
                    let array = Entries::open(reader)?;
                    if !read_to_end {
                        return Ok(Self {
                            base_name,
                            base_name_offset,
                            base_time,
                            entries: array,
                            read_to_end,
                        });
                    }
                    reader = array.pass()?;
                    entries = Some(array);
                }
                _ => reader.skip()?,
            }
        }
        reader.end()?;
        match entries {
            Some(entries) => Ok(Self {
                base_name,
                base_name_offset,
                base_time,
                entries,
                read_to_end: true,
            }),
            None => reader.error(Problem::MissingEntries),
        }
    }

    /// Checks the end of the document, once all entries have been read.
    pub(super) fn close(mut self) -> Result<()> {
        if self.read_to_end {
            return Ok(());
        }
        let reader = &mut self.entries.reader;
        reader.begin(b'}', "'}'")?;
        reader.end()
    }
}

/// The entries of a Resource Array.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    reader: Reader<'a>,
    first: bool,
}

impl<'a> Entries<'a> {
    fn open(mut reader: Reader<'a>) -> Result<Self> {
        reader.begin(b'[', "\"e\" to be an array")?;
        let first = true;
        Ok(Self { reader, first })
    }

    /// Skips the entries; returns a reader of what comes after the array.
    fn pass(mut self) -> Result<Reader<'a>> {
        let mut entry = Entry::BEFORE_FIRST;
        while self.next(&mut entry)? {}
        Ok(self.reader)
    }

    /// Reads the next entry into `entry`; returns whether there was one.
    #[inline(always)]
    pub(super) fn next(&mut self, entry: &mut Entry<'a>) -> Result<bool> {
        entry.index = entry.index.wrapping_add(1);
        if !self.reader.next_element(&mut self.first)? {
            return Ok(false);
        }
        match entry.read(&mut self.reader) {
            Ok(()) => Ok(true),
            Err(error) => Err(error.in_entry(entry.index)),
        }
    }

    /// Where the next entry would begin.
    pub(super) fn offset(&self) -> usize {
        self.reader.offset()
    }
}

/// One entry.
pub(super) struct Entry<'a> {
    index: usize,
    /// Where the entry begins.
    pub(super) offset: usize,
    pub(super) name: Option<Text<'a>>,
    /// Where the Name begins, or else the entry.
    pub(super) name_offset: usize,
    pub(super) time: Option<Number<'a>>,
    pub(super) value: Option<Field<'a>>,
    /// Where the value begins.
    pub(super) value_offset: usize,
}

/// One of the value fields.
#[derive(Clone, Copy)]
pub(super) enum Field<'a> {
    /// `v`
    Number(Number<'a>),
    /// `bv`
    Boolean(bool),
    /// `ov`
    ObjectLink(Text<'a>),
    /// `sv`
    String(Text<'a>),
}

impl<'a> Field<'a> {
    /// Reads the value of one of the value fields.
    #[inline(always)]
    fn read(reader: &mut Reader<'a>, member: Member) -> Result<Self> {
        Ok(match member {
            Member::BooleanValue => Self::Boolean(reader.boolean("\"bv\" to be a Boolean")?),
            Member::ObjectLinkValue => Self::ObjectLink(reader.string("\"ov\" to be a string")?),
            Member::StringValue => Self::String(reader.string("\"sv\" to be a string")?),
            _ => Self::Number(reader.number("\"v\" to be a number")?),
        })
    }

    /// Which field it is.
    pub(super) fn member(&self) -> Member {
        match self {
            Self::Number(_) => Member::Value,
            Self::Boolean(_) => Member::BooleanValue,
            Self::ObjectLink(_) => Member::ObjectLinkValue,
            Self::String(_) => Member::StringValue,
        }
    }
}

impl<'a> Entry<'a> {
    /// The state before the first entry.
    pub(super) const BEFORE_FIRST: Self = Self {
        index: usize::MAX,
        offset: 0,
        name: None,
        name_offset: 0,
        time: None,
        value: None,
        value_offset: 0,
    };

    #[inline(always)]
    fn read(&mut self, reader: &mut Reader<'a>) -> Result<()> {
        self.offset = reader.offset();
        self.name_offset = self.offset;
        self.value_offset = self.offset;
        (self.name, self.time, self.value) = (None, None, None);
        reader.begin(b'{', "an entry")?;
        let mut first = true;
        while let Some(key) = reader.next_member(&mut first)? {
            match known(key, entry_member) {
                Some(Member::Name) => {
                    vacant(reader, self.name.is_some(), Member::Name)?;
                    self.name_offset = reader.offset();
                    self.name = Some(reader.string("\"n\" to be a string")?);
                }
                Some(Member::Time) => {
                    vacant(reader, self.time.is_some(), Member::Time)?;
                    self.time = Some(reader.number("\"t\" to be a number")?);
                }
                Some(member) => {
                    if let Some(other) = &self.value {
                        return two_values(reader, other, member);
                    }
                    self.value_offset = reader.offset();
                    self.value = Some(Field::read(reader, member)?);
                }
                None => reader.skip()?,
            }
        }
        Ok(())
    }

    /// Something is wrong with the entry.
    #[cold]
    pub(super) fn error(&self, offset: usize, problem: Problem) -> DecodeError {
        DecodeError::at(offset, problem).in_entry(self.index)
    }
}

fn document_member(name: &[u8]) -> Option<Member> {
    Some(match name {
        b"bn" => Member::BaseName,
        b"bt" => Member::BaseTime,
        b"e" => Member::Entries,
        _ => return None,
    })
}

#[inline(always)]
fn entry_member(name: &[u8]) -> Option<Member> {
    Some(match name {
        b"n" => Member::Name,
        b"t" => Member::Time,
        b"v" => Member::Value,
        b"bv" => Member::BooleanValue,
        b"ov" => Member::ObjectLinkValue,
        b"sv" => Member::StringValue,
        _ => return None,
    })
}

/// Which member it is; unknown members are ignored.
#[inline(always)]
fn known(name: Text<'_>, member: impl Fn(&[u8]) -> Option<Member>) -> Option<Member> {
    if name.escaped {
        unescaped(name, member)
    } else {
        member(name.raw.as_bytes())
    }
}

#[cold]
fn unescaped(name: Text<'_>, member: impl Fn(&[u8]) -> Option<Member>) -> Option<Member> {
    // No known name is longer than two characters.
    let mut bytes = [0; 3];
    let mut len = 0;
    for (byte, char) in bytes.iter_mut().zip(name.chars()) {
        *byte = u8::try_from(char).ok()?;
        len += 1;
    }
    member(bytes.get(..len)?)
}

/// Checks that the next member isn't repeated.
#[inline(always)]
fn vacant(reader: &Reader<'_>, taken: bool, member: Member) -> Result<()> {
    if taken {
        return reader.error(Problem::Duplicate(member));
    }
    Ok(())
}

#[cold]
fn two_values<T>(reader: &Reader<'_>, one: &Field<'_>, other: Member) -> Result<T> {
    reader.error(match one.member() {
        one if one == other => Problem::Duplicate(one),
        one => Problem::TwoValues(one, other),
    })
}
