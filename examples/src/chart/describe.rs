//! Describes a message in words.

use core::{fmt::Write as _, net::SocketAddr};
use std::collections::HashMap;

use lwm2m_core::{
    CodeKind, ContentFormat, ObjectId, Path, ResourceId,
    codec::{Content, Scope},
};
use lwm2m_objects::{ObjectDefinition, Registry};
use lwm2m_statemachine::{
    coap::{MessageRef, MessageType, Token},
    payload,
};

use crate::value::is_key;

/// Follows requests to their answers and notifications.
#[derive(Debug, Default)]
pub(super) struct Describer {
    registry: Registry,
    /// The requests, by sender, receiver and token.
    requests: HashMap<(SocketAddr, SocketAddr, Token), Path>,
}

impl Describer {
    /// Knows these Objects, too.
    pub(super) fn know(&mut self, definitions: impl IntoIterator<Item = ObjectDefinition>) {
        for definition in definitions {
            // One that can't be used leaves its Object unknown.
            let _ = self.registry.add(definition);
        }
    }

    /// The lines that describe a message; at least one.
    pub(super) fn describe(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        message: &MessageRef<'_>,
    ) -> Vec<String> {
        match message.code().kind() {
            CodeKind::Empty => vec![empty(message.kind()).to_owned()],
            CodeKind::Request => {
                let path = Path::from_segments(message.uri_path()).ok();
                let key = (from, to, message.token());
                match path {
                    Some(path) => self.requests.insert(key, path),
                    None => self.requests.remove(&key),
                };
                let mut lines = vec![self.request(message, path)];
                self.payload(message, path, &mut lines);
                lines
            }
            CodeKind::Response | CodeKind::Reserved => {
                let path = self.requests.get(&(to, from, message.token())).copied();
                let mut lines = vec![response(message, path)];
                self.payload(message, path, &mut lines);
                lines
            }
        }
    }

    fn request(&self, message: &MessageRef<'_>, path: Option<Path>) -> String {
        let mut line = String::new();
        for segment in message.uri_path() {
            let _ = write!(line, "/{segment}");
        }
        if line.is_empty() {
            line.push('/');
        }
        for (separator, query) in core::iter::once('?')
            .chain(core::iter::repeat('&'))
            .zip(message.uri_query())
        {
            let _ = write!(line, "{separator}{query}");
        }
        if let Some(name) = path.and_then(|path| self.name(path)) {
            let _ = write!(line, " ({name})");
        }
        match message.observe() {
            Some(0) => line.push_str(", Observe"),
            Some(1) => line.push_str(", Cancel Observation"),
            Some(other) => {
                let _ = write!(line, ", Observe {other}");
            }
            None => {}
        }
        if let Some(accept) = message.accept() {
            let _ = write!(line, ", Accept {}", format_name(accept));
        }
        line
    }

    /// The lines of a payload, decoded if possible.
    fn payload(&self, message: &MessageRef<'_>, path: Option<Path>, lines: &mut Vec<String>) {
        let bytes = message.payload();
        let format = message.content_format();
        if bytes.is_empty() {
            if let Some(format) = format {
                lines.push(format!("{}, empty", format_name(format)));
            }
            return;
        }
        let name = format.map_or("no format".into(), format_name);
        let of_blocks = message
            .block1()
            .or(message.block2())
            .is_some_and(|block| block.more() || block.number() > 0);
        let count = bytes.len();
        lines.push(format!(
            "{name}, {count} byte{}:",
            if count == 1 { "" } else { "s" }
        ));
        let text = core::str::from_utf8(bytes).ok();
        // Keys are not shown: nor is what may have some and can't be taken apart.
        let may_have_keys = path.and_then(|path| path.object()) == Some(ObjectId::SECURITY);
        match (format, path, text) {
            _ if of_blocks && may_have_keys || path.is_some_and(is_key) => {
                lines.push("  (not shown)".to_owned());
            }
            _ if of_blocks => lines.push(format!("  {}", hex(bytes))),
            (Some(ContentFormat::LINK_FORMAT), _, Some(text)) => {
                lines.push(format!("  {}", spread(text)));
            }
            (None | Some(ContentFormat::TEXT), _, Some(text))
                if format.is_none() || self.is_executable(path) =>
            {
                lines.push(format!("  {text:?}"));
            }
            (Some(format), Some(path), _) => match self.values(format, bytes, path) {
                Some(values) => lines.extend(values),
                None if may_have_keys => lines.push("  (not shown)".to_owned()),
                None => lines.push(format!("  {}", hex(bytes))),
            },
            _ if may_have_keys => lines.push("  (not shown)".to_owned()),
            (_, _, Some(text)) => lines.push(format!("  {text:?}")),
            _ => lines.push(format!("  {}", hex(bytes))),
        }
    }

