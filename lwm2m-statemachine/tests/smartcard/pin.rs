//! PINs and the secure channel (TS G.2.4, Appendix H).

use lwm2m_statemachine::smartcard::{CardFile, Step, Walk, WalkError};

use crate::card::{AID, APPLICATION_FCP_WITH_PINS, Card, DODF, FILE, FLAGS_AT, config};

/// Walks a card that needs a PIN; `verify` is called for each request. Returns how many there were.
fn walk_with_pin(card: &mut Card, verify: impl Fn(&mut Card) -> bool) -> (usize, Walk) {
    let mut walk = Walk::new(config());
    let mut requests = 0;
    loop {
        match walk.step() {
            Step::Send { command, .. } => {
                let response = card.exchange(command);
                walk.answer(&response);
            }
            Step::VerifyPin(_) => {
                requests += 1;
                let verified = verify(card);
                walk.pin(verified);
            }
            _ => return (requests, walk),
        }
    }
}

#[test]
fn a_refused_command_is_sent_again_once_the_pin_is_verified() {
    let mut card = Card::new();
    card.application.1 = APPLICATION_FCP_WITH_PINS.to_vec();
    card.bootstrap_file().needs_pin = true;
    let mut walk = Walk::new(config());
    let request = loop {
        match walk.step() {
            Step::Send { command, .. } => {
                let response = card.exchange(command);
                walk.answer(&response);
            }
            Step::VerifyPin(request) => break request,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(request.file, CardFile::Bootstrap);
    assert_eq!(request.channel.get(), 2);
    assert_eq!(request.references, Some(&[0x01, 0x81][..]));
    assert_eq!(request.label, Some("LwM2M"));
    assert!(request.refused);
    // What doesn't belong here changes nothing.
    walk.answer(&[0x90, 0x00]);
    walk.secure_channel(true);
    assert!(matches!(walk.step(), Step::VerifyPin(_)));
    card.verified = true;
    let refused = card.log.last().cloned();
    walk.pin(true);
    let Step::Send { command, .. } = walk.step() else {
        panic!("{:?}", walk.step());
    };
    assert_eq!(Some(command), refused.as_deref());
    let response = card.exchange(command);
    walk.answer(&response);
    walk.answer(&[0x90, 0x00]); // the channel is closed
    assert_eq!(walk.step(), Step::Done(Ok(Some(FILE))));
}

#[test]
fn a_private_or_modifiable_file_needs_a_pin_that_is_enabled() {
    for (flags, pins, expected) in [
        (0x80, true, 1),
        (0x40, true, 1),
        (0x00, true, 0),
        (0xC0, false, 0),
    ] {
        let mut card = Card::new();
        let mut dodf = DODF.to_vec();
        assert_eq!(dodf[FLAGS_AT - 3..FLAGS_AT], [0x03, 0x02, 0x06]);
        dodf[FLAGS_AT] = flags;
        card.put(&[0x7F, 0x50, 0x64, 0x30], &dodf);
        if pins {
            card.application.1 = APPLICATION_FCP_WITH_PINS.to_vec();
        }
        let (requests, walk) = walk_with_pin(&mut card, |_| true);
        assert_eq!(requests, expected, "{flags:02X}");
        assert_eq!(walk.into_file().as_deref(), Some(FILE));
    }
}

#[test]
fn a_pin_that_is_not_verified_ends_the_walk() {
    let mut card = Card::new();
    card.object_directory().needs_pin = true;
    let (requests, walk) = walk_with_pin(&mut card, |_| false);
    assert_eq!(requests, 1);
    let error = WalkError::Pin(CardFile::ObjectDirectory);
    assert_eq!(walk.step(), Step::Done(Err(error)));
    assert!(card.is_closed());
    // The application says that it is, and the card that it isn't.
    let mut card = Card::new();
    card.object_directory().needs_pin = true;
    let (requests, walk) = walk_with_pin(&mut card, |_| true);
    assert_eq!(requests, 4);
    assert_eq!(walk.step(), Step::Done(Err(error)));
    assert!(card.is_closed());
}

#[test]
fn the_secure_channel_is_established_once_the_application_is_selected() {
    let with_channel = || {
        let mut config = config();
        config.secure_channel = true;
        Walk::new(config)
    };
    let (mut card, mut walk, mut secured) = (Card::new(), with_channel(), Vec::new());
    loop {
        match walk.step() {
            Step::Send {
                command,
                secured: is_secured,
            } => {
                secured.push((command[1], is_secured));
                let response = card.exchange(command);
                walk.answer(&response);
            }
            Step::SecureChannel(channel) => {
                assert_eq!(channel.get(), 2);
                let select = card.log.last().unwrap();
                assert_eq!(&select[5..17], AID);
                walk.pin(true); // doesn't belong here
                walk.secure_channel(true);
            }
            other => {
                assert_eq!(other, Step::Done(Ok(Some(FILE))));
                break;
            }
        }
    }
    let plain = [0x70, 0xA4, 0xB2, 0xB2, 0xA4].map(|instruction| (instruction, false));
    let wrapped = [0xA4, 0xB0, 0xA4, 0xB0, 0xA4, 0xB0].map(|instruction| (instruction, true));
    assert_eq!(secured, [&plain[..], &wrapped, &[(0x70, false)]].concat());

    let (mut card, mut walk) = (Card::new(), with_channel());
    while let Step::Send { command, .. } = walk.step() {
        let response = card.exchange(command);
        walk.answer(&response);
    }
    walk.secure_channel(false);
    let Step::Send { command, .. } = walk.step() else {
        panic!("{:?}", walk.step());
    };
    card.exchange(command);
    walk.answer(&[0x90, 0x00]);
    assert_eq!(walk.step(), Step::Done(Err(WalkError::SecureChannel)));
    assert!(card.is_closed());
}
