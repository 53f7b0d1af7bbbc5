//! A case as a chart, with what was expected and what came.

use core::fmt::{self, Write as _};

use lwm2m_core::Value;

use super::{
    rules::{History, Kind, Message},
    script::{Act, Array, Queries, Script},
    world::Content,
};

/// A message as the two sides have it.
enum Side {
    Both,
    Missing,
    Unexpected,
}

/// The events of a case and all messages, by time; messages that differ are marked.
pub(super) fn chart(
    script: &Script,
    history: &History,
    expected: &[Message],
    came: &[Message],
) -> String {
    let mut chart = String::new();
    for (server, periods) in script.periods.iter().enumerate() {
        let storing = script.storing[server];
        writeln!(
            chart,
            "server {server}: default periods {periods:?}, storing {storing}"
        )
        .unwrap();
    }
    let mut lines = Vec::new();
    let mut left = came.to_vec();
    for message in expected {
        let same = left.iter().position(|other| other.is(message));
        let side = match same {
            Some(at) => {
                left.remove(at);
                Side::Both
            }
            None => Side::Missing,
        };
        lines.push(line(message, &side));
    }
    lines.extend(left.iter().map(|message| line(message, &Side::Unexpected)));
    for (before, event) in history.events.iter().enumerate() {
        let text = format!("{:9.3}  {:?}", in_seconds(event.at), event.act);
        lines.push(((event.at, before + 1, 0), text));
    }
    lines.sort_by_key(|(order, _)| *order);
    for (_, text) in lines {
        writeln!(chart, "{text}").unwrap();
    }
    chart
}

fn line(message: &Message, side: &Side) -> ((u64, usize, usize), String) {
    let mark = match side {
        Side::Both => "",
        Side::Missing => "   <== expected, did not come",
        Side::Unexpected => "   <== came, was not expected",
    };
    let at = in_seconds(message.at);
    let what = match &message.kind {
        Kind::Answer { code, content } => format!("{code}{}", content_text(content)),
        Kind::Notification {
            token,
            content,
            due,
        } => {
            let stored = if *due < message.at {
                format!(", due at {:.3}", in_seconds(*due))
            } else {
                String::new()
            };
            format!("notification {token}{stored}{}", content_text(content))
        }
    };
    let text = format!("{at:9.3}      to {}: {what}{mark}", message.server);
    ((message.at, message.events, 1 + message.server), text)
}

/// Each Object Instance with its Resources: ` /26300/0 0=3 4=[1 2:5]`.
fn content_text(content: &Content) -> String {
    let mut text = String::new();
    let mut last = None;
    for (place, values) in content {
        if last != Some(place.parent()) {
            last = Some(place.parent());
            write!(text, " {:?}", place.parent()).unwrap();
        }
        write!(
            text,
            " {}={}",
            place.resource.unwrap_or_default(),
            array_text(values)
        )
        .unwrap();
    }
    text
}

fn array_text(values: &Array) -> String {
    if let (1, Some(value)) = (values.len(), values.get(&0)) {
        return value_text(value);
    }
    let values = values.iter();
    let values: Vec<String> = values
        .map(|(id, value)| format!("{id}:{}", value_text(value)))
        .collect();
    format!("[{}]", values.join(" "))
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(truth) => truth.to_string(),
        Value::String(text) => format!("{text:?}"),
        value => format!("{value:?}"),
    }
}

fn queries_text(queries: &Queries) -> String {
    let queries = queries.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => (*name).to_owned(),
    });
    queries.collect::<Vec<_>>().join(" ")
}

#[expect(clippy::cast_precision_loss, reason = "a case takes a few minutes")]
fn in_seconds(at: u64) -> f64 {
    at as f64 / 1000.0
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Observe {
                server,
                token,
                place,
            } => write!(f, "{server} observes {place:?} with token {token}"),
            Self::Cancel {
                server,
                token,
                place,
            } => write!(f, "{server} cancels {place:?} with token {token}"),
            Self::Reset { server, token } => {
                write!(
                    f,
                    "{server} rejects the last notification with token {token}"
                )
            }
            Self::WriteAttributes {
                server,
                place,
                queries,
            } => write!(
                f,
                "{server} writes attributes of {place:?}: {}",
                queries_text(queries)
            ),
            Self::Write {
                server,
                resource,
                replace,
                values,
            } => {
                let how = if *replace { "replaces" } else { "updates" };
                write!(f, "{server} {how} {resource:?}: {}", array_text(values))
            }
            Self::WriteInstance {
                server,
                instance,
                values,
            } => {
                write!(f, "{server} updates {instance:?}:")?;
                values
                    .iter()
                    .try_for_each(|(id, values)| write!(f, " {id}={}", array_text(values)))
            }
            Self::WritePeriod {
                server,
                resource,
                seconds,
            } => write!(f, "{server} writes its /1/x/{resource}: {seconds}"),
            Self::SetPeriod {
                server,
                resource,
                seconds,
            } => write!(f, "/1/x/{resource} of {server} is set to {seconds}"),
            Self::SetStoring { server, storing } => {
                write!(f, "storing for {server} is set to {storing}")
            }
            Self::Set {
                resource,
                id,
                value,
            } => write!(f, "{resource:?}/{id} is set to {}", value_text(value)),
            Self::SetRights {
                server,
                instance,
                rights,
            } => write!(f, "rights of {server} on {instance:?} are {rights}"),
            Self::Lose { server } => write!(f, "connection to {server} is lost"),
            Self::Find { server, .. } => write!(f, "connection to {server} is up again"),
            Self::GoOffline => write!(f, "the device goes offline"),
            Self::GoOnline { .. } => write!(f, "the device goes online"),
            Self::Return { server } => write!(f, "{server} answers the Update"),
        }
    }
}

impl Message {
    /// Whether this is the same message. Since when it was due shows only in the order.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same = (self.at, self.events, self.server) == (other.at, other.events, other.server);
        same && match (&self.kind, &other.kind) {
            (
                Kind::Notification { token, content, .. },
                Kind::Notification {
                    token: other_token,
                    content: other_content,
                    ..
                },
            ) => (token, content) == (other_token, other_content),
            (one, other) => one == other,
        }
    }
}
