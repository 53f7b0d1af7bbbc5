//! The `Debug` output goes to logs. So it contains no seed, from which tokens and message ids
//! follow, no token of an open request, and no key.

use core::fmt::Debug;

use lwm2m_core::{
    Code, InstanceId, Instant, Method, ShortServerId, Value, WriteMode, codec::Content,
};
use lwm2m_kit::path;
use lwm2m_objects::{Change, ObjectTree, Store, typed};
use lwm2m_statemachine::{
    AccountId, Client, ClientConfig, ClientEvent, Datagram, Outcome, Server, ServerConfig,
    ServerEvent,
    coap::{Config, Endpoint, MessageBuf, MessageRef, MessageType, RequestOptions, Token},
};

/// A unique secret; it is printable, so that it is also found as text.
const SECRET: [u8; 32] = *b"Zq8#vK1?mT6*wX3!pL9&nR2%jD5@hB7~";
const NOW: Instant = Instant::from_secs(1000);

/// Every form in which bytes are commonly shown, without white space.
fn forms(secret: &[u8]) -> Vec<String> {
    let joined = |form: fn(&u8) -> String, between: &str| {
        let bytes: Vec<_> = secret.iter().map(form).collect();
        bytes.join(between)
    };
    let text = String::from_utf8_lossy(secret);
    vec![
        joined(u8::to_string, ","),
        joined(|byte| format!("{byte:02x}"), ""),
        joined(|byte| format!("{byte:02X}"), ""),
        joined(|byte| format!("{byte:x}"), ","),
        joined(|byte| format!("\\x{byte:02x}"), ""),
        text.escape_debug().to_string(),
        text.into_owned(),
    ]
}

fn shows(shown: &impl Debug, secret: &[u8]) -> bool {
    [format!("{shown:?}"), format!("{shown:#?}")]
        .iter()
        .any(|text| {
            let text: String = text.split_whitespace().collect();
            forms(secret).iter().any(|form| text.contains(form))
        })
}

fn assert_hides(what: &str, shown: &impl Debug, secret: &[u8]) {
    // Even a part of a secret is too much.
    for part in secret.chunks_exact(4) {
        assert!(!shows(shown, part), "{what}: {shown:?}");
    }
}

#[test]
fn a_secret_that_is_shown_is_noticed() {
    assert!(shows(&SECRET, &SECRET[4..8]));
    assert!(shows(&String::from_utf8_lossy(&SECRET), &SECRET[4..8]));
    assert!(shows(&Token::new(&SECRET[..8]), &SECRET[4..8]));
}

fn get() -> MessageBuf {
    MessageBuf::request(Method::Get)
}

#[test]
fn no_configuration_shows_its_seed() {
    assert_hides("coap", &Config::new(SECRET), &SECRET);
    assert_hides("client", &ClientConfig::new("device", SECRET), &SECRET);
    assert_hides("server", &ServerConfig::new(SECRET), &SECRET);
}

#[test]
fn no_machine_shows_its_seed() {
    let endpoint: Endpoint<u8> = Endpoint::new(Config::new(SECRET));
    assert_hides("endpoint", &endpoint, &SECRET);
    let server: Server<u8> = Server::new(ServerConfig::new(SECRET));
    assert_hides("server", &server, &SECRET);
    let config = ClientConfig::new("device", SECRET);
    let client = Client::new(config, tree(keys())).unwrap();
    assert_hides("client", &client, &SECRET);
}

/// Whoever knows the token of a request can forge its response, and a stored message may hold what
/// is written into a Security Object.
#[test]
fn an_endpoint_shows_neither_tokens_nor_messages() {
    let mut node: Endpoint<u8> = Endpoint::new(Config::new([1; 32]));
    let mut write = MessageBuf::request(Method::Put);
    write.payload(&SECRET);
    let options = RequestOptions::default();
    node.request(NOW, 1, write, options).unwrap();
    let request = node.poll_transmit().unwrap().payload.to_vec();
    let token = MessageRef::parse(&request).unwrap().token();

    // A request for the application, and a stored answer.
    let datagram = get().finish(MessageType::Confirmable, 7, Token::EMPTY);
    let datagram = Datagram::new(2, datagram.as_ref());
    node.handle_datagram(NOW, datagram).unwrap();
    let mut other = MessageBuf::request(Method::Post);
    other.payload(&SECRET);
    let other = other.finish(MessageType::Confirmable, 8, Token::EMPTY);
    let datagram = Datagram::new(2, other.as_ref());
    node.handle_datagram(NOW, datagram).unwrap();

    assert_hides("token", &node, &token);
    assert_hides("message", &node, &SECRET);
    // It does show how much there is.
    let shown = format!("{node:?}");
    assert!(shown.contains("Usage"), "{shown}");
}

