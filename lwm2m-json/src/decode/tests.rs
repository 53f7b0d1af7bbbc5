use alloc::{format, string::ToString, vec};
use core::convert::Infallible;

use lwm2m_core::{
    IdError, ObjectId, ObjectLink, ObjectLinkError, PathError, Value,
    codec::{Content, EncodeError, Event, Untyped},
};
use lwm2m_kit::path;

use super::*;
use crate::Member;

/// The scope of a path.
type ScopeOf = fn(Path) -> Scope;

fn create_of(path: Path) -> Scope {
    Scope::create(path.object().unwrap())
}

/// Resource 0 is a String, 1 an Integer, and so on in the order of Appendix C; 9 has no definition.
fn types(_: ObjectId, resource: ResourceId) -> Option<DataType> {
    use DataType::{Boolean, Float, Integer, ObjectLink, Opaque, String, Time};
    let types = [String, Integer, Float, Boolean, Opaque, Time, ObjectLink];
    types.get(usize::from(resource.get())).copied()
}

fn read(payload: &str, base: &str, scope: ScopeOf) -> Result<Content, DecodeError> {
    let mut content = Content::new();
    match decode(payload.as_bytes(), scope(path(base)), &types, &mut content) {
        Ok(()) => Ok(content),
        Err(DecodeFailure::Malformed(error)) => Err(error),
        Err(DecodeFailure::Sink(error)) => panic!("{error}"),
    }
}

/// The entry and the problem of a malformed document; `^` marks its offset.
fn wrong(marked: &str, base: &str, scope: ScopeOf) -> (Option<usize>, Problem) {
    let offset = marked.find('^').unwrap();
    let error = read(&marked.replace('^', ""), base, scope).unwrap_err();
    assert_eq!(error.offset, offset, "{marked}: {error}");
    (error.entry, error.problem)
}

