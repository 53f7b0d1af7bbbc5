//! What became of each datagram, and the chart that shows it.

use core::fmt::{self, Write as _};

use lwm2m_core::{CodeKind, Instant};
use lwm2m_statemachine::coap::{MessageRef, MessageType};

use crate::Address;

/// A datagram that a node sent, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was sent, in the network's time.
    pub sent: Instant,
    /// Who sent it.
    pub from: Address,
    /// Whom it was for.
    pub to: Address,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// What the link did to it.
    pub fate: Fate,
    /// When its copies arrived. What is on its way, or came where nobody is any more, did not.
    pub arrivals: Vec<Instant>,
}

/// What a link does to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// One copy is delivered.
    Delivered,
    /// Two copies are delivered.
    Duplicated,
    /// It gets lost.
    Lost,
    /// It is longer than the link's MTU.
    TooLong,
    /// The link is cut.
    Partitioned,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delivered => "delivered",
            Self::Duplicated => "duplicated",
            Self::Lost => "LOST",
            Self::TooLong => "TOO LONG",
            Self::Partitioned => "CUT OFF",
        })
    }
}

/// One line for each datagram. `name` gives the addresses names.
pub(crate) fn chart(records: &[Record], mut name: impl FnMut(Address) -> String) -> String {
    let mut text = String::new();
    for record in records {
        let ends = format!("{} → {}", name(record.from), name(record.to));
        let time = format!("{}", record.sent);
        let _ = write!(
            text,
            "{time:>11}  {ends:<22}  {}  {}",
            Summary(&record.payload),
            record.fate
        );
        for arrival in &record.arrivals {
            let _ = write!(
                text,
                " +{}",
                arrival.saturating_duration_since(record.sent).as_millis()
            );
        }
        if matches!(record.fate, Fate::Delivered | Fate::Duplicated) && record.arrivals.is_empty() {
            text.push_str(" (not arrived)");
        }
        text.push('\n');
    }
    text
}

/// A datagram in a few words: type, code, message id, token, path and query; or its first bytes,
/// if it is no CoAP message.
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
