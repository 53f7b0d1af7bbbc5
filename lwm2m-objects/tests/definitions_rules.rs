//! The rules of the template (TS Appendix D), Object URNs and versions (6.2), ranges, and the
//! registry.

extern crate alloc;

use alloc::borrow::Cow;

use lwm2m_core::{
    DataType, IdError, ObjectId, ResourceId, ValueRef, Version, VersionError, codec::TypeLookup,
};
use lwm2m_objects::{
    ArgumentDefinition, DEVICE, DefinitionError, DefinitionFault, Multiplicity, ObjectDefinition,
    Operations, Range, Registry, ResourceDefinition, SERVER, SOFTWARE_MANAGEMENT,
    SOFTWARE_MANAGEMENT_CANDIDATE, Urn, UrnClass, UrnError,
};
use proptest::prelude::*;

const TANK: ObjectId = ObjectId::new(44);

/// Object 44 with a Resource of each kind, as an application reads it at run time.
fn tank(version: Option<Version>) -> ObjectDefinition {
    let mut definition = ObjectDefinition::new(TANK, "Tank", "urn:oma:lwm2m:oma:44", &[]);
    definition.resources = Cow::Owned(vec![
        ResourceDefinition::new(0, "Level", Operations::Read, DataType::Integer).mandatory(),
        ResourceDefinition::executable(1, "Drain"),
        ResourceDefinition::new(2, "Label", Operations::ReadWrite, DataType::String).multiple(),
    ]);
    definition.arguments = Cow::Owned(vec![
        ArgumentDefinition::new(1, 0, "Slowly"),
        ArgumentDefinition::new(1, 1, "To")
            .with_value(DataType::Integer, Some(Range::Numbers(0, 100))),
    ]);
    if let Some(version) = version {
        definition.version = version;
        definition.urn = Cow::Owned(format!("{}:{version}", definition.urn));
    }
    definition
}

/// TS D.2.1: each class has its range of identifiers.
#[test]
fn the_class_of_a_urn_is_that_of_the_identifier() {
    for (ids, class) in [
        ([0, 1023], Some(UrnClass::Oma)),
        ([1024, 2047], None),
        ([2048, 10240], Some(UrnClass::Ext)),
        ([10241, 65535], Some(UrnClass::X)),
    ] {
        for id in ids {
            assert_eq!(UrnClass::of(id.into()), class, "{id}");
            for (written, label) in [
                (UrnClass::Oma, "oma"),
                (UrnClass::Ext, "ext"),
                (UrnClass::X, "x"),
            ] {
                let mut definition = ObjectDefinition::new(id.into(), "Any", "", &[]);
                definition.urn = format!("urn:oma:lwm2m:{label}:{id}").into();
                let fault = definition.validate().err().map(|error| error.fault);
                let wrong = (class != Some(written)).then_some(DefinitionFault::UrnClass {
                    expected: class,
                    found: written,
                });
                assert_eq!(fault, wrong, "{}", definition.urn);
                assert_eq!(written.to_string(), label);
            }
        }
    }
}

