//! The walk to the bootstrap file (TS G.2, G.3.1, G.3.2).

use core::num::NonZeroU8;

use lwm2m_statemachine::smartcard::{CardFile, ChannelUse, LogicalChannel, Step, Walk, WalkError};

use crate::card::{AID, Card, DODF, FILE, ODF, Protocol, config, file_of, walk, walk_with};

#[test]
fn the_way_is_directory_application_object_directory_data_object_directory_file() {
    let mut card = Card::new();
    assert_eq!(walk(&mut card), Ok(Some(FILE.to_vec())));
    let select_application = [&[0x02, 0xA4, 0x04, 0x04, 0x0C], AID, &[0x00]].concat();
    let expected: &[&[u8]] = &[
        &[0x00, 0x70, 0x00, 0x00, 0x01], // MANAGE CHANNEL, open
        &[0x02, 0xA4, 0x08, 0x04, 0x02, 0x2F, 0x00, 0x00], // SELECT EF(DIR)
        &[0x02, 0xB2, 0x01, 0x04, 0x26], // READ RECORD 1
        &[0x02, 0xB2, 0x02, 0x04, 0x26], // READ RECORD 2
        &select_application,
        &[0x02, 0xA4, 0x00, 0x04, 0x02, 0x50, 0x31, 0x00], // SELECT EF(ODF)
        &[0x02, 0xB0, 0x00, 0x00, 0x20],                   // READ BINARY
        &[0x02, 0xA4, 0x00, 0x04, 0x02, 0x64, 0x30, 0x00], // SELECT EF(DODF)
        &[0x02, 0xB0, 0x00, 0x00, 0x40],                   // READ BINARY
        &[0x02, 0xA4, 0x00, 0x04, 0x02, 0x64, 0x32, 0x00], // SELECT the file
        &[0x02, 0xB0, 0x00, 0x00, 0x80],                   // READ BINARY
        &[0x00, 0x70, 0x80, 0x02],                         // MANAGE CHANNEL, close
    ];
    assert_eq!(card.log, expected);
    assert!(card.is_closed());
}

#[test]
fn padding_stays_on_the_card() {
    let mut card = Card::new();
    let mut config = config();
    config.piece = NonZeroU8::new(32).unwrap();
    assert_eq!(walk_with(&mut card, config), Ok(Some(FILE.to_vec())));
    // 69 of the 128 bytes count.
    let read: Vec<_> = card.log.iter().rev().skip(1).take(3).collect();
    assert_eq!(read[2], &[0x02, 0xB0, 0x00, 0x00, 0x20]);
    assert_eq!(read[1], &[0x02, 0xB0, 0x00, 0x20, 0x20]);
    assert_eq!(read[0], &[0x02, 0xB0, 0x00, 0x40, 0x05]);
}

#[test]
fn any_length_of_the_pieces_leads_to_the_same_file() {
    for piece in 1..=255 {
        let mut card = Card::new();
        let mut config = config();
        config.piece = NonZeroU8::new(piece).unwrap();
        assert_eq!(walk_with(&mut card, config), Ok(Some(FILE.to_vec())));
    }
}

#[test]
fn a_card_with_the_protocol_t_0_is_asked_for_its_response() {
    for most in [5, 256] {
        let mut card = Card::new();
        card.protocol = Protocol::T0(most);
        // Records without a length in the file control parameters are asked for again.
        card.directory().control = vec![0x62, 0x04, 0x82, 0x02, 0x42, 0x21];
        assert_eq!(walk(&mut card), Ok(Some(FILE.to_vec())));
        let fetched = card.log.iter().filter(|command| command[1] == 0xC0);
        let again: Vec<_> = card
            .log
            .iter()
            .filter(|command| command[1] == 0xB2)
            .collect();
        // Directory, application, three files; 6, 33 and 13 bytes.
        assert_eq!(fetched.count(), if most == 5 { 2 + 7 + 3 * 3 } else { 5 });
        assert_eq!(again[0], &[0x02, 0xB2, 0x01, 0x04, 0x00]);
        assert_eq!(again[1], &[0x02, 0xB2, 0x01, 0x04, 0x26]);
    }
}

