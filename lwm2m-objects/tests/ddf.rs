//! Object definition files (TS Appendix J, K): well-formed, merely odd, malformed and hostile.

#![cfg(feature = "ddf")]

extern crate alloc;

use alloc::borrow::Cow;

use lwm2m_core::{DataType, ObjectId, ResourceId, Version};
use lwm2m_objects::{
    ArgumentDefinition, BUILT_IN, DefinitionError, DefinitionFault, Multiplicity, ObjectDefinition,
    Operations, Range, ResourceDefinition, SOFTWARE_MANAGEMENT_CANDIDATE,
    ddf::{self, DdfError, DdfFault, DdfWriteError, Limits},
};
use proptest::prelude::*;

/// A file as the schema of Appendix K has it.
const GREENHOUSE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<LWM2M xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://openmobilealliance.org/tech/profiles/LWM2M.xsd">
  <Object ObjectType="MODefinition">
    <Name>Greenhouse</Name>
    <Description1><![CDATA[Keeps plants <warm> & dry]]></Description1>
    <ObjectID>44</ObjectID>
    <ObjectURN>urn:oma:lwm2m:ext:44:2.4</ObjectURN>
    <LWM2MVersion>1.1</LWM2MVersion>
    <ObjectVersion>2.4</ObjectVersion>
    <MultipleInstances>Multiple</MultipleInstances>
    <Mandatory>Mandatory</Mandatory>
    <Resources>
      <Item ID="0">
        <Name>Temperature</Name>
        <Operations>R</Operations>
        <MultipleInstances>Single</MultipleInstances>
        <Mandatory>Mandatory</Mandatory>
        <Type>Float</Type>
        <RangeEnumeration>-40..85.5</RangeEnumeration>
        <Units>Cel</Units>
        <Description>Of the air</Description>
      </Item>
      <Item ID="1">
        <Name>Plants</Name>
        <Operations>RW</Operations>
        <MultipleInstances>Multiple</MultipleInstances>
        <Mandatory>Optional</Mandatory>
        <Type>String</Type>
        <RangeEnumeration>0-64 bytes</RangeEnumeration>
        <Units></Units>
        <Description>By name</Description>
      </Item>
      <Item ID="7">
        <Name>Water</Name>
        <Operations>E</Operations>
        <MultipleInstances>Single</MultipleInstances>
        <Mandatory>Optional</Mandatory>
        <Type></Type>
        <RangeEnumeration></RangeEnumeration>
        <Units></Units>
        <Description></Description>
      </Item>
    </Resources>
    <Description2></Description2>
  </Object>
</LWM2M>
"#;

fn greenhouse() -> ObjectDefinition {
    let version = Version::new(2, 4);
    let urn = "urn:oma:lwm2m:ext:44:2.4";
    let mut definition = ObjectDefinition::new(ObjectId::new(44), "Greenhouse", urn, &[])
        .multiple()
        .mandatory()
        .with_version(version)
        .with_enabler(Version::new(1, 1))
        .with_description("Keeps plants <warm> & dry");
    definition.resources = Cow::Owned(vec![
        ResourceDefinition::new(0, "Temperature", Operations::Read, DataType::Float)
            .mandatory()
            .with_range(Range::Floats(-40.0, 85.5))
            .with_units("Cel")
            .with_description("Of the air"),
        ResourceDefinition::new(1, "Plants", Operations::ReadWrite, DataType::String)
            .multiple()
            .with_range(Range::Bytes(0, 64))
            .with_description("By name"),
        ResourceDefinition::executable(7, "Water"),
    ]);
    definition
}

/// The only Object of a file.
fn one(file: impl AsRef<[u8]>) -> ObjectDefinition {
    let mut objects = ddf::read(file.as_ref()).unwrap();
    assert_eq!(objects.len(), 1);
    objects.remove(0)
}

/// An Object with these elements beside its identifier.
fn object(elements: &str) -> String {
    format!("<LWM2M>\n<Object><ObjectID>30000</ObjectID>\n{elements}\n</Object></LWM2M>")
}

