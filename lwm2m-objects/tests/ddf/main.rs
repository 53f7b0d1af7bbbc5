//! Object definition files (TS Appendix J, K): well-formed and merely odd ones here, those with
//! faults that cost nothing in `tolerated`, malformed and hostile ones in `refused`, and the way back
//! in `written`.

#![cfg(feature = "ddf")]

extern crate alloc;

mod refused;
mod tolerated;
mod written;

use alloc::borrow::Cow;

use lwm2m_core::{DataType, ObjectId, Version};
use lwm2m_objects::{
    ArgumentDefinition, ObjectDefinition, Operations, Range, ResourceDefinition,
    ddf::{self, DdfError, DdfFault, Severity},
};

/// A file as the schema of Appendix K has it.
const GREENHOUSE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<LWM2M xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://openmobilealliance.org/tech/profiles/LWM2M.xsd">
  <Object ObjectType="MODefinition">
    <Name>Greenhouse</Name>
    <Description1><![CDATA[Keeps plants <warm> & dry]]></Description1>
    <ObjectID>44</ObjectID>
    <ObjectURN>urn:oma:lwm2m:oma:44:2.4</ObjectURN>
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
    let urn = "urn:oma:lwm2m:oma:44:2.4";
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

/// The first fault of a file, be it a warning. Errors are refused by a plain read, too.
fn error(file: impl AsRef<[u8]>) -> (u32, u32, DdfFault) {
    let report = ddf::read_all(file.as_ref());
    let refused = report.errors().next().cloned();
    assert_eq!(ddf::read(file.as_ref()).err(), refused);
    let DdfError {
        line,
        column,
        fault,
        ..
    } = report.strict().unwrap_err();
    (line, column, fault)
}

/// What the first fault of a file costs.
fn severity(file: impl AsRef<[u8]>) -> Severity {
    ddf::read_all(file.as_ref()).strict().unwrap_err().severity
}

