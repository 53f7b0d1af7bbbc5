//! Sequence charts that people can read, in 100 columns.
//!
//! ```text
//!      time  client               server
//!     0.000  │──── CON POST ────▶│  1234 0102…  /rd?ep=device&lt=60
//!            │                   │              link-format, 32 bytes:
//!            │                   │                </>;rt="oma.lwm2m", </1/0>, </3/0>
//!     0.001  │◀──── ACK 2.01 ────│  1234 0102…  Created /rd/5a
//! ```
//!
//! The columns: the time in seconds, the direction with type and code, message id and token, and
//! what the message says.

mod describe;

use core::net::SocketAddr;
use std::collections::HashSet;

use lwm2m_statemachine::coap::{MessageRef, MessageType};

use self::describe::Describer;
use crate::driver::Captured;

/// Columns of a whole line.
const WIDTH: usize = 100;
/// Columns between the two lifelines.
const GAP: usize = 19;
/// Columns of message id and token.
const IDS: usize = 10;
/// Columns that are left for what a message says: the time, two lifelines, and spaces take the
/// rest.
const TEXT: usize = WIDTH - 9 - 2 - 1 - GAP - 1 - 2 - IDS - 2;

/// Turns datagrams into the lines of a chart. It remembers requests, to describe their answers.
#[derive(Debug)]
pub struct Chart {
    /// The end that is drawn on the right.
    right: SocketAddr,
    describer: Describer,
    seen: HashSet<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Chart {
    /// A chart with one server on the right, and its clients on the left.
    pub fn new(server: SocketAddr) -> Self {
        Self {
            right: server,
            describer: Describer::default(),
            seen: HashSet::new(),
        }
    }

    /// The heading of the columns.
    pub fn heading(left: &str, right: &str) -> String {
        let gap = GAP + 2;
        format!("{:>9}  {left:<gap$}{right}\n", "time")
    }

    /// The lines of one datagram.
    pub fn rows(&mut self, datagram: &Captured<'_>) -> String {
        let (from, to, payload) = (datagram.from, datagram.to, datagram.payload);
        let again = !self.seen.insert((from, to, payload.to_vec()));
        let (label, ids, mut lines) = match MessageRef::parse(payload) {
            Ok(message) => (
                label(&message),
                ids(&message),
                self.describer.describe(from, to, &message),
            ),
            Err(error) => (
                "?".to_owned(),
                String::new(),
                vec![format!("no CoAP: {error}"), describe::hex(payload)],
            ),
        };
        if again && let Some(first) = lines.first_mut() {
            first.push_str(" (repeated)");
        }
        let lines = lines.iter().flat_map(|line| wrap(line, TEXT));
        let mut text = String::new();
        for (number, line) in lines.enumerate() {
            let row = if number == 0 {
                let arrow = arrow(&label, to == self.right);
                format!(
                    "{:>9}  {arrow}  {ids:<IDS$}  {line}",
                    datagram.at.to_string()
                )
            } else {
                let (time, gap, ids) = ("", "", "");
                format!("{time:>9}  │{gap:GAP$}│  {ids:<IDS$}  {line}")
            };
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Type and code.
fn label(message: &MessageRef<'_>) -> String {
    let kind = match message.kind() {
        MessageType::Confirmable => "CON",
        MessageType::NonConfirmable => "NON",
        MessageType::Acknowledgement => "ACK",
        MessageType::Reset => "RST",
    };
    let code = message.code();
    match (code.method(), code.name()) {
        (None, Some("Empty")) => kind.to_owned(),
        (Some(_), Some(name)) => format!("{kind} {name}"),
        _ => format!("{kind} {code}"),
    }
}

/// The message id, and the beginning of the token.
fn ids(message: &MessageRef<'_>) -> String {
    let token = message.token();
    let token = token.as_bytes();
    let short = describe::hex(token.get(..2).unwrap_or(token));
    let more = if token.len() > 2 { "…" } else { "" };
    format!("{:04x} {short}{more}", message.message_id())
}

fn arrow(label: &str, to_the_right: bool) -> String {
    let line = GAP.saturating_sub(label.len() + 3);
    let before = line / 2;
    let (before, after) = ("─".repeat(before), "─".repeat(line - before));
    if to_the_right {
        format!("│{before} {label} {after}▶│")
    } else {
        format!("│◀{before} {label} {after}│")
    }
}

/// Breaks a line at spaces, or anywhere if it has none; the rest is indented by two more.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let spaces = line.chars().take_while(|c| *c == ' ').count();
    let indent = " ".repeat(spaces + 2);
    let mut lines = Vec::new();
    let mut current = " ".repeat(spaces);
    let mut empty = true;
    for word in line.split_whitespace() {
        let mut word = word;
        let room = |current: &str, empty: bool| {
            width.saturating_sub(current.chars().count() + usize::from(!empty))
        };
        if word.chars().count() > room(&current, empty) && !empty {
            lines.push(core::mem::replace(&mut current, indent.clone()));
            empty = true;
        }
        while word.chars().count() > room(&current, empty) {
            let cut = word
                .char_indices()
                .nth(room(&current, empty).max(1))
                .map_or(word.len(), |(at, _)| at);
            let (part, rest) = word.split_at(cut);
            current.push_str(part);
            lines.push(core::mem::replace(&mut current, indent.clone()));
            word = rest;
        }
        if !empty {
            current.push(' ');
        }
        current.push_str(word);
        empty = word.is_empty();
    }
    if !empty || lines.is_empty() {
        lines.push(current);
    }
    lines
}

#[cfg(test)]
mod tests;
