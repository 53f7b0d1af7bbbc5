//! Sealed data has a format version and a check sum, which are checked when it is read.

#![cfg(feature = "serde")]

extern crate alloc;

use alloc::collections::{BTreeMap, BTreeSet};
use core::{any::type_name, fmt::Debug};

use lwm2m_core::{AccessRights, Attributes, DataType, InstanceId, ObjectId, ShortServerId};
use lwm2m_objects::{
    ACCESS_CONTROL, BUILT_IN, ObjectDefinition, Operations, Range, ResourceDefinition, Sealed,
    Store, example, firmware, software, typed,
};
use proptest::{prelude::*, sample::Index};
use serde::{Serialize, Serializer, de::DeserializeOwned};

fn json(kept: &impl Serialize) -> String {
    serde_json::to_string(kept).unwrap()
}

/// Data is restored equal, and the format version is checked first.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(kept: &T) {
    let text = json(kept);
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), kept);
    assert!(text.starts_with(r#"{"format":1,"#), "{text}");
    let other = text.replacen(r#""format":1"#, r#""format":2"#, 1);
    let error = serde_json::from_str::<T>(&other).unwrap_err().to_string();
    assert!(error.contains("expected format 1, not 2"), "{error}");
}

fn firmware_snapshot() -> firmware::Snapshot {
    firmware::Snapshot {
        state: firmware::State::Downloading,
        package_uri: "coap://h/p".into(),
        received: 123,
        ..firmware::Snapshot::default()
    }
}

fn software_snapshot() -> software::Snapshot {
    software::Snapshot {
        state: software::State::Delivered,
        result: software::UpdateResult::Verified,
        installing: true,
        ..software::Snapshot::default()
    }
}

fn access_control() -> typed::AccessControl {
    typed::AccessControl {
        target: typed::AclTarget::Instance(ObjectId::DEVICE, InstanceId::ZERO),
        acl: vec![(101, AccessRights::READ), (0, AccessRights::NONE)],
        owner: 101,
    }
}

fn attributes() -> Attributes {
    Attributes {
        pmin: Some(10),
        pmax: Some(3600),
        gt: Some(50.25),
        lt: Some(-0.1),
        st: None,
    }
}

#[test]
fn what_is_kept_comes_back() {
    for definition in BUILT_IN {
        comes_back(definition);
    }
    comes_back(&firmware_snapshot());
    comes_back(&software_snapshot());
    comes_back(&Sealed(attributes()));
    comes_back(&Sealed(access_control()));
    comes_back(&Sealed(typed::AccessControl {
        target: typed::AclTarget::Object(ObjectId::FIRMWARE_UPDATE),
        ..access_control()
    }));
    let server = ShortServerId::new(101).unwrap();
    comes_back(&Sealed(example::security().to_vec()));
    comes_back(&Sealed(typed::Security::no_sec("coap://one", server)));
    comes_back(&Sealed(typed::Server::new(server, 60)));
    comes_back(&Sealed(typed::Device::example()));
    comes_back(&Sealed(typed::ConnectivityMonitoring::default()));
    comes_back(&Sealed(typed::FirmwareUpdate::default()));
    comes_back(&Sealed(typed::Location::new(60.1699, 24.9384, -1)));
    comes_back(&Sealed(typed::ConnectivityStatistics::ALL));
    comes_back(&Sealed(typed::SoftwareManagement::new("name", "1")));
}

/// Impossible states of machines and invalid definitions are refused, even with a right check sum.
#[test]
fn what_is_impossible_is_refused() {
    let impossible = firmware::Snapshot {
        result: firmware::UpdateResult::Updated,
        ..firmware_snapshot()
    };
    assert!(serde_json::from_str::<firmware::Snapshot>(&json(&impossible)).is_err());
    let impossible = software::Snapshot {
        active: true,
        ..software_snapshot()
    };
    assert!(serde_json::from_str::<software::Snapshot>(&json(&impossible)).is_err());
    let mut wrong = ACCESS_CONTROL.clone();
    wrong.resources.to_mut().swap(0, 1);
    assert!(serde_json::from_str::<ObjectDefinition>(&json(&wrong)).is_err());
    assert!(Store::from_definition(wrong).is_err());
    assert!(Store::from_definition(&ACCESS_CONTROL).is_ok());
}

/// With any character changed, a text is refused; or it is the same data in another notation.
fn damaged<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    kept: &T,
    at: Index,
    with: u8,
) -> Result<(), TestCaseError> {
    let mut text = json(kept).into_bytes();
    let at = at.index(text.len());
    prop_assume!(text[at] != with);
    text[at] = with;
    if let Ok(read) = serde_json::from_slice::<T>(&text) {
        prop_assert_eq!(&read, kept);
    }
    Ok(())
}

/// Serialises as octets.
struct Octets(&'static [u8]);

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

/// Serialises as text.
struct Text(&'static str);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self.0)
    }
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct New(u8);

#[derive(Serialize)]
struct Pair(u8, u8);

#[derive(Serialize)]
struct Named {
    one: u8,
    two: u8,
}

#[derive(Serialize)]
enum Variant {
    Unit,
    OtherUnit,
    New(u8),
    OtherNew(u8),
    Pair(u8, u8),
    Named { one: u8, two: u8 },
    Several(Vec<Variant>),
}

/// The check sums of different contents of one type must differ.
fn differ<T: Serialize>(contents: impl IntoIterator<Item = T>) {
    let check_sum = |content: T| {
        let text = json(&Sealed(content));
        let (_, rest) = text.split_once(r#""check_sum":"#).unwrap();
        rest.split_once(',').unwrap().0.to_string()
    };
    let sums: Vec<_> = contents.into_iter().map(check_sum).collect();
    let different: BTreeSet<_> = sums.iter().collect();
    assert_eq!(different.len(), sums.len(), "{}", type_name::<T>());
}

/// Contents of one type that differ in anything have different check sums: in a bit, in the variant,
/// in the length, and in where one part ends and the next begins.
#[test]
fn every_part_is_summed_up() {
    differ([false, true]);
    differ(['a', 'b', 'ä']);
    differ([0_i8, 1, -1]);
    differ([0_i16, 1, -1]);
    differ([0_i32, 1, -1]);
    differ([0_i64, 1, -1]);
    differ([0_i128, 1, -1]);
    differ([0_u8, 1]);
    differ([0_u16, 1, 256]);
    differ([0_u32, 1, 1 << 24]);
    differ([0_u64, 1, 1 << 56]);
    differ([0_u128, 1, 1 << 120]);
    differ([0.0_f32, -0.0, 1.0]);
    differ([0.0_f64, -0.0, 1.0]);
    differ(["", "a", "b", "ab"]);
    differ([("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")]);
    differ([Octets(b""), Octets(b"a"), Octets(b"b")]);
    differ([Text(""), Text("a"), Text("b")]);
    differ([None, Some(0_u8), Some(1)]);
    differ([Some(None), None, Some(Some(0_u8))]);
    differ([vec![], vec![None::<u8>], vec![None, None]]);
    differ([vec![], vec![()], vec![(), ()]]);
    differ([vec![], vec![Unit], vec![Unit, Unit]]);
    differ([New(0), New(1)]);
    differ([Pair(0, 1), Pair(1, 0), Pair(0, 0), Pair(1, 1)]);
    let named = |one, two| Named { one, two };
    differ([named(0, 1), named(1, 0), named(0, 0), named(1, 1)]);
    differ([vec![vec![1], vec![]], vec![vec![], vec![1]], vec![vec![1]]]);
    let map = |entries: &[(u8, u8)]| entries.iter().copied().collect::<BTreeMap<_, _>>();
    differ([
        map(&[]),
        map(&[(0, 0)]),
        map(&[(0, 1)]),
        map(&[(1, 0)]),
        map(&[(0, 0), (1, 0)]),
    ]);
    differ([
        vec![map(&[]), map(&[(0, 0)])],
        vec![map(&[(0, 0)]), map(&[])],
    ]);
    let named = |one, two| Variant::Named { one, two };
    differ([
        Variant::Unit,
        Variant::OtherUnit,
        Variant::New(0),
        Variant::New(1),
        Variant::OtherNew(0),
        Variant::Pair(0, 1),
        Variant::Pair(1, 0),
        named(0, 1),
        named(1, 0),
        Variant::Several(vec![Variant::Several(vec![Variant::Unit]), Variant::Unit]),
        Variant::Several(vec![Variant::Several(vec![Variant::Unit, Variant::Unit])]),
    ]);
}

proptest! {
    #[test]
    fn what_is_damaged_is_refused(at in any::<Index>(), with in b' '..=b'~') {
        static RESOURCES: [ResourceDefinition; 2] = [
            ResourceDefinition::new(0, "Level", Operations::ReadWrite, DataType::Float)
                .with_range(Range::Floats(-1.5, 1.5)),
            ResourceDefinition::new(7, "Mode", Operations::Read, DataType::Integer).multiple(),
        ];
        let id = ObjectId::new(30000);
        let tank = ObjectDefinition::new(id, "Tank", "urn:oma:lwm2m:x:30000", &RESOURCES);
        damaged(&tank, at, with)?;
        damaged(&firmware_snapshot(), at, with)?;
        damaged(&software_snapshot(), at, with)?;
        damaged(&Sealed(attributes()), at, with)?;
        damaged(&Sealed(access_control()), at, with)?;
    }
}
