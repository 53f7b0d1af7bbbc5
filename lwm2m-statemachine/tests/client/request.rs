//! Requests of a server, part by part.

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_statemachine::coap::{BlockOption, MessageBuf};

use crate::support::Bench;

/// A request that a test varies.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) accept: Option<ContentFormat>,
    pub(crate) format: Option<ContentFormat>,
    pub(crate) observe: Option<u32>,
    pub(crate) query: Option<&'static str>,
    pub(crate) payload: &'static [u8],
}

/// How its body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Whole,
    /// In blocks of 16 bytes.
    Blocks,
}

impl Request {
    pub(crate) const fn new(method: Method, path: &'static str) -> Self {
        Self {
            method,
            path,
            accept: None,
            format: None,
            observe: None,
            query: None,
            payload: b"",
        }
    }

    /// Everything but the payload.
    pub(crate) fn head(&self) -> MessageBuf {
        let mut message = MessageBuf::request(self.method);
        if let Some(observe) = self.observe {
            message.observe(observe).unwrap();
        }
        for segment in self.path.split('/').filter(|segment| !segment.is_empty()) {
            message.uri_path(segment).unwrap();
        }
        if let Some(format) = self.format {
            message.content_format(format).unwrap();
        }
        if let Some(query) = self.query {
            message.uri_query(query).unwrap();
        }
        if let Some(format) = self.accept {
            message.accept(format).unwrap();
        }
        message
    }

    /// The answers' codes: one, or one for each block until one isn't 2.31.
    pub(crate) fn codes(&self, bench: &mut Bench, way: Way) -> Vec<Code> {
        let whole = way == Way::Whole || self.payload.len() <= 16;
        if whole {
            let mut message = self.head();
            message.payload(self.payload);
            return vec![code(bench, message)];
        }
        let mut codes = Vec::new();
        let last = (self.payload.len() - 1) / 16;
        for (number, payload) in self.payload.chunks(16).enumerate() {
            let mut message = self.head();
            let option = BlockOption::new(u32::try_from(number).unwrap(), number < last, 16);
            message.block1(option.unwrap()).unwrap().payload(payload);
            codes.push(code(bench, message));
            if codes.last() != Some(&Code::CONTINUE) {
                break;
            }
        }
        codes
    }
}

/// The code of the answer, which is the first message that the Client sends.
pub(crate) fn code(bench: &mut Bench, message: MessageBuf) -> Code {
    bench.answered(b"t", message).0.code()
}
