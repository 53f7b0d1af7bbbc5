//! Lists of paths, by the codec contract.

use lwm2m_core::{
    Path, PathError, Value,
    codec::{
        Content, DecodeFailure, Encode, EncodeError, Event, Events, Format, PathList, Purpose,
        Scope, Sink, Step, Untyped,
    },
};
use lwm2m_linkformat::{Encoder, LinkFormat, LinkFormatError, Reason, decode};
use proptest::{collection, prelude::*};

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn written(paths: &PathList) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut encoder = LinkFormat::encoder(&mut payload, Scope::paths());
    paths.push(&mut encoder).unwrap();
    Encode::finish(encoder).unwrap();
    payload
}

fn read(payload: &[u8]) -> Result<PathList, DecodeFailure<LinkFormatError, EncodeError>> {
    let mut paths = PathList::new();
    LinkFormat::decode(payload, Scope::paths(), &Untyped, &mut paths)?;
    Ok(paths)
}

#[test]
fn the_paths_of_any_document_are_read() {
    for (payload, paths) in [
        ("", &[][..]),
        (
            r#"</>;rt="oma.lwm2m";ct=11543,</1/0>,</5>"#,
            &["/", "/1/0", "/5"],
        ),
        (
            "</3>;ver=2.0,</3/0>;pmin=10,</3/0/7>;dim=8,</3/0/7/1>",
            &["/3", "/3/0", "/3/0/7", "/3/0/7/1"],
        ),
        ("</sensors>;obs,</3>,</lwm2m/3/0>,</3>", &["/3", "/3"]),
    ] {
        let paths = paths.iter().map(|text| path(text)).collect();
        assert_eq!(read(payload.as_bytes()), Ok(paths), "{payload}");
    }
}

#[test]
fn a_malformed_document_says_where() {
    let reserved = Reason::Path(PathError::Segment {
        segment: 1,
        reason: lwm2m_core::IdError::Reserved(65535),
    });
    for (payload, offset, reason) in [
        ("</3>,", 5, Reason::Link),
        ("</3/0>,</3/65535>", 8, reserved),
        ("</3", 3, Reason::TargetEnd),
    ] {
        let error = LinkFormatError { offset, reason };
        assert_eq!(
            read(payload.as_bytes()),
            Err(DecodeFailure::Malformed(error)),
            "{payload}"
        );
    }
}

#[test]
fn a_list_of_paths_is_not_a_payload_of_values() {
    // A sink of values refuses the first path.
    let mut content = Content::new();
    let refused = decode(b"</3/0>,</3/0/9>", Scope::paths(), &mut content);
    let structure = EncodeError::Structure(Step::Path);
    assert_eq!(refused, Err(DecodeFailure::Sink(structure)));
    assert!(content.is_empty());

    // And link-format has no values.
    for scope in [
        Scope::write(path("/3/0")),
        Scope::answer(path("/3/0")),
        Scope::create(3.into()),
    ] {
        assert!(!LinkFormat::carries(scope));
        let mut events = Events::new();
        let outcome = decode(b"</3/0>", scope, &mut events);
        let error = LinkFormatError {
            offset: 0,
            reason: Reason::Purpose(scope.purpose()),
        };
        assert_eq!(outcome, Err(DecodeFailure::Malformed(error)));
        assert!(events.is_empty());

        let mut payload = b"before".to_vec();
        let mut encoder = Encoder::new(&mut payload, scope);
        assert_eq!(encoder.event(Event::Path(Path::Root)), Err(structure));
        assert_eq!(encoder.finish(), Err(structure));
        assert_eq!(payload, b"before");
    }
    let reason = Reason::Purpose(Purpose::Write);
    assert_eq!(reason.to_string(), "link-format has no payload for a Write");
}

#[test]
fn a_payload_is_written_whole_or_not_at_all() {
    let mut payload = b"before".to_vec();
    let mut encoder = Encoder::new(&mut payload, Scope::paths());
    encoder.event(Event::Path(path("/3/0"))).unwrap();
    let values = Content::from_iter([(path("/3/0/9"), Value::from(1))]);
    let structure = Err(EncodeError::Structure(Step::Object));
    assert_eq!(values.push(&mut encoder), structure);
    assert_eq!(encoder.event(Event::Path(path("/3/1"))), structure);
    assert_eq!(encoder.finish(), structure);
    assert_eq!(payload, b"before");

    let mut encoder = Encoder::new(&mut payload, Scope::paths());
    encoder.event(Event::Path(path("/3/0"))).unwrap();
    drop(encoder);
    assert_eq!(payload, b"before");

    let mut encoder = Encoder::new(&mut payload, Scope::paths());
    encoder.event(Event::Path(path("/3/0"))).unwrap();
    encoder.event(Event::Path(Path::Root)).unwrap();
    encoder.finish().unwrap();
    assert_eq!(payload, b"before</3/0>,</>");
}

proptest! {
    #[test]
    fn what_is_written_reads_back_equal(
        ids in collection::vec(collection::vec(0..65535_u16, 0..=4), 0..20),
    ) {
        let paths: PathList = ids.iter().map(|ids| Path::of(ids).unwrap()).collect();
        prop_assert_eq!(read(&written(&paths)), Ok(paths));
    }
}