#[test]
fn each_rule_of_the_template_is_checked_and_a_registry_refuses_what_cannot_be_used() {
    use DefinitionFault as Fault;
    const V1_1: Version = Version::new(1, 1);
    type Case = (Fault, Option<u16>, fn(&mut ObjectDefinition));
    let class = Fault::UrnClass {
        expected: Some(UrnClass::Oma),
        found: UrnClass::Ext,
    };
    let version = |expected, found| Fault::UrnVersion { expected, found };
    assert_eq!(tank(None).validate(), Ok(()));
    let cases: &[Case] = &[
        (Fault::Urn(UrnError::Prefix), None, |d| {
            d.urn = "tank".into();
        }),
        (Fault::UrnObject(ObjectId::new(45)), None, |d| {
            d.urn = "urn:oma:lwm2m:oma:45".into();
        }),
        (class, None, |d| {
            d.urn = "urn:oma:lwm2m:ext:44".into();
        }),
        (version(V1_1, Version::INITIAL), None, |d| d.version = V1_1),
        (version(Version::INITIAL, V1_1), None, |d| {
            d.urn = "urn:oma:lwm2m:oma:44:1.1".into();
        }),
        (Fault::Duplicate, Some(0), |d| {
            d.resources.to_mut()[1].id = 0.into();
        }),
        (Fault::Order { after: 5.into() }, Some(1), |d| {
            d.resources.to_mut()[0].id = 5.into();
        }),
        (Fault::ExecutableType(DataType::Integer), Some(1), |d| {
            d.resources.to_mut()[1].data_type = Some(DataType::Integer);
        }),
        (Fault::ExecutableMultiple, Some(1), |d| {
            d.resources.to_mut()[1].instances = Multiplicity::Multiple;
        }),
        (Fault::NoType, Some(0), |d| {
            d.resources.to_mut()[0].data_type = None;
        }),
        (Fault::RangeType(Some(DataType::Integer)), Some(0), |d| {
            d.resources.to_mut()[0].range = Some(Range::Bytes(0, 5));
        }),
        (Fault::RangeType(None), Some(1), |d| {
            d.resources.to_mut()[1].range = Some(Range::Numbers(0, 5));
        }),
        (Fault::RangeType(Some(DataType::String)), Some(2), |d| {
            d.resources.to_mut()[2].range = Some(Range::Numbers(0, 5));
        }),
        (Fault::RangeEmpty, Some(0), |d| {
            d.resources.to_mut()[0].range = Some(Range::Numbers(5, 0));
        }),
        (Fault::RangeEmpty, Some(0), |d| {
            d.resources.to_mut()[0].range = Some(Range::Bits(64));
        }),
        (Fault::RangeForm, Some(0), |d| {
            d.resources.to_mut()[0].range = Some(Range::Words("0..7".into()));
        }),
        (Fault::RangeForm, Some(2), |d| {
            d.resources.to_mut()[2].range = Some(Range::Lengths(vec![6].into()));
        }),
        (Fault::ArgumentDigit(10), Some(1), |d| {
            d.arguments.to_mut()[1].digit = 10;
        }),
        (Fault::ArgumentResource, Some(0), |d| {
            d.arguments.to_mut()[0].resource = 0.into();
        }),
        (Fault::ArgumentResource, Some(7), |d| {
            d.arguments.to_mut()[1].resource = 7.into();
        }),
        (Fault::ArgumentOrder { digit: 0 }, Some(1), |d| {
            d.arguments.to_mut()[1].digit = 0;
        }),
        (Fault::RangeType(None), Some(1), |d| {
            d.arguments.to_mut()[0].range = Some(Range::Numbers(0, 1));
        }),
    ];
    for (fault, resource, break_it) in cases {
        let mut definition = tank(None);
        break_it(&mut definition);
        let error = DefinitionError {
            object: TANK,
            resource: resource.map(ResourceId::new),
            fault: *fault,
        };
        breaks_a_rule(&definition, error);
    }
    let mut multiple = tank(None);
    multiple.resources.to_mut()[1].instances = Multiplicity::Multiple;
    assert_eq!(
        multiple.validate().unwrap_err().to_string(),
        "definition of /44, Resource 1: expected Single, as the Resource is executable, found \
         Multiple"
    );
}

/// All rules are checked, and a registry accepts a usable definition that breaks one.
fn breaks_a_rule(definition: &ObjectDefinition, error: DefinitionError) {
    use DefinitionFault as Fault;
    assert_eq!(definition.validate(), Err(error));
    assert!(definition.faults().any(|fault| fault == error));
    let warning = matches!(
        error.fault,
        Fault::UrnClass { .. }
            | Fault::ExecutableType(_)
            | Fault::ExecutableMultiple
            | Fault::NoType
    );
    assert_eq!(error.fault.is_warning(), warning);
    let usable = if warning { Ok(()) } else { Err(error) };
    assert_eq!(definition.check(), usable);
    let mut registry = Registry::default();
    assert_eq!(registry.add(definition.clone()), usable);
    assert_eq!(registry.object(TANK).is_some(), warning);
}

