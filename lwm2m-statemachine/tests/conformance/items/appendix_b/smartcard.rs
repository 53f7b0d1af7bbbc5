//! B.1.1 and B.1.2, as far as a Smartcard is concerned.

use lwm2m_core::{Code, Method, ObjectId};
use lwm2m_kit::{
    card::{Card, FILE, OBJECT_IDENTIFIER},
    instance, path,
};
use lwm2m_objects::{Store, Typed as _, typed};
use lwm2m_statemachine::{
    AccountId, ClientEvent,
    client::BootstrapState,
    coap::MessageBuf,
    smartcard::{BootstrapFile, Step, Walk, WalkConfig, WalkError},
};

use crate::{
    bench::{Bench, step},
    configurations::{BOOTSTRAP, SERVER_1, Setup, c1, c13},
};

/// The URI of the server that the card has.
const OF_CARD: &str = "coap://192.0.2.1";

/// Another server in the same Security Object Instance.
const MOVED: &str = "coap://192.0.2.9";

/// The file of the server that has another address.
fn moved_file() -> Vec<u8> {
    let at = FILE
        .windows(OF_CARD.len())
        .position(|part| part == OF_CARD.as_bytes());
    let at = at.expect("the URI is in the file");
    let mut file = FILE.to_vec();
    file[at..][..MOVED.len()].copy_from_slice(MOVED.as_bytes());
    file
}

/// As this configuration, with a card reader.
fn with_card(mut setup: Setup) -> Setup {
    setup.config.bootstrap.smartcard = true;
    setup
}

/// A Client that has nothing but a card reader and a Device.
fn with_card_only() -> Setup {
    let setup = with_card(c1()).with(Store::new(typed::Security::DEFINITION));
    setup.with(Store::new(typed::Server::DEFINITION))
}

/// How often the Client has asked the application to look at the card, since the last call.
fn asked(bench: &mut Bench) -> usize {
    let events = bench.events();
    let asked = |event: &&ClientEvent| **event == ClientEvent::SmartcardAsked;
    events.iter().filter(asked).count()
}

/// The Client asks for the card, once.
#[track_caller]
fn expect_asked_for_card(bench: &mut Bench) {
    assert_eq!(asked(bench), 1, "the Client asks for the card");
    bench.expect_nothing_asked();
}

/// The way to the bootstrap file on a card (TS G.2, G.3).
fn walk(card: &mut Card) -> Result<Option<Vec<u8>>, WalkError> {
    let mut walk = Walk::new(config());
    loop {
        match walk.step() {
            Step::Send { command, .. } => {
                let response = card.exchange(command);
                walk.answer(&response);
            }
            Step::Done(outcome) => {
                outcome?;
                return Ok(walk.into_file());
            }
            other => panic!("{other:?} is not expected of this card"),
        }
    }
}

fn config() -> WalkConfig {
    WalkConfig::new(OBJECT_IDENTIFIER.parse().expect("an object identifier"))
}

/// The application looks at the card, for which the Client has asked, and finds this file.
#[track_caller]
fn looks(bench: &mut Bench, file: Option<&[u8]>) {
    expect_asked_for_card(bench);
    bench.good_card_has(file);
}

/// The next request is a Register with the server at this URI, which accepts it.
#[track_caller]
fn registers(bench: &mut Bench, uri: &str) {
    let register = bench.expect_register();
    assert_eq!(bench.uri_of(&register), uri);
    bench.accept_register(&register);
}

/// A Client that is registered with the server of its card.
#[track_caller]
fn registered(setup: Setup) -> Bench {
    let mut bench = setup.started();
    looks(&mut bench, Some(FILE));
    registers(&mut bench, OF_CARD);
    bench.host_at(OF_CARD);
    bench.events();
    bench
}