#[test]
fn a_channel_of_the_caller_stays_open() {
    for (number, class) in [(0, 0x00), (3, 0x03), (4, 0x40), (19, 0x4F)] {
        let mut card = Card::new().opened(number);
        let mut config = config();
        config.channel = ChannelUse::Number(LogicalChannel::new(number).unwrap());
        assert_eq!(walk_with(&mut card, config), Ok(Some(FILE.to_vec())));
        assert!(card.log.iter().all(|command| command[0] == class));
        assert!(!card.is_closed());
    }
    assert_eq!(LogicalChannel::new(20), None);
}

#[test]
fn a_directory_may_be_transparent() {
    let mut card = Card::new();
    let content = card.directory().parts.concat();
    card.put(&[0x2F, 0x00], &content);
    assert_eq!(walk(&mut card), Ok(Some(FILE.to_vec())));
}

#[test]
fn a_path_may_be_absolute_or_lead_through_directories() {
    // From the master file.
    let mut card = Card::new();
    let file = card.bootstrap_file().parts.concat();
    let mut dodf = DODF.to_vec();
    let replaced = dodf.len() - 9 - 8..dodf.len() - 9;
    // The path is four bytes longer, and so is all that it is in.
    let path = [
        0xA1, 0x0A, 0x30, 0x08, 0x04, 0x06, 0x3F, 0x00, 0x5F, 0x01, 0x00, 0x01,
    ];
    dodf.splice(replaced.clone(), path);
    dodf[25] = 0x21;
    card.put(&[0x7F, 0x50, 0x64, 0x30], &dodf);
    card.put(&[0x5F, 0x01, 0x00, 0x01], &file);
    assert_eq!(walk(&mut card), Ok(Some(FILE.to_vec())));
    let select = [0x02, 0xA4, 0x08, 0x04, 0x04, 0x5F, 0x01, 0x00, 0x01, 0x00];
    assert!(card.log.iter().any(|command| command == &select));

    // The directory is in a directory of the application, the file is in the application: the current
    // directory has changed in between.
    let mut card = Card::new();
    let odf = [0xA7, 0x08, 0x30, 0x06, 0x04, 0x04, 0x5F, 0x02, 0x64, 0x30];
    card.put(&[0x7F, 0x50, 0x50, 0x31], &odf);
    card.put(&[0x7F, 0x50, 0x5F, 0x02, 0x64, 0x30], DODF);
    assert_eq!(walk(&mut card), Ok(Some(FILE.to_vec())));
    let selected: Vec<_> = card
        .log
        .iter()
        .filter(|command| command[1] == 0xA4)
        .collect();
    let directory = [
        0x02, 0xA4, 0x08, 0x04, 0x06, 0x7F, 0xFF, 0x5F, 0x02, 0x64, 0x30, 0x00,
    ];
    assert_eq!(selected[3], &directory);
    let file = [0x02, 0xA4, 0x08, 0x04, 0x04, 0x7F, 0xFF, 0x64, 0x32, 0x00];
    assert_eq!(selected[4], &file);
}

/// ETSI TS 102 221, 8.4.2.
#[test]
fn a_path_may_begin_with_the_identifier_of_the_current_application() {
    let mut card = Card::new();
    let odf = [
        0xA7, 0x0A, 0x30, 0x08, 0x04, 0x06, 0x7F, 0xFF, 0x5F, 0x02, 0x64, 0x30,
    ];
    let mut dodf = DODF.to_vec();
    let replaced = dodf.len() - 9 - 8..dodf.len() - 9;
    let path = [0xA1, 0x08, 0x30, 0x06, 0x04, 0x04, 0x7F, 0xFF, 0x64, 0x32];
    dodf.splice(replaced, path);
    dodf[25] = 0x1F;
    card.put(&[0x7F, 0x50, 0x50, 0x31], &odf);
    card.put(&[0x7F, 0x50, 0x5F, 0x02, 0x64, 0x30], &dodf);
    assert_eq!(walk(&mut card), Ok(Some(FILE.to_vec())));
    let directory = [
        0x02, 0xA4, 0x08, 0x04, 0x06, 0x7F, 0xFF, 0x5F, 0x02, 0x64, 0x30, 0x00,
    ];
    let file = [0x02, 0xA4, 0x08, 0x04, 0x04, 0x7F, 0xFF, 0x64, 0x32, 0x00];
    for select in [&directory[..], &file] {
        assert!(card.log.iter().any(|command| command == select));
    }
    // Alone it names no file.
    let odf = [0xA7, 0x06, 0x30, 0x04, 0x04, 0x02, 0x7F, 0xFF];
    card.put(&[0x7F, 0x50, 0x50, 0x31], &odf);
    card.log.clear();
    assert!(matches!(walk(&mut card), Err(WalkError::Malformed { .. })));
}