/// TS D.1: a range limits the values of its Resource, so values of the type can be in it.
#[test]
fn a_range_is_one_of_its_data_type() {
    use DataType::{Boolean, Float, Integer, ObjectLink, Opaque, String, Time};
    let text = |text: &'static str| Cow::Borrowed(text);
    let cases: [(Range, &[DataType]); 8] = [
        (Range::Numbers(0, 5), &[Integer, Float, Time]),
        (Range::Floats(0.5, 1.5), &[Float]),
        (Range::Values(vec![1, 5].into()), &[Integer, Time]),
        (Range::Bits(16), &[Integer, Time]),
        (Range::Bytes(0, 5), &[String, Opaque]),
        (Range::Lengths(vec![1, 5].into()), &[String, Opaque]),
        (Range::OneOf(vec![text("U")].into()), &[String]),
        (
            Range::Words(text("odd")),
            &[String, Integer, Float, Boolean, Opaque, Time, ObjectLink],
        ),
    ];
    let fault = |data_type, range: &Range| {
        let mut definition = tank(None);
        let resource = &mut definition.resources.to_mut()[0];
        resource.data_type = Some(data_type);
        resource.range = Some(range.clone());
        definition.validate().err().map(|error| error.fault)
    };
    for (range, types) in &cases {
        for data_type in [String, Integer, Float, Boolean, Opaque, Time, ObjectLink] {
            let wrong = (!types.contains(&data_type))
                .then_some(DefinitionFault::RangeType(Some(data_type)));
            assert_eq!(fault(data_type, range), wrong, "{range} of {data_type}");
        }
    }
    for (range, data_type) in [
        (Range::Numbers(1, 0), Time),
        (Range::Floats(1.5, 0.5), Float),
        (Range::Floats(0.5, f64::INFINITY), Float),
        (Range::Floats(f64::NEG_INFINITY, 0.5), Float),
        (Range::Floats(f64::NAN, 0.5), Float),
        (Range::Values(vec![].into()), Integer),
        (Range::Bits(0), Integer),
        (Range::Bytes(2, 1), Opaque),
        (Range::Lengths(vec![].into()), Opaque),
        (Range::OneOf(vec![].into()), String),
        (Range::Words(text("")), Boolean),
    ] {
        let empty = Some(DefinitionFault::RangeEmpty);
        assert_eq!(fault(data_type, &range), empty, "{range:?}");
    }
}

/// A definition that is built from owned texts, in any order, equals the constant.
#[test]
fn a_definition_built_at_run_time_equals_a_constant() {
    let text = |text: &str| text.to_owned();
    let label =
        ResourceDefinition::builder(2, text("Label"), Operations::ReadWrite, DataType::String);
    let drain = ResourceDefinition::executable_builder(1, text("Drain"));
    let level = ResourceDefinition::new(0, "Level", Operations::Read, DataType::Integer);
    let built = ObjectDefinition::builder(44, text("Tank"))
        .version(Version::new(2, 2))
        .resources([label.multiple(), drain])
        .resource(level.mandatory())
        .argument(
            ArgumentDefinition::new(1, 1, "To")
                .with_value(DataType::Integer, Some(Range::Numbers(0, 100))),
        )
        .argument(ArgumentDefinition::new(1, 0, "Slowly"))
        .build()
        .unwrap();
    assert_eq!(built, tank(Some(Version::new(2, 2))));

    let built = ObjectDefinition::builder(TANK, "Tank")
        .enabler(Version::new(1, 1))
        .multiple()
        .mandatory()
        .description(text("Holds water"))
        .resource(
            ResourceDefinition::builder(0, "Level", Operations::Read, DataType::Integer)
                .mandatory()
                .range(Range::Numbers(0, 9))
                .units(text("m"))
                .description(text("Above the ground")),
        )
        .build()
        .unwrap();
    let mut expected = ObjectDefinition::new(TANK, "Tank", "urn:oma:lwm2m:oma:44", &[])
        .with_enabler(Version::new(1, 1))
        .multiple()
        .mandatory()
        .with_description("Holds water");
    expected.resources = Cow::Owned(vec![
        ResourceDefinition::new(0, "Level", Operations::Read, DataType::Integer)
            .mandatory()
            .with_range(Range::Numbers(0, 9))
            .with_units("m")
            .with_description("Above the ground"),
    ]);
    assert_eq!(built, expected);
}

