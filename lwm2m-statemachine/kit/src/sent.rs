//! What a machine sends and tells, and messages to it.

use core::iter;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::{
    AccountId, Machine,
    coap::{MessageBuf, MessageRef, MessageType},
};

/// A message that a machine has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent<P> {
    /// The peer that it is for.
    pub to: P,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// Everything that a machine has to send now.
pub fn sent<M: Machine>(machine: &mut M) -> Vec<Sent<M::Peer>> {
    let mut all = Vec::new();
    while let Some(transmit) = machine.poll_transmit() {
        all.push(Sent {
            to: transmit.to,
            bytes: transmit.payload.to_vec(),
        });
    }
    all
}

/// Everything that a machine has to tell now.
pub fn events<M: Machine>(machine: &mut M) -> Vec<M::Event> {
    iter::from_fn(|| machine.poll_event()).collect()
}

impl<P> Sent<P> {
    /// What the datagram says.
    ///
    /// # Panics
    ///
    /// If it isn't a message.
    pub fn message(&self) -> MessageRef<'_> {
        MessageRef::parse(&self.bytes).expect("a message")
    }

    /// Its type.
    pub fn kind(&self) -> MessageType {
        self.message().kind()
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.message().code()
    }

    /// The Uri-Path as text: `/3/0`.
    pub fn path(&self) -> String {
        let segments = self.message().uri_path();
        segments.fold(String::new(), |path, segment| path + "/" + segment)
    }

    /// The segments of the Uri-Query.
    pub fn queries(&self) -> Vec<String> {
        self.message().uri_query().map(String::from).collect()
    }

    /// The segments of the Location-Path.
    pub fn location(&self) -> Vec<String> {
        self.message().location_path().map(String::from).collect()
    }

    /// Its payload.
    pub fn payload(&self) -> &[u8] {
        self.message().payload()
    }
}

/// A request on a path, such as `/3/0` or `rd`.
///
/// # Panics
///
/// If a segment is too long.
pub fn request(method: Method, path: &str) -> MessageBuf {
    let mut message = MessageBuf::request(method);
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        message.uri_path(segment).expect("a segment");
    }
    message
}

/// The account of the Security Object Instance with this number.
///
/// # Panics
///
/// If that is 65535.
pub fn account(security_instance: u16) -> AccountId {
    AccountId::new(crate::instance(security_instance))
}

/// A GET on a path.
pub fn get(path: &str) -> MessageBuf {
    request(Method::Get, path)
}

/// A response with this payload.
pub fn response(code: Code, payload: &[u8]) -> MessageBuf {
    let mut message = MessageBuf::response(code);
    message.payload(payload);
    message
}