/// An Object with one Resource with these elements.
fn item(elements: &str) -> String {
    object(&format!(
        "<Resources>\n<Item ID=\"5\">{elements}</Item></Resources>"
    ))
}

/// The one Resource of a file.
fn resource(elements: &str) -> ResourceDefinition {
    let definition = one(item(elements));
    assert_eq!(definition.resources.len(), 1);
    definition.resources[0].clone()
}

fn error(file: impl AsRef<[u8]>) -> (u32, u32, DdfFault) {
    let DdfError {
        line,
        column,
        fault,
        ..
    } = ddf::read(file.as_ref()).unwrap_err();
    (line, column, fault)
}

// Well-formed

#[test]
fn a_file_of_the_schema_is_read() {
    assert_eq!(one(GREENHOUSE), greenhouse());
}

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
fn types_of_later_schemas_are_those_that_hold_their_values() {
    for (name, data_type, range) in [
        ("String", DataType::String, None),
        ("Objlnk", DataType::ObjectLink, None),
        ("Corelnk", DataType::String, None),
        (
            "Unsigned Integer",
            DataType::Integer,
            Some(Range::Numbers(0, i64::MAX)),
        ),
        (
            "unsigned integer",
            DataType::Integer,
            Some(Range::Numbers(0, i64::MAX)),
        ),
        ("Time", DataType::Time, None),
    ] {
        let read = resource(&format!("<Operations>R</Operations><Type>{name}</Type>"));
        assert_eq!(
            (read.data_type, read.range),
            (Some(data_type), range),
            "{name}"
        );
    }
    let unsigned = |range: &str| {
        resource(&format!(
            "<Operations>R</Operations><Type>Unsigned Integer</Type>\
             <RangeEnumeration>{range}</RangeEnumeration><Description>Odd</Description>"
        ))
    };
    assert_eq!(unsigned("1..9").range, Some(Range::Numbers(1, 9)));
    assert_eq!(unsigned("-5..9").range, Some(Range::Numbers(0, 9)));
    assert_eq!(unsigned("16-bit").range, Some(Range::Bits(16)));
    // The range takes the place of words; they are not lost.
    let words = unsigned("not even");
    assert_eq!(words.range, Some(Range::Numbers(0, i64::MAX)));
    assert_eq!(words.description, "Odd\n\nnot even");
}