#[test]
fn the_document_is_as_table_22_has_it() {
    let expected = |what| (None, Problem::Expected(what));
    for (document, error) in [
        ("^", expected("an object")),
        ("^[]", expected("an object")),
        ("{}^", (None, Problem::MissingEntries)),
        (r#"{"bn":"/3/0/"}^"#, (None, Problem::MissingEntries)),
        (r#"{"e":^{}}"#, expected("\"e\" to be an array")),
        (r#"{"bn":^1,"e":[]}"#, expected("\"bn\" to be a string")),
        (r#"{"bt":^"1","e":[]}"#, expected("\"bt\" to be a number")),
        (r#"{"bt":^1e999,"e":[]}"#, (None, Problem::Time)),
        (
            r#"{"e":[],"e":^[]}"#,
            (None, Problem::Duplicate(Member::Entries)),
        ),
        (
            r#"{"bn":"/","e":[],"bn":^"/"}"#,
            (None, Problem::Duplicate(Member::BaseName)),
        ),
        (
            r#"{"bt":1,"\u0062t":^1,"e":[]}"#,
            (None, Problem::Duplicate(Member::BaseTime)),
        ),
        (r#"{"e":[]} ^x"#, (None, Problem::Trailing)),
        (r#"{"e":[]}^]}"#, (None, Problem::Trailing)),
        (r#"{"bn":"/3/0/0","e":[{"sv":""}]^]}"#, expected("'}'")),
        (r#"{"e":[],"x":[1^}"#, expected("',' or ']'")),
    ] {
        assert_eq!(wrong(document, "/3/0", Scope::answer), error, "{document}");
    }
}

#[test]
fn an_entry_is_as_table_22_has_it() {
    let expected = Problem::Expected;
    for (entry, problem) in [
        (r"^[]", expected("an entry")),
        (r"^1", expected("an entry")),
        (r#"^{"n":"0"}"#, Problem::NoValue),
        (r#"{"n":^0,"sv":""}"#, expected("\"n\" to be a string")),
        (
            r#"{"n":"0","t":^null,"sv":""}"#,
            expected("\"t\" to be a number"),
        ),
        (r#"{"n":"1","v":^"1"}"#, expected("\"v\" to be a number")),
        (r#"{"n":"3","bv":^1}"#, expected("\"bv\" to be a Boolean")),
        (r#"{"n":"6","ov":^66}"#, expected("\"ov\" to be a string")),
        (r#"{"n":"0","sv":^null}"#, expected("\"sv\" to be a string")),
        (
            r#"{"n":"0","n":^"0","sv":""}"#,
            Problem::Duplicate(Member::Name),
        ),
        (
            r#"{"t":0,"n":"0","t":^0,"sv":""}"#,
            Problem::Duplicate(Member::Time),
        ),
        (
            r#"{"n":"1","v":1,"v":^1}"#,
            Problem::Duplicate(Member::Value),
        ),
        (
            r#"{"n":"1","sv":"1","v":^1}"#,
            Problem::TwoValues(Member::StringValue, Member::Value),
        ),
        (
            r#"{"n":"3","bv":true,"ov":^"1:1"}"#,
            Problem::TwoValues(Member::BooleanValue, Member::ObjectLinkValue),
        ),
    ] {
        let document = format!(r#"{{"bn":"/3/0/","e":[{{"n":"9","v":1}},{entry}]}}"#);
        for scope in [Scope::write, Scope::answer] {
            assert_eq!(wrong(&document, "/3/0", scope), (Some(1), problem));
        }
    }
}

/// Members before or after the entries don't change them.
#[test]
fn entries_are_read_alike_wherever_the_base_name_stands() {
    let both = |entries: &str| {
        let [first, last] = [
            format!(r#"{{"bn":"/3/0/","e":[{entries}]}}"#),
            format!(r#"{{"e":[{entries}],"bn":"/3/0/"}}"#),
        ]
        .map(|document| wrong(&document, "/3/0", Scope::answer));
        assert_eq!(first, last, "{entries}");
        last
    };
    let one = r#"{"n":"1","v":1}"#;
    for (entry, problem) in [
        (
            r#"{"n":"1","v":^}"#,
            Problem::Expected("\"v\" to be a number"),
        ),
        (r#"{"n":"0","sv":"a^\x"}"#, Problem::Escape),
        (
            r#"{"n":"1","v":1,"v":^1}"#,
            Problem::Duplicate(Member::Value),
        ),
    ] {
        assert_eq!(both(&format!("{one},{entry}")), (Some(1), problem));
    }
    let nested = |depth: usize| {
        let (open, close) = (r#"{"x":"#.repeat(depth), "}".repeat(depth));
        format!(r#"{{"n":"1","v":1,"x":{open}1{close}}}"#)
    };
    for document in [
        format!(r#"{{"bn":"/3/0/","e":[{}]}}"#, nested(16)),
        format!(r#"{{"e":[{}],"bn":"/3/0/"}}"#, nested(16)),
    ] {
        assert!(read(&document, "/3/0", Scope::answer).is_ok(), "{document}");
    }
    let marked = nested(17).replacen(r#"{"x":1"#, r#"^{"x":1"#, 1);
    let too_deep = Problem::TooDeep { limit: 16 };
    assert_eq!(both(&marked), (Some(0), too_deep));
}

#[test]
fn names_are_paths_of_resources() {
    let segment = |segment, reason| Problem::Name(PathError::Segment { segment, reason });
    for (base_name, name, problem) in [
        ("", "", Problem::Name(PathError::NotAbsolute)),
        ("", "3/0/1", Problem::Name(PathError::NotAbsolute)),
        ("/3/0/", "", segment(2, IdError::NotDecimal)),
        ("/3/0/", "/1", segment(2, IdError::NotDecimal)),
        // Not `/3/0/0`: the two are one text, and no number has a leading zero.
        ("/3/0", "0", segment(1, IdError::NotDecimal)),
        ("/3/0/", "01", segment(2, IdError::NotDecimal)),
        ("/3/0/", "+1", segment(2, IdError::NotDecimal)),
        ("/3/0/", "65536", segment(2, IdError::OutOfRange)),
        ("/65539/0/", "1", segment(0, IdError::OutOfRange)),
        ("/3/65535/", "1", segment(1, IdError::Reserved(65535))),
        ("/3/0/", "1/2/3", Problem::Name(PathError::TooDeep)),
        ("/3/0/", "\\u00e9", segment(2, IdError::NotDecimal)),
        ("/3/", "0", Problem::NotAResource(path("/3/0"))),
        ("/", "3", Problem::NotAResource(path("/3"))),
        ("/", "", Problem::NotAResource(Path::Root)),
    ] {
        let document = format!(r#"{{"bn":"{base_name}","e":[{{"v":1,"n":^"{name}"}}]}}"#);
        let error = wrong(&document, "/", Scope::write);
        assert_eq!(error, (Some(0), problem), "{document}");
    }
}

#[test]
fn only_answers_may_leave_the_path() {
    for (base, name) in [
        ("/3/0", "/3/1/0"),
        ("/3/0", "/4/0/0"),
        ("/3", "/4/0/0"),
        ("/3/0/0", "/3/0/4"),
        ("/3/0/0/1", "/3/0/0/2"),
        ("/3/0/0/1", "/3/0/0"),
    ] {
        let document = format!(r#"{{"e":[{{"n":^"{name}","sv":""}}]}}"#);
        let problem = Problem::OutsidePath {
            path: path(name),
            base: path(base),
        };
        assert_eq!(wrong(&document, base, Scope::write), (Some(0), problem));
        let content = read(&document.replace('^', ""), base, Scope::answer).unwrap();
        assert_eq!(content.entries()[0].path, path(name));
    }
}

#[test]
fn requests_have_entries_and_no_time() {
    let scope = Scope::write;
    let document = r#"{"bn":"/3/0/","e":[]^}"#;
    assert_eq!(wrong(document, "/3/0", scope), (None, Problem::NoEntries));
    for document in [
        r#"{"bn":"/3/0/","e":[^{"n":"1","v":1,"t":-1}]}"#,
        r#"{"bn":"/3/0/","bt":1,"e":[^{"n":"1","v":1}]}"#,
        r#"{"bn":"/3/0/","e":[^{"n":"1","v":1}],"bt":1}"#,
    ] {
        let error = (Some(0), Problem::TimeInRequest);
        assert_eq!(wrong(document, "/3/0", scope), error);
    }
    let document = r#"{"bn":"/3/0/","bt":1.7e308,"e":[^{"n":"1","v":1,"t":1.7e308}]}"#;
    assert_eq!(
        wrong(document, "/3/0", Scope::answer),
        (Some(0), Problem::Time)
    );
}

#[test]
fn values_have_the_type_of_their_resource() {
    let link = |object, instance| Value::ObjectLink(ObjectLink { object, instance });
    for (resource, field, expected) in [
        (0, r#""sv":"a\u00e9\"b""#, Value::from("aé\"b")),
        (0, r#""sv":"""#, Value::from("")),
        (1, r#""v":-9223372036854775808"#, Value::Integer(i64::MIN)),
        (1, r#""v":15.0"#, Value::Integer(15)),
        (2, r#""v":1"#, Value::Float(1.0)),
        (2, r#""v":6.667e-11"#, Value::Float(6.667e-11)),
        (3, r#""bv":true"#, Value::Boolean(true)),
        (3, r#""bv":false"#, Value::Boolean(false)),
        (4, r#""sv":"""#, Value::Opaque(vec![])),
        (4, r#""sv":"+\/8=""#, Value::Opaque(vec![0xFB, 0xFF])),
        (5, r#""v":1.367491215E9"#, Value::Time(1_367_491_215)),
        (6, r#""ov":"10:03""#, link(10, 3)),
        (
            6,
            r#""ov":"65535:65535""#,
            Value::ObjectLink(ObjectLink::NULL),
        ),
        // Without a definition the type is that of the field.
        (9, r#""sv":"AQID""#, Value::from("AQID")),
        (9, r#""v":9223372036854775807"#, Value::Integer(i64::MAX)),
        (
            9,
            r#""v":9223372036854775808"#,
            Value::Float(9_223_372_036_854_775_808.0),
        ),
        (9, r#""v":15.0"#, Value::Float(15.0)),
        (9, r#""bv":true"#, Value::Boolean(true)),
        (9, r#""ov":"66:0""#, link(66, 0)),
    ] {
        let document = format!(r#"{{"bn":"/7/0/{resource}","e":[{{{field}}}]}}"#);
        let content = read(&document, "/7/0", Scope::write).unwrap();
        assert_eq!(content.entries()[0].value, Some(expected), "{document}");
    }
}

#[test]
fn values_of_another_kind_are_refused() {
    let fields = [
        (r#""v":^1"#, Member::Value, &[1, 2, 5][..]),
        (r#""bv":^true"#, Member::BooleanValue, &[3]),
        (r#""sv":^"AQID""#, Member::StringValue, &[0, 4]),
        (r#""ov":^"66:0""#, Member::ObjectLinkValue, &[6]),
    ];
    for (field, found, fitting) in fields {
        for resource in (0..7).filter(|resource| !fitting.contains(resource)) {
            let path = Path::of(&[7, 0, resource]).unwrap();
            let problem = Problem::WrongValue {
                path,
                expected: types(7.into(), resource.into()).unwrap(),
                found,
            };
            let document = format!(r#"{{"bn":"{path}","e":[{{{field}}}]}}"#);
            assert_eq!(wrong(&document, "/7", Scope::answer), (Some(0), problem));
        }
    }
}

#[test]
fn values_out_of_their_range_are_refused() {
    for (resource, field, problem) in [
        (1, r#""v":^1.5"#, Problem::NotAnInteger),
        (1, r#""v":^9223372036854775808"#, Problem::NotAnInteger),
        (5, r#""v":^1e16"#, Problem::NotAnInteger),
        (2, r#""v":^1e309"#, Problem::NumberRange),
        (9, r#""v":^-1e309"#, Problem::NumberRange),
        (4, r#""sv":^"AQI""#, Problem::Base64),
        (4, r#""sv":^"AQ-_""#, Problem::Base64),
        (4, r#""sv":^"AQ ID""#, Problem::Base64),
        (4, r#""sv":^"AR==""#, Problem::Base64),
        (6, r#""ov":^"66""#, Problem::ObjectLink(ObjectLinkError)),
        (
            6,
            r#""ov":^"65536:0""#,
            Problem::ObjectLink(ObjectLinkError),
        ),
    ] {
        let document = format!(r#"{{"bn":"/7/0/{resource}","e":[{{{field}}}]}}"#);
        assert_eq!(wrong(&document, "/7", Scope::answer), (Some(0), problem));
    }
}

/// The events as text.
#[derive(Default)]
struct Trace(Vec<String>);

impl Sink for Trace {
    type Error = Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Infallible> {
        self.0.push(match event {
            Event::Object(id) => format!("O{id}"),
            Event::Instance(Some(id)) => format!("I{id}"),
            Event::Instance(None) => "I?".to_string(),
            Event::Multiple(id) => format!("M{id}"),
            Event::Resource { id, value, .. } => format!("R{id}={value}"),
            Event::ResourceInstance { id, value, .. } => format!("r{id}={value}"),
            Event::EndMultiple => "m".to_string(),
            Event::EndInstance => "i".to_string(),
            Event::EndObject => "o".to_string(),
            other => unreachable!("{other:?}"),
        });
        Ok(())
    }
}

fn create(payload: &str) -> Result<String, DecodeError> {
    let mut trace = Trace::default();
    let scope = Scope::create(ObjectId::new(16));
    match decode(payload.as_bytes(), scope, &Untyped, &mut trace) {
        Ok(()) => Ok(trace.0.join(" ")),
        Err(DecodeFailure::Malformed(error)) => Err(error),
    }
}

#[test]
fn a_create_need_not_name_its_instance() {
    for (payload, events) in [
        (
            r#"{"bn":"/16/","e":[{"n":"0","v":1},{"n":"6/0","v":2},{"n":"6/1","v":3}]}"#,
            "O16 I? R0=1 M6 r0=2 r1=3 m i o",
        ),
        // Any name may have two levels.
        (
            r#"{"bn":"/16/","e":[{"n":"6/1","v":3},{"n":"0","v":1}]}"#,
            "O16 I? M6 r1=3 m R0=1 i o",
        ),
        (
            r#"{"bn":"/16/","e":[{"n":"0/0","v":1},{"n":"6/1/0","v":3}]}"#,
            "O16 I0 R0=1 i I6 M1 r0=3 m i o",
        ),
        // It could be a multiple Resource or Instance 6. It is read as the latter.
        (
            r#"{"bn":"/16/","e":[{"n":"6/0","v":2}]}"#,
            "O16 I6 R0=2 i o",
        ),
    ] {
        assert_eq!(create(payload).unwrap(), events, "{payload}");
    }
}

#[test]
fn a_create_names_all_instances_or_none() {
    let error = create(r#"{"bn":"/16/","e":[{"n":"0","v":1},{"n":"1/6/1","v":3}]}"#).unwrap_err();
    assert_eq!((error.entry, error.problem), (Some(1), Problem::MixedNames));
    let error = create(r#"{"bn":"/17/","e":[{"n":"0","v":1}]}"#).unwrap_err();
    assert!(matches!(error.problem, Problem::OutsidePath { .. }));
    let error = create(r#"{"bn":"/16/","e":[]}"#).unwrap_err();
    assert_eq!(error.problem, Problem::NoEntries);
    let error = create(r#"{"bn":"/16","e":[{"v":1}]}"#).unwrap_err();
    assert_eq!(error.problem, Problem::NotAResource(path("/16")));
    // A Write on an Object names its instances.
    let document = r#"{"bn":"/16/","e":[{"n":^"0","v":1}]}"#;
    let problem = Problem::NotAResource(path("/16/0"));
    assert_eq!(wrong(document, "/16", Scope::write), (Some(0), problem));
}

#[test]
fn an_answer_without_entries_is_empty() {
    for (base, events) in [
        ("/", ""),
        ("/3", "O3 o"),
        ("/3/0", "O3 I0 i o"),
        ("/3/0/7", "O3 I0 M7 m i o"),
    ] {
        let mut trace = Trace::default();
        let payload = br#"{"bn":"/","e":[ ]}"#;
        decode(payload, Scope::answer(path(base)), &Untyped, &mut trace).unwrap();
        assert_eq!(trace.0.join(" "), events);
    }
    let document = r#"{"bn":"/3/0/7/1","e":[]^}"#;
    let error = (None, Problem::NoEntries);
    assert_eq!(wrong(document, "/3/0/7/1", Scope::answer), error);
}

/// Without entries, the Base Name is checked with the document.
#[test]
fn the_base_name_of_an_empty_answer_is_of_what_was_asked_for() {
    for base_name in ["", "/", "/3", "/3/", "/3/0", "/3/0/", "\\u002f3"] {
        for document in [
            format!(r#"{{"bn":"{base_name}","e":[]}}"#),
            format!(r#"{{"e":[],"bn":"{base_name}"}}"#),
        ] {
            let content = read(&document, "/3/0", Scope::answer).unwrap();
            assert_eq!(content.entries()[0].path, path("/3/0"), "{document}");
        }
    }
    let segment = |segment, reason| Problem::Name(PathError::Segment { segment, reason });
    let other = |at| Problem::OtherPath {
        path: path(at),
        base: path("/3/0"),
    };
    for (base_name, problem) in [
        ("/4/0/", other("/4/0")),
        ("/4", other("/4")),
        ("/3/1/", other("/3/1")),
        ("/3/0/7", other("/3/0/7")),
        ("/3/0/7/1", other("/3/0/7/1")),
        ("3/0", Problem::Name(PathError::NotAbsolute)),
        ("/03/0", segment(0, IdError::NotDecimal)),
        ("/3/65535/", segment(1, IdError::Reserved(65535))),
        ("/3//", segment(1, IdError::NotDecimal)),
        ("/3/0/7/1/2", Problem::Name(PathError::TooDeep)),
        ("device", Problem::Name(PathError::NotAbsolute)),
    ] {
        for document in [
            format!(r#"{{"bn":^"{base_name}","bt":1,"e":[]}}"#),
            format!(r#"{{"e":[],"bn":^"{base_name}"}}"#),
        ] {
            let error = wrong(&document, "/3/0", Scope::answer);
            assert_eq!(error, (None, problem), "{document}");
        }
    }
}

/// Without entries, the rest of the document is checked, too.
#[test]
fn what_stands_around_no_entries_is_looked_at() {
    let text = "\"bt\" to be a number";
    for (member, problem) in [
        (r#""bt":^1e999"#, Problem::Time),
        (r#""bt":^"1""#, Problem::Expected(text)),
        (r#""bn":^1"#, Problem::Expected("\"bn\" to be a string")),
        (r#""x":[^x]"#, Problem::Expected("a value")),
        (r#""bt":1,"bt":^2"#, Problem::Duplicate(Member::BaseTime)),
    ] {
        for document in [
            format!(r#"{{{member},"e":[]}}"#),
            format!(r#"{{"e":[],{member}}}"#),
        ] {
            for scope in [Scope::answer, Scope::write, create_of] {
                let error = wrong(&document, "/3", scope);
                let purpose = scope(Path::Object(3.into())).purpose();
                assert_eq!(error, (None, problem), "{document} {purpose:?}");
            }
        }
    }
    for scope in [Scope::write, create_of] {
        for document in [r#"{"bn":"/3/","e":[]^}"#, r#"{"e":[]^,"bt":1}"#] {
            let error = wrong(document, "/3", scope);
            assert_eq!(error, (None, Problem::NoEntries), "{document}");
        }
    }
}

/// Only in a Create is there an Object Instance to leave out.
#[test]
fn only_a_create_may_leave_out_its_instance() {
    let document = r#"{"bn":"/3/","e":[{"n":^"0","v":1}]}"#;
    let problem = Problem::NotAResource(path("/3/0"));
    for base in ["/3/0", "/3"] {
        assert_eq!(wrong(document, base, Scope::write), (Some(0), problem));
    }
    let mut trace = Trace::default();
    let document = document.replace('^', "");
    let scope = Scope::create(3.into());
    let created = decode(document.as_bytes(), scope, &Untyped, &mut trace);
    assert_eq!(created, Ok(()));
    assert_eq!(trace.0[1], "I?", "{:?}", trace.0);
}

#[test]
fn there_is_no_json_of_a_list_of_paths() {
    let mut trace = Trace::default();
    let payload = br#"{"e":[{"n":"/3/0/9"}]}"#;
    let Err(DecodeFailure::Malformed(error)) =
        decode(payload, Scope::paths(), &Untyped, &mut trace)
    else {
        panic!("{:?}", trace.0);
    };
    assert_eq!(error.problem, Problem::Purpose(Purpose::Paths));
    assert_eq!(
        error.to_string(),
        "byte 0: no LwM2M JSON for a list of paths"
    );
    assert!(trace.0.is_empty());
}

#[test]
fn a_refusal_of_the_sink_ends_it() {
    struct Refuse;

    impl Sink for Refuse {
        type Error = EncodeError;

        fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
            match event {
                Event::Resource { .. } => Err(EncodeError::SingleValue),
                _ => Ok(()),
            }
        }
    }

    let payload = br#"{"e":[{"n":"/3/0/0","sv":""}, and more]}"#;
    let types: &dyn TypeLookup = &types;
    assert_eq!(
        decode(payload, Scope::answer(Path::Root), types, &mut Refuse),
        Err(DecodeFailure::Sink(EncodeError::SingleValue))
    );
}

#[test]
fn errors_read_well() {
    let error = read(
        r#"{"bn":"/7/0/1","e":[{"sv":"1"}]}"#,
        "/7/0/1",
        Scope::write,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "entry 0, byte 26: /7/0/1 is of type Integer, which does not go with \"sv\""
    );
    let error = read("{}", "/", Scope::write).unwrap_err();
    assert_eq!(error.to_string(), "byte 2: \"e\" is missing");
}