#[test]
fn an_application_that_can_not_be_selected_is_passed_over_while_others_are_left() {
    // Another PKCS#15 application comes first in the directory.
    let other = [AID, &[0x01]].concat();
    let mut template = [&[0x61, 0x0F, 0x4F, 0x0D][..], &other].concat();
    template.resize(38, 0xFF);
    let two = || {
        let mut card = Card::new();
        card.directory().parts.insert(1, template.clone());
        card.directory().control[8] = 3;
        card
    };
    let mut alone = Card::new();
    alone.directory().parts[1] = template.clone();
    let mut without_entry = two();
    without_entry.put(&[0x7F, 0x50, 0x64, 0x30], &DODF[..24]);
    let mut without_file = two();
    without_file.remove(&[0x7F, 0x50, 0x64, 0x32]);
    // Blocked, conditions not satisfied, not selected, and a success that says nothing sensible.
    let answers: [&[u8]; 4] = [
        &[0x62, 0x83],
        &[0x69, 0x85],
        &[0x69, 0x99],
        &[0x62, 0x7F, 0x90, 0x00],
    ];
    for answer in answers {
        let walk = |card: &mut Card| {
            let mut walk = Walk::new(config());
            while let Step::Send { command, .. } = walk.step() {
                let is_of_other = command[1] == 0xA4 && command[5..].starts_with(&other);
                let response = if is_of_other {
                    answer.to_vec()
                } else {
                    card.exchange(command)
                };
                walk.answer(&response);
            }
            match walk.step() {
                Step::Done(Err(error)) => Err(error),
                _ => Ok(walk.into_file()),
            }
        };
        assert_eq!(walk(&mut two()), Ok(Some(FILE.to_vec())), "{answer:02X?}");
        // If none has the file, that is why.
        for card in [&mut alone, &mut without_entry, &mut without_file] {
            let file = file_of(&walk(card));
            assert_eq!(file, Some(CardFile::Application), "{answer:02X?}");
            assert!(card.is_closed());
        }
    }
}

#[test]
fn a_path_may_name_a_part_of_a_file() {
    let mut card = Card::new();
    let mut shifted = vec![0xEE; 7];
    shifted.extend(FILE);
    shifted.extend([0xEE; 7]);
    card.put(&[0x7F, 0x50, 0x64, 0x32], &shifted);
    let mut dodf = DODF.to_vec();
    let replaced = dodf.len() - 9 - 8..dodf.len() - 9;
    let path = |index: u8, length: u8| {
        [
            0xA1, 0x0C, 0x30, 0x0A, 0x04, 0x02, 0x64, 0x32, 0x02, 0x01, index, 0x80, 0x01, length,
        ]
    };
    dodf.splice(replaced.clone(), path(7, 69));
    dodf[25] = 0x23;
    card.put(&[0x7F, 0x50, 0x64, 0x30], &dodf);
    assert_eq!(walk(&mut card), Ok(Some(FILE.to_vec())));

    // A part that is not there.
    let at = replaced.start;
    dodf.splice(at..at + 14, path(7, 77));
    card.put(&[0x7F, 0x50, 0x64, 0x30], &dodf);
    let error = WalkError::Truncated {
        file: CardFile::Bootstrap,
        read: 83,
        expected: 84,
    };
    assert_eq!(walk(&mut card), Err(error));
}

