//! The sequence chart of a run: a column for each node, a row for each datagram and each note.
//!
//! ```text
//!                 hub           anna
//!      0.000       |<-------------|       CON POST 1234 abcd /rd [6]  +31
//!      0.031       |------x       |       ACK 2.01 1234 abcd  LOST
//!      0.400       |              *       reboots
//! ```

use core::fmt::{self, Write as _};

use lwm2m_core::CodeKind;
use lwm2m_statemachine::coap::{MessageRef, MessageType};

use crate::{Address, Fate, Note, Record};

/// How many nodes have columns; for more nodes, rows have names instead.
const COLUMNS: usize = 8;
/// How wide a column is.
const WIDTH: usize = 15;

/// The rows of these records and notes. `first` datagrams were sent before the first record.
pub(crate) fn chart(names: &[&str], records: &[Record], first: u64, notes: &[Note]) -> String {
    let mut text = String::new();
    let lanes = Lanes { names };
    lanes.head(&mut text);
    let mut notes = notes.iter().filter(|note| note.after >= first).peekable();
    for (number, record) in (first..).zip(records) {
        while let Some(note) = notes.next_if(|note| note.after <= number) {
            lanes.note(&mut text, note);
        }
        lanes.datagram(&mut text, record);
    }
    for note in notes {
        lanes.note(&mut text, note);
    }
    text
}

struct Lanes<'a> {
    names: &'a [&'a str],
}

impl Lanes<'_> {
    fn has_columns(&self) -> bool {
        self.names.len() <= COLUMNS
    }

    fn name(&self, node: usize) -> &str {
        self.names.get(node).copied().unwrap_or("nobody")
    }

    /// An address that isn't the node's first has its number.
    fn address(&self, address: Address) -> String {
        let name = self.name(address.node.0 as usize);
        match address.number {
            0 => name.to_string(),
            number => format!("{name}@{number}"),
        }
    }

    fn head(&self, text: &mut String) {
        if !self.has_columns() {
            return;
        }
        let _ = write!(text, "{:11}", "");
        for name in self.names {
            let name: String = name.chars().take(WIDTH - 1).collect();
            let _ = write!(text, "{name:^WIDTH$}");
        }
        let length = text.trim_end().len();
        text.truncate(length);
        text.push('\n');
    }

    /// The columns of a row, empty.
    fn row(&self) -> Vec<char> {
        (0..self.names.len() * WIDTH)
            .map(|at| if at % WIDTH == WIDTH / 2 { '|' } else { ' ' })
            .collect()
    }

    fn note(&self, text: &mut String, note: &Note) {
        let at = note.node.0 as usize;
        let _ = write!(text, "{:>11}", note.at.to_string());
        if self.has_columns() {
            let mut row = self.row();
            if let Some(place) = row.get_mut(lane(at)) {
                *place = '*';
            }
            text.extend(row);
            let _ = writeln!(text, "{}", note.text);
        } else {
            let _ = writeln!(text, "  * {}: {}", self.name(at), note.text);
        }
    }

    fn datagram(&self, text: &mut String, record: &Record) {
        let _ = write!(text, "{:>11}", record.sent.to_string());
        let ends = [record.from, record.to];
        let all_known = ends
            .iter()
            .all(|end| (end.node.0 as usize) < self.names.len());
        let in_columns = self.has_columns() && all_known && record.from.node != record.to.node;
        if in_columns {
            let mut row = self.row();
            arrow(&mut row, record);
            text.extend(row);
        }
        if !in_columns || ends.iter().any(|end| end.number > 0) {
            let ends = format!(
                "{} → {}",
                self.address(record.from),
                self.address(record.to)
            );
            let _ = write!(text, "{}{ends}  ", if in_columns { "" } else { "  " });
        }
        let _ = write!(text, "{}", Summary(&record.payload));
        let arrived = matches!(record.fate, Fate::Delivered | Fate::Duplicated);
        if !arrived {
            let _ = write!(text, "  {}", record.fate);
        } else if record.arrivals.is_empty() {
            text.push_str("  (not arrived)");
        } else {
            text.push(' ');
        }
        for arrival in &record.arrivals {
            let latency = arrival.saturating_duration_since(record.sent).as_millis();
            let _ = write!(text, " +{latency}");
        }
        text.push('\n');
    }
}