pub(crate) fn lwm2m_boot_003_c_o() {
    step("step 1 of the sequence: the Client asks for the card before anything else");
    let mut bench = with_card_only().started();
    expect_asked_for_card(&mut bench);
    assert!(bench.asked_connections().is_empty());
    step("the file is found on the card, and applied: the Client registers with what it says");
    let file = walk(&mut Card::new()).expect("a good card");
    bench.good_card_has(file.as_deref());
    let register = bench.expect_register();
    assert_eq!(bench.uri_of(&register), OF_CARD);
    assert_eq!(register.query("lt").as_deref(), Some("86400"));
    bench.accept_register(&register);
    assert_eq!(bench.host_at(OF_CARD).values("/1/0").integer(0), 101);
    step("without Bootstrap Information on the card: what the factory has given the Client");
    let mut card = Card::new();
    card.remove(&[0x7F, 0x50, 0x64, 0x32]);
    let mut bench = with_card(c1()).started();
    expect_asked_for_card(&mut bench);
    let file = walk(&mut card).expect("a card without the file");
    assert_eq!(file, None);
    bench.good_card_has(None);
    let register = bench.expect_register();
    assert_ne!(bench.uri_of(&register), OF_CARD);
    bench.accept_register(&register);
    step("no Bootstrap-Server begins before that, and none is asked");
    let mut bench = with_card(c13()).started();
    assert!(!bench.bootstrap_server_connects(1, BOOTSTRAP));
    expect_asked_for_card(&mut bench);
    let state = bench.client.bootstrapping().state(bench.now);
    assert_eq!(state, BootstrapState::Smartcard);
    bench.good_card_has(None);
    bench.expect_bootstrap_request();
}

