//! What the scripted side sends, and what the machine answers.

use alloc::collections::BTreeMap;

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_statemachine::coap::{MessageBuf, MessageRef};

use crate::tlv::Values;

/// A request of the scripted side.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    queries: Vec<String>,
    accept: Option<ContentFormat>,
    format: Option<ContentFormat>,
    observe: Option<u32>,
    pub(crate) payload: Vec<u8>,
}

/// A request with this method, on a path with its queries: `/3/0?pmin=1&pmax=60`.
pub(crate) fn request(method: Method, target: &str) -> Request {
    let (path, queries) = target.split_once('?').unwrap_or((target, ""));
    let queries = queries.split('&').filter(|query| !query.is_empty());
    Request {
        method,
        path: path.into(),
        queries: queries.map(String::from).collect(),
        accept: None,
        format: None,
        observe: None,
        payload: Vec::new(),
    }
}

/// Read (TS 5.4.1).
pub(crate) fn read(path: &str) -> Request {
    request(Method::Get, path)
}

/// Discover (TS 5.4.2).
pub(crate) fn discover(path: &str) -> Request {
    request(Method::Get, path).accept(ContentFormat::LINK_FORMAT)
}

/// Write, Replace (TS 5.4.3).
pub(crate) fn replace(path: &str) -> Request {
    request(Method::Put, path)
}

/// Write, Partial Update (TS 5.4.3).
pub(crate) fn update(path: &str) -> Request {
    request(Method::Post, path)
}

/// Write-Attributes (TS 5.4.4): `/3/0?pmin=1&pmax=60`.
pub(crate) fn write_attributes(target: &str) -> Request {
    request(Method::Put, target)
}

/// Execute (TS 5.4.5).
pub(crate) fn execute(path: &str) -> Request {
    request(Method::Post, path)
}

/// Create (TS 5.4.6).
pub(crate) fn create(path: &str) -> Request {
    request(Method::Post, path)
}

/// Delete (TS 5.4.7).
pub(crate) fn delete(path: &str) -> Request {
    request(Method::Delete, path)
}

/// Bootstrap-Finish (TS 5.2.7.2).
pub(crate) fn finish() -> Request {
    request(Method::Post, "/bs")
}

impl Request {
    pub(crate) fn accept(mut self, format: ContentFormat) -> Self {
        self.accept = Some(format);
        self
    }

    pub(crate) fn observe(mut self, value: u32) -> Self {
        self.observe = Some(value);
        self
    }

    pub(crate) fn content(mut self, format: ContentFormat, payload: impl AsRef<[u8]>) -> Self {
        self.format = Some(format);
        self.payload = payload.as_ref().to_vec();
        self
    }

    pub(crate) fn text(self, payload: &str) -> Self {
        self.content(ContentFormat::TEXT, payload)
    }

    pub(crate) fn opaque(self, payload: impl AsRef<[u8]>) -> Self {
        self.content(ContentFormat::OPAQUE, payload)
    }

    pub(crate) fn json(self, payload: &str) -> Self {
        self.content(ContentFormat::JSON, payload)
    }

    pub(crate) fn tlv(self, payload: impl AsRef<[u8]>) -> Self {
        self.content(ContentFormat::TLV, payload)
    }

    pub(crate) fn links(self, payload: &str) -> Self {
        self.content(ContentFormat::LINK_FORMAT, payload)
    }

    /// A payload whose Content-Format isn't said.
    pub(crate) fn unnamed(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// Everything but the payload and the options of blocks, which are between the queries and what
    /// comes after.
    pub(crate) fn head(&self) -> MessageBuf {
        let mut message = MessageBuf::request(self.method);
        if let Some(observe) = self.observe {
            message.observe(observe).expect("one option");
        }
        for segment in self.path.split('/').filter(|segment| !segment.is_empty()) {
            message.uri_path(segment).expect("a segment");
        }
        if let Some(format) = self.format {
            message.content_format(format).expect("one option");
        }
        for query in &self.queries {
            message.uri_query(query).expect("a query");
        }
        if let Some(format) = self.accept {
            message.accept(format).expect("one option");
        }
        message
    }
}

/// A response of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: Code,
    pub(crate) format: Option<ContentFormat>,
    pub(crate) observe: Option<u32>,
    pub(crate) location: Vec<String>,
    pub(crate) payload: Vec<u8>,
}