fn lane(node: usize) -> usize {
    node * WIDTH + WIDTH / 2
}

/// Draws a datagram from one lane to another, or part of the way if it is lost.
fn arrow(row: &mut [char], record: &Record) {
    let (from, to) = (
        lane(record.from.node.0 as usize),
        lane(record.to.node.0 as usize),
    );
    let (low, high) = (from.min(to) + 1, from.max(to));
    let rightwards = from < to;
    let arrives = matches!(record.fate, Fate::Delivered | Fate::Duplicated);
    let short = WIDTH / 2;
    let (low, high) = match (arrives, rightwards) {
        (true, _) => (low, high),
        (false, true) => (low, low + short),
        (false, false) => (high - short, high),
    };
    let Some(line) = row.get_mut(low..high) else {
        return;
    };
    for place in line.iter_mut().filter(|place| **place == ' ') {
        *place = '-';
    }
    let head = match (arrives, rightwards) {
        (false, _) => 'x',
        (true, true) => '>',
        (true, false) => '<',
    };
    let heads = if record.fate == Fate::Duplicated {
        2
    } else {
        1
    };
    let length = line.len();
    for index in 0..heads {
        let index = if rightwards {
            length - 1 - index
        } else {
            index
        };
        if let Some(place) = line.get_mut(index) {
            *place = head;
        }
    }
}

/// A datagram in short: type, code, message id, token, path and query; or its first bytes if it
/// isn't a CoAP message.
struct Summary<'a>(&'a [u8]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(message) = MessageRef::parse(self.0) else {
            return write_bytes(self.0, f);
        };
        let code = message.code();
        let kind = match message.kind() {
            MessageType::Confirmable => "CON",
            MessageType::NonConfirmable => "NON",
            MessageType::Acknowledgement => "ACK",
            MessageType::Reset => "RST",
        };
        write!(f, "{kind} ")?;
        match code.name() {
            Some(name) if code.kind() != CodeKind::Response => f.write_str(name)?,
            _ => code.fmt(f)?,
        }
        write!(f, " {:04x}", message.message_id())?;
        if !message.token().is_empty() {
            f.write_char(' ')?;
            write_bytes(message.token().as_bytes(), f)?;
        }
        if let Some(observe) = message.observe() {
            write!(f, " observe={observe}")?;
        }
        for (name, block) in [("block1", message.block1()), ("block2", message.block2())] {
            if let Some(block) = block {
                let more = if block.more() { "+" } else { "" };
                write!(f, " {name}={}{more}/{}", block.number(), block.size())?;
            }
        }
        write_parts(" /", "/", message.uri_path(), f)?;
        write_parts(" ?", "&", message.uri_query(), f)?;
        write_parts(" → /", "/", message.location_path(), f)?;
        if !message.payload().is_empty() {
            write!(f, " [{}]", message.payload().len())?;
        }
        Ok(())
    }
}

/// All parts with a separator between them and `first` before them.
fn write_parts<'a>(
    first: &str,
    separator: &str,
    parts: impl Iterator<Item = &'a str>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let separators = core::iter::once(first).chain(core::iter::repeat(separator));
    for (separator, part) in separators.zip(parts) {
        write!(f, "{separator}{part}")?;
    }
    Ok(())
}

fn write_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SHOWN: usize = 24;
    for byte in bytes.iter().take(SHOWN) {
        write!(f, "{byte:02x}")?;
    }
    if bytes.len() > SHOWN {
        write!(f, "… ({} bytes)", bytes.len())?;
    }
    Ok(())
}