/// TS 6.2, D.2.1: of the class, the identifier and the version.
#[test]
fn the_urn_of_a_definition_built_at_run_time_is_composed() {
    let v1_1 = Version::new(1, 1);
    for (id, class, version, urn) in [
        (44, None, Version::INITIAL, "urn:oma:lwm2m:oma:44"),
        (5000, None, v1_1, "urn:oma:lwm2m:ext:5000:1.1"),
        (30000, None, v1_1, "urn:oma:lwm2m:x:30000:1.1"),
        (
            33629,
            Some(UrnClass::Oma),
            v1_1,
            "urn:oma:lwm2m:oma:33629:1.1",
        ),
        (
            1500,
            Some(UrnClass::X),
            Version::INITIAL,
            "urn:oma:lwm2m:x:1500",
        ),
    ] {
        let mut builder = ObjectDefinition::builder(id, "Any").version(version);
        if let Some(class) = class {
            builder = builder.class(class);
        }
        let built = builder.build().unwrap();
        assert_eq!(built.urn, urn);
        assert_eq!(built.urn.parse::<Urn>().unwrap().version(), version);
        assert_eq!(built.check(), Ok(()));
    }
}

#[test]
fn what_breaks_a_rule_is_not_built() {
    let level = || ResourceDefinition::new(0, "Level", Operations::Read, DataType::Integer);
    let fault = |builder: lwm2m_objects::ObjectBuilder| builder.build().unwrap_err().fault;
    assert_eq!(
        fault(ObjectDefinition::builder(1500, "Reserved")),
        DefinitionFault::UrnClass {
            expected: None,
            found: UrnClass::Oma
        }
    );
    let twice = ObjectDefinition::builder(TANK, "Tank").resources([level(), level()]);
    // A chosen class hides no other fault.
    assert_eq!(
        fault(twice.clone().class(UrnClass::X)),
        DefinitionFault::Duplicate
    );
    assert_eq!(fault(twice), DefinitionFault::Duplicate);
    let mut raw = level();
    raw.data_type = None;
    let raw = ObjectDefinition::builder(TANK, "Tank").resource(raw);
    assert_eq!(fault(raw), DefinitionFault::NoType);
}

#[test]
fn a_mandatory_single_object_has_one_instance() {
    assert_eq!(DEVICE.instance_limits(), (1, 1));
    assert_eq!(tank(None).instance_limits(), (0, 1));
    assert_eq!(SERVER.instance_limits(), (0, 65535));
}

#[test]
fn urns_read_and_print() {
    for (text, class, object, version) in [
        (
            "urn:oma:lwm2m:oma:44:2.2",
            UrnClass::Oma,
            44,
            Some(Version::new(2, 2)),
        ),
        ("urn:oma:lwm2m:oma:1", UrnClass::Oma, 1, None),
        (
            "urn:oma:lwm2m:ext:3303:1.0",
            UrnClass::Ext,
            3303,
            Some(Version::INITIAL),
        ),
        ("urn:oma:lwm2m:x:65535", UrnClass::X, 65535, None),
    ] {
        let urn: Urn = text.parse().unwrap();
        assert_eq!(
            (urn.class, urn.object.get(), urn.explicit_version),
            (class, object, version)
        );
        assert_eq!(urn.to_string(), text);
    }
    // Two URNs name the Initial Version (6.2.2).
    for text in ["urn:oma:lwm2m:oma:44", "urn:oma:lwm2m:oma:44:1.0"] {
        assert_eq!(text.parse::<Urn>().unwrap().version(), Version::INITIAL);
    }
    for (text, error) in [
        ("", UrnError::Prefix),
        ("urn:oma:lwm2m", UrnError::Prefix),
        ("urn:oma:lwm2m:", UrnError::Class),
        ("urn:oma:lwm2m:oma", UrnError::Class),
        ("urn:oma:lwm2m:y:1", UrnError::Class),
        ("urn:oma:lwm2m:oma:", UrnError::Object(IdError::NotDecimal)),
        (
            "urn:oma:lwm2m:oma:65536",
            UrnError::Object(IdError::OutOfRange),
        ),
        ("urn:oma:lwm2m:oma:44:", UrnError::Version(VersionError)),
        ("urn:oma:lwm2m:oma:44:2", UrnError::Version(VersionError)),
        (
            "urn:oma:lwm2m:oma:44:\"2.2\"",
            UrnError::Version(VersionError),
        ),
        (
            "urn:oma:lwm2m:oma:44:2.2:1",
            UrnError::Version(VersionError),
        ),
    ] {
        assert_eq!(text.parse::<Urn>(), Err(error), "{text}");
    }
}

