//! Cards that are damaged or hostile.

use core::num::NonZeroU8;

use lwm2m_statemachine::smartcard::{CardFile, DataProblem, Status, Step, Walk, WalkError};

use crate::card::{Card, DODF, config, file_of, transparent, walk, walk_with};

#[test]
fn a_damaged_file_is_named() {
    type Change = fn(&mut Card);
    let changes: &[(CardFile, Change)] = &[
        (CardFile::Directory, |card| {
            card.directory().parts[1][1] = 0x7F;
        }),
        (CardFile::Directory, |card| {
            card.directory().parts[1][3] = 0x7F;
        }),
        (CardFile::Directory, |card| card.directory().control.clear()),
        (CardFile::Directory, |card| {
            card.directory().control[4] = 0x78;
        }),
        (CardFile::Application, |card| card.application.1[1] = 0x7F),
        (CardFile::ObjectDirectory, |card| {
            card.object_directory().parts[0][9] = 0x7F;
        }),
        (CardFile::ObjectDirectory, |card| {
            card.object_directory().parts[0][13] = 0x01;
        }),
        (CardFile::ObjectDirectory, |card| {
            card.object_directory().parts[0][12] = 0x05;
        }),
        (CardFile::ObjectDirectory, |card| {
            card.object_directory().control = vec![0x62, 0x04, 0x82, 0x02, 0x41, 0x21];
        }),
        (CardFile::ObjectDirectory, |card| {
            card.object_directory().control = vec![0x62, 0x04, 0x82, 0x02, 0x42, 0x21];
        }),
        (CardFile::DataObjectDirectory, |card| {
            card.data_object_directory().parts[0][26] = 0x31;
        }),
        (CardFile::DataObjectDirectory, |card| {
            card.data_object_directory().parts[0][47] = 0xA2;
        }),
        (CardFile::DataObjectDirectory, |card| {
            card.data_object_directory().parts[0][24..26].copy_from_slice(&[0x30, 0x80]);
        }),
        (CardFile::Bootstrap, |card| {
            card.bootstrap_file().control = vec![0x62, 0x02, 0x80, 0x00];
        }),
    ];
    for (place, (file, change)) in changes.iter().enumerate() {
        let mut card = Card::new();
        change(&mut card);
        let outcome = walk(&mut card);
        assert_eq!(file_of(&outcome), Some(*file), "{place}: {outcome:?}");
        let malformed = matches!(outcome, Err(WalkError::Malformed { .. }));
        assert!(malformed, "{place}: {outcome:?}");
        assert!(card.is_closed());
    }
    let mut card = Card::new();
    card.data_object_directory().parts[0][26] = 0x31;
    let error = walk(&mut card).unwrap_err();
    let text = "EF(DODF), at byte 26: expected the attributes of an object";
    assert_eq!(error.to_string(), text);
    let WalkError::Malformed { error, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(
        error.problem,
        DataProblem::Expected("the attributes of an object")
    );
}

#[test]
fn a_file_that_is_shorter_than_its_size_is_truncated() {
    let mut card = Card::new();
    card.bootstrap_file().parts[0].truncate(40);
    let error = WalkError::Truncated {
        file: CardFile::Bootstrap,
        read: 40,
        expected: 69,
    };
    // The card gives 40 bytes, and then no more.
    let outcome = walk(&mut card);
    let status = WalkError::Status {
        file: CardFile::Bootstrap,
        status: Status::new(0x6B00),
    };
    assert_eq!(outcome, Err(status));
    // Or it gives nothing with success.
    let mut walk = Walk::new(config());
    let mut card = Card::new();
    card.bootstrap_file().parts[0].truncate(40);
    loop {
        match walk.step() {
            Step::Send { command, .. } => {
                let mut response = card.exchange(command);
                if response == [0x6B, 0x00] {
                    response = vec![0x90, 0x00];
                }
                walk.answer(&response);
            }
            step => {
                assert_eq!(step, Step::Done(Err(error)));
                break;
            }
        }
    }
}

#[test]
fn sizes_are_bounded() {
    let too_large = |file, size, limit| Err(WalkError::TooLarge { file, size, limit });
    let mut card = Card::new();
    card.object_directory().control = transparent(4097);
    let expected = too_large(CardFile::ObjectDirectory, 4097, 4096);
    assert_eq!(walk(&mut card), expected);

    let mut card = Card::new();
    card.bootstrap_file().control = transparent(0x8001);
    assert_eq!(
        walk(&mut card),
        too_large(CardFile::Bootstrap, 0x8001, 0x8000)
    );

    let mut card = Card::new();
    card.bootstrap_file().control = vec![
        0x62, 0x0A, 0x82, 0x02, 0x41, 0x21, 0x80, 0x04, 0xFF, 0xFF, 0xFF, 0xFF,
    ];
    let expected = too_large(CardFile::Bootstrap, 0xFFFF_FFFF, 0x8000);
    assert_eq!(walk(&mut card), expected);

    let mut card = Card::new();
    let mut config = config();
    config.bounds.directory = 75;
    let expected = too_large(CardFile::Directory, 76, 75);
    assert_eq!(walk_with(&mut card, config), expected);
}

#[test]
fn the_largest_file_is_read() {
    let mut card = Card::new();
    let mut file = vec![0x00, 0x01, 0x7F, 0xFC, 0x00, 0x01, 0x00, 0x7F, 0xF7];
    file.resize(0x8000, 0x5A);
    card.put(&[0x7F, 0x50, 0x64, 0x32], &file);
    assert!(walk(&mut card) == Ok(Some(file)));
    assert_eq!(card.log.len(), 11 + 129);
}

#[test]
fn records_and_candidates_are_bounded() {
    let mut card = Card::new();
    card.directory().control[8] = 0;
    let record = card.directory().parts[0].clone();
    card.directory().parts = vec![record; 200];
    card.directory().control = vec![0x62, 0x04, 0x82, 0x02, 0x42, 0x21];
    let limit = 32;
    let file = CardFile::Directory;
    assert_eq!(
        walk(&mut card),
        Err(WalkError::TooManyRecords { file, limit })
    );

    let mut card = Card::new();
    let odf = [0xA7, 0x06, 0x30, 0x04, 0x04, 0x02, 0x64, 0x02].repeat(100);
    card.put(&[0x7F, 0x50, 0x50, 0x31], &odf);
    card.put(&[0x7F, 0x50, 0x64, 0x02], &DODF[..24]);
    assert_eq!(walk(&mut card), Ok(None));
    let selected = card
        .log
        .iter()
        .filter(|command| command.get(5..7) == Some(&[0x64, 0x02]));
    assert_eq!(selected.count(), 8);
}

/// What a walk ends with if the card always answers this.
fn always(response: &[u8]) -> (usize, Walk) {
    let mut walk = Walk::new(config());
    let mut commands = 0;
    while let Step::Send { .. } = walk.step() {
        walk.answer(response);
        commands += 1;
    }
    (commands, walk)
}

#[test]
fn a_card_that_leads_in_circles_is_left() {
    let error = |walk: &Walk| match walk.step() {
        Step::Done(Err(error)) => error,
        other => panic!("{other:?}"),
    };
    // There is always more, or always another length.
    let (commands, walk) = always(&[0x61, 0x00]);
    assert_eq!(
        (commands, error(&walk)),
        (1024, WalkError::TooManyCommands(1024))
    );
    let (commands, walk) = always(&[0x6C, 0x10]);
    assert_eq!(commands, 2);
    assert!(matches!(error(&walk), WalkError::Status { .. }));
    let file = CardFile::Channel;
    // There is more and more.
    let (commands, walk) = always(&[&[0; 256][..], &[0x61, 0x00]].concat());
    let limit = 1024;
    assert_eq!(
        (commands, error(&walk)),
        (5, WalkError::TooLong { file, limit })
    );
    // There is no status.
    let (_, walk) = always(&[0x90]);
    assert_eq!(error(&walk), WalkError::NoStatus { file, length: 1 });
    // There is no channel.
    for response in [&[0x90, 0x00][..], &[0x00, 0x90, 0x00], &[20, 0x90, 0x00]] {
        let (_, walk) = always(response);
        assert_eq!(error(&walk), WalkError::Channel);
    }
}

#[test]
fn a_file_that_comes_byte_by_byte_is_given_up_in_time() {
    let mut card = Card::new();
    let mut file = vec![0x00, 0x01, 0x7F, 0xFC];
    file.resize(0x8000, 0x5A);
    card.put(&[0x7F, 0x50, 0x64, 0x32], &file);
    let mut config = config();
    config.piece = NonZeroU8::MIN;
    let outcome = walk_with(&mut card, config);
    assert_eq!(outcome, Err(WalkError::TooManyCommands(1024)));
    // The channel is closed by one more.
    assert_eq!(card.log.len(), 1025);
    assert!(card.is_closed());
}
