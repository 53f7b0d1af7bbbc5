//! The answer to Bootstrap-Discover.

use lwm2m_core::{IdError, InstanceId, ObjectId, PathError, ShortServerId, Version};
use lwm2m_linkformat::{
    BootstrapDiscoverLink, BootstrapDiscoverLinks, BootstrapDiscoverWriter, LinkFormatError, Reason,
};

fn read(payload: &str) -> Result<Vec<BootstrapDiscoverLink>, LinkFormatError> {
    BootstrapDiscoverLinks::new(payload).collect()
}

const fn enabler(major: u8, minor: u8) -> BootstrapDiscoverLink {
    BootstrapDiscoverLink::Enabler(Version::new(major, minor))
}

const fn object(object: u16) -> BootstrapDiscoverLink {
    BootstrapDiscoverLink::Object {
        object: ObjectId::new(object),
        version: None,
    }
}

fn instance(object: u16, instance: u16, short_server_id: Option<u16>) -> BootstrapDiscoverLink {
    BootstrapDiscoverLink::Instance {
        object: ObjectId::new(object),
        instance: InstanceId::new(instance).unwrap(),
        short_server_id: short_server_id.and_then(ShortServerId::new),
        version: None,
    }
}

type Objects<'a> = &'a [(u16, Option<Version>, &'a [(u16, Option<u16>)])];

fn write(enabler: Version, objects: Objects<'_>) -> String {
    let mut payload = Vec::new();
    let mut answer = BootstrapDiscoverWriter::new(&mut payload, enabler);
    for (object, version, instances) in objects {
        let instances = instances.iter().map(|(instance, server)| {
            let server = server.and_then(ShortServerId::new);
            (InstanceId::new(*instance).unwrap(), server)
        });
        answer.object(ObjectId::new(*object), *version, instances);
    }
    String::from_utf8(payload).unwrap()
}

/// Reads the payload as printed, blanks and all, and writes it without them.
fn both_ways(
    payload: &str,
    links: &[BootstrapDiscoverLink],
    enabler: Version,
    objects: Objects<'_>,
) {
    assert_eq!(read(payload).unwrap(), links);
    assert_eq!(write(enabler, objects), payload.replace(' ', ""));
}

#[test]
fn ts_5_2_7_3_the_security_object() {
    both_ways(
        r#"lwm2m="1.0",</0/0>;ssid=101, </0/1>, </0/2>;ssid=102"#,
        &[
            enabler(1, 0),
            instance(0, 0, Some(101)),
            instance(0, 1, None),
            instance(0, 2, Some(102)),
        ],
        Version::INITIAL,
        &[(0, None, &[(0, Some(101)), (1, None), (2, Some(102))])],
    );
}

#[test]
fn ts_5_2_7_3_all_objects() {
    both_ways(
        r#"lwm2m="1.0",</0/0>;ssid=101,</0/1>,</1/0>;ssid=101,</3/0>,</5>,</4>"#,
        &[
            enabler(1, 0),
            instance(0, 0, Some(101)),
            instance(0, 1, None),
            instance(1, 0, Some(101)),
            instance(3, 0, None),
            object(5),
            object(4),
        ],
        Version::INITIAL,
        &[
            (0, None, &[(0, Some(101)), (1, None)]),
            (1, None, &[(0, Some(101))]),
            (3, None, &[(0, None)]),
            (5, None, &[]),
            (4, None, &[]),
        ],
    );
}

#[test]
fn ts_5_2_7_3_an_object_with_a_version() {
    let version = Some(Version::new(1, 9));
    both_ways(
        concat!(
            r#"lwm2m="2.0",</0/0>,</0/1>;ssid=101, </1/0>;ssid=101, </3/0>,</5>,</4>,"#,
            "</55>;ver=1.9, </55/0>"
        ),
        &[
            enabler(2, 0),
            instance(0, 0, None),
            instance(0, 1, Some(101)),
            instance(1, 0, Some(101)),
            instance(3, 0, None),
            object(5),
            object(4),
            BootstrapDiscoverLink::Object {
                object: ObjectId::new(55),
                version,
            },
            instance(55, 0, None),
        ],
        Version::new(2, 0),
        &[
            (0, None, &[(0, None), (1, Some(101))]),
            (1, None, &[(0, Some(101))]),
            (3, None, &[(0, None)]),
            (5, None, &[]),
            (4, None, &[]),
            (55, version, &[(0, None)]),
        ],
    );
}

#[test]
fn the_version_is_read_in_every_form() {
    for payload in [
        r#"lwm2m="1.0",</3/0>"#,
        "lwm2m=1.0,</3/0>",
        " lwm2m=1.0 ; x=\"a,b\" , </3/0>",
        r#"</>;lwm2m="1.0",</3/0>"#,
        "</>;lwm2m=1.0,</3/0>",
    ] {
        assert_eq!(
            read(payload).unwrap(),
            [enabler(1, 0), instance(3, 0, None)]
        );
    }
    assert_eq!(read("lwm2m=\"1.0\"").unwrap(), [enabler(1, 0)]);
    assert_eq!(read("</3/0>").unwrap(), [instance(3, 0, None)]);
    assert_eq!(read("").unwrap(), []);
}

/// LwM2M 1.2 has the version of an Object in the links to its Instances.
#[test]
fn an_instance_link_may_tell_the_version_of_its_object() {
    let mut links = read(r#"lwm2m="1.2",</1/0>;ssid=1;ver=1.2,</3/0>;ver=x"#).unwrap();
    assert_eq!(links.pop(), Some(instance(3, 0, None)));
    let server = BootstrapDiscoverLink::Instance {
        object: ObjectId::new(1),
        instance: InstanceId::ZERO,
        short_server_id: ShortServerId::new(1),
        version: Some(Version::new(1, 2)),
    };
    assert_eq!(links, [enabler(1, 2), server]);
}

#[test]
fn what_is_not_of_lwm2m_is_passed_over() {
    assert_eq!(
        read(r#"</>,</x/1>,</3/0/1>,</1/0>;x="a,b";ssid="1",</>;ct=40"#).unwrap(),
        [instance(1, 0, Some(1))]
    );
}

#[test]
fn what_is_malformed_says_where_and_why() {
    let segment = |segment, reason| Reason::Path(PathError::Segment { segment, reason });
    for (payload, offset, reason) in [
        (">", 0, Reason::Link),
        ("lwm2m", 5, Reason::Value),
        ("lwm2m=", 6, Reason::Value),
        ("lwm2m=1", 6, Reason::Version),
        (r#"lwm2m="x.0",</0/0>"#, 6, Reason::Version),
        (r#"lwm2m="1.0"</0/0>"#, 11, Reason::Separator),
        (r#"lwm2m="1.0","#, 12, Reason::Link),
        // Only the first element has no target, and it has one attribute.
        (r#"</0/0>,lwm2m="1.0""#, 7, Reason::Link),
        (r#"lwm2m="1.0",lwm2m="1.0""#, 12, Reason::Link),
        (" ep=name,</0/0>", 1, Reason::Link),
        // The stray slash of a printed example.
        (
            r#"lwm2m="1.0",</1/0/>;ssid=101"#,
            13,
            segment(2, IdError::NotDecimal),
        ),
        ("</65536/0>", 1, segment(0, IdError::OutOfRange)),
        ("<0/0>", 1, Reason::Path(PathError::NotAbsolute)),
        ("</0/0>;ssid=0", 12, Reason::ShortServerId),
        ("</0/0>;ssid=65535", 12, Reason::ShortServerId),
        ("</0/0>;ssid=65637", 12, Reason::ShortServerId),
        ("</0/0>;ssid", 11, Reason::Value),
        ("</55>;ver=x", 10, Reason::Version),
    ] {
        let error = LinkFormatError { offset, reason };
        let mut links = BootstrapDiscoverLinks::new(payload);
        let found = links.find_map(Result::err);
        assert_eq!(found, Some(error), "{payload:?}");
        assert!(links.next().is_none(), "{payload:?}");
    }
}
