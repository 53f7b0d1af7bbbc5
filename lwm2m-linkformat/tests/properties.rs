//! What is written reads back, any input is read or refused, and paths agree with `lwm2m-core`.

use core::fmt::{Debug, Write};

use lwm2m_core::{Attributes, ContentFormat, InstanceId, ObjectId, Path, ShortServerId, Version};
use lwm2m_linkformat::{
    BootstrapDiscoverLink, BootstrapDiscoverLinks, BootstrapDiscoverWriter, DiscoverLinks,
    DiscoverWriter, LinkFormatError, LinkWriter, Links, RegistrationLink, RegistrationLinks,
    RegistrationRoot, RegistrationWriter, RootPath,
};
use proptest::{collection::vec, option, prelude::*};

/// The value of an attribute to write.
#[derive(Clone, Debug)]
enum Value {
    Flag,
    Token(String),
    Quoted(String),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Flag),
        "[!#-+\\-./0-9:<=>?@A-Z\\[\\]^_`a-z{|}~]{1,8}".prop_map(Value::Token),
        any::<String>().prop_map(|text| Value::Quoted(without_controls(&text))),
        r#"[\\",;<> =a]{0,8}"#.prop_map(Value::Quoted),
    ]
}

/// Text that a quoted string can hold.
fn without_controls(text: &str) -> String {
    let stands = |char: &char| !char.is_ascii_control() || *char == '\t';
    text.chars().filter(stands).collect()
}

/// Text that may be a URI reference.
fn target() -> impl Strategy<Value = String> {
    const PATH: &str = "(/([a-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}){0,4}){0,3}";
    prop_oneof![
        PATH,
        "[a-z0-9%;=@-]{1,3}".prop_map(|text| text.replace('%', "%20")),
        (r"(coap|http)://([a-z.]{1,4}|\[::1\])(:[0-9]{0,4})?", PATH)
            .prop_map(|(host, path)| host + &path),
        r"/?\?[a-z=/?:@]{0,6}",
        r"#[a-z/?]{0,4}",
    ]
    // Two slashes would begin a host.
    .prop_filter("no URI reference", |text| !text.starts_with("//"))
}

type Document = Vec<(String, Vec<(String, Value)>)>;

fn document() -> impl Strategy<Value = Document> {
    let attribute = ("[a-zA-Z0-9!#$&*+.^_`|~-]{1,6}", value());
    vec((target(), vec(attribute, 0..4)), 0..6)
}

fn blanks() -> impl Strategy<Value = Vec<String>> {
    vec("[ \t\r\n]{0,2}", 1..8)
}

fn version() -> impl Strategy<Value = Version> {
    (any::<u8>(), any::<u8>()).prop_map(|(major, minor)| Version { major, minor })
}

fn instance() -> impl Strategy<Value = InstanceId> {
    (0..=65534u16).prop_map(|id| InstanceId::new(id).unwrap())
}

fn object() -> impl Strategy<Value = ObjectId> {
    (1..=65535u16).prop_map(ObjectId::new)
}

fn root() -> impl Strategy<Value = String> {
    prop_oneof![Just("/".to_owned()), "(/[a-z][a-z0-9]{0,5}){1,3}"]
}

fn path() -> impl Strategy<Value = Path> {
    vec(0..=65534u16, 0..=4).prop_map(|ids| Path::of(&ids).unwrap())
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let number = || option::of(-1e12..1e12f64);
    (
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        number(),
        number(),
        option::of(0.0..1e9f64),
    )
        .prop_map(|(pmin, pmax, gt, lt, st)| Attributes {
            pmin,
            pmax,
            gt,
            lt,
            st,
        })
}

/// Nearly valid documents.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[<>;,=\"\\\\/ 0-9a]{1,3}",
        Just("</3/0>".to_owned()),
        Just("</>;rt=\"oma.lwm2m\";ct=\"0 11543\"".to_owned()),
        Just(";ct=60 110".to_owned()),
        Just("</a>;rt=oma.lwm2m".to_owned()),
        Just("lwm2m=\"1.0\"".to_owned()),
        Just(";ssid=101".to_owned()),
        Just(";dim=8;pmin=1;gt=1.5;ver=1.0".to_owned()),
        Just(",".to_owned()),
        Just("</65539/65535>".to_owned()),
    ];
    prop_oneof![
        vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
        vec(any::<u8>(), 0..64),
    ]
}

