//! Malformed and hostile files.

use lwm2m_core::{ObjectId, ResourceId, Version};
use lwm2m_objects::{
    DefinitionError, DefinitionFault,
    ddf::{self, DdfFault, Limits, Severity},
};
use proptest::prelude::*;

use super::{GREENHOUSE, error, item, object, one, severity};

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
        let refused = matches!(fault, DdfFault::Malformed { .. } | DdfFault::Root { .. });
        assert!(refused, "{file}: {fault:?}");
        assert_eq!((at_line, at_column), (line, column), "{file}: {fault:?}");
        assert_eq!(severity(file), Severity::File, "{file}");
    }
    let encoding = |found: &'static str| DdfFault::Encoding {
        found: found.into(),
    };
    let latin1 = b"<LWM2M>\n<Object>\xB0</Object></LWM2M>";
    assert_eq!(error(latin1), (2, 9, encoding("the byte 0xB0")));
    let cut = b"<LWM2M>\n<Object>\xE2\x82";
    let end = encoding("the end of the file within a character");
    assert_eq!(error(cut), (2, 9, end));
}

/// What cannot be said of a Resource or an Object costs the Object.
#[test]
fn what_the_schema_does_not_have_is_refused_where_it_is() {
    let urn = |expected: &str, found: &str| {
        let file = object(&format!("<ObjectURN>{found}</ObjectURN>"));
        let message = format!("expected {expected} in ObjectURN, found {found:?}");
        (file, 3, 12, message)
    };
    let number = "expected a number of 0 to 65535 in";
    let cases: Vec<(String, u32, u32, String)> = vec![
        (
            "<LWM2M>\n  <Object/></LWM2M>".into(),
            2,
            3,
            "expected ObjectID in this element, found none".into(),
        ),
        (
            object("<Resources>\n <Item/></Resources>"),
            4,
            2,
            "expected ID in this element, found none".into(),
        ),
        (
            object("<Resources/>\n<Resources/>"),
            4,
            1,
            "expected the element Resources once, found it again".into(),
        ),
        urn("an Object URN that begins with urn:oma:lwm2m:", "urn:x:1"),
        urn(
            "a URN with the class oma, ext or x",
            "urn:oma:lwm2m:y:30000",
        ),
        urn(
            "a URN with an Object ID of 0 to 65535 after the class",
            "urn:oma:lwm2m:x:3000O",
        ),
        urn(
            "a URN that ends with an Object ID or a version such as 1.0",
            "urn:oma:lwm2m:x:30000:2",
        ),
        (
            object("<ObjectVersion>two</ObjectVersion>"),
            3,
            16,
            "expected a version such as 1.0 in ObjectVersion, found \"two\"".into(),
        ),
        (
            object("<MultipleInstances>2</MultipleInstances>"),
            3,
            20,
            "expected Single or Multiple in MultipleInstances, found \"2\"".into(),
        ),
        (
            object("<Mandatory>yes</Mandatory>"),
            3,
            12,
            "expected Mandatory or Optional in Mandatory, found \"yes\"".into(),
        ),
        (
            item("<Operations>RWE</Operations>"),
            4,
            26,
            "expected R, W, RW, E or nothing in Operations, found \"RWE\"".into(),
        ),
        (
            item("").replace("\"5\"", "\"65536\""),
            4,
            1,
            format!("{number} ID, found \"65536\""),
        ),
        (
            item("").replace("\"5\"", "\"+5\""),
            4,
            1,
            format!("{number} ID, found \"+5\""),
        ),
        (
            object("").replace("30000", ""),
            2,
            9,
            format!("{number} ObjectID, found \"\""),
        ),
        (
            object("").replace("30000", "-1"),
            2,
            19,
            format!("{number} ObjectID, found \"-1\""),
        ),
        (
            object("").replace("30000", &"é".repeat(50)),
            2,
            19,
            format!("{number} ObjectID, found \"{}…\"", "é".repeat(40)),
        ),
    ];
    for (file, line, column, message) in cases {
        let (at_line, at_column, fault) = error(&file);
        assert_eq!(fault.to_string(), message, "{file}");
        assert_eq!((at_line, at_column), (line, column), "{file}: {fault:?}");
        assert_eq!(severity(&file), Severity::Object, "{file}");
    }
}

#[test]
fn files_of_another_kind_are_refused() {
    let root = |found: &'static str| DdfFault::Root {
        found: found.into(),
    };
    for (file, fault) in [
        ("<DDF/>", root("DDF")),
        ("<!-- nothing -->", root("no element")),
        ("<LWM2M/>", DdfFault::Missing("Object")),
    ] {
        assert_eq!(error(file).2, fault, "{file}");
        assert_eq!(severity(file), Severity::File, "{file}");
    }
    assert_eq!(
        root("DDF").to_string(),
        "expected the root element LWM2M, found DDF"
    );
}

#[test]
fn what_leaves_open_what_is_defined_is_refused_where_it_is() {
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
        (
            "<Resources>",
            "<ObjectURN>urn:oma:lwm2m:x:3</ObjectURN><Resources>",
            3,
            12,
            broken(None, DefinitionFault::UrnObject(ObjectId::new(3))),
        ),
        (
            "<Resources>",
            "<ObjectURN>urn:oma:lwm2m:x:30000:2.0</ObjectURN>\
             <ObjectVersion>2.1</ObjectVersion><Resources>",
            3,
            12,
            broken(
                None,
                DefinitionFault::UrnVersion {
                    expected: Version::new(2, 1),
                    found: Version::new(2, 0),
                },
            ),
        ),
    ] {
        let file = object(&items.replace(from, to));
        assert_eq!(error(&file), (line, column, fault));
        assert_eq!(severity(&file), Severity::Object);
    }
}