impl Answer {
    pub(crate) fn of(message: &MessageRef<'_>) -> Self {
        Self {
            code: message.code(),
            format: message.content_format(),
            observe: message.observe(),
            location: message.location_path().map(String::from).collect(),
            payload: message.payload().to_vec(),
        }
    }

    /// The answer has this code.
    #[track_caller]
    pub(crate) fn expect(self, code: Code) -> Self {
        assert_eq!(self.code, code, "the response code");
        self
    }

    /// The answer has one of these codes.
    #[track_caller]
    pub(crate) fn expect_one_of(self, codes: &[Code]) -> Self {
        let code = self.code;
        assert!(
            codes.contains(&code),
            "expected one of {codes:?}, got {code}"
        );
        self
    }

    /// 2.05 in this format.
    #[track_caller]
    pub(crate) fn content(self, format: ContentFormat) -> Self {
        let answer = self.expect(Code::CONTENT);
        // A missing Content-Format means text.
        let named = answer.format.unwrap_or(ContentFormat::TEXT);
        assert_eq!(named, format, "the Content-Format");
        answer
    }

    /// The text of a 2.05.
    #[track_caller]
    pub(crate) fn into_text(self) -> String {
        let answer = self.content(ContentFormat::TEXT);
        String::from_utf8(answer.payload).expect("UTF-8")
    }

    /// The values of a 2.05 in TLV.
    #[track_caller]
    pub(crate) fn values(&self) -> Values {
        Values::of(&self.clone().content(ContentFormat::TLV).payload)
    }

    /// The document of a 2.05 in JSON.
    #[track_caller]
    pub(crate) fn into_json(self) -> serde_json::Value {
        let answer = self.content(ContentFormat::JSON);
        serde_json::from_slice(&answer.payload).expect("JSON")
    }

    /// The links of a 2.05 in link-format.
    #[track_caller]
    pub(crate) fn links(self) -> Links {
        Links::of(&self.content(ContentFormat::LINK_FORMAT).payload)
    }
}

/// Links by their target, with their attributes (RFC 6690).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Links(Vec<(String, BTreeMap<String, String>)>);

impl Links {
    #[track_caller]
    pub(crate) fn of(payload: &[u8]) -> Self {
        let text = core::str::from_utf8(payload).expect("UTF-8");
        let links = text.split(',').filter(|link| !link.is_empty());
        Self(links.map(Self::link).collect())
    }

    #[track_caller]
    fn link(text: &str) -> (String, BTreeMap<String, String>) {
        let mut parts = text.split(';');
        let target = parts.next().and_then(|target| {
            let target = target.strip_prefix('<')?;
            target.strip_suffix('>')
        });
        let target = target.unwrap_or_else(|| panic!("expected a link, got {text}"));
        let attributes = parts.map(|attribute| {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            (name.into(), value.trim_matches('"').into())
        });
        (target.into(), attributes.collect())
    }

    /// The targets, in order.
    pub(crate) fn targets(&self) -> Vec<&str> {
        self.0.iter().map(|(target, _)| &**target).collect()
    }

    pub(crate) fn has(&self, target: &str) -> bool {
        self.targets().contains(&target)
    }

    /// The targets of these are there; others may be, too.
    #[track_caller]
    pub(crate) fn expect(&self, targets: &[&str]) {
        for target in targets {
            assert!(self.has(target), "expected <{target}> in {:?}", self.0);
        }
    }

    /// The attributes of a link, as they would be written: `dim=2;pmin=10`, in alphabetical order.
    #[track_caller]
    pub(crate) fn attributes(&self, target: &str) -> String {
        let mut links = self.0.iter();
        let link = links.find(|(at, _)| at == target);
        let (_, attributes) = link.unwrap_or_else(|| panic!("expected <{target}> in {:?}", self.0));
        let attributes = attributes.iter();
        let attributes: Vec<String> = attributes
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        attributes.join(";")
    }
}
