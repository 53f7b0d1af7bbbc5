//! Malformed and hostile files.

use lwm2m_core::{ObjectId, ResourceId};
use lwm2m_objects::{
    DefinitionError, DefinitionFault,
    ddf::{self, DdfFault, Limits},
};
use proptest::prelude::*;

use super::{GREENHOUSE, error, item, object, one};

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
            "<ObjectURN>urn:oma:lwm2m:oma:30000</ObjectURN><Resources>",
            2,
            1,
            broken(None, DefinitionFault::UrnClass),
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

    let namespaces = |count: usize| object(&"<a xmlns:b='c'/>".repeat(count));
    assert_eq!(one(namespaces(64)).id.get(), 30000);
    assert_eq!(
        error(namespaces(65)),
        (3, 1025, DdfFault::TooManyNamespaces)
    );

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
    assert_eq!(fault(Limits { bytes, ..limits }), DdfFault::TooLarge(bytes));
    let markup = limits.markup - 1;
    assert_eq!(
        fault(Limits { markup, ..limits }),
        DdfFault::TooMuchMarkup(markup)
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
    fn damaged_files_are_read_or_refused(at in 0..GREENHOUSE.len(), byte: u8, cut in 0..GREENHOUSE.len()) {
        let mut file = GREENHOUSE.as_bytes().to_vec();
        file[at] = byte;
        let _ = ddf::read(&file);
        file.truncate(cut);
        let refused = ddf::read(&file).unwrap_err();
        prop_assert!(refused.line >= 1 && refused.column >= 1);
    }
}