/// What is not well-formed is told in the words of XML.
#[test]
fn markup_that_is_none_is_told_with_what_was_expected_and_found() {
    for (file, message) in [
        (
            "<LWM2M>\n <Object>\n </Objekt></LWM2M>",
            "expected the end tag of Object, found that of Objekt",
        ),
        (
            "<LWM2M>",
            "expected the end tags of all elements, found the end of the file",
        ),
        (
            "<LWM2M><Name>&nbsp;</Name></LWM2M>",
            "expected one of the entities amp, lt, gt, quot and apos, found \"&nbsp;</Name></LWM2M>\"",
        ),
        (
            "<LWM2M><Name>R&D\n</Name></LWM2M>",
            "expected a reference after &, found \"&D\"",
        ),
        (
            "<LWM2M a='1' a='2'/>",
            "expected each attribute once, found \"a='2'/>\"",
        ),
        (
            "<LWM2M><x:Object/></LWM2M>",
            "expected a prefix that is declared, found \"x:Object/></LWM2M>\"",
        ),
        (
            "<LWM2M>\u{1}</LWM2M>",
            "expected characters that XML has, found '\\u{1}'",
        ),
    ] {
        assert_eq!(error(file).2.to_string(), message, "{file}");
    }
}

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
fn size_markup_depth_attributes_and_namespaces_are_bounded() {
    let limits = Limits::default();
    let spaces = " ".repeat(limits.bytes);
    let root = error(&spaces).2;
    assert!(matches!(root, DdfFault::Root { .. }), "{root}");
    let more = format!("{GREENHOUSE}{spaces}");
    let too_large = |limit, found| DdfFault::TooLarge { limit, found };
    let fault = too_large(limits.bytes, more.len());
    assert_eq!(error(more), (1, 1, fault));

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
    assert_eq!(
        error(attributes(17)),
        (3, 1, DdfFault::TooManyAttributes(17))
    );

    let namespaces = |count: usize| object(&"<a xmlns:b='c'/>".repeat(count));
    assert_eq!(one(namespaces(64)).id.get(), 30000);
    assert_eq!(
        error(namespaces(65)),
        (3, 1025, DdfFault::TooManyNamespaces)
    );

    let too_much = |character| DdfFault::TooMuchMarkup {
        character,
        limit: limits.markup,
    };
    assert_eq!(error("<".repeat(70_000)), (1, 65_537, too_much('<')));
    assert_eq!(
        error(format!("<a>{}", "=".repeat(70_000))),
        (1, 65_540, too_much('='))
    );

    let small = Limits {
        bytes: 100,
        markup: 5,
    };
    let error = ddf::read_within(GREENHOUSE.as_bytes(), &small).unwrap_err();
    assert_eq!(error.fault, too_large(100, GREENHOUSE.len()));
}

#[test]
fn a_file_of_just_the_limits_is_read() {
    let count = |byte| GREENHOUSE.bytes().filter(|other| *other == byte).count();
    let limits = Limits {
        bytes: GREENHOUSE.len(),
        markup: count(b'<').max(count(b'=')),
    };
    let read = |limits| ddf::read_within(GREENHOUSE.as_bytes(), &limits);
    assert!(read(limits).is_ok());
    let fault = |limits| read(limits).unwrap_err().fault;
    let bytes = limits.bytes - 1;
    let too_large = DdfFault::TooLarge {
        limit: bytes,
        found: bytes + 1,
    };
    assert_eq!(fault(Limits { bytes, ..limits }), too_large);
    let markup = limits.markup - 1;
    assert_eq!(
        fault(Limits { markup, ..limits }),
        DdfFault::TooMuchMarkup {
            character: '<',
            limit: markup
        }
    );
}

/// What is in comments, CDATA and processing instructions is no markup.
#[test]
fn what_is_no_markup_does_not_count() {
    for content in [
        "<a>".repeat(20),
        "= ".repeat(20),
        "xmlns:a='b' ".repeat(70),
        "</Object>".into(),
        "it's > \"one <b".into(),
    ] {
        for (from, to) in [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?other ", "?>")] {
            let file = object(&format!("<Description1>{from}{content}{to}</Description1>"));
            let expected = if from == "<![CDATA[" {
                content.trim()
            } else {
                ""
            };
            assert_eq!(one(file).description, expected);
        }
    }
}

#[test]
fn an_object_of_many_resources_is_read() {
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

proptest! {
    #[test]
    fn damaged_files_are_read_or_refused(
        at in 0..GREENHOUSE.len(),
        byte: u8,
        // Without the white space at its end it is whole.
        cut in 0..GREENHOUSE.trim_end().len(),
    ) {
        let mut file = GREENHOUSE.as_bytes().to_vec();
        file[at] = byte;
        let _ = ddf::read(&file);
        file.truncate(cut);
        let refused = ddf::read(&file).unwrap_err();
        prop_assert!(refused.line >= 1 && refused.column >= 1);
    }
}
