//! What a `coap` or `coaps` URI names (RFC 7252 §6), as the options of a request.

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};
use core::net::IpAddr;

use lwm2m_core::{Method, ObjectId, ServerUri};
use lwm2m_objects::{
    ObjectTree, Typed as _,
    typed::{Security, SecurityMode},
};

use crate::coap::{BlockOption, MessageBuf, OptionNumber};

/// The resource that a URI names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    is_secure: bool,
    /// In lower case.
    host: String,
    port: u16,
    /// The segments of the path, decoded.
    path: Vec<String>,
    /// The arguments of the query, decoded.
    query: Vec<String>,
}

impl Target {
    /// Reads a URI (RFC 7252 §6.4); `None` if it isn't one of `coap` or `coaps`, or its path or
    /// query doesn't fit into options.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let (server, resource) = ServerUri::split(uri).ok()?;
        let (is_secure, host, port) = match server {
            ServerUri::Coap { host, port } => (false, host, port),
            ServerUri::Coaps { host, port } => (true, host, port),
            _ => return None,
        };
        let (path, query) = match resource.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (resource, None),
        };
        let query = query.map(|query| query.split('&').map(decode).collect());
        Some(Self {
            is_secure,
            host: host.to_ascii_lowercase(),
            port,
            path: segments(path)?,
            query: query.unwrap_or_else(|| Some(Vec::new()))?,
        })
    }

    /// The request for a block of it; `None` if it doesn't fit into options.
    pub(super) fn request(&self, block: BlockOption) -> Option<MessageBuf> {
        let mut message = MessageBuf::request(Method::Get);
        // An address is the destination itself (RFC 7252 §6.4, step 5).
        if self.host.parse::<IpAddr>().is_err() {
            let host = self.host.as_bytes();
            message.option(OptionNumber::URI_HOST, host).ok()?;
        }
        for segment in &self.path {
            message.uri_path(segment).ok()?;
        }
        for argument in &self.query {
            message.uri_query(argument).ok()?;
        }
        message.block2(block).ok()?;
        Some(message)
    }

    /// The account whose keys secure the connection (TS 7.1.4, item 3): one of a server at the same
    /// host and port, or else at the same host. Nothing without security, or if there is none.
    pub(super) fn security(&self, tree: &ObjectTree) -> Option<Security> {
        let mut fitting = None;
        if !self.is_secure {
            return None;
        }
        // What a bootstrap has written so far doesn't count.
        let tree = tree.settled();
        for instance in tree.instances(ObjectId::SECURITY) {
            let Some(security) = Security::load(tree, instance) else {
                continue;
            };
            let Ok(ServerUri::Coaps { host, port }) = ServerUri::parse(&security.server_uri) else {
                continue;
            };
            if security.mode == SecurityMode::NoSec || !host.eq_ignore_ascii_case(&self.host) {
                continue;
            }
            if port == self.port {
                return Some(security);
            }
            fitting = fitting.or(Some(security));
        }
        fitting
    }
}

/// The segments of a path. Those of one or two dots are resolved (RFC 3986 §5.2.4), as no option
/// may have them.
fn segments(path: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    let Some(path) = path.strip_prefix('/').filter(|path| !path.is_empty()) else {
        return Some(segments);
    };
    let mut all = path.split('/').peekable();
    while let Some(segment) = all.next() {
        let segment = decode(segment)?;
        let dots = matches!(&*segment, "." | "..");
        if &*segment == ".." {
            segments.pop();
        }
        if !dots {
            segments.push(segment);
        } else if all.peek().is_none() {
            segments.push(String::new());
        }
    }
    Some(segments)
}

