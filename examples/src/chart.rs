//! Sequence charts that people can read, in 80 columns.
//!
//! ```text
//!    time client            server
//!   0.000 │─── CON POST ───▶│ 1234 01… /rd?ep=device&lt=60
//!         │                 │          link-format, 32 bytes:
//!         │                 │            </>;rt="oma.lwm2m", </1/0>, </3/0>
//!   0.001 │◀─── ACK 2.01 ───│ 1234 01… Created /rd/5a
//! ```
//!
//! The columns: the time in seconds, the direction with type and code, message id and token, and
//! what the message says. Of several servers, the name of the server comes before the message id.

mod describe;

use core::net::SocketAddr;
use std::collections::HashSet;

use lwm2m_objects::ObjectDefinition;
use lwm2m_statemachine::coap::{MessageRef, MessageType};

use self::describe::Describer;
use crate::driver::Captured;

/// Columns of a whole line.
const WIDTH: usize = 80;
/// Columns of the time.
const TIME: usize = 7;
/// Columns between the two lifelines.
const GAP: usize = 17;
/// Columns of message id and token.
const IDS: usize = 8;
/// Columns that are left for the name of the server and for what a message says: the time, two
/// lifelines, and spaces take the rest.
const TEXT: usize = WIDTH - TIME - 1 - 1 - GAP - 1 - 1 - IDS - 1;

/// Turns datagrams into the lines of a chart. It remembers requests, to describe their answers.
#[derive(Debug)]
pub struct Chart {
    /// The ends that are drawn on the right, and what they are called.
    right: Vec<(SocketAddr, String)>,
    describer: Describer,
    seen: HashSet<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// The most lines of one datagram.
    most: usize,
}

impl Chart {
    /// A chart with one server on the right, and its clients on the left.
    pub fn new(server: SocketAddr) -> Self {
        Self::of_servers([(server, String::new())])
    }

    /// A chart with several servers on the right, which have names.
    pub fn of_servers(servers: impl IntoIterator<Item = (SocketAddr, String)>) -> Self {
        Self {
            right: servers.into_iter().collect(),
            describer: Describer::default(),
            seen: HashSet::new(),
            most: usize::MAX,
        }
    }

    /// Knows these Objects, too.
    #[must_use]
    pub fn knowing(mut self, definitions: impl IntoIterator<Item = ObjectDefinition>) -> Self {
        self.describer.know(definitions);
        self
    }

    /// Has at most so many lines for each datagram, and says how many are left out.
    #[must_use]
    pub const fn at_most(mut self, lines: usize) -> Self {
        self.most = lines;
        self
    }

    /// The heading of the columns.
    pub fn heading(left: &str, right: &str) -> String {
        let gap = GAP + 1;
        format!("{:>TIME$} {left:<gap$}{right}\n", "time")
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
        let server = |address| self.right.iter().find(|(known, _)| *known == address);
        let (to_the_right, server) = match server(to) {
            Some((_, name)) => (true, name.as_str()),
            None => (false, server(from).map_or("", |(_, name)| name)),
        };
        let names = self.right.iter().map(|(_, name)| name.chars().count());
        let widest = names.max().unwrap_or(0);
        // With the blank behind it.
        let width = widest + usize::from(widest > 0);
        let lines = lines.iter().flat_map(|line| wrap(line, TEXT - width));
        let mut lines: Vec<String> = lines.collect();
        if lines.len() > self.most {
            // The line that says so is one of them.
            let left_out = lines.len() - self.most.saturating_sub(1);
            lines.truncate(lines.len() - left_out);
            lines.push(format!("  … {left_out} more lines"));
        }
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            let row = if number == 0 {
                let arrow = arrow(&label, to_the_right);
                let time = datagram.at.to_string();
                format!("{time:>TIME$} {arrow} {server:<width$}{ids:<IDS$} {line}")
            } else {
                let nothing = "";
                let ids = IDS + width;
                format!("{nothing:TIME$} │{nothing:GAP$}│ {nothing:ids$} {line}")
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
    let short = describe::hex(token.get(..1).unwrap_or(token));
    let more = if token.len() > 1 { "…" } else { "" };
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
