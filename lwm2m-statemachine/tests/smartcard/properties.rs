//! Whatever a card answers, the walk ends within its bounds.

use lwm2m_statemachine::smartcard::{BootstrapFile, CardContents, Step, Walk, WalkBounds};
use proptest::prelude::*;

use crate::card::{Card, Protocol, config};

/// Does what the walk says, and returns how many commands it has sent.
fn drive(mut walk: Walk, mut exchange: impl FnMut(&[u8]) -> Vec<u8>) -> (usize, Walk) {
    let mut commands = 0;
    loop {
        match walk.step() {
            Step::Send { command, .. } => {
                assert!(matches!(command.len(), 4..=261));
                commands += 1;
                let response = exchange(command);
                walk.answer(&response);
            }
            Step::VerifyPin(_) => walk.pin(true),
            Step::SecureChannel(_) => walk.secure_channel(true),
            _ => return (commands, walk),
        }
    }
}

/// Any response, most of them with a status that means something.
fn response() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![
        6 => Just([0x90, 0x00]),
        2 => (any::<u8>()).prop_map(|more| [0x61, more]),
        1 => (any::<u8>()).prop_map(|length| [0x6C, length]),
        1 => Just([0x69, 0x82]),
        1 => Just([0x6A, 0x82]),
        1 => Just([0x6A, 0x83]),
        1 => any::<[u8; 2]>(),
    ];
    let data = prop_oneof![
        Just(vec![0x01]),
        // A transparent file of some size, and one of records.
        any::<[u8; 2]>()
            .prop_map(|[a, b]| vec![0x62, 0x08, 0x82, 0x02, 0x41, 0x21, 0x80, 0x02, a, b]),
        any::<u8>().prop_map(|count| vec![0x62, 0x07, 0x82, 0x05, 0x42, 0x21, 0, 0x10, count]),
        Just([&[0x61, 0x0E, 0x4F, 0x0C][..], crate::card::AID].concat()),
        Just(crate::card::ODF.to_vec()),
        Just(crate::card::DODF.to_vec()),
        Just(crate::card::FILE.to_vec()),
        prop::collection::vec(any::<u8>(), 0..300),
    ];
    (data, status).prop_map(|(data, status)| [&data[..], &status].concat())
}

proptest! {
    #[test]
    fn any_answers_lead_to_an_end(
        responses in prop::collection::vec(response(), 1..60),
        commands in 1_u16..200,
        secure_channel: bool,
    ) {
        let mut config = config();
        config.bounds.commands = commands;
        config.secure_channel = secure_channel;
        let mut next = responses.iter().cycle();
        let (sent, walk) = drive(Walk::new(config), |_| next.next().unwrap().clone());
        prop_assert!(sent <= usize::from(commands) + 1);
        prop_assert!(matches!(walk.step(), Step::Done(_)));
        if let Some(file) = walk.into_file() {
            let _ = BootstrapFile::decode(&file);
        }
    }

    #[test]
    fn a_card_with_one_wrong_byte_leads_to_an_end(
        place in 0_usize..10_000,
        value: u8,
        t_0 in prop::option::of(1_usize..256),
    ) {
        let mut card = Card::new();
        card.protocol = t_0.map_or(Protocol::T1, Protocol::T0);
        let mut bytes: Vec<&mut u8> = card
            .files
            .iter_mut()
            .flat_map(|file| file.control.iter_mut().chain(file.parts.iter_mut().flatten()))
            .chain(&mut card.application.1)
            .collect();
        let place = place % bytes.len();
        *bytes[place] = value;
        let (sent, walk) = drive(Walk::new(config()), |command| card.exchange(command));
        prop_assert!(sent <= usize::from(WalkBounds::default().commands) + 1);
        prop_assert!(matches!(walk.step(), Step::Done(_)));
        prop_assert!(card.is_closed());
    }

    #[test]
    fn any_bytes_are_a_file_or_an_error_within_them(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        match BootstrapFile::decode(&bytes) {
            Ok(file) => {
                let contents = CardContents::of(&file);
                prop_assert!(contents.compare(&contents).is_empty());
            }
            Err(error) => prop_assert!(error.offset <= bytes.len()),
        }
    }
}
