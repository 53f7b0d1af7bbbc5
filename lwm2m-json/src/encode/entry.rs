//! The entry of one value: name, value and time.

use lwm2m_core::{ObjectLink, Timestamp, ValueRef};

use crate::writer::{Piece, Prefix, Writer};

/// Writes entries, and knows how their names begin.
#[derive(Debug)]
pub(super) struct EntryWriter<'b> {
    pub(super) out: Writer<'b>,
    /// Whether the entries in what is open have names; known once there is one.
    pub(super) named: bool,
    /// What these names begin with.
    pub(super) prefix: Prefix,
}

/// What JSON can't carry of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Uncarried {
    Value,
    Time,
}

impl<'b> EntryWriter<'b> {
    pub(super) const fn new(out: Writer<'b>) -> Self {
        Self {
            out,
            named: false,
            prefix: Prefix::EMPTY,
        }
    }

    /// Writes an entry and a comma: the value of `id`, in the multiple Resource `parent` if the name
    /// tells that.
    #[inline(always)]
    pub(super) fn entry(
        &mut self,
        parent: Option<u16>,
        id: u16,
        value: ValueRef<'_>,
        time: Option<Timestamp>,
    ) -> Result<(), Uncarried> {
        // Matched here, so that the value isn't put into memory to be passed on.
        match value {
            ValueRef::Integer(number) | ValueRef::Time(number) => self.integer(parent, id, number),
            ValueRef::String(text) => self.string(parent, id, text),
            ValueRef::Float(number) => self.float(parent, id, number)?,
            ValueRef::Boolean(truth) => self.boolean(parent, id, truth),
            ValueRef::Opaque(bytes) => self.opaque(parent, id, bytes)?,
            ValueRef::ObjectLink(link) => self.link(parent, id, link),
            // Bytes of unknown type, and data types that aren't known here.
            _ => return Err(Uncarried::Value),
        }
        match time {
            Some(time) => self.time(time),
            None => Ok(()),
        }
    }

    fn integer(&mut self, parent: Option<u16>, id: u16, number: i64) {
        let prefix = self.named.then_some(&self.prefix);
        self.out.piece(|piece| {
            head(piece, prefix, parent, id, "\",\"v\":");
            piece.integer(number);
            piece.text("},");
        });
    }

    fn string(&mut self, parent: Option<u16>, id: u16, text: &str) {
        let prefix = self.named.then_some(&self.prefix);
        let head = |piece: &mut Piece<'_>| head(piece, prefix, parent, id, "\",\"sv\":\"");
        self.out.piece_and_string(head, text);
    }

    #[inline(never)]
    fn float(&mut self, parent: Option<u16>, id: u16, number: f64) -> Result<(), Uncarried> {
        if !number.is_finite() {
            return Err(Uncarried::Value);
        }
        self.field(parent, id, "\",\"v\":");
        self.out.float(number);
        self.out.text("},");
        Ok(())
    }

    #[inline(never)]
    fn boolean(&mut self, parent: Option<u16>, id: u16, truth: bool) {
        self.field(parent, id, "\",\"bv\":");
        self.out.text(if truth { "true}," } else { "false}," });
    }

    #[inline(never)]
    fn opaque(&mut self, parent: Option<u16>, id: u16, bytes: &[u8]) -> Result<(), Uncarried> {
        self.field(parent, id, "\",\"sv\":\"");
        self.out.base64(bytes).ok_or(Uncarried::Value)?;
        self.out.text("\"},");
        Ok(())
    }

    #[inline(never)]
    fn link(&mut self, parent: Option<u16>, id: u16, link: ObjectLink) {
        self.field(parent, id, "\",\"ov\":\"");
        self.out.piece(|piece| {
            piece.id(link.object);
            piece.text(":");
            piece.id(link.instance);
            piece.text("\"},");
        });
    }

    /// Writes the name, and `field`; see [`head`].
    #[inline(never)]
    fn field(&mut self, parent: Option<u16>, id: u16, field: &'static str) {
        let prefix = self.named.then_some(&self.prefix);
        self.out
            .piece(|piece| head(piece, prefix, parent, id, field));
    }

    /// Adds the time to the entry that was written last.
    #[inline(never)]
    fn time(&mut self, time: Timestamp) -> Result<(), Uncarried> {
        let seconds = seconds(time).ok_or(Uncarried::Time)?;
        self.out.take_back(2);
        self.out.text(",\"t\":");
        self.out.seconds(seconds);
        self.out.text("},");
        Ok(())
    }
}

/// Writes an entry up to its value. `field` starts with the end of the name.
#[inline(always)]
fn head(
    piece: &mut Piece<'_>,
    prefix: Option<&Prefix>,
    parent: Option<u16>,
    id: u16,
    field: &'static str,
) {
    let Some(prefix) = prefix else {
        piece.text("{");
        piece.text(field.get(2..).unwrap_or(field));
        return;
    };
    piece.text("{\"n\":\"");
    piece.prefix(prefix);
    if let Some(parent) = parent {
        piece.id(parent);
        piece.text("/");
    }
    piece.id(id);
    piece.text(field);
}

/// A time as the number of `t`, if there is one.
fn seconds(time: Timestamp) -> Option<f64> {
    let (seconds, possible) = match time {
        Timestamp::Absolute(seconds) => (seconds, seconds > 0.0),
        Timestamp::Relative(seconds) => (seconds, seconds <= 0.0),
    };
    (possible && seconds.is_finite()).then_some(seconds)
}
