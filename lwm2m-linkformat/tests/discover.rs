//! The answer to Discover.

use lwm2m_core::{AttributeError, AttributeName, Attributes, IdError, Path, PathError, Version};
use lwm2m_linkformat::{DiscoverLinks, DiscoverWriter, LinkFormatError, Reason, RootPath};

#[derive(Debug, Default, PartialEq)]
struct Said {
    path: &'static str,
    dimension: Option<u8>,
    version: Option<Version>,
    attributes: Attributes,
}

const fn said(path: &'static str, dimension: Option<u8>, attributes: Attributes) -> Said {
    Said {
        path,
        dimension,
        version: None,
        attributes,
    }
}

fn plain(path: &'static str) -> Said {
    said(path, None, Attributes::NONE)
}

fn check(payload: &str, root: &str, expected: &[Said]) {
    let root = RootPath::new(root).unwrap();
    let links: Vec<_> = DiscoverLinks::new(payload, root)
        .map(Result::unwrap)
        .collect();
    assert_eq!(links.len(), expected.len(), "{payload}");
    for (link, said) in links.iter().zip(expected) {
        assert_eq!(link.path.to_string(), said.path);
        assert_eq!(link.dimension, said.dimension, "{}", said.path);
        assert_eq!(link.version, said.version, "{}", said.path);
        assert_eq!(link.attributes, said.attributes, "{}", said.path);
    }
}

fn write(root: &str, links: &[Said]) -> String {
    let mut payload = Vec::new();
    let mut answer = DiscoverWriter::new(&mut payload, RootPath::new(root).unwrap());
    for said in links {
        let mut link = answer.link(said.path.parse().unwrap());
        if let Some(version) = said.version {
            link = link.version(version);
        }
        if let Some(dimension) = said.dimension {
            link = link.dimension(dimension);
        }
        link.attributes(&said.attributes).unwrap();
    }
    String::from_utf8(payload).unwrap()
}

/// Reads the payload as printed, blanks and all, and writes it without them.
fn both_ways(payload: &str, links: &[Said]) {
    check(payload, "/", links);
    assert_eq!(write("/", links), payload.replace(' ', ""));
}

#[test]
fn ts_5_4_2_an_object() {
    let pmin = Attributes {
        pmin: Some(10),
        ..Attributes::NONE
    };
    let mut links = vec![said("/3", None, pmin)];
    links.extend(
        [
            "/3/0/1", "/3/0/2", "/3/0/3", "/3/0/4", "/3/0/6", "/3/0/7", "/3/0/8", "/3/0/11",
            "/3/0/16",
        ]
        .map(plain),
    );
    both_ways(
        concat!(
            "</3>;pmin=10, </3/0/1>, </3/0/2>, </3/0/3>, </3/0/4>, </3/0/6>,</3/0/7>,",
            "</3/0/8>,</3/0/11>,</3/0/16>"
        ),
        &links,
    );
}

#[test]
fn ts_5_4_2_an_object_instance() {
    let pmax = Attributes {
        pmax: Some(60),
        ..Attributes::NONE
    };
    let thresholds = Attributes {
        gt: Some(50.0),
        lt: Some(42.2),
        ..Attributes::NONE
    };
    both_ways(
        concat!(
            "</3/0>;pmax=60, </3/0/1>, </3/0/2>, </3/0/3>, </3/0/4>, </3/0/6>;dim=8,",
            "</3/0/7>;dim=8;gt=50;lt=42.2,</3/0/8>;dim=8,</3/0/11>,</3/0/16>"
        ),
        &[
            said("/3/0", None, pmax),
            plain("/3/0/1"),
            plain("/3/0/2"),
            plain("/3/0/3"),
            plain("/3/0/4"),
            said("/3/0/6", Some(8), Attributes::NONE),
            said("/3/0/7", Some(8), thresholds),
            said("/3/0/8", Some(8), Attributes::NONE),
            plain("/3/0/11"),
            plain("/3/0/16"),
        ],
    );
}