#[test]
fn a_registry_answers_for_every_resource_of_every_definition() {
    let mut registry = Registry::default();
    registry.add(tank(None)).unwrap();
    let objects: Vec<u16> = registry.objects().map(|object| object.id.get()).collect();
    assert_eq!(objects, [0, 1, 2, 3, 4, 5, 6, 7, 9, 44]);
    for object in registry.objects() {
        assert_eq!(registry.object(object.id), Some(object));
        for id in 0..100 {
            let id = ResourceId::new(id);
            let linear = object.resources.iter().find(|resource| resource.id == id);
            assert_eq!(registry.resource(object.id, id), linear);
            assert_eq!(object.resource(id), linear);
            let data_type = linear.and_then(|resource| resource.data_type);
            assert_eq!(registry.data_type(object.id, id), data_type);
        }
    }
    for id in [8, 10, 43, 45, 65535] {
        assert!(registry.object(id.into()).is_none());
        assert_eq!(registry.data_type(id.into(), 0.into()), None);
    }
    assert_eq!(Registry::empty().data_type(3.into(), 0.into()), None);
}

#[test]
fn the_lowest_version_answers_unless_another_was_chosen() {
    let mut registry = Registry::empty();
    let (v1, v1_1, v2_2) = (Version::INITIAL, Version::new(1, 1), Version::new(2, 2));
    let mut newer = tank(Some(v2_2));
    newer.resources.to_mut()[0].data_type = Some(DataType::Float);
    registry.add(newer).unwrap();
    let level = |registry: &Registry| registry.data_type(TANK, 0.into());
    assert_eq!(level(&registry), Some(DataType::Float));

    registry.add(tank(Some(v1_1))).unwrap();
    registry.add(tank(None)).unwrap();
    assert_eq!(registry.object(TANK).unwrap().version, v1);
    assert_eq!(level(&registry), Some(DataType::Integer));
    let versions: Vec<Version> = registry
        .versions(TANK)
        .map(|object| object.version)
        .collect();
    assert_eq!(versions, [v1, v1_1, v2_2]);

    assert!(registry.set_default(TANK, v2_2));
    assert_eq!(level(&registry), Some(DataType::Float));
    assert_eq!(registry.object(TANK).unwrap().version, v2_2);
    assert!(!registry.set_default(TANK, Version::new(3, 0)));
    assert_eq!(registry.object(TANK).unwrap().version, v2_2);

    // A later addition doesn't change the choice.
    registry.add(&DEVICE).unwrap();
    registry.add(tank(Some(Version::new(0, 9)))).unwrap();
    assert_eq!(registry.object(TANK).unwrap().version, v2_2);
    assert_eq!(registry.object(3.into()), Some(&DEVICE));
}

/// Each Object has its own choice, and the last one counts.
#[test]
fn a_default_can_be_chosen_again_and_is_that_of_one_object() {
    let mut registry = Registry::empty();
    let versions = [Version::INITIAL, Version::new(1, 1), Version::new(2, 2)];
    let other = |version: Version| {
        let mut definition = tank(None);
        definition.id = ObjectId::new(45);
        definition.urn = format!("urn:oma:lwm2m:oma:45:{version}").into();
        definition.version = version;
        definition
    };
    for version in versions {
        registry.add(tank(Some(version))).unwrap();
        registry.add(other(version)).unwrap();
    }
    let defaults = |registry: &Registry| {
        [44, 45].map(|id| registry.object(ObjectId::new(id)).unwrap().version)
    };
    assert_eq!(defaults(&registry), [versions[0], versions[0]]);
    for (id, chosen, expected) in [
        (44, 2, [versions[2], versions[0]]),
        (45, 1, [versions[2], versions[1]]),
        (44, 1, [versions[1], versions[1]]),
        (45, 0, [versions[1], versions[0]]),
    ] {
        assert!(registry.set_default(ObjectId::new(id), versions[chosen]));
        assert_eq!(defaults(&registry), expected);
    }
}