#[test]
fn the_directories_are_looked_at_in_their_order_until_one_has_the_file() {
    let mut card = Card::new();
    let odf = [
        &[0xA7, 0x06, 0x30, 0x04, 0x04, 0x02, 0x64, 0x01][..], // is not there
        &[0xA7, 0x06, 0x30, 0x04, 0x04, 0x02, 0x64, 0x02],     // has other objects
        &[0xA7, 0x06, 0xA1, 0x04, 0x04, 0x02, 0x64, 0x03],     // is protected by PKCS#15
        &[0xA7, 0x1A, 0xA0, 0x18],                             // is in place
        &DODF[..24],
        &ODF[8..16],
    ]
    .concat();
    card.put(&[0x7F, 0x50, 0x50, 0x31], &odf);
    card.put(&[0x7F, 0x50, 0x64, 0x02], &DODF[..24]);
    assert_eq!(walk(&mut card), Ok(Some(FILE.to_vec())));
    let selected: Vec<_> = card
        .log
        .iter()
        .filter(|command| command[1] == 0xA4)
        .collect();
    let ids: Vec<_> = selected[3..]
        .iter()
        .map(|select| [select[5], select[6]])
        .collect();
    assert_eq!(
        ids,
        [[0x64, 0x01], [0x64, 0x02], [0x64, 0x30], [0x64, 0x32]]
    );
}

#[test]
fn the_entry_may_be_in_the_object_directory_itself() {
    let mut card = Card::new();
    let odf = [&[0xA7, 0x39, 0xA0, 0x37][..], &DODF[..55]].concat();
    card.put(&[0x7F, 0x50, 0x50, 0x31], &odf);
    card.remove(&[0x7F, 0x50, 0x64, 0x30]);
    assert_eq!(walk(&mut card), Ok(Some(FILE.to_vec())));
}

#[test]
fn what_is_not_there_means_no_bootstrap_information() {
    type Change = fn(&mut Card);
    let changes: &[(&str, Change)] = &[
        ("no directory", |card| card.remove(&[0x2F, 0x00])),
        ("no application in the directory", |card| {
            card.directory().parts.pop();
        }),
        ("no application", |card| card.application.0 = vec![0; 5]),
        ("no object directory", |card| {
            card.remove(&[0x7F, 0x50, 0x50, 0x31]);
        }),
        ("no data objects", |card| {
            card.put(&[0x7F, 0x50, 0x50, 0x31], &ODF[..8]);
        }),
        ("no data object directory", |card| {
            card.remove(&[0x7F, 0x50, 0x64, 0x30]);
        }),
        ("no entry", |card| {
            card.put(&[0x7F, 0x50, 0x64, 0x30], &DODF[..24]);
        }),
        ("empty directories", |card| {
            card.put(&[0x7F, 0x50, 0x50, 0x31], &[]);
        }),
        ("no file", |card| card.remove(&[0x7F, 0x50, 0x64, 0x32])),
    ];
    for (what, change) in changes {
        let mut card = Card::new();
        change(&mut card);
        // Fewer records than announced are no error.
        assert_eq!(walk(&mut card), Ok(None), "{what}");
        assert!(card.is_closed(), "{what}");
    }
}

#[test]
fn another_object_identifier_finds_another_file() {
    let mut config = config();
    config.object_identifier = "2.23.43.1".parse().unwrap();
    let mut card = Card::new();
    card.put(&[0x7F, 0x50, 0x64, 0x31], &[0, 0, 0, 0, 0xFF]);
    assert_eq!(walk_with(&mut card, config), Ok(Some(vec![0, 0, 0, 0])));
}

#[test]
fn an_object_of_another_kind_need_not_be_understood() {
    let mut card = Card::new();
    let mut dodf = DODF.to_vec();
    dodf[0] = 0xA0; // an external data object
    dodf[2..24].fill(0x31);
    card.put(&[0x7F, 0x50, 0x64, 0x30], &dodf);
    assert_eq!(walk(&mut card), Ok(Some(FILE.to_vec())));
}

#[test]
fn success_with_a_command_for_the_terminal_is_success() {
    let mut card = Card::new();
    let mut walk = Walk::new(config());
    while let Step::Send { command, .. } = walk.step() {
        let mut response = card.exchange(command);
        if response.ends_with(&[0x90, 0x00]) {
            let status = response.len() - 2;
            response[status] = 0x91;
        }
        walk.answer(&response);
    }
    assert_eq!(walk.into_file().as_deref(), Some(FILE));
}

#[test]
fn nothing_of_the_file_is_in_debug_output() {
    let mut card = Card::new();
    let mut walk = Walk::new(config());
    while let Step::Send { command, .. } = walk.step() {
        let response = card.exchange(command);
        walk.answer(&response);
    }
    assert_eq!(format!("{:?}", walk.step()), "Done(Ok(Some(69)))");
    assert_eq!(format!("{walk:?}"), "Walk(Done(Ok(Some(69))))");
}