#[test]
fn ts_5_4_2_a_resource() {
    let thresholds = |gt, lt| Attributes {
        gt: Some(gt),
        lt: Some(lt),
        ..Attributes::NONE
    };
    both_ways(
        "</3/0/7>;dim=8;pmin=10;pmax=60;gt=50;lt=42.2",
        &[said(
            "/3/0/7",
            Some(8),
            Attributes {
                pmin: Some(10),
                pmax: Some(60),
                ..thresholds(50.0, 42.2)
            },
        )],
    );
    both_ways(
        "</3/0/7>;dim=8;gt=50;lt=42.2",
        &[said("/3/0/7", Some(8), thresholds(50.0, 42.2))],
    );
    both_ways(
        "</3/0/7>;dim=8;pmax=300;gt=80;lt=75.5",
        &[said(
            "/3/0/7",
            Some(8),
            Attributes {
                pmax: Some(300),
                ..thresholds(80.0, 75.5)
            },
        )],
    );
}

#[test]
fn ts_6_2_3_the_version_of_an_object() {
    let version = Said {
        path: "/44",
        version: Some(Version::new(2, 2)),
        ..Said::default()
    };
    check(r#"</44>;ver="2.2""#, "/", core::slice::from_ref(&version));
    both_ways("</44>;ver=2.2", &[version]);
}

#[test]
fn attributes_are_read_at_levels_that_do_not_ask_for_them() {
    let attributes = Attributes {
        pmin: Some(1),
        gt: Some(-1e3),
        st: Some(0.25),
        ..Attributes::NONE
    };
    check(
        concat!(
            r#"</3>;dim=1;pmin="1";gt=-1E3;st=0.25,</3/0>;dim="2","#,
            "</3/0/6/1>;pmin=1;gt=-1000;st=025e-2"
        ),
        "/",
        &[
            said("/3", Some(1), attributes),
            said("/3/0", Some(2), Attributes::NONE),
            said("/3/0/6/1", None, attributes),
        ],
    );
}

#[test]
fn the_first_of_two_attributes_counts() {
    check(
        "</3/0/7>;pmin=1;dim=2;pmin=3;dim=4",
        "/",
        &[said(
            "/3/0/7",
            Some(2),
            Attributes {
                pmin: Some(1),
                ..Attributes::NONE
            },
        )],
    );
    // What is ignored need not be valid.
    check(
        "</3>;ver=1.2;ver=x;dim=2;dim;pmax=9;pmax=-9",
        "/",
        &[Said {
            version: Some(Version::new(1, 2)),
            ..said(
                "/3",
                Some(2),
                Attributes {
                    pmax: Some(9),
                    ..Attributes::NONE
                },
            )
        }],
    );
}

#[test]
fn other_attributes_are_kept() {
    let payload = r#"</3/0/7>;dim=2;title="a,b";obs"#;
    let links = DiscoverLinks::new(payload, RootPath::default());
    let link = links.last().unwrap().unwrap();
    let others: Vec<_> = link
        .other_attributes()
        .map(|attribute| {
            (
                attribute.name,
                attribute.value.map(|value| value.to_string()),
            )
        })
        .collect();
    assert_eq!(others, [("title", Some("a,b".to_owned())), ("obs", None)]);
    assert_eq!(link.link.target, "/3/0/7");
}

#[test]
fn an_alternate_path_may_stand_before_the_paths() {
    const PAYLOAD: &str = "</lwm2m/3>,</lwm2m/3/0/6>;dim=8";
    let links = || [plain("/3"), said("/3/0/6", Some(8), Attributes::NONE)];
    check(PAYLOAD, "/lwm2m", &links());
    check("</3>,</sensors/3>,</3/0/6>;dim=8", "/lwm2m", &links());
    assert_eq!(write("/lwm2m", &links()), PAYLOAD);
    check("</lwm2m>,</lwm2m/>", "/lwm2m", &[plain("/"), plain("/")]);
    assert_eq!(write("/lwm2m", &[plain("/")]), "</lwm2m>");
    assert_eq!(write("/", &[plain("/")]), "</>");
}

#[test]
fn numbers_are_written_without_exponent() {
    let attributes = Attributes {
        gt: Some(1e21),
        lt: Some(-1.5e-7),
        ..Attributes::NONE
    };
    both_ways(
        "</3303/0/5700>;gt=1000000000000000000000;lt=-0.00000015",
        &[said("/3303/0/5700", None, attributes)],
    );
}

#[test]
fn what_is_malformed_says_where_and_why() {
    let segment = |segment, reason| Reason::Path(PathError::Segment { segment, reason });
    for (payload, offset, reason) in [
        // The errors of the printed examples.
        (
            "</3/0/1>, <3/0/2>",
            11,
            Reason::Path(PathError::NotAbsolute),
        ),
        ("3/0/2", 0, Reason::Link),
        ("</65539>", 1, segment(0, IdError::OutOfRange)),
        ("</3/65535>", 1, segment(1, IdError::Reserved(65535))),
        ("</3/0/7/0/0>", 1, Reason::Path(PathError::TooDeep)),
        ("</3>;dim=-1", 9, Reason::Dimension),
        ("</3>;dim=+1", 9, Reason::Dimension),
        // TS Table 3: 0 to 255.
        ("</3>;dim=256", 9, Reason::Dimension),
        ("</3>;dim=70000", 9, Reason::Dimension),
        ("</3>;dim=4294967552", 9, Reason::Dimension),
        ("</3>;dim", 8, Reason::Value),
        ("</3>;pmin=4294967296", 10, Reason::Integer),
        ("</3>;pmax=1.5", 10, Reason::Integer),
        ("</3>;pmin", 9, Reason::Value),
        ("</3>;pmin;pmax=1", 9, Reason::Value),
        ("</3>;pmin=\"\"", 10, Reason::Integer),
        ("</3>;gt=\"1 \";lt=2", 8, Reason::Number),
        ("</3>;gt=inf", 8, Reason::Number),
        ("</3>;gt=1e999", 8, Reason::Number),
        ("</3>;lt=NaN", 8, Reason::Number),
        ("</3>;lt=+1", 8, Reason::Number),
        ("</3>;st=-1", 8, Reason::Number),
        ("</3>;st=1.", 8, Reason::Number),
        ("</3>;ver=x", 9, Reason::Version),
        ("</3>;dim=1,</3/0>;pmin=1;dim=x", 29, Reason::Dimension),
    ] {
        let error = LinkFormatError { offset, reason };
        let mut links = DiscoverLinks::new(payload, RootPath::default());
        let found = links.find_map(Result::err);
        assert_eq!(found, Some(error), "{payload:?}");
        assert!(links.next().is_none(), "{payload:?}");
    }
}

/// TS Tables 3 and 4: values out of range are malformed when read, and refused when written.
#[test]
fn attributes_have_their_range_in_both_directions() {
    both_ways(
        "</3/0/6>;dim=0,</3/0/7>;dim=255;pmin=0;pmax=4294967295;st=0",
        &[
            said("/3/0/6", Some(0), Attributes::NONE),
            said(
                "/3/0/7",
                Some(255),
                Attributes {
                    pmin: Some(0),
                    pmax: Some(u32::MAX),
                    st: Some(0.0),
                    ..Attributes::NONE
                },
            ),
        ],
    );
    let number = |gt, lt, st| Attributes {
        gt,
        lt,
        st,
        ..Attributes::NONE
    };
    for (attributes, name) in [
        (
            number(Some(f64::NAN), None, None),
            AttributeName::GreaterThan,
        ),
        (
            number(None, Some(f64::INFINITY), None),
            AttributeName::LessThan,
        ),
        (number(Some(1.0), None, Some(-0.5)), AttributeName::Step),
    ] {
        let mut payload = Vec::new();
        let mut answer = DiscoverWriter::new(&mut payload, RootPath::default());
        let link = answer.link("/3/0/9".parse().unwrap());
        let error = AttributeError::Number(name);
        assert_eq!(link.attributes(&attributes).unwrap_err(), error);
        assert_eq!(payload, b"</3/0/9>");
    }
}

#[test]
fn every_number_is_written_in_its_digits() {
    for number in 0..=u16::MAX {
        let mut payload = Vec::new();
        let mut answer = DiscoverWriter::new(&mut payload, RootPath::default());
        answer.link(Path::of(&[number]).unwrap());
        assert_eq!(payload, format!("</{number}>").as_bytes());
    }
}

#[test]
fn every_path_can_be_asked_for() {
    for path in [
        "/",
        "/3",
        "/3/0",
        "/3/0/7",
        "/3/0/7/0",
        "/65535/65534/65535/65535",
    ] {
        let path: Path = path.parse().unwrap();
        let mut payload = Vec::new();
        DiscoverWriter::new(&mut payload, RootPath::default()).link(path);
        let mut links = DiscoverLinks::new(&payload, RootPath::default());
        assert_eq!(links.next().unwrap().unwrap().path, path);
        assert!(links.next().is_none());
    }
}