#[test]
fn arguments_travel_in_processing_instructions() {
    let mut definition = greenhouse();
    definition.arguments = Cow::Owned(vec![
        ArgumentDefinition::new(7, 0, "Now"),
        ArgumentDefinition::new(7, 9, "How \"much\"?>")
            .with_value(DataType::Integer, Some(Range::Numbers(0, 2)))
            .with_description(" in\r\n<litres> & 'more' "),
    ]);
    let text = ddf::write([&definition]).unwrap();
    assert_eq!(one(&text), definition);

    let short = r#"<Resources><Item ID="1"><Operations>E</Operations></Item></Resources>
        <?other instruction?><?lwm2m-argument resource="1" digit="3"?>"#;
    let read = one(object(short));
    assert_eq!(*read.arguments, [ArgumentDefinition::new(1, 3, "")]);
    for bad in [
        r#"digit="3""#,
        r#"resource="1""#,
        r#"resource="1" digit="10""#,
        r#"resource="1" digit="3" type="Text""#,
        r#"resource="1" digit="3" name="&nbsp;""#,
        r#"resource="1" digit="3" name="&#0;""#,
        r#"resource="1" digit="3" name="open"#,
        r#"resource="1" digit="3" colour="red""#,
        r#"resource="1" digit=3"#,
    ] {
        let file = short.replace(r#"resource="1" digit="3""#, bad);
        let (line, column, fault) = error(object(&file));
        assert!(
            matches!(
                fault,
                DdfFault::Value {
                    name: "lwm2m-argument",
                    ..
                }
            ),
            "{bad}"
        );
        assert_eq!((line, column), (4, 30), "{bad}");
    }
}

// Odd

#[test]
fn several_objects_and_unknown_elements_may_be_in_one_file() {
    let file = "<LWM2M><Legal>Terms</Legal>
        <Object><ObjectID>30001</ObjectID><Extra><ObjectID>1</ObjectID></Extra></Object>
        <Object><ObjectID>30000</ObjectID></Object></LWM2M>";
    let ids: Vec<u16> = ddf::read(file.as_bytes())
        .unwrap()
        .iter()
        .map(|object| object.id.get())
        .collect();
    assert_eq!(ids, [30001, 30000]);
}

#[test]
fn missing_and_empty_elements_have_defaults() {
    let expected = {
        let urn = "urn:oma:lwm2m:x:30000";
        let mut definition = ObjectDefinition::new(ObjectId::new(30000), "", urn, &[]);
        definition.resources = Cow::Owned(vec![ResourceDefinition::new(
            5,
            "",
            Operations::None,
            DataType::Opaque,
        )]);
        definition
    };
    assert_eq!(one(item("<Type>Opaque</Type>")), expected);
    let empty = object(
        "<Name/><Description1></Description1><ObjectURN> </ObjectURN><LWM2MVersion/>
         <ObjectVersion></ObjectVersion><MultipleInstances/><Mandatory> </Mandatory>
         <Resources><Item ID='5'><Name/><Operations/><MultipleInstances/><Mandatory/>
         <Type>Opaque</Type><RangeEnumeration/><Units/><Description><!-- none --></Description>
         </Item></Resources><Description2/>",
    );
    assert_eq!(one(empty), expected);
    assert_eq!(one(object("")).resources.len(), 0);
    assert_eq!(one(object("<Resources/>")).resources.len(), 0);
}

#[test]
fn a_missing_urn_is_that_of_the_class_of_the_identifier() {
    for (id, urn) in [
        (2047, "urn:oma:lwm2m:oma:2047"),
        (2048, "urn:oma:lwm2m:ext:2048"),
        (10241, "urn:oma:lwm2m:x:10241"),
    ] {
        let file = format!("<LWM2M><Object><ObjectID>{id}</ObjectID></Object></LWM2M>");
        assert_eq!(one(file).urn, urn);
    }
}

#[test]
fn a_version_that_only_one_place_has_counts_for_both() {
    let read = |urn: &str, version: &str| {
        let object = one(object(&format!(
            "<ObjectURN>{urn}</ObjectURN><ObjectVersion>{version}</ObjectVersion>"
        )));
        (object.urn.into_owned(), object.version)
    };
    let urn = "urn:oma:lwm2m:x:30000";
    let (v1, v2) = (Version::INITIAL, Version::new(2, 0));
    assert_eq!(read(urn, ""), (urn.into(), v1));
    assert_eq!(read(urn, "1.0"), (urn.into(), v1));
    assert_eq!(read(&format!("{urn}:1.0"), ""), (format!("{urn}:1.0"), v1));
    assert_eq!(read(urn, "2.0"), (format!("{urn}:2.0"), v2));
    assert_eq!(read(&format!("{urn}:2.0"), ""), (format!("{urn}:2.0"), v2));
    assert_eq!(read("", "2.0"), (format!("{urn}:2.0"), v2));
}

#[test]
fn white_space_comments_cdata_and_case_do_not_matter() {
    let read = resource(
        "\n <Name>\r\n Tide <!-- of the sea --><![CDATA[& ]]>ebb\n</Name>\
         <Operations> R/W </Operations><MultipleInstances>multiple</MultipleInstances>\
         <Mandatory>\tMANDATORY</Mandatory><Type> integer </Type>\
         <RangeEnumeration> [ 0 - 9 ] </RangeEnumeration>\
         <Units>&#109;<!-- metres --></Units>",
    );
    let expected =
        ResourceDefinition::new(5, "Tide & ebb", Operations::ReadWrite, DataType::Integer)
            .multiple()
            .mandatory()
            .with_range(Range::Numbers(0, 9))
            .with_units("m");
    assert_eq!(read, expected);
}

#[test]
fn resources_may_be_in_any_order() {
    let file = object(
        "<Resources><Item ID='9'><Operations>E</Operations></Item>\
         <Item ID=' 2 '><Operations>E</Operations></Item></Resources>",
    );
    let ids: Vec<u16> = one(file)
        .resources
        .iter()
        .map(|resource| resource.id.get())
        .collect();
    assert_eq!(ids, [2, 9]);
}

#[test]
fn both_descriptions_are_the_description() {
    let read = |elements: &str| one(object(elements)).description;
    let (first, second) = (
        "<Description1>One</Description1>",
        "<Description2>Two</Description2>",
    );
    assert_eq!(read(first), "One");
    assert_eq!(read(second), "Two");
    assert_eq!(read(&format!("{first}{second}")), "One\n\nTwo");
}

#[test]
fn byte_order_marks_and_utf_16_are_understood() {
    let text = GREENHOUSE.replace("Of the air", "In °C");
    let expected = one(&text);
    assert_eq!(expected.resources[0].description, "In °C");
    assert_eq!(one(format!("\u{FEFF}{text}")), expected);
    let units: Vec<u16> = format!("\u{FEFF}{text}").encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    assert_eq!(one(&little), expected);
    assert_eq!(one(&big), expected);
    let (_, _, fault) = error(&big[..big.len() - 1]);
    assert_eq!(fault, DdfFault::Encoding);
    // Half of a surrogate pair.
    let half = [0xFF, 0xFE, b'a', 0, 0x3D, 0xD8];
    assert_eq!(error(half), (1, 2, DdfFault::Encoding));
}

// Malformed

#[test]
fn what_is_not_well_formed_is_refused_where_it_goes_wrong() {
    for (file, line, column) in [
        ("", 1, 1),
        ("LWM2M", 1, 1),
        ("<LWM2M>", 1, 8),
        ("<LWM2M>\n <Object>", 2, 10),
        ("<LWM2M>\n <Object>\n </Objekt></LWM2M>", 3, 2),
        ("<LWM2M>\n <é/><Object", 2, 13),
        ("<LWM2M>\n<Name>a &nbsp; b</Name></LWM2M>", 2, 9),
        ("<LWM2M>\n<Name>R&D</Name></LWM2M>", 2, 8),
        ("<LWM2M a='1' a='2'/>", 1, 14),
        ("<LWM2M a='<'/>", 1, 11),
        ("<LWM2M><x:Object/></LWM2M>", 1, 9),
        ("<LWM2M/><LWM2M/>", 1, 9),
        (" <?xml version='1.0'?><LWM2M/>", 1, 2),
        ("<LWM2M><!-- a -- b --></LWM2M>", 1, 8),
        ("<LWM2M>\u{1}</LWM2M>", 1, 8),
        ("<LWM2M>&#0;</LWM2M>", 1, 8),
    ] {
        let (at_line, at_column, fault) = error(file);
        let refused = matches!(fault, DdfFault::Malformed(_) | DdfFault::Root);
        assert!(refused, "{file}: {fault:?}");
        assert_eq!((at_line, at_column), (line, column), "{file}: {fault:?}");
    }
    let latin1 = b"<LWM2M>\n<Object>\xB0</Object></LWM2M>";
    assert_eq!(error(latin1), (2, 9, DdfFault::Encoding));
}

type Check = Box<dyn Fn(DdfFault) -> bool>;

#[test]
fn what_the_schema_does_not_have_is_refused_where_it_is() {
    let value = |name| move |fault: DdfFault| matches!(fault, DdfFault::Value { name: at, .. } if at == name);
    let is = |expected: DdfFault| -> Check { Box::new(move |fault| fault == expected) };
    let cases: Vec<(String, u32, u32, Check)> = vec![
        ("<DDF/>".into(), 1, 1, is(DdfFault::Root)),
        ("<LWM2M/>".into(), 1, 1, is(DdfFault::Missing("Object"))),
        (
            "<LWM2M>\n  <Object/></LWM2M>".into(),
            2,
            3,
            is(DdfFault::Missing("ObjectID")),
        ),
        (
            object("<Resources>\n <Item/></Resources>"),
            4,
            2,
            is(DdfFault::Missing("ID")),
        ),
        (
            object("<Name/>\n<Name/>"),
            4,
            1,
            is(DdfFault::Repeated("Name")),
        ),
        (
            object("<ObjectURN>urn:x:1</ObjectURN>"),
            3,
            12,
            Box::new(value("ObjectURN")),
        ),
        (
            object("<LWM2MVersion>1</LWM2MVersion>"),
            3,
            15,
            Box::new(value("LWM2MVersion")),
        ),
        (
            object("<ObjectVersion>two</ObjectVersion>"),
            3,
            16,
            Box::new(value("ObjectVersion")),
        ),
        (
            object("<MultipleInstances>2</MultipleInstances>"),
            3,
            20,
            Box::new(value("MultipleInstances")),
        ),
        (
            object("<Mandatory>yes</Mandatory>"),
            3,
            12,
            Box::new(value("Mandatory")),
        ),
        (item("<Type>Text</Type>"), 4, 20, Box::new(value("Type"))),
        (
            item("<Operations>RWE</Operations>"),
            4,
            26,
            Box::new(value("Operations")),
        ),
        (
            item("").replace("\"5\"", "\"65536\""),
            4,
            1,
            Box::new(value("ID")),
        ),
        (
            item("").replace("\"5\"", "\"+5\""),
            4,
            1,
            Box::new(value("ID")),
        ),
        (
            object("").replace("30000", ""),
            2,
            9,
            Box::new(value("ObjectID")),
        ),
        (
            object("").replace("30000", "-1"),
            2,
            19,
            Box::new(value("ObjectID")),
        ),
    ];
    for (file, line, column, check) in cases {
        let (at_line, at_column, fault) = error(&file);
        assert!(check(fault), "{file}: {fault:?}");
        assert_eq!((at_line, at_column), (line, column), "{file}: {fault:?}");
    }
}

#[test]
fn what_breaks_a_rule_of_the_template_is_refused_at_its_resource() {
    let broken = |resource, fault| {
        let resource: Option<u16> = resource;
        DdfFault::Definition(DefinitionError {
            object: ObjectId::new(30000),
            resource: resource.map(ResourceId::new),
            fault,
        })
    };
    let items = "<Resources><Item ID='2'><Type>Time</Type></Item>\n\
                 <Item ID='1'><Operations>E</Operations></Item>\n\
                 <Item ID='3'><Type>Time</Type></Item></Resources>";
    assert_eq!(one(object(items)).resources.len(), 3);
    for (from, to, line, column, fault) in [
        (
            "ID='3'",
            "ID='2'",
            5,
            1,
            broken(Some(2), DefinitionFault::Duplicate),
        ),
        ("E<", "R<", 4, 1, broken(Some(1), DefinitionFault::NoType)),
        (
            "E</Operations>",
            "E</Operations><Type>Time</Type>",
            4,
            1,
            broken(Some(1), DefinitionFault::ExecutableType),
        ),
        (
            "E</Operations>",
            "E</Operations><MultipleInstances>Multiple</MultipleInstances>",
            4,
            1,
            broken(Some(1), DefinitionFault::ExecutableMultiple),
        ),
        (
            "<Resources>",
            "<ObjectURN>urn:oma:lwm2m:x:3</ObjectURN><Resources>",
            2,
            1,
            broken(None, DefinitionFault::UrnObject(ObjectId::new(3))),
        ),
        (
            "<Resources>",
            "<ObjectURN>urn:oma:lwm2m:x:30000:2.0</ObjectURN>\
             <ObjectVersion>2.1</ObjectVersion><Resources>",
            2,
            1,
            broken(None, DefinitionFault::UrnVersion),
        ),
        (
            "<Resources>",
            "<?lwm2m-argument resource=\"2\" digit=\"0\"?><Resources>",
            3,
            53,
            broken(Some(2), DefinitionFault::ArgumentResource),
        ),
    ] {
        assert_eq!(
            error(object(&items.replace(from, to))),
            (line, column, fault)
        );
    }
}

// Hostile

#[test]
fn document_types_are_refused_and_nothing_is_expanded() {
    let laughs = "<?xml version='1.0'?>\n<!DOCTYPE LWM2M [\n<!ENTITY a 'ha'>\n\
                  <!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>\n\
                  <!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]>\n\
                  <LWM2M><Object><Name>&c;</Name></Object></LWM2M>";
    assert_eq!(error(laughs), (2, 1, DdfFault::DocumentType));
    let external = "<!DOCTYPE LWM2M [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><LWM2M>&x;</LWM2M>";
    assert_eq!(error(external), (1, 1, DdfFault::DocumentType));
    assert_eq!(
        error("<!DOCTYPE LWM2M SYSTEM 'a.dtd'><LWM2M/>").2,
        DdfFault::DocumentType
    );
    // In a comment or in CDATA it is text.
    let text = "<!-- <!DOCTYPE a> --><Name><![CDATA[<!DOCTYPE b>]]></Name>";
    assert_eq!(one(object(text)).name, "<!DOCTYPE b>");
}

#[test]
fn size_markup_depth_and_attributes_are_bounded() {
    let limits = Limits::default();
    let spaces = " ".repeat(limits.bytes);
    assert_eq!(error(&spaces).2, DdfFault::Root);
    let more = format!("{GREENHOUSE}{spaces}");
    assert_eq!(error(more), (1, 1, DdfFault::TooLarge(limits.bytes)));

    let nested = |levels: usize| {
        object(&format!(
            "{}{}",
            "<a>".repeat(levels),
            "</a>".repeat(levels)
        ))
    };
    assert_eq!(one(nested(14)).id.get(), 30000);
    assert_eq!(error(nested(15)), (3, 43, DdfFault::TooDeep));
    assert_eq!(error("<a>".repeat(60_000)).2, DdfFault::TooDeep);

    let attributes = |count: usize| {
        let attributes: Vec<String> = (0..count).map(|at| format!(" a{at}='>'")).collect();
        let attributes = attributes.concat();
        object(&format!("<a{attributes}/>"))
    };
    assert_eq!(one(attributes(16)).id.get(), 30000);
    assert_eq!(error(attributes(17)), (3, 1, DdfFault::TooManyAttributes));

    let too_much = DdfFault::TooMuchMarkup(limits.markup);
    assert_eq!(error("<".repeat(70_000)), (1, 65_537, too_much));
    assert_eq!(
        error(format!("<a>{}", "=".repeat(70_000))),
        (1, 65_540, too_much)
    );

    let small = Limits {
        bytes: 100,
        markup: 5,
    };
    let error = ddf::read_within(GREENHOUSE.as_bytes(), &small).unwrap_err();
    assert_eq!(error.fault, DdfFault::TooLarge(100));
}

#[test]
fn the_largest_object_there_can_be_is_read() {
    let items: Vec<String> = (0..8000)
        .map(|id| format!("<Item ID='{id}'><Operations>E</Operations></Item>"))
        .collect();
    assert_eq!(
        one(object(&format!(
            "<Resources>{}</Resources>",
            items.concat()
        )))
        .resources
        .len(),
        8000
    );
}

// Writing

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
        Err(DdfWriteError::Definition(error)) if error.fault == DefinitionFault::UrnVersion
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
                let id = ObjectId::new(id);
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
                let urn = format!("urn:oma:lwm2m:x:{id}");
                ObjectDefinition {
                    id,
                    name: texts.0,
                    urn: Cow::Owned(if explicit {
                        format!("{urn}:{version}")
                    } else {
                        urn
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

    #[test]
    fn damaged_files_are_read_or_refused(at in 0..GREENHOUSE.len(), byte: u8, cut in 0..GREENHOUSE.len()) {
        let mut file = GREENHOUSE.as_bytes().to_vec();
        file[at] = byte;
        let _ = ddf::read(&file);
        file.truncate(cut);
        let refused = ddf::read(&file).unwrap_err();
        prop_assert!(refused.line >= 1 && refused.column >= 1);
    }
}