pub(crate) fn lwm2m_boot_011_c_o() {
    step(
        "the application is selected in clear; the secure channel is on the same logical channel (Figure 33)",
    );
    let mut config = config();
    config.secure_channel = true;
    let mut card = Card::new();
    let mut walk = Walk::new(config.clone());
    let selected = |card: &Card| card.log.iter().any(|command| command[1..3] == [0xA4, 0x04]);
    let channel = loop {
        match walk.step() {
            Step::Send { command, secured } => {
                assert!(!secured, "{command:02X?} goes before the channel");
                let response = card.exchange(command);
                walk.answer(&response);
            }
            Step::SecureChannel(channel) => break channel,
            other => panic!("{other:?}"),
        }
    };
    assert!(selected(&card));
    assert_eq!(channel.get(), 2, "the one that the walk has opened");
    step("everything that selects and reads the file goes through it");
    let before = card.log.len();
    walk.secure_channel(true);
    let file = loop {
        match walk.step() {
            Step::Send { command, secured } => {
                // MANAGE CHANNEL closes what the secure channel was on.
                assert_eq!(secured, command[1] != 0x70, "{command:02X?}");
                let response = card.exchange(command);
                walk.answer(&response);
            }
            Step::Done(outcome) => {
                outcome.expect("a good card");
                break walk.into_file();
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(card.log.len() > before);
    assert_eq!(file.as_deref(), Some(FILE));
    step("what came through it configures the Client");
    let mut bench = with_card_only().started();
    looks(&mut bench, file.as_deref());
    registers(&mut bench, OF_CARD);
    step("without the channel nothing is read");
    let (mut card, mut walk) = (Card::new(), Walk::new(config));
    let outcome = loop {
        match walk.step() {
            Step::Send { command, secured } => {
                assert!(!secured, "{command:02X?} without the channel");
                let response = card.exchange(command);
                walk.answer(&response);
            }
            Step::SecureChannel(_) => walk.secure_channel(false),
            Step::Done(outcome) => break outcome.map(|file| file.map(<[u8]>::to_vec)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(outcome, Err(WalkError::SecureChannel));
}

pub(crate) fn lwm2m_boot_012_c_o() {
    step(
        "the data of TS G.3.3: how many Objects, how long they are; each with version and length, in TLV",
    );
    let file = walk(&mut Card::new()).expect("a good card");
    let file = file.expect("a bootstrap file");
    let decoded = BootstrapFile::decode(&file).expect("a good file");
    let objects: Vec<u16> = decoded
        .objects()
        .iter()
        .map(|object| object.object.get())
        .collect();
    assert_eq!(objects, [0, 1]);
    step("all of it is in the configuration");
    let bench = registered(with_card_only());
    for (at, value) in [
        ("/0/0/0", OF_CARD.into()),
        ("/0/0/2", 3_i64.into()),
        ("/0/0/10", 101_i64.into()),
        ("/1/0/0", 101_i64.into()),
        ("/1/0/1", 86_400_i64.into()),
        ("/1/0/7", "U".into()),
    ] {
        assert_eq!(bench.client.tree().get(path(at)), Some(value), "{at}");
    }
    step("a file that is cut off or inconsistent is applied in no part (TS 5.2.6)");
    let mut inconsistent = FILE.to_vec();
    let at = FILE.windows(3).rposition(|part| part == [0xC1, 0x00, 0x65]);
    inconsistent[at.expect("the Short Server ID of the server") + 2] = 0x66;
    for bad in [&FILE[..FILE.len() - 1], &inconsistent] {
        let mut bench = with_card_only().started();
        let before = bench.client.tree().snapshot();
        expect_asked_for_card(&mut bench);
        let refreshed = bench.card_has(Some(bad));
        assert!(refreshed.refused.is_some());
        assert!(bench.client.tree().snapshot() == before);
        bench.expect_nothing_asked();
    }
}

pub(crate) fn lwm2m_boot_013_c_o() {
    step("unchanged: the Client goes on as it was");
    let mut bench = registered(with_card_only());
    let before = bench.client.tree().snapshot();
    bench.client_updates();
    looks(&mut bench, Some(FILE));
    bench.expect_update();
    assert!(bench.client.tree().snapshot() == before);
    step("changed: the former account is disabled, and the new one is applied");
    bench.client_updates();
    looks(&mut bench, Some(&moved_file()));
    let register = bench.expect_register();
    assert_eq!(bench.uri_of(&register), MOVED);
    bench.accept_register(&register);
    assert_eq!(bench.client.tree().get(path("/0/0/0")), Some(MOVED.into()));
    step("changed into what can't be applied: the former account is disabled all the same");
    bench.host_at(MOVED).client_updates();
    expect_asked_for_card(&mut bench);
    let refreshed = bench.card_has(Some(&[0xFF; 64]));
    assert!(refreshed.refused.is_some());
    assert_eq!(bench.client.tree().get(path("/0/0/0")), None);
    bench.expect_deregister();
    step("the card is removed: what came from it is deleted, and nothing else");
    let mut bench = registered(with_card(c13()));
    bench.client_updates();
    looks(&mut bench, None);
    bench.expect_deregister();
    assert_eq!(bench.client.tree().get(path("/0/0/0")), None);
    assert_eq!(bench.client.tree().get(path("/1/0/0")), None);
    let own = bench.client.tree().get(path("/0/1/0"));
    assert_eq!(own, Some(BOOTSTRAP.into()));
    step("no server is left: the Bootstrap-Server is asked (TS 5.2.4, step 4)");
    bench.expect_bootstrap_request();
}

/// Another server beside that of the card, which isn't from the card.
fn with_another() -> Setup {
    let (uri, at) = ("coaps://server1.example.com", instance(4));
    let security = typed::Security::pre_shared_key(uri, SERVER_1, "identity", *b"a key of 16 byte");
    let rights = typed::AccessControl {
        target: typed::AclTarget::Instance(ObjectId::SERVER, at),
        acl: [].into(),
        owner: 1,
    };
    with_card(c1())
        .with(Store::of([(at, security)]))
        .with(Store::of([(at, typed::Server::new(SERVER_1, 86_400))]))
        .with(Store::of([(instance(0), rights)]))
}

pub(crate) fn lwm2m_cr_010_c_o() {
    step(
        "a server of the card and another one: the card is asked for before anything goes to the first",
    );
    let mut bench = with_another().started();
    looks(&mut bench, Some(FILE));
    for _ in 0..2 {
        let register = bench.expect_register();
        bench.accept_register(&register);
    }
    assert_eq!(
        asked(&mut bench),
        0,
        "one look is enough for connection and Register"
    );
    step(
        "each Update: nothing is sent before the look, and nothing to the former server if it is another one",
    );
    for _ in 0..2 {
        bench.client_updates();
        looks(&mut bench, Some(FILE));
        let update = bench.expect_update();
        assert_eq!(bench.uri_of(&update), OF_CARD);
    }
    bench.client_updates();
    looks(&mut bench, Some(&moved_file()));
    step("the Register that follows is with what the card has now");
    registers(&mut bench, MOVED);
    step("each later Register: refused, it is tried again after another look");
    bench.client_updates();
    looks(&mut bench, Some(&moved_file()));
    let update = bench.expect_asked(Method::Post, "/rd/5a3f3");
    bench.respond(&update, MessageBuf::response(Code::NOT_FOUND));
    looks(&mut bench, Some(&moved_file()));
    registers(&mut bench, MOVED);
    step("a card that can't be read: nothing is sent, and it is asked for again");
    bench.client_updates();
    expect_asked_for_card(&mut bench);
    bench.client.smartcard_unread(bench.now);
    bench.expect_nothing_asked();
    bench.pass(5);
    looks(&mut bench, Some(&moved_file()));
    bench.expect_update();
    step("the other server has nothing to do with the card");
    let other = AccountId::new(instance(4));
    bench.client.update(bench.now, other);
    bench.expect_update();
    assert_eq!(asked(&mut bench), 0);
}
