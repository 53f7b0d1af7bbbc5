//! Uses each crate, so that each is really linked.

use alloc::{string::ToString, vec::Vec};

use lwm2m_core::{
    Code, DataType, InstanceId, Instant, ObjectId, Path, ResourceId, ShortServerId, Value,
    codec::{Content, Scope},
};
use lwm2m_linkformat::{RegistrationLinks, RegistrationRoot, RegistrationWriter};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_statemachine::{
    BootstrapServer, BootstrapServerConfig, Channel, Client, ClientConfig, ClientEvent,
    bootstrap_server::plans::{self, Account, BootstrapAccount},
    coap::{MessageBuf, MessageRef, MessageType, Token},
};
use lwm2m_tlv::{Encoder, decode};

/// Every check; true if it passed.
pub(crate) const ALL: [fn() -> bool; 7] =
    [core, tlv, json, linkformat, coap, client, bootstrap_server];

fn core() -> bool {
    let path = "/3/0/9".parse::<Path>();
    path.is_ok_and(|path| path.to_string() == "/3/0/9")
}

fn tlv() -> bool {
    let payload = b"\xC1\x09\x64";
    let Some((instance, battery)) = Path::of(&[3, 0]).zip(Path::of(&[3, 0, 9])) else {
        return false;
    };
    let types = |_: ObjectId, _: ResourceId| Some(DataType::Integer);
    let mut content = Content::new();
    let decoded = decode(payload, Scope::write(instance), &types, &mut content);
    let mut written = Vec::new();
    let mut encoder = Encoder::new(&mut written, Scope::write(instance));
    let encoded = content.push(&mut encoder).and_then(|()| encoder.finish());
    let read = content.get(&battery) == Some(&Value::Integer(100));
    read && decoded.is_ok() && encoded.is_ok() && written == payload
}

fn json() -> bool {
    let payload = br#"{"bn":"/3/0/","e":[{"n":"9","v":100}]}"#;
    let Some(instance) = Path::of(&[3, 0]) else {
        return false;
    };
    let types = |_: ObjectId, _: ResourceId| Some(DataType::Integer);
    let mut content = Content::new();
    let decoded = lwm2m_json::decode(payload, Scope::answer(instance), &types, &mut content);
    let mut written = Vec::new();
    let mut encoder = lwm2m_json::Encoder::new(&mut written, Scope::write(instance));
    let encoded = content.push(&mut encoder).and_then(|()| encoder.finish());
    decoded.is_ok() && encoded.is_ok() && written == payload
}

fn linkformat() -> bool {
    let mut written = Vec::new();
    let mut list = RegistrationWriter::new(&mut written, RegistrationRoot::default());
    list.object(ObjectId::new(5), None, []);
    written == b"</5>" && RegistrationLinks::new(&written).all(|link| link.is_ok())
}

fn coap() -> bool {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.payload(b"100");
    let message = message.finish(MessageType::Acknowledgement, 1, Token::EMPTY);
    MessageRef::parse(message.as_ref()).is_ok_and(|read| read.payload() == b"100")
}

/// A client with its objects asks for a connection to its server.
fn client() -> bool {
    let Some(server) = ShortServerId::new(1) else {
        return false;
    };
    let mut tree = ObjectTree::new();
    let security = typed::Security::no_sec("coap://192.0.2.1", server);
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    let account = typed::Server::new(server, 60);
    tree.add(Store::of([(InstanceId::ZERO, account)]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::default())]));
    let Ok(mut client) = Client::new(ClientConfig::new("proof", [0; 32]), tree) else {
        return false;
    };
    client.start(Instant::ZERO);
    matches!(client.poll_event(), Some(ClientEvent::Connect { .. }))
}

/// A bootstrap-server begins to tell a client what its account is.
fn bootstrap_server() -> bool {
    let Some(server) = ShortServerId::new(1) else {
        return false;
    };
    let account = Account {
        security: typed::Security::no_sec("coap://192.0.2.1", server),
        server: typed::Server::new(server, 60),
    };
    let own = BootstrapAccount::Keep(InstanceId::ZERO);
    let Ok(plan) = plans::one_server(own, account) else {
        return false;
    };
    let mut machine = BootstrapServer::new(BootstrapServerConfig::new([0; 32]));
    let begun = machine.begin(Instant::ZERO, "proof", 1_u8, Channel::Udp, &plan);
    begun.is_ok()
        && machine
            .poll_transmit()
            .is_some_and(|transmit| transmit.to == 1)
}
