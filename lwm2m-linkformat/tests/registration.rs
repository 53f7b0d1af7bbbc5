//! The list of Objects and Object Instances in Register and Update.

use lwm2m_core::{ContentFormat, IdError, InstanceId, ObjectId, PathError, Version};
use lwm2m_linkformat::{
    LinkFormatError, Reason, RegistrationLink, RegistrationLinks, RegistrationRoot,
    RegistrationWriter, RootPath, RootPathError,
};

/// A link of a list, in a short form.
#[derive(Debug, PartialEq)]
enum Said {
    Root(&'static str, Vec<u16>, bool),
    Object(u16, Option<Version>),
    Instance(u16, u16),
    /// An Object Instance whose link has a version.
    Versioned(u16, u16, Version),
}
use Said::{Instance, Object, Root, Versioned};

fn read(payload: &'static str) -> Result<Vec<Said>, LinkFormatError> {
    RegistrationLinks::new(payload)
        .map(|link| {
            Ok(match link? {
                RegistrationLink::Root {
                    path,
                    content_formats,
                    resource_type,
                } => Root(
                    path.as_str(),
                    content_formats.map(ContentFormat::number).collect(),
                    resource_type,
                ),
                RegistrationLink::Object { object, version } => Object(object.get(), version),
                RegistrationLink::Instance {
                    object,
                    instance,
                    version: None,
                } => Instance(object.get(), instance.get()),
                RegistrationLink::Instance {
                    object,
                    instance,
                    version: Some(version),
                } => Versioned(object.get(), instance.get(), version),
            })
        })
        .collect()
}

/// The Objects of the example client (TS Appendix F) with their Instances.
const EXAMPLE_CLIENT: &[(u16, &[u16])] = &[
    (1, &[0, 1]),
    (2, &[0, 1, 2, 3, 4]),
    (3, &[0]),
    (4, &[0]),
    (5, &[]),
];

type Objects<'a> = &'a [(u16, Option<Version>, &'a [u16])];

fn write(root: RegistrationRoot<'_>, objects: Objects<'_>) -> String {
    let mut payload = Vec::new();
    let mut list = RegistrationWriter::new(&mut payload, root);
    for (object, version, instances) in objects {
        let instances = instances.iter().map(|id| InstanceId::new(*id).unwrap());
        list.object(ObjectId::new(*object), *version, instances);
    }
    String::from_utf8(payload).unwrap()
}

fn example_client(root: RegistrationRoot<'_>) -> String {
    let objects: Vec<_> = EXAMPLE_CLIENT
        .iter()
        .map(|(object, instances)| (*object, None, *instances))
        .collect();
    write(root, &objects)
}

/// The example client's list, after the root link.
fn example_client_said(root: Option<Said>) -> Vec<Said> {
    let links = EXAMPLE_CLIENT.iter().flat_map(|(object, instances)| {
        let alone = instances.is_empty().then_some(Object(*object, None));
        alone.into_iter().chain(
            instances
                .iter()
                .map(|instance| Instance(*object, *instance)),
        )
    });
    root.into_iter().chain(links).collect()
}

#[test]
fn ts_5_3_1_objects_without_instances() {
    const PAYLOAD: &str = "</1>,</2>,</3>,</4>,</5>";
    let objects = [1, 2, 3, 4, 5];
    assert_eq!(read(PAYLOAD).unwrap(), objects.map(|id| Object(id, None)));
    let written = write(
        RegistrationRoot::default(),
        &objects.map(|id| (id, None, &[][..])),
    );
    assert_eq!(written, PAYLOAD);
}

#[test]
fn ts_5_3_1_the_example_client() {
    const PAYLOAD: &str = "</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>";
    assert_eq!(read(PAYLOAD).unwrap(), example_client_said(None));
    assert_eq!(example_client(RegistrationRoot::default()), PAYLOAD);
}

#[test]
fn ts_5_3_1_the_example_client_with_json() {
    const PAYLOAD: &str =
        "</>;ct=11543,</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>";
    let root = Root("/", vec![11543], false);
    assert_eq!(read(PAYLOAD).unwrap(), example_client_said(Some(root)));
    let root = RegistrationRoot {
        content_formats: &[ContentFormat::JSON],
        ..RegistrationRoot::default()
    };
    assert_eq!(example_client(root), PAYLOAD);
}

#[test]
fn the_example_client_as_real_clients_send_it() {
    const PAYLOAD: &str = concat!(
        r#"</>;rt="oma.lwm2m";ct=11543,"#,
        "</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>"
    );
    let root = Root("/", vec![11543], true);
    assert_eq!(read(PAYLOAD).unwrap(), example_client_said(Some(root)));
    let root = RegistrationRoot {
        content_formats: &[ContentFormat::JSON],
        resource_type: true,
        ..RegistrationRoot::default()
    };
    assert_eq!(example_client(root), PAYLOAD);
}

#[test]
fn ts_8_2_2_alternate_path() {
    // As printed, with blanks after the commas, and completed.
    let root = || Root("/lwm2m", vec![], true);
    let printed = concat!(
        r#"</lwm2m>; rt="oma.lwm2m", </lwm2m/1/0>, </lwm2m/1/1>, </lwm2m/2/0>, "#,
        "</lwm2m/2/1>, </lwm2m/2/2>, </lwm2m/2/3>, </lwm2m/2/4>, </lwm2m/3/0>, </lwm2m/4/0>, ",
        "</lwm2m/5>"
    );
    assert_eq!(read(printed).unwrap(), example_client_said(Some(root())));
    let written = example_client(RegistrationRoot {
        path: RootPath::new("/lwm2m").unwrap(),
        ..RegistrationRoot::default()
    });
    assert_eq!(written, printed.replace(' ', ""));
}

#[test]
fn ts_6_2_3_object_versions() {
    const UNQUOTED: &str = "</1/0>,</1/1>,</3/0>,</44>;ver=2.2,</44/0>";
    const QUOTED: &str = r#"</1/0>,</1/1>,</3/0>,</44>;ver="2.2",</44/0>"#;
    let said = |version| {
        vec![
            Instance(1, 0),
            Instance(1, 1),
            Instance(3, 0),
            Object(44, Some(version)),
            Instance(44, 0),
        ]
    };
    let version = Version::new(2, 2);
    assert_eq!(read(UNQUOTED).unwrap(), said(version));
    assert_eq!(read(QUOTED).unwrap(), said(version));
    let objects: Objects<'_> = &[
        (1, None, &[0, 1]),
        (3, None, &[0]),
        (44, Some(version), &[0]),
    ];
    assert_eq!(write(RegistrationRoot::default(), objects), UNQUOTED);
}

/// LwM2M 1.2 has the version of an Object in the links to its Instances.
#[test]
fn an_instance_link_may_tell_the_version_of_its_object() {
    let version = Version::new(1, 1);
    for payload in [
        "</1/0>;ver=1.1,</3/0>",
        "</1/0>;ver=\"1.1\",</3/0>",
        "</1/0>;x;ver=1.1;ver=1.2,</3/0>",
        "</a/1/0>;ver=1.1,</a/3/0>,</a>;rt=\"oma.lwm2m\"",
        // The first link of a list is read by other code than the rest.
        "</>;ct=0,</1/0>;ver=1.1,</3/0>",
    ] {
        let mut said = read(payload).unwrap();
        said.retain(|said| !matches!(said, Root(..)));
        assert_eq!(
            said,
            [Versioned(1, 0, version), Instance(3, 0)],
            "{payload}"
        );
    }
    // In TS 6.2.3 it has no meaning there, so an invalid version is ignored.
    for payload in ["</3/0>;ver=x", "</3/0>;ver", "</>,</3/0>;ver=1"] {
        assert_eq!(read(payload).unwrap().last(), Some(&Instance(3, 0)));
    }
}

#[test]
fn root_links_as_they_are_seen() {
    for (payload, formats, resource_type) in [
        (r#"</>;rt="oma.lwm2m""#, vec![], true),
        ("</>;rt=oma.lwm2m", vec![], true),
        (r#"</>;rt="core.rd oma.lwm2m""#, vec![], true),
        (r#"</>;rt="oma\.lwm2m""#, vec![], true),
        ("</>;ct=11543", vec![11543], false),
        (
            r#"</>;rt="oma.lwm2m";ct="0 42 110 11543""#,
            vec![0, 42, 110, 11543],
            true,
        ),
        (r#"</>;ct=" 60  65535 ""#, vec![60, 65535], false),
        (r#"</>;ct="""#, vec![], false),
        // Older clients omit the quotes.
        (
            "</>;rt=\"oma.lwm2m\";ct=60 110 112",
            vec![60, 110, 112],
            true,
        ),
        ("</>;ct=60 110 112;rt=oma.lwm2m", vec![60, 110, 112], true),
        ("</>;rt=\"oma.lwm2m2\"", vec![], false),
        ("</>", vec![], false),
        // The first attribute of a name counts.
        ("</>;rt=x;rt=oma.lwm2m", vec![], false),
        ("</>;rt;rt=oma.lwm2m", vec![], false),
        ("</>;rt=oma.lwm2m;rt=x;ct=1;ct=2", vec![1], true),
        ("</>;ct=1;rt=oma.lwm2m;ct=x", vec![1], true),
    ] {
        let root = Root("/", formats, resource_type);
        assert_eq!(read(payload).unwrap(), [root], "{payload}");
    }
}

#[test]
fn content_formats_are_compared_and_printed_as_a_list() {
    let formats = |payload| match RegistrationLinks::new(payload).next() {
        Some(Ok(RegistrationLink::Root {
            content_formats, ..
        })) => content_formats,
        other => panic!("no root link: {other:?}"),
    };
    let two = formats(r#"</>;ct="0 11543""#);
    assert_eq!(
        format!("{two:?}"),
        "[ContentFormat(0), ContentFormat(11543)]"
    );
    assert_eq!(two, formats(r#"</>;ct=" 0  11543 ";rt="oma.lwm2m""#));
    for other in ["</>", "</>;ct=0", r#"</>;ct="11543 0""#] {
        assert_ne!(two, formats(other), "{other}");
    }
}

/// An alternate path is read literally, and written percent-encoded (RFC 3986, section 2).
#[test]
fn an_alternate_path_is_written_percent_encoded() {
    for (read, written) in [
        ("/lwm2m", "/lwm2m"),
        ("/caf\u{e9}/a|b", "/caf%C3%A9/a%7Cb"),
        ("/caf%c3%a9", "/caf%c3%a9"),
        ("/[a]^{b}`\\", "/%5Ba%5D%5E%7Bb%7D%60%5C"),
    ] {
        let payload = format!("<{read}>;rt=\"oma.lwm2m\",<{read}/3/0>");
        let path = RegistrationLinks::new(&payload).root();
        let root = RegistrationRoot {
            path,
            ..RegistrationRoot::default()
        };
        let again = write(root, &[(3, None, &[0])]);
        assert_eq!(again, payload.replace(read, written));
        let segments = RegistrationLinks::new(&again).root().segments();
        assert!(path.segments().eq(segments), "{read}");
    }
}

#[test]
fn several_formats_are_written_in_quotes() {
    let root = RegistrationRoot {
        content_formats: &[ContentFormat::TEXT, ContentFormat::JSON],
        ..RegistrationRoot::default()
    };
    assert_eq!(write(root, &[]), r#"</>;ct="0 11543""#);
}

#[test]
fn the_alternate_path_holds_wherever_its_link_stands() {
    for payload in [
        r#"</a/b>;rt="oma.lwm2m",</1/0>,</a/b/3/0>,</a/b/5>"#,
        r#"</a/b/3/0>,</1/0>,</a/b>;rt="oma.lwm2m",</a/b/5>"#,
        r#"</a/b/3/0>,</a/b/5>,</a/3/1>,</a/bc/3/1>,</a/b/>;rt="oma.lwm2m""#,
        // A second one doesn't move the Objects.
        r#"</a/b>;rt="oma.lwm2m",</a/b/3/0>,</a/b/5>,</c>;rt="oma.lwm2m",</c/7/0>,</>;ct=1"#,
    ] {
        assert_eq!(RegistrationLinks::new(payload).root().as_str(), "/a/b");
        let mut said = read(payload).unwrap();
        said.retain(|said| *said != Root("/a/b", vec![], true));
        assert_eq!(said, [Instance(3, 0), Object(5, None)], "{payload}");
    }
}

#[test]
fn what_is_not_of_lwm2m_is_passed_over() {
    for payload in [
        "</.well-known/core>;ct=40,</3/0>",
        "</sensors/1/2>,</3gpp/1>,</3/0>",
        "<coap://[2001:db8::1]/1/0>,<http://example.com/1>,<sensors>,<>,<//h/1>,</3/0>",
        r#"</3/0>;title="</4/0>,</5/0>";x;y=1"#,
        "</3/0/1>,</3/0/6/0>,</3/0>",
    ] {
        assert_eq!(read(payload).unwrap(), [Instance(3, 0)], "{payload}");
    }
}

#[test]
fn links_may_come_twice() {
    assert_eq!(
        read("</3/0>,</3>,</3/0>,</3>;ver=1.0").unwrap(),
        [
            Instance(3, 0),
            Object(3, None),
            Instance(3, 0),
            Object(3, Some(Version::INITIAL))
        ]
    );
}

#[test]
fn ts_5_3_1_security_is_no_part_of_the_list() {
    assert_eq!(read("</0>,</0/0>,</0/1>,</1/0>").unwrap(), [Instance(1, 0)]);
    let objects: Objects<'_> = &[(0, None, &[0, 1]), (1, None, &[0])];
    assert_eq!(write(RegistrationRoot::default(), objects), "</1/0>");
}

#[test]
fn what_is_malformed_says_where_and_why() {
    let segment = |segment, reason| Reason::Path(PathError::Segment { segment, reason });
    let slashless = Reason::Path(PathError::NotAbsolute);
    for (payload, offset, reason) in [
        (">", 0, Reason::Link),
        ("</1/0>,>", 7, Reason::Link),
        // 65536 + 3: an overflowing parser reads Object 3 here.
        ("</65539/0>", 1, segment(0, IdError::OutOfRange)),
        ("</4294967299>", 1, segment(0, IdError::OutOfRange)),
        ("</3/65536>", 1, segment(1, IdError::OutOfRange)),
        ("</3/65535>", 1, segment(1, IdError::Reserved(65535))),
        ("</03/0>", 1, segment(0, IdError::NotDecimal)),
        ("</3/00>", 1, segment(1, IdError::NotDecimal)),
        ("</3/-1>", 1, segment(1, IdError::NotDecimal)),
        ("</3/+1>", 1, segment(1, IdError::NotDecimal)),
        ("</3/x>", 1, segment(1, IdError::NotDecimal)),
        ("</3//0>", 1, segment(1, IdError::NotDecimal)),
        ("</1/0>,</1/0/>", 8, segment(2, IdError::NotDecimal)),
        ("</3/0/1/2/5>", 1, Reason::Path(PathError::TooDeep)),
        ("</1/0>, <3/0>", 9, slashless),
        (r#"</a>;rt="oma.lwm2m",<a/3/0>"#, 21, slashless),
        ("</44>;ver=2", 10, Reason::Version),
        (r#"</44>;ver="2.2.2""#, 10, Reason::Version),
        ("</44>;ver", 9, Reason::Value),
        (r#"</>;ct="0 x""#, 7, Reason::ContentFormat),
        ("</>;ct=65536", 7, Reason::ContentFormat),
        ("</>;ct=-1", 7, Reason::ContentFormat),
        ("</>;ct=60 65536 112", 7, Reason::ContentFormat),
        ("</1/0>,</>;ct", 13, Reason::Value),
        (
            r#"</1/0>,</a/3>;rt="oma.lwm2m""#,
            8,
            Reason::RootPath(RootPathError::Numeric { segment: 1 }),
        ),
        (
            "<>;rt=oma.lwm2m",
            1,
            Reason::RootPath(RootPathError::NotAbsolute),
        ),
        // The errors of the printed examples.
        ("ep=nodename,</1/0>", 0, Reason::Link),
        (
            "<|wm2m>;rt=oma.lwm2m",
            1,
            Reason::RootPath(RootPathError::NotAbsolute),
        ),
    ] {
        let error = LinkFormatError { offset, reason };
        assert_eq!(read(payload).unwrap_err(), error, "{payload:?}");
        let errors = RegistrationLinks::new(payload).filter(Result::is_err);
        assert_eq!(errors.count(), 1, "{payload:?}");
        assert!(RegistrationLinks::new(payload).last().unwrap().is_err());
    }
}

#[test]
fn ts_8_2_2_what_may_be_an_alternate_path() {
    for (text, as_str, segments) in [
        ("/", "/", &[][..]),
        ("/lwm2m", "/lwm2m", &["lwm2m"]),
        ("/lwm2m/", "/lwm2m", &["lwm2m"]),
        ("/a/3b", "/a/3b", &["a", "3b"]),
        (
            "/my%20devices/%2F",
            "/my%20devices/%2F",
            &["my devices", "/"],
        ),
        ("/caf%C3%A9", "/caf%C3%A9", &["café"]),
    ] {
        let root = RootPath::new(text).unwrap();
        assert_eq!(root.as_str(), as_str);
        assert_eq!(root.to_string(), as_str);
        assert!(root.segments().eq(segments.iter().copied()), "{text}");
    }
    let long = format!("/{}", "x".repeat(256));
    for (text, error) in [
        ("", RootPathError::NotAbsolute),
        ("lwm2m", RootPathError::NotAbsolute),
        ("coap://host/lwm2m", RootPathError::NotAbsolute),
        ("/3", RootPathError::Numeric { segment: 0 }),
        ("/a/70000", RootPathError::Numeric { segment: 1 }),
        ("/%33", RootPathError::Numeric { segment: 0 }),
        ("//", RootPathError::Segment { segment: 0 }),
        ("/a//b", RootPathError::Segment { segment: 1 }),
        ("/a/..", RootPathError::Segment { segment: 1 }),
        ("/a/.", RootPathError::Segment { segment: 1 }),
        ("/%2E/a", RootPathError::Segment { segment: 0 }),
        ("/a?b", RootPathError::Segment { segment: 0 }),
        ("/a#b", RootPathError::Segment { segment: 0 }),
        ("/a b", RootPathError::Segment { segment: 0 }),
        ("/a%2", RootPathError::Segment { segment: 0 }),
        ("/a%+1", RootPathError::Segment { segment: 0 }),
        ("/%FF", RootPathError::Segment { segment: 0 }),
        (&long, RootPathError::Segment { segment: 0 }),
    ] {
        assert_eq!(RootPath::new(text), Err(error), "{text}");
    }
}