    /// One line for each value.
    fn values(&self, format: ContentFormat, bytes: &[u8], path: Path) -> Option<Vec<String>> {
        let mut content = Content::new();
        payload::decode(
            format,
            bytes,
            Scope::answer(path),
            &self.registry,
            &mut content,
        )
        .ok()?;
        let lines = content.entries().iter().map(|entry| {
            let mut line = format!("  {}", entry.path);
            if let Some(name) = self.resource_name(entry.path) {
                let _ = write!(line, " {name}");
            }
            match &entry.value {
                Some(_) if is_key(entry.path) => line.push_str(" (not shown)"),
                Some(value) => {
                    let _ = write!(line, " = {}", value.as_ref());
                }
                None => line.push_str(" is empty"),
            }
            line
        });
        Some(lines.collect())
    }

    fn is_executable(&self, path: Option<Path>) -> bool {
        let Some(Path::Resource(object, _, resource)) = path else {
            return false;
        };
        self.registry
            .resource(object, resource)
            .is_some_and(|resource| resource.operations.executable())
    }

    fn name(&self, path: Path) -> Option<String> {
        match path {
            Path::Root => None,
            Path::Object(object) | Path::Instance(object, _) => {
                Some(self.registry.object(object)?.name.to_string())
            }
            Path::Resource(..) | Path::ResourceInstance(..) => self.resource_name(path),
        }
    }

    fn resource_name(&self, path: Path) -> Option<String> {
        let (object, resource): (ObjectId, ResourceId) = match path {
            Path::Resource(object, _, resource)
            | Path::ResourceInstance(object, _, resource, _) => (object, resource),
            _ => return None,
        };
        Some(self.registry.resource(object, resource)?.name.to_string())
    }
}

fn empty(kind: MessageType) -> &'static str {
    match kind {
        MessageType::Confirmable => "ping",
        MessageType::Acknowledgement => "an answer will follow",
        MessageType::Reset => "rejected",
        MessageType::NonConfirmable => "empty",
    }
}

fn response(message: &MessageRef<'_>, path: Option<Path>) -> String {
    let code = message.code();
    let mut line = code.name().unwrap_or("unknown code").to_owned();
    if message.location_path().next().is_some() {
        line.push(' ');
    }
    for segment in message.location_path() {
        let _ = write!(line, "/{segment}");
    }
    if let Some(path) = path {
        let _ = write!(line, " {path}");
    }
    if let Some(observe) = message.observe() {
        let _ = write!(line, ", Observe {observe}");
    }
    line
}

fn format_name(format: ContentFormat) -> String {
    match format {
        ContentFormat::TEXT => "text".into(),
        ContentFormat::LINK_FORMAT => "link-format".into(),
        ContentFormat::OPAQUE => "opaque".into(),
        ContentFormat::TLV => "TLV".into(),
        ContentFormat::JSON => "JSON".into(),
        ContentFormat::LEGACY_TLV => "TLV (1542)".into(),
        ContentFormat::LEGACY_JSON => "JSON (1543)".into(),
        other => format!("format {}", other.number()),
    }
}

/// A space after each comma between links, so that lines can break there.
fn spread(links: &str) -> String {
    let mut text = String::with_capacity(links.len());
    let mut quoted = false;
    for character in links.chars() {
        text.push(character);
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => text.push(' '),
            _ => {}
        }
    }
    text
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