/// Reads to the end: an error is in the document, and it is the last item.
fn exhaust<T: Debug>(
    mut items: impl Iterator<Item = Result<T, LinkFormatError>>,
    document: &[u8],
) -> Result<(), TestCaseError> {
    let mut read = 0;
    while let Some(item) = items.next() {
        read += 1;
        prop_assert!(read <= document.len());
        if let Err(error) = item {
            prop_assert!(error.offset <= document.len());
            prop_assert!(items.next().is_none());
        }
    }
    prop_assert!(items.next().is_none());
    Ok(())
}

proptest! {
    #[test]
    fn a_document_reads_back(document in document(), blanks in blanks()) {
        let mut out = Vec::new();
        let mut writer = LinkWriter::new(&mut out);
        for (target, attributes) in &document {
            let mut link = writer.link(target).unwrap();
            for (name, value) in attributes {
                link = match value {
                    Value::Flag => link.flag(name).unwrap(),
                    Value::Token(token) => link.token(name, token).unwrap(),
                    Value::Quoted(text) => link.quoted(name, text).unwrap(),
                };
            }
        }
        let mut links = Links::new(&out);
        // The same with blanks around separators.
        let mut spaced = blanks[0].clone();
        let mut blanks = blanks.iter().cycle();
        for (target, attributes) in &document {
            let link = links.next().unwrap().unwrap();
            prop_assert_eq!(link.target, target);
            prop_assert_eq!(link.attributes().count(), attributes.len());
            if spaced.contains('<') {
                write!(spaced, ",{}", blanks.next().unwrap()).unwrap();
            }
            write!(spaced, "<{target}>{}", blanks.next().unwrap()).unwrap();
            for (read, (name, value)) in link.attributes().zip(attributes) {
                prop_assert_eq!(read.name, name);
                write!(spaced, ";{}{name}", blanks.next().unwrap()).unwrap();
                match value {
                    Value::Flag => prop_assert_eq!(read.value, None),
                    Value::Token(text) | Value::Quoted(text) => {
                        let read = read.value.unwrap();
                        prop_assert_eq!(read.is_quoted(), matches!(value, Value::Quoted(_)));
                        prop_assert_eq!(read, text.as_str());
                        prop_assert_eq!(&read.unquoted(), text);
                        prop_assert_eq!(&read.to_string(), text);
                        let quote = if read.is_quoted() { "\"" } else { "" };
                        write!(spaced, "={quote}{}{quote}", read.raw()).unwrap();
                    }
                }
                spaced += blanks.next().unwrap();
            }
        }
        prop_assert!(links.next().is_none());
        let said = |document: &[u8]| -> Vec<_> {
            let say = |link: Result<lwm2m_linkformat::Link<'_>, _>| {
                let link = link.unwrap();
                let attributes = link.attributes().map(|a| format!("{a:?}")).collect::<Vec<_>>();
                (link.target.to_owned(), attributes)
            };
            Links::new(document).map(say).collect()
        };
        prop_assert_eq!(said(spaced.as_bytes()), said(&out));
    }

    #[test]
    fn a_registration_reads_back(
        root in root(),
        formats in vec(any::<u16>().prop_map(ContentFormat::new), 0..4),
        resource_type: bool,
        objects in vec((object(), option::of(version()), vec(instance(), 0..4)), 0..6),
    ) {
        let root = RegistrationRoot {
            path: RootPath::new(&root).unwrap(),
            content_formats: &formats,
            resource_type,
        };
        let mut out = Vec::new();
        let mut writer = RegistrationWriter::new(&mut out, root);
        let mut expected = Vec::new();
        for (object, version, instances) in &objects {
            writer.object(*object, *version, instances.iter().copied());
            if version.is_some() || instances.is_empty() {
                expected.push(RegistrationLink::Object { object: *object, version: *version });
            }
            expected.extend(instances.iter().map(|instance| {
                RegistrationLink::Instance {
                    object: *object,
                    instance: *instance,
                    version: None,
                }
            }));
        }
        let mut links = RegistrationLinks::new(&out);
        prop_assert_eq!(links.root(), root.path);
        if resource_type || !root.path.is_root() || !formats.is_empty() {
            let Some(Ok(RegistrationLink::Root { path, content_formats, resource_type: said })) =
                links.next()
            else {
                panic!("a root link")
            };
            prop_assert_eq!(path, root.path);
            prop_assert_eq!(content_formats.collect::<Vec<_>>(), formats);
            prop_assert_eq!(said, resource_type || !path.is_root());
        }
        let links: Vec<_> = links.map(Result::unwrap).collect();
        prop_assert_eq!(links, expected);
    }

    #[test]
    fn an_answer_to_discover_reads_back(
        root in root(),
        links in vec(
            (path(), option::of(any::<u8>()), option::of(version()), attributes()),
            0..6,
        ),
    ) {
        let root = RootPath::new(&root).unwrap();
        let mut out = Vec::new();
        let mut writer = DiscoverWriter::new(&mut out, root);
        for (path, dimension, version, attributes) in &links {
            let mut link = writer.link(*path);
            if let Some(version) = version {
                link = link.version(*version);
            }
            if let Some(dimension) = dimension {
                link = link.dimension(*dimension);
            }
            link.attributes(attributes).unwrap();
        }
        let read: Vec<_> = DiscoverLinks::new(&out, root)
            .map(|link| {
                let link = link.unwrap();
                (link.path, link.dimension, link.version, link.attributes)
            })
            .collect();
        prop_assert_eq!(read, links);
    }

    #[test]
    fn an_answer_to_bootstrap_discover_reads_back(
        enabler in version(),
        objects in vec(
            (
                any::<u16>().prop_map(ObjectId::new),
                option::of(version()),
                vec((instance(), (0..=65534u16).prop_map(ShortServerId::new)), 0..4),
            ),
            0..6,
        ),
    ) {
        let mut out = Vec::new();
        let mut writer = BootstrapDiscoverWriter::new(&mut out, enabler);
        let mut expected = vec![BootstrapDiscoverLink::Enabler(enabler)];
        for (object, version, instances) in &objects {
            let (object, version) = (*object, *version);
            writer.object(object, version, instances.iter().copied());
            if version.is_some() || instances.is_empty() {
                expected.push(BootstrapDiscoverLink::Object { object, version });
            }
            expected.extend(instances.iter().map(|(instance, short_server_id)| {
                BootstrapDiscoverLink::Instance {
                    object,
                    instance: *instance,
                    short_server_id: *short_server_id,
                    version: None,
                }
            }));
        }
        let read: Vec<_> = BootstrapDiscoverLinks::new(&out).map(Result::unwrap).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn whatever_arrives_does_no_harm(document in nearly()) {
        exhaust(Links::new(&document), &document)?;
        exhaust(RegistrationLinks::new(&document), &document)?;
        exhaust(BootstrapDiscoverLinks::new(&document), &document)?;
        exhaust(DiscoverLinks::new(&document, RootPath::default()), &document)?;
        exhaust(DiscoverLinks::new(&document, RootPath::new("/a").unwrap()), &document)?;
    }

    /// A path is read as `lwm2m_core` reads it, or refused as it refuses it.
    #[test]
    fn a_path_has_one_meaning(path in "(/(0|[1-9][0-9]{0,5}|[0-9]{1,3}|6553[0-9]|[x-z]?)){1,5}") {
        let target = format!("</{}>", &path[1..]);
        let link = DiscoverLinks::new(&target, RootPath::default()).next();
        let first = path[1..].split('/').next().unwrap();
        let numeric = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
        match path.parse::<Path>() {
            Ok(path) => prop_assert_eq!(link.unwrap().unwrap().path, path),
            Err(error) if numeric => {
                let reason = lwm2m_linkformat::Reason::Path(error);
                prop_assert_eq!(link.unwrap().unwrap_err().reason, reason);
            }
            Err(_) => prop_assert!(link.is_none()),
        }
    }
}
