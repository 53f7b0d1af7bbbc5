//! The bootstrap file (TS G.3.3).

use lwm2m_core::{ObjectId, Version};
use lwm2m_statemachine::smartcard::{BootstrapFile, FileError, FileProblem, MAX_FILE};
use lwm2m_tlv::{Kind, Kinds, Problem};

use crate::card::{FILE, byte};

fn wrong(file: &[u8]) -> (usize, FileProblem) {
    let FileError { offset, problem } = BootstrapFile::decode(file).unwrap_err();
    (offset, problem)
}

#[test]
fn a_file_has_objects_with_their_instances() {
    let file = BootstrapFile::decode(FILE).unwrap();
    let objects: Vec<_> = file
        .objects()
        .iter()
        .map(|object| {
            (
                object.object,
                object.version,
                object.offset,
                object.instances.len(),
            )
        })
        .collect();
    let version = None;
    assert_eq!(
        objects,
        [
            (ObjectId::SECURITY, version, 9, 37),
            (ObjectId::SERVER, version, 51, 18)
        ]
    );
    assert!(!file.is_empty());
}

#[test]
fn a_version_is_one_byte_zero_or_two_bytes() {
    let file = [
        0x00, 0x03, 0x00, 0x11, //
        0x00, 0x07, 0x00, 0x00, 0x00, // none
        0x00, 0x08, 0x02, 0x05, 0x00, 0x00, // 2.5
        0x00, 0x09, 0x01, 0x00, 0x00, 0x00, // 1.0, in two bytes
    ];
    let file = BootstrapFile::decode(&file).unwrap();
    let versions: Vec<_> = file.objects().iter().map(|object| object.version).collect();
    assert_eq!(
        versions,
        [None, Some(Version::new(2, 5)), Some(Version::INITIAL)]
    );
    assert!(file.is_empty(), "there is no Object Instance");
}

#[test]
fn what_follows_the_collection_is_padding() {
    let file = BootstrapFile::decode(FILE).unwrap();
    for padding in [&[0x00; 9][..], &[0xFF; 59], b"\x08\x00"] {
        let padded = [FILE, padding].concat();
        assert_eq!(BootstrapFile::decode(&padded), Ok(file.clone()));
        assert_eq!(BootstrapFile::used_length(&padded), Some(FILE.len()));
    }
    assert_eq!(BootstrapFile::used_length(&FILE[..3]), None);
}

#[test]
fn a_file_without_objects_has_no_bootstrap_information() {
    assert!(BootstrapFile::decode(&[0; 64]).unwrap().is_empty());
    // An erased one isn't a file.
    let size = FileProblem::Size {
        size: 0xFFFF,
        available: 60,
    };
    assert_eq!(wrong(&[0xFF; 64]), (2, size));
}

#[test]
fn a_file_has_32_kilobytes_at_most() {
    let mut file = FILE.to_vec();
    file.resize(MAX_FILE, 0xFF);
    assert!(BootstrapFile::decode(&file).is_ok());
    file.push(0xFF);
    let problem = FileProblem::TooLarge(MAX_FILE + 1);
    assert_eq!(wrong(&file), (MAX_FILE, problem));
}

#[test]
fn every_cut_is_found() {
    for end in 0..FILE.len() {
        let (offset, problem) = wrong(&FILE[..end]);
        let expected = if end < 4 {
            (0, FileProblem::Header)
        } else {
            let available = end - 4;
            (
                2,
                FileProblem::Size {
                    size: 65,
                    available,
                },
            )
        };
        assert_eq!((offset, problem), expected);
    }
    // The collection is cut, and the header says so.
    for size in 0..65_u8 {
        let mut file = FILE[..4 + usize::from(size)].to_vec();
        file[3] = size;
        let (offset, problem) = wrong(&file);
        match problem {
            FileProblem::Object => assert!(offset == 4 || offset == 46, "{size}: {offset}"),
            FileProblem::Length { length, available } => {
                assert!(available < length, "{size}");
                assert_eq!(offset, if length == 37 { 7 } else { 49 });
            }
            other => panic!("{size}: {other}"),
        }
    }
}

#[test]
fn the_number_of_objects_and_the_size_agree() {
    let mut fewer = FILE.to_vec();
    fewer[1] = 1;
    assert_eq!(wrong(&fewer), (46, FileProblem::Trailing(23)));
    let mut more = FILE.to_vec();
    more[1] = 3;
    assert_eq!(wrong(&more), (69, FileProblem::Object));
}

#[test]
fn an_object_has_object_instances_only() {
    let file = |instances: &[u8]| {
        let length = byte(instances.len());
        let mut file = vec![0x00, 0x01, 0x00, length + 5, 0x00, 0x01, 0x00, 0x00, length];
        file.extend(instances);
        file
    };
    let kind = |found, expected| FileProblem::Tlv(Problem::Kind { found, expected });
    // A bare Resource.
    let expected = kind(Kind::Resource, Kinds::INSTANCES);
    assert_eq!(wrong(&file(&[0xC1, 0x00, 0x65])), (9, expected));
    // After an Object Instance, too.
    let second = file(&[0x00, 0x00, 0xC1, 0x00, 0x65]);
    assert_eq!(wrong(&second), (11, kind(Kind::Resource, Kinds::INSTANCES)));
    // An Object Instance in an Object Instance.
    let nested = file(&[0x02, 0x00, 0x00, 0x01]);
    let expected = kind(Kind::ObjectInstance, Kinds::RESOURCES);
    assert_eq!(wrong(&nested), (11, expected));
    // The reserved identifier.
    let reserved = file(&[0x20, 0xFF, 0xFF]);
    assert_eq!(wrong(&reserved), (9, FileProblem::Tlv(Problem::ReservedId)));
    // A Resource that is cut off.
    let cut = file(&[0x03, 0x00, 0xC2, 0x00, 0x65]);
    assert!(matches!(
        wrong(&cut),
        (11, FileProblem::Tlv(Problem::Length { .. }))
    ));
    // Twice the same.
    let twice = file(&[0x00, 0x05, 0x00, 0x05]);
    let path = "/1/5".parse().unwrap();
    assert_eq!(wrong(&twice), (13, FileProblem::Twice(path)));
}

#[test]
fn an_object_instance_is_there_once_in_all_of_the_file() {
    let file = [
        0x00, 0x02, 0x00, 0x0E, //
        0x00, 0x01, 0x00, 0x00, 0x02, 0x00, 0x05, //
        0x00, 0x01, 0x00, 0x00, 0x02, 0x00, 0x05,
    ];
    let path = "/1/5".parse().unwrap();
    assert_eq!(wrong(&file), (18, FileProblem::Twice(path)));
    let mut other = file;
    other[17] = 0x06;
    assert_eq!(BootstrapFile::decode(&other).unwrap().objects().len(), 2);
}

#[test]
fn an_error_says_where_and_what_was_expected() {
    let error = BootstrapFile::decode(&FILE[..10]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "at byte 2 of the bootstrap file: a collection of 65 bytes where 6 are left"
    );
}

#[test]
fn values_are_not_in_debug_output() {
    let text = format!("{:?}", BootstrapFile::decode(FILE).unwrap());
    assert!(
        !text.contains("99, 111, 97, 112") && !text.contains("coap"),
        "{text}"
    );
    assert!(
        text.contains("offset: 51") && text.contains("length: 18"),
        "{text}"
    );
}
