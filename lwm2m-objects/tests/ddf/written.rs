//! Definitions as files, and back.

use alloc::borrow::Cow;

use lwm2m_core::{DataType, ObjectId, ResourceId, Version};
use lwm2m_objects::{
    ArgumentDefinition, BUILT_IN, DefinitionFault, Multiplicity, ObjectDefinition, Operations,
    Range, ResourceDefinition, SOFTWARE_MANAGEMENT_CANDIDATE, Urn, UrnClass,
    ddf::{self, DdfWriteError},
};
use proptest::prelude::*;

use super::{GREENHOUSE, greenhouse, one};

#[test]
fn every_built_in_definition_comes_back() {
    let text = ddf::write(BUILT_IN).unwrap();
    let expected: Vec<_> = BUILT_IN.into_iter().cloned().collect();
    assert_eq!(ddf::read(text.as_bytes()).unwrap(), expected);
    let text = ddf::write([&SOFTWARE_MANAGEMENT_CANDIDATE]).unwrap();
    assert_eq!(one(text), SOFTWARE_MANAGEMENT_CANDIDATE);
}

#[test]
fn what_is_written_has_the_elements_of_the_schema_in_its_order() {
    let text = ddf::write([&greenhouse()]).unwrap();
    let tags = |text: &str| -> Vec<String> {
        let tags = text
            .split('<')
            .skip(2)
            .filter(|tag| !tag.starts_with(['/', '!']));
        let name = |tag: &str| tag.split([' ', '>', '/']).next().unwrap().to_owned();
        tags.map(name).collect()
    };
    let schema = GREENHOUSE.replace("<warm>", "");
    assert_eq!(tags(&text), tags(&schema));
}

#[test]
fn initial_versions_are_left_out() {
    let text = ddf::write([BUILT_IN[0]]).unwrap();
    assert!(!text.contains("LWM2MVersion") && !text.contains("ObjectVersion"));
}

#[test]
fn text_that_xml_cannot_carry_is_not_written() {
    for character in ['\0', '\u{1B}', '\u{FFFE}'] {
        let mut definition = greenhouse();
        definition.name = Cow::Owned(format!("a{character}"));
        let error = ddf::write([&definition]);
        assert_eq!(error, Err(DdfWriteError::Character(character)));
    }
    let mut definition = greenhouse();
    definition.version = Version::INITIAL;
    assert!(matches!(
        ddf::write([&definition]),
        Err(DdfWriteError::Definition(error)) if matches!(error.fault, DefinitionFault::UrnVersion { .. })
    ));
}

fn any_text() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof![
        "[ -~\t\n\ré€😀\u{85}\u{A0}\u{2028}]{0,12}".prop_map(Cow::Owned),
        Just(Cow::Borrowed("]]> &amp; <!-- ?>")),
        Just(Cow::Borrowed("")),
    ]
}

fn any_resource() -> impl Strategy<Value = ResourceDefinition> {
    let data_type = prop_oneof![
        Just(DataType::String),
        Just(DataType::Integer),
        Just(DataType::Float),
        Just(DataType::Boolean),
        Just(DataType::Opaque),
        Just(DataType::Time),
        Just(DataType::ObjectLink),
    ];
    let operations = prop_oneof![
        Just(Operations::None),
        Just(Operations::Read),
        Just(Operations::Write),
        Just(Operations::ReadWrite),
    ];
    let kind = prop_oneof![
        1 => Just((None, Operations::Execute)),
        4 => (data_type.prop_map(Some), operations),
    ];
    let texts = (any_text(), any_text(), any_text());
    let range = "[-0-9.,\" a-z<&]{0,12}";
    (any::<u16>(), kind, any::<(bool, bool)>(), texts, range).prop_map(
        |(id, (data_type, operations), (multiple, mandatory), texts, range)| {
            let (name, units, description) = texts;
            ResourceDefinition {
                id: ResourceId::new(id),
                name,
                operations,
                instances: if multiple && data_type.is_some() {
                    Multiplicity::Multiple
                } else {
                    Multiplicity::Single
                },
                mandatory,
                data_type,
                range: Range::read(&range, data_type),
                units,
                description,
            }
        },
    )
}

fn any_object() -> impl Strategy<Value = ObjectDefinition> {
    let versions = (any::<(u8, u8)>(), any::<(u8, u8)>(), any::<bool>());
    let resources = prop::collection::vec(any_resource(), 0..6);
    let arguments = prop::collection::vec((0u8..10, any_text(), any_text(), any_text()), 0..3);
    let texts = (any_text(), any_text());
    (
        any::<(u16, bool, bool)>(),
        versions,
        texts,
        resources,
        arguments,
    )
        .prop_map(
            |(
                (id, multiple, mandatory),
                (version, enabler, explicit),
                texts,
                mut resources,
                arguments,
            )| {
                // Reserved identifiers are in no class.
                let id = ObjectId::new(if (1024..2048).contains(&id) { 0 } else { id });
                let version = if explicit {
                    Version::new(version.0, version.1)
                } else {
                    Version::INITIAL
                };
                resources.sort_by_key(|resource| resource.id);
                resources.dedup_by_key(|resource| resource.id);
                let executable = resources
                    .iter()
                    .find(|resource| resource.operations.executable());
                let mut arguments: Vec<_> = executable
                    .into_iter()
                    .flat_map(|resource| {
                        arguments
                            .iter()
                            .cloned()
                            .map(|(digit, name, units, description)| ArgumentDefinition {
                                name,
                                units,
                                description,
                                ..ArgumentDefinition::new(resource.id.get(), digit, "")
                            })
                    })
                    .collect();
                arguments.sort_by_key(|argument| argument.digit);
                arguments.dedup_by_key(|argument| argument.digit);
                let urn = Urn {
                    class: UrnClass::of(id).unwrap(),
                    object: id,
                    explicit_version: None,
                };
                ObjectDefinition {
                    id,
                    name: texts.0,
                    urn: Cow::Owned(if explicit {
                        format!("{urn}:{version}")
                    } else {
                        urn.to_string()
                    }),
                    version,
                    enabler: Version::new(enabler.0, enabler.1),
                    instances: if multiple {
                        Multiplicity::Multiple
                    } else {
                        Multiplicity::Single
                    },
                    mandatory,
                    description: texts.1,
                    resources: Cow::Owned(resources),
                    arguments: Cow::Owned(arguments),
                }
            },
        )
}

proptest! {
    #[test]
    fn every_definition_comes_back(objects in prop::collection::vec(any_object(), 1..4)) {
        let text = ddf::write(&objects).unwrap();
        prop_assert_eq!(ddf::read(text.as_bytes()).unwrap(), objects);
    }
}