#[test]
fn minor_versions_are_compatible_and_major_versions_are_not() {
    let mut registry = Registry::default();
    for (major, minor) in [(1, 0), (1, 2), (2, 2)] {
        registry
            .add(tank(Some(Version::new(major, minor))))
            .unwrap();
    }
    for (asked, found) in [
        ((1, 0), Some((1, 0))),
        ((1, 1), Some((1, 2))),
        ((1, 2), Some((1, 2))),
        ((1, 3), Some((1, 2))),
        ((2, 0), Some((2, 2))),
        ((2, 255), Some((2, 2))),
        ((0, 9), None),
        ((3, 0), None),
    ] {
        let version = |(major, minor)| Version::new(major, minor);
        let object = registry.object_version(TANK, version(asked));
        assert_eq!(
            object.map(|object| object.version),
            found.map(version),
            "{asked:?}"
        );
    }
    // Of several above, the nearest: it is the least likely to have removed something.
    registry.add(tank(Some(Version::new(1, 7)))).unwrap();
    for (asked, found) in [(1, 2), (2, 2), (3, 7), (7, 7), (255, 7)] {
        let object = registry.object_version(TANK, Version::new(1, asked));
        assert_eq!(object.unwrap().version, Version::new(1, found), "1.{asked}");
    }
    assert!(
        registry
            .object_version(43.into(), Version::INITIAL)
            .is_none()
    );
    assert!(
        registry
            .object_version(45.into(), Version::INITIAL)
            .is_none()
    );
}

#[test]
fn the_same_version_is_replaced() {
    let mut registry = Registry::default();
    assert_eq!(registry.object(9.into()), Some(&SOFTWARE_MANAGEMENT));
    assert!(registry.resource(9.into(), 14.into()).is_some());
    registry.add(&SOFTWARE_MANAGEMENT_CANDIDATE).unwrap();
    assert_eq!(
        registry.object(9.into()),
        Some(&SOFTWARE_MANAGEMENT_CANDIDATE)
    );
    assert!(registry.resource(9.into(), 14.into()).is_none());
    assert_eq!(registry.objects().count(), 9);
}

#[test]
fn many_definitions_with_sparse_identifiers_are_all_found() {
    let mut registry = Registry::empty();
    let object = |number: u16| {
        let id = 10241 + u32::from(number) * 9973 % 50_000;
        ObjectId::new(id.try_into().unwrap())
    };
    let resource = |number: u16| ResourceId::new(5500 + number * 37);
    for number in 0..300 {
        let id = object(number);
        let mut definition = ObjectDefinition::new(id, "Sparse", "", &[]);
        definition.urn = Cow::Owned(format!("urn:oma:lwm2m:x:{id}"));
        definition.resources = Cow::Owned(
            (0..20)
                .map(|number| {
                    let id = resource(number).get();
                    ResourceDefinition::new(id, "", Operations::Read, DataType::Float)
                })
                .collect(),
        );
        registry.add(definition).unwrap();
    }
    for number in 0..300 {
        for at in 0..20 {
            let found = registry.resource(object(number), resource(at)).unwrap();
            assert_eq!(found.id, resource(at));
        }
        assert_eq!(registry.data_type(object(number), 5501.into()), None);
        assert_eq!(registry.data_type(object(number + 300), resource(0)), None);
    }
    assert!(registry.objects().is_sorted_by_key(|object| object.id));
}