/// Undoes percent-encoding (RFC 3986 §2.1); `None` if what results isn't UTF-8.
fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_string());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(digits[0])? * 16 + digit(digits[1])?;
                u8::try_from(value).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use lwm2m_core::{InstanceId, ShortServerId};
    use lwm2m_objects::Store;

    use super::*;
    use crate::coap::{MessageRef, MessageType, Token};

    fn parts(uri: &str) -> Option<(Option<String>, String, String)> {
        let target = Target::parse(uri)?;
        let block = BlockOption::new(0, false, 64)?;
        let message = target.request(block)?;
        let wire = message.finish(MessageType::Confirmable, 0, Token::EMPTY);
        let message = MessageRef::parse(wire.as_ref()).ok()?;
        let join = |all: Vec<&str>| all.join("|");
        Some((
            message.uri_host().map(String::from),
            join(message.uri_path().collect()),
            join(message.uri_query().collect()),
        ))
    }

    #[test]
    fn a_uri_becomes_options() {
        for (uri, host, path, query) in [
            ("coap://192.0.2.1", None, "", ""),
            ("coap://192.0.2.1/", None, "", ""),
            ("coaps://[2001:db8::1]:5690/fw", None, "fw", ""),
            ("coap://Example.ORG/fw", Some("example.org"), "fw", ""),
            ("coap://192.0.2.1/a//b/", None, "a||b|", ""),
            ("coap://192.0.2.1/a%20b/%C3%A4", None, "a b|ä", ""),
            ("coap://192.0.2.1/a/./b/../c", None, "a|c", ""),
            ("coap://192.0.2.1/../a/..", None, "", ""),
            ("coap://192.0.2.1/a/.", None, "a|", ""),
            ("coap://192.0.2.1/fw?v=2&x=%26", None, "fw", "v=2|x=&"),
            ("coap://192.0.2.1?v=2", None, "", "v=2"),
        ] {
            let host = host.map(String::from);
            assert_eq!(parts(uri), Some((host, path.into(), query.into())), "{uri}");
        }
    }

    #[test]
    fn what_is_no_uri_of_coap_is_none() {
        let long = String::from("coap://192.0.2.1/") + &"x".repeat(256);
        for uri in [
            "http://192.0.2.1/fw",
            "sms:+123",
            "coap://",
            "coap://192.0.2.1:0/fw",
            "coap://192.0.2.1/fw#part",
            "coap://user@192.0.2.1/fw",
            "coap://192.0.2.1/%",
            "coap://192.0.2.1/%4",
            "coap://192.0.2.1/%zz",
            "coap://192.0.2.1/%ff",
            &long,
        ] {
            assert_eq!(parts(uri), None, "{uri}");
        }
    }

    /// TS 7.1.4, item 3.
    #[test]
    fn the_keys_are_those_of_the_account_at_that_host() {
        let id = |id: u16| ShortServerId::new(id).unwrap();
        let keys = |uri: &str, server: u16| {
            Security::pre_shared_key(uri, id(server), "urn:dev:1", [7; 16])
        };
        let mut tree = ObjectTree::new();
        let all = [
            Security::no_sec("coap://one.example.org", id(1)),
            keys("coaps://one.example.org:5700", 2),
            keys("coaps://one.example.org", 3),
            keys("coaps://two.example.org:5700", 4),
        ];
        let all = all.into_iter().enumerate();
        tree.add(Store::of(all.map(|(at, security)| {
            let at = u16::try_from(at).unwrap();
            (InstanceId::new(at).unwrap(), security)
        })));
        for (uri, server) in [
            ("coaps://one.example.org/fw", Some(3)),
            ("coaps://ONE.example.org:5700/fw", Some(2)),
            ("coaps://one.example.org:5701/fw", Some(2)),
            ("coaps://two.example.org/fw", Some(4)),
            ("coaps://three.example.org/fw", None),
            ("coap://one.example.org/fw", None),
        ] {
            let security = Target::parse(uri).unwrap().security(&tree);
            let found = security.and_then(|security| security.short_server_id);
            assert_eq!(found, server.map(id), "{uri}");
        }
    }
}