/// What waits for a client in Queue Mode may hold a key, too.
#[test]
fn a_server_shows_no_message_that_waits_and_no_token() {
    let mut server: Server<u8> = Server::new(ServerConfig::new([1; 32]));
    let mut register = MessageBuf::request(Method::Post);
    register.uri_path("rd").unwrap();
    for query in ["ep=device", "lt=60", "lwm2m=1.0", "b=UQ"] {
        register.uri_query(query).unwrap();
    }
    register.payload(b"</3/0>");
    let register = register.finish(MessageType::Confirmable, 7, Token::EMPTY);
    let datagram = Datagram::new(2, register.as_ref());
    server.handle_datagram(NOW, datagram).unwrap();
    let client = server.find("device").unwrap();
    while server.poll_transmit().is_some() {}

    // An observation that is being cancelled, and a write behind that.
    server.observe(NOW, client, path("/3/0/9"), None).unwrap();
    let observe = server.poll_transmit().unwrap().payload.to_vec();
    let observe = MessageRef::parse(&observe).unwrap();
    let mut answer = MessageBuf::response(Code::CONTENT);
    answer.observe(1).unwrap().payload(b"85");
    let answer = answer.finish(
        MessageType::Acknowledgement,
        observe.message_id(),
        observe.token(),
    );
    let datagram = Datagram::new(2, answer.as_ref());
    server.handle_datagram(NOW, datagram).unwrap();
    let mut observation = None;
    while let Some(event) = server.poll_event() {
        if let ServerEvent::Answered {
            outcome: Outcome::Observing {
                observation: id, ..
            },
            ..
        } = event
        {
            observation = Some(id);
        }
    }
    server
        .cancel_observation(NOW, observation.unwrap())
        .unwrap();
    let content = Content::from_iter([(
        path("/3/0/15"),
        Value::from(&*String::from_utf8_lossy(&SECRET)),
    )]);
    let mode = WriteMode::Replace;
    server
        .write(NOW, client, path("/3/0/15"), mode, None, &content)
        .unwrap();
    assert_eq!(server.queued(client).count(), 2);
    assert_hides("message", &server, &SECRET);
    assert_hides("token", &server, &observe.token());
}

/// An account with a secret in every place for one.
fn keys() -> typed::Security {
    let server = ShortServerId::new(101).unwrap();
    let keys = typed::Certificates {
        certificate: &[1],
        private_key: &SECRET,
        server_certificate: &[2],
    };
    typed::Security::certificate("coaps://192.0.2.1", server, keys).with_sms(typed::SmsSecurity {
        secret_keys: Some(SECRET.to_vec()),
        ..typed::SmsSecurity::default()
    })
}

fn tree(security: typed::Security) -> ObjectTree {
    let server = ShortServerId::new(101).unwrap();
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::Server::new(server, 60),
    )]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    tree
}

#[test]
fn nothing_that_holds_keys_shows_them() {
    let server = ShortServerId::new(101).unwrap();
    let psk = typed::Security::pre_shared_key("coaps://192.0.2.1", server, "id", SECRET);
    let rpk = typed::Security::raw_public_key("coaps://192.0.2.1", server, [1], SECRET, [2]);
    for security in [psk, rpk, keys()] {
        assert_hides("security", &security, &SECRET);
        assert_hides("material", &security.material(), &SECRET);
        assert_hides("SMS", &security.sms, &SECRET);

        let tree = tree(security.clone());
        assert_hides("store", &Store::of([(InstanceId::ZERO, security)]), &SECRET);
        assert_hides("tree", &tree, &SECRET);
        assert_hides("snapshot", &tree.snapshot(), &SECRET);

        let mut client = Client::new(ClientConfig::new("device", [1; 32]), tree).unwrap();
        client.start(NOW);
        assert_hides("client", &client, &SECRET);
        let Some(event @ ClientEvent::Connect { .. }) = client.poll_event() else {
            panic!("no connection asked for");
        };
        assert_hides("event", &event, &SECRET);
    }
    for path in ["/0/0/5", "/0/0/8"] {
        let change = Change::Set {
            path: path.parse().unwrap(),
            value: Value::Opaque(SECRET.to_vec()),
        };
        let changes = vec![change];
        assert_hides("change", &changes, &SECRET);
        let written = ClientEvent::Written {
            account: AccountId::new(InstanceId::ZERO),
            changes,
        };
        assert_hides("written", &written, &SECRET);
    }
}
