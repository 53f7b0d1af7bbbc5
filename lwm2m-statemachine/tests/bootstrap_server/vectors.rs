//! A whole bootstrap, byte for byte, but for message ids and tokens (RFC 7252 §3, TS 6.4.3, 8.2.3).

use lwm2m_core::{ContentFormat, InstanceId};
use lwm2m_objects::typed;
use lwm2m_statemachine::bootstrap_server::{
    Plan,
    plans::{self, Account, BootstrapAccount},
};

use crate::support::{Request, Sent, World, path, server_id, success};

/// The datagram without its message id and token.
fn bytes(sent: &Sent) -> Vec<u8> {
    let token = usize::from(sent.bytes[0] & 0x0f);
    [
        &[sent.bytes[0] & 0xf0, sent.bytes[1]],
        &sent.bytes[4 + token..],
    ]
    .concat()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// `[delta, length, value]` of the payload in TLV: the account of server 101.
const SECURITY: &str = "
    c8 00 11 636f6170733a2f2f3139322e302e322e31
    c1 01 00
    c1 02 00
    c2 03 6964
    c0 04
    c4 05 6b6b6b6b
    c1 0a 65";
const SERVER: &str = "
    c1 00 65
    c2 01 0e10
    c1 06 01
    c1 07 55";

#[test]
fn a_whole_bootstrap() {
    let mut world = World::new();
    let account = Account {
        security: typed::Security::pre_shared_key(
            "coaps://192.0.2.1",
            server_id(101),
            "id",
            *b"kkkk",
        ),
        server: typed::Server::new(server_id(101), 3600),
    };
    let own = BootstrapAccount::Keep(InstanceId::ZERO);
    let bootstrap = world.requested(&Request::default());
    let plan = plans::one_server(own, account).unwrap();
    world.machine.start(world.now, bootstrap, &plan).unwrap();
    let [answer, mut command] = world.sent().try_into().unwrap();
    // 2.04 in the acknowledgement of the request.
    assert_eq!(bytes(&answer), hex("60 44"));
    let expected = [
        // DELETE /0, DELETE /1
        hex("40 04 b1 30"),
        hex("40 04 b1 31"),
        // PUT /0/1, Content-Format 11542
        hex(&format!("40 03 b1 30 01 31 12 2d16 ff {SECURITY}")),
        // PUT /1/0
        hex(&format!("40 03 b1 31 01 30 12 2d16 ff {SERVER}")),
        // POST /bs
        hex("40 02 b2 6273"),
    ];
    for (index, expected) in expected.iter().enumerate() {
        assert_eq!(bytes(&command), *expected, "command {index}");
        world.answer(&command, success(&command));
        if let Some(next) = world.sent().pop() {
            command = next;
        }
    }
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

#[test]
fn a_discover_and_a_write_in_json() {
    let mut world = World::new();
    let lifetime = path("/1/0/1");
    let plan = Plan::new()
        .discover(path("/"))
        .write_in(
            ContentFormat::JSON,
            lifetime,
            [(lifetime, 60)].into_iter().collect(),
        )
        .finish();
    let (_, command) = world.start(&plan);
    // GET /, Accept 40
    assert_eq!(bytes(&command), hex("40 01 d1 04 28"));
    let command = world.next(&command);
    let mut expected = hex("40 03 b1 31 01 30 01 31 12 2d17 ff");
    expected.extend(br#"{"bn":"/1/0/1","e":[{"v":60}]}"#);
    assert_eq!(
        String::from_utf8_lossy(&bytes(&command)),
        String::from_utf8_lossy(&expected)
    );
}