#[test]
fn a_file_of_the_schema_is_read() {
    assert_eq!(one(GREENHOUSE), greenhouse());
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
    let escaped = short.replace(
        r#"digit="3""#,
        r#"digit="3" name="&lt;&apos;&quot;&gt; &amp;amp;&#233;""#,
    );
    assert_eq!(one(object(&escaped)).arguments[0].name, "<'\"> &amp;é");
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
        (1023, "urn:oma:lwm2m:oma:1023"),
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

/// TS Appendix J spells it in its text otherwise than the schema of Appendix K does.
#[test]
fn the_version_of_the_enabler_has_two_spellings() {
    for name in ["LWM2MVersion", "LwM2MVersion"] {
        let read = one(object(&format!("<{name}>1.1</{name}>")));
        assert_eq!(read.enabler, Version::new(1, 1), "{name}");
    }
    let both = "<LWM2MVersion>1.0</LWM2MVersion>\n<LwM2MVersion>1.1</LwM2MVersion>";
    assert_eq!(
        error(object(both)),
        (4, 1, DdfFault::Repeated("LWM2MVersion"))
    );
}

#[test]
fn operations_are_read_in_all_their_spellings() {
    for (text, operations) in [
        ("", Operations::None),
        ("R", Operations::Read),
        ("\tW\n", Operations::Write),
        ("rw", Operations::ReadWrite),
        ("R/W", Operations::ReadWrite),
        ("WR", Operations::ReadWrite),
    ] {
        let elements = format!("<Operations>{text}</Operations><Type>Time</Type>");
        assert_eq!(resource(&elements).operations, operations, "{text}");
    }
    assert_eq!(
        resource("<Operations>e</Operations>").operations,
        Operations::Execute
    );
}

/// As files of the registry are: a byte-order mark, line ends of Windows, licences in comments at
/// any place, elements of its editor, white space for nothing, ranges in somebody's own words.
#[test]
fn a_file_as_the_registry_has_them_is_read() {
    let file = "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?><!-- Licence: do “what” you like -->\r\n\
        <!-- <Object> of the first draft - -->\r\n\
        <LWM2M  xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\r\n\
        \txsi:noNamespaceSchemaLocation=\"http://openmobilealliance.org/tech/profiles/LWM2M-v1_1.xsd\" >\r\n\
        \t<Object ObjectType=\"MODefinition\">\r\n\
        \t\t<Name>Beehive </Name>\r\n\
        \t\t<!-- by weight -->\r\n\
        \t\t<Description1><![CDATA[How the bees\r\nare, in “°C” & more: <b>]]></Description1>\r\n\
        \t\t<ObjectID> 26245\r\n\t\t</ObjectID>\r\n\
        \t\t<ObjectURN>urn:oma:lwm2m:x:26245:1.1 </ObjectURN>\r\n\
        \t\t<LWM2MVersion>1.1</LWM2MVersion>\r\n\t\t<ObjectVersion>1.1</ObjectVersion>\r\n\
        \t\t<MultipleInstances>Multiple</MultipleInstances>\r\n\
        \t\t<Mandatory>Optional </Mandatory>\r\n\
        \t\t<Resources><!-- own ones -->\r\n\
        \t\t\t<Item ID=\"5700\"><Name>Weight</Name>\r\n\t\t\t\t<Operations>R</Operations>\r\n\
        <MultipleInstances>Single</MultipleInstances>\r\n<Mandatory>Mandatory</Mandatory>\r\n\
        <Type>Float</Type><Units>\r\n\t</Units><Submitter>Me</Submitter><TSLink>0</TSLink>\r\n\
        <Description><![CDATA[In <kg>, ]]>or “lb”<![CDATA[ & so]]></Description></Item>\r\n\
        <Item ID=\"1\"><Name>Queens</Name><Operations>RW</Operations>\r\n\
        <MultipleInstances>Multiple</MultipleInstances><Mandatory></Mandatory>\r\n\
        <Type>Unsigned Integer</Type><RangeEnumeration>0 to 3 (rarely)</RangeEnumeration>\r\n\
        <Units>/</Units><Description/></Item>\r\n\
        <Item ID=\"2\"><Name>Smoke</Name><Operations>E</Operations><Type></Type>\
        <RangeEnumeration>0..9</RangeEnumeration><Units>s</Units></Item>\r\n\
        <Item ID=\"3\"><Name>Links</Name><Operations>RW</Operations><Type>Corelnk</Type>\
        <RangeEnumeration>1-32 Bytes</RangeEnumeration></Item>\r\n\
        </Resources>\r\n\t\t<Description2><![CDATA[]]></Description2>\r\n\t</Object>\r\n\
        <!-- end --></LWM2M>\r\n<!-- of file -->\r\n";
    let mut expected = ObjectDefinition::new(
        ObjectId::new(26245),
        "Beehive",
        "urn:oma:lwm2m:x:26245:1.1",
        &[],
    )
    .multiple()
    .with_version(Version::new(1, 1))
    .with_enabler(Version::new(1, 1))
    .with_description("How the bees\nare, in “°C” & more: <b>");
    expected.resources = Cow::Owned(vec![
        ResourceDefinition::new(1, "Queens", Operations::ReadWrite, DataType::Integer)
            .multiple()
            .with_range(Range::Numbers(0, i64::MAX))
            .with_units("/")
            .with_description("0 to 3 (rarely)"),
        ResourceDefinition::executable(2, "Smoke")
            .with_range(Range::Words("0..9".into()))
            .with_units("s"),
        ResourceDefinition::new(3, "Links", Operations::ReadWrite, DataType::String)
            .with_range(Range::Bytes(1, 32)),
        ResourceDefinition::new(5700, "Weight", Operations::Read, DataType::Float)
            .mandatory()
            .with_description("In <kg>, or “lb” & so"),
    ]);
    assert_eq!(one(file), expected);
    assert_eq!(one(ddf::write([&expected]).unwrap()), expected);

    // A place is that of characters and of lines, whatever these are made of.
    let place = |from: &str, to: &str| {
        let (line, column, _) = error(file.replacen(from, to, 1));
        (line, column)
    };
    assert_eq!(place("<Type>Float", "<Type>Real"), (22, 7));
    assert_eq!(place("or “lb”", "or “lb&”"), (24, 41));
    assert_eq!(place("“°C” & more: <b>]]>", "]]>“°C” <b>"), (9, 20));
    assert_eq!(place("\t\t<Name>", "\t\t<ü/><Näme/></Name><Name>"), (6, 14));
    assert_eq!(place("<Type>Corelnk</Type>", "“<Type>é</Type>"), (30, 66));
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
    let encoding = |found: &'static str| DdfFault::Encoding {
        found: found.into(),
    };
    let (_, _, fault) = error(&big[..big.len() - 1]);
    assert_eq!(fault, encoding("half a unit of two bytes"));
    // Half of a surrogate pair.
    let half = [0xFF, 0xFE, b'a', 0, 0x3D, 0xD8];
    assert_eq!(error(half), (1, 2, encoding("half a character, 0xD83D")));
}