#[test]
fn a_range_allows_what_is_in_it() {
    let text = |length| ValueRef::String(&"xxxxxxxxxxxxxxxxxxxx"[..length]);
    let one_of = Range::OneOf(vec!["U".into(), "UQ".into()].into());
    for (range, inside, outside) in [
        (
            Range::Numbers(-1, 7),
            ValueRef::Integer(-1),
            ValueRef::Integer(8),
        ),
        (
            Range::Numbers(0, 7),
            ValueRef::Float(6.5),
            ValueRef::Float(7.5),
        ),
        (
            Range::Floats(-0.5, 0.5),
            ValueRef::Float(0.5),
            ValueRef::Float(0.6),
        ),
        (
            Range::Values(vec![0, 50].into()),
            ValueRef::Integer(50),
            ValueRef::Integer(1),
        ),
        (
            Range::Bits(16),
            ValueRef::Integer(65535),
            ValueRef::Integer(65536),
        ),
        (Range::Bits(16), ValueRef::Integer(0), ValueRef::Integer(-1)),
        (
            Range::Bits(63),
            ValueRef::Integer(i64::MAX),
            ValueRef::Integer(i64::MIN),
        ),
        (Range::Bytes(1, 3), text(3), text(4)),
        (
            Range::Bytes(1, 3),
            ValueRef::Opaque(&[0]),
            ValueRef::Opaque(&[]),
        ),
        (Range::Lengths(vec![2, 4].into()), text(4), text(3)),
        (one_of, ValueRef::String("UQ"), ValueRef::String("Q")),
    ] {
        assert!(range.allows(&inside), "{range} {inside:?}");
        assert!(!range.allows(&outside), "{range} {outside:?}");
        assert!(range.allows(&ValueRef::Boolean(true)));
    }
    assert!(!Range::Floats(0.0, 1.0).allows(&ValueRef::Float(f64::NAN)));
    assert!(Range::Words("odd".into()).allows(&ValueRef::Integer(2)));
}

