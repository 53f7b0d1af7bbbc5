//! What a device reports, line by line: for people, or as JSON.
//!
//! A line has a kind and fields. For people, it is the kind and what is shown of the fields, with
//! blanks between. As JSON, it is one object: the kind is `event`, the time since the start in
//! seconds is `time`, and each field has its name.

use core::fmt::{self, Write as _};

use lwm2m_core::{DataType, Instant, Path, Value, ValueRef};
use serde_json::{Value as Json, json};

use crate::value::is_key;

/// How lines are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// For people.
    #[default]
    Plain,
    /// One JSON object per line.
    Json,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    kind: &'static str,
    /// Whether the kind is shown to people.
    indented: bool,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
struct Field {
    name: Option<&'static str>,
    json: Json,
    shown: String,
}

impl Line {
    /// A line that begins with its kind.
    pub const fn new(kind: &'static str) -> Self {
        Self {
            kind,
            indented: false,
            fields: Vec::new(),
        }
    }

    /// A line of a list, which belongs to the command before it. It is indented, and its kind isn't
    /// shown.
    pub const fn item(kind: &'static str) -> Self {
        Self {
            kind,
            indented: true,
            fields: Vec::new(),
        }
    }

    /// Adds a field that people and programs are shown in their own way.
    #[must_use]
    pub fn field(
        self,
        name: &'static str,
        json: impl Into<Json>,
        shown: impl fmt::Display,
    ) -> Self {
        self.push(Some(name), json.into(), shown.to_string())
    }

    /// Adds a field that is shown as it is.
    #[must_use]
    pub fn word(self, name: &'static str, text: impl fmt::Display) -> Self {
        let shown = text.to_string();
        self.push(Some(name), shown.clone().into(), shown)
    }

    /// Adds a field that only programs see.
    #[must_use]
    pub fn hidden(self, name: &'static str, json: impl Into<Json>) -> Self {
        self.push(Some(name), json.into(), String::new())
    }

    /// Adds what only people see.
    #[must_use]
    pub fn saying(self, shown: impl fmt::Display) -> Self {
        self.push(None, Json::Null, shown.to_string())
    }

    /// Adds a path.
    #[must_use]
    pub fn path(self, path: Path) -> Self {
        self.word("path", path)
    }

    /// Adds a path and the value there, with its data type. A key isn't shown, only that there is one.
    #[must_use]
    pub fn value(self, path: Path, value: &Value) -> Self {
        let value = value.as_ref();
        let data_type = value.data_type().map_or("raw", type_name);
        let line = self.path(path).hidden("type", data_type);
        match value {
            _ if is_key(path) => line.field("value", Json::Null, "= (not shown)"),
            value => line.field("value", typed(&value), format_args!("= {value}")),
        }
    }

    fn push(mut self, name: Option<&'static str>, json: Json, shown: String) -> Self {
        self.fields.push(Field { name, json, shown });
        self
    }

    /// The line as it is printed.
    pub fn render(&self, style: Style, at: Instant) -> String {
        match style {
            Style::Plain => self.to_string(),
            Style::Json => self.to_json(at),
        }
    }

    /// The fields in their order, which an object of `serde_json` doesn't keep.
    fn to_json(&self, at: Instant) -> String {
        let mut text = format!("{{\"event\":{},\"time\":{at}", json!(self.kind));
        for field in &self.fields {
            if let Some(name) = field.name {
                // Writing to a string doesn't fail.
                let _ = write!(text, ",{}:{}", json!(name), field.json);
            }
        }
        text.push('}');
        text
    }
}

impl fmt::Display for Line {
    /// For people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.indented { " " } else { self.kind })?;
        for field in self.fields.iter().filter(|field| !field.shown.is_empty()) {
            write!(f, " {}", field.shown)?;
        }
        Ok(())
    }
}

/// The name of a data type in JSON: as in object definition files, in small letters.
const fn type_name(data_type: DataType) -> &'static str {
    match data_type {
        DataType::String => "string",
        DataType::Integer => "integer",
        DataType::Float => "float",
        DataType::Boolean => "boolean",
        DataType::Opaque => "opaque",
        DataType::Time => "time",
        DataType::ObjectLink => "objlnk",
        _ => "other",
    }
}

/// A value in JSON: numbers and truth values as such, everything else as text, in the way that
/// `set` takes it.
fn typed(value: &ValueRef<'_>) -> Json {
    match *value {
        ValueRef::String(text) => text.into(),
        ValueRef::Integer(number) | ValueRef::Time(number) => number.into(),
        // What is no number is text.
        ValueRef::Float(number) if number.is_finite() => number.into(),
        ValueRef::Boolean(truth) => truth.into(),
        value => value.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_core::ObjectLink;

    use super::*;

    fn parsed(line: &Line) -> Json {
        serde_json::from_str(&line.render(Style::Json, Instant::from_secs(2))).unwrap()
    }

    #[test]
    fn people_are_shown_words_and_programs_fields() {
        let line = Line::new("registered")
            .field("server", 101, 101)
            .hidden("account", 1)
            .word("location", "/rd/5a")
            .saying("for a day");
        assert_eq!(
            line.render(Style::Plain, Instant::ZERO),
            "registered 101 /rd/5a for a day"
        );
        assert_eq!(
            line.render(Style::Json, Instant::ZERO),
            r#"{"event":"registered","time":0.000,"server":101,"account":1,"location":"/rd/5a"}"#
        );
        assert_eq!(parsed(&line)["time"], 2.0);
    }

    #[test]
    fn values_have_their_types() {
        let path: Path = "/3/0/9".parse().unwrap();
        let link = ObjectLink {
            object: 3,
            instance: 0,
        };
        for (value, shown, name, json) in [
            (
                Value::from("a \"b\""),
                r#"= "a \"b\"""#,
                "string",
                json!("a \"b\""),
            ),
            (Value::from(-7), "= -7", "integer", json!(-7)),
            (Value::from(0.5), "= 0.5", "float", json!(0.5)),
            (Value::from(f64::NAN), "= NaN", "float", json!("NaN")),
            (Value::from(true), "= true", "boolean", json!(true)),
            (
                Value::Opaque(vec![1, 0xab]),
                "= 0x01ab",
                "opaque",
                json!("0x01ab"),
            ),
            (Value::Time(60), "= 60", "time", json!(60)),
            (Value::from(link), "= 3:0", "objlnk", json!("3:0")),
        ] {
            let item = Line::item("value").value(path, &value);
            assert_eq!(item.to_string(), format!("  /3/0/9 {shown}"));
            let parsed = parsed(&item);
            assert_eq!((&parsed["type"], &parsed["value"]), (&json!(name), &json));
            assert_eq!(parsed["event"], "value");
        }
    }

    #[test]
    fn a_line_of_a_key_says_only_that_there_is_one() {
        for (path, is_shown) in [
            ("/0/1/5", false),
            ("/0/1/8", false),
            ("/0/1/8/0", false),
            ("/0/1/4", true),
            ("/1/0/5", true),
        ] {
            let path: Path = path.parse().unwrap();
            let item = Line::item("value").value(path, &Value::Opaque(vec![0xc0, 0xfe]));
            for style in [Style::Plain, Style::Json] {
                let printed = item.render(style, Instant::ZERO);
                assert_eq!(printed.contains("c0fe"), is_shown, "{printed}");
            }
            assert_eq!(parsed(&item)["value"].is_null(), !is_shown);
        }
    }
}