#[test]
fn ranges_are_read_from_the_forms_that_registered_definitions_have() {
    use DataType::{Boolean, Float, Integer, Opaque, String};
    let words = |text: &'static str| Range::Words(text.into());
    for (text, data_type, range) in [
        ("0..7", Integer, Range::Numbers(0, 7)),
        (" 0 - 7 ", Integer, Range::Numbers(0, 7)),
        ("[0-2]", Integer, Range::Numbers(0, 2)),
        ("-5..-1", Integer, Range::Numbers(-5, -1)),
        ("-5--1", Integer, Range::Numbers(-5, -1)),
        ("-128..127", Integer, Range::Numbers(-128, 127)),
        (
            "0..18446744073709551615",
            Integer,
            Range::Numbers(0, i64::MAX),
        ),
        (
            "-18446744073709551615..0",
            Integer,
            Range::Numbers(i64::MIN, 0),
        ),
        ("7..0", Integer, words("7..0")),
        ("0...7", Integer, words("0...7")),
        ("+1..2", Integer, words("+1..2")),
        ("1,2, 50", Integer, Range::Values(vec![1, 2, 50].into())),
        ("16-bit", Integer, Range::Bits(16)),
        ("64-bit", Integer, words("64-bit")),
        ("0..100", Float, Range::Numbers(0, 100)),
        ("-90.0..90.0", Float, Range::Floats(-90.0, 90.0)),
        ("0..inf", Float, words("0..inf")),
        ("0-255 bytes", String, Range::Bytes(0, 255)),
        ("0..255", String, Range::Bytes(0, 255)),
        ("6 bytes", Opaque, Range::Bytes(6, 6)),
        (
            "16-32-48 bytes",
            Opaque,
            Range::Lengths(vec![16, 32, 48].into()),
        ),
        ("6", String, words("6")),
        ("6", Opaque, Range::Bytes(6, 6)),
        ("16,32, 48", Opaque, Range::Lengths(vec![16, 32, 48].into())),
        ("16, 32 bytes", String, Range::Lengths(vec![16, 32].into())),
        ("1-32 Bytes", String, Range::Bytes(1, 32)),
        ("1 byte", Opaque, Range::Bytes(1, 1)),
        ("64 bits", Opaque, words("64 bits")),
        ("bytes", Opaque, words("bytes")),
        ("some bytes", String, words("some bytes")),
        ("-30..-120", Integer, words("-30..-120")),
        ("0..2^32-1", Integer, words("0..2^32-1")),
        ("[1:4]", Integer, words("[1:4]")),
        ("0.00-100.00", Float, Range::Floats(0.0, 100.0)),
        ("Maximum 64 bytes", Opaque, words("Maximum 64 bytes")),
        (
            r#""U", "UQ""#,
            String,
            Range::OneOf(vec!["U".into(), "UQ".into()].into()),
        ),
        (
            r#""a\"b\\""#,
            String,
            Range::OneOf(vec![r#"a"b\"#.into()].into()),
        ),
        (r#""U", "#, String, words(r#""U","#)),
        ("U,UQ", String, words("U,UQ")),
        ("0..1", Boolean, words("0..1")),
    ] {
        assert_eq!(Range::read(text, Some(data_type)), Some(range), "{text}");
    }
    assert_eq!(Range::read(" ", Some(Integer)), None);
    assert_eq!(Range::read("0..1", None), Some(words("0..1")));
}

fn any_range() -> impl Strategy<Value = (Range, DataType)> {
    let texts = prop::collection::vec("[ -~é]{0,6}", 1..4);
    prop_oneof![
        (any::<i64>(), any::<i64>())
            .prop_map(|(a, b)| (Range::Numbers(a.min(b), a.max(b)), DataType::Integer)),
        (-1e300..1e300, 0.0..1e300).prop_map(|(from, more): (f64, f64)| (
            Range::Floats(from, from + more),
            DataType::Float
        )),
        prop::collection::vec(any::<i64>(), 1..5)
            .prop_map(|numbers| (Range::Values(numbers.into()), DataType::Integer)),
        (1u8..64).prop_map(|bits| (Range::Bits(bits), DataType::Integer)),
        (any::<usize>(), any::<usize>())
            .prop_map(|(a, b)| (Range::Bytes(a.min(b), a.max(b)), DataType::Opaque)),
        prop::collection::vec(any::<usize>(), 2..5)
            .prop_map(|lengths| (Range::Lengths(lengths.into()), DataType::String)),
        texts.prop_map(|texts| {
            let texts: Vec<Cow<str>> = texts.into_iter().map(Into::into).collect();
            (Range::OneOf(texts.into()), DataType::String)
        }),
    ]
}

proptest! {
    #[test]
    fn what_a_range_prints_reads_back((range, data_type) in any_range()) {
        prop_assert_eq!(Range::read(&range.to_string(), Some(data_type)), Some(range));
    }

    #[test]
    fn any_text_of_a_range_is_read_and_prints_something_that_reads_the_same(
        text in "[-0-9.,\"\\\\ a-z\\[\\]]{0,20}",
        at in 0usize..5,
    ) {
        let types = [DataType::Integer, DataType::Float, DataType::String, DataType::Opaque, DataType::Boolean];
        let read = Range::read(&text, Some(types[at]));
        let again = read.as_ref().and_then(|range| Range::read(&range.to_string(), Some(types[at])));
        prop_assert_eq!(again, read);
    }
}

#[cfg(feature = "serde")]
#[test]
fn definitions_come_back_from_json() {
    use lwm2m_objects::SECURITY;
    for definition in [
        &SECURITY,
        &SERVER,
        &DEVICE,
        &SOFTWARE_MANAGEMENT,
        &tank(Some(Version::new(2, 2))),
    ] {
        let text = serde_json::to_string(definition).unwrap();
        let read: ObjectDefinition = serde_json::from_str(&text).unwrap();
        assert_eq!(&read, definition);
    }
    // A definition that breaks a rule is not read.
    let mut wrong = tank(None);
    wrong.urn = "urn:oma:lwm2m:oma:45".into();
    let text = serde_json::to_string(&wrong).unwrap();
    let error = serde_json::from_str::<ObjectDefinition>(&text).unwrap_err();
    let rule = wrong.validate().unwrap_err().to_string();
    assert!(error.to_string().contains(&rule), "{error}");
}
