use alloc::{vec, vec::Vec};

use lwm2m_core::{
    DataType, Value,
    codec::{Events, OwnedEvent, PathList, Scope, Step, Untyped},
    text,
};
use lwm2m_kit::path;
use lwm2m_objects::Registry;

use super::*;

const FORMATS: [ContentFormat; 4] = [
    ContentFormat::TEXT,
    ContentFormat::OPAQUE,
    ContentFormat::TLV,
    ContentFormat::JSON,
];

fn decoded(
    format: ContentFormat,
    payload: &[u8],
    base: &str,
) -> Result<Content, DecodeError<EncodeError>> {
    let mut content = Content::new();
    decode(
        format,
        payload,
        Scope::write(path(base)),
        &Registry::default(),
        &mut content,
    )?;
    Ok(content)
}

#[test]
fn each_format_is_read_and_written_by_its_own_codec() {
    for (format, base, content, bytes) in [
        (
            ContentFormat::TEXT,
            "/3/0/9",
            Content::from_iter([(path("/3/0/9"), Value::Integer(85))]),
            &b"85"[..],
        ),
        (
            ContentFormat::OPAQUE,
            "/5/0/0",
            Content::from_iter([(path("/5/0/0"), Value::Opaque(vec![0, 255]))]),
            &[0, 255],
        ),
        (
            ContentFormat::TLV,
            "/3/0",
            Content::from_iter([(path("/3/0/9"), Value::Integer(85))]),
            &[0xc1, 9, 85],
        ),
        (
            ContentFormat::JSON,
            "/3/0",
            Content::from_iter([(path("/3/0/9"), Value::Integer(85))]),
            br#"{"bn":"/3/0/","e":[{"n":"9","v":85}]}"#,
        ),
    ] {
        // No definition of Object 5 is needed to write it; to read it the test brings one.
        let types = |object: ObjectId, _| match object.get() {
            3 => Some(DataType::Integer),
            _ => Some(DataType::Opaque),
        };
        let mut buffer = Vec::new();
        encode(format, &content, Scope::write(path(base)), &mut buffer).unwrap();
        assert_eq!(buffer, bytes);
        let mut read = Content::new();
        decode(format, bytes, Scope::write(path(base)), &types, &mut read).unwrap();
        assert_eq!(read, content);
    }
}

/// What fails, and what is not finished, leaves nothing of itself.
#[test]
fn a_payload_is_written_whole_or_not_at_all() {
    let base = path("/5/0/0");
    let value = Value::Opaque(vec![1, 2, 3]);
    let good = Content::from_iter([(base, value.clone())]);
    let outside = Content::from_iter([(base, value.clone()), (path("/5/0/1"), value)]);
    for format in [
        ContentFormat::TEXT,
        ContentFormat::OPAQUE,
        ContentFormat::TLV,
        ContentFormat::JSON,
    ] {
        let mut buffer = b"before".to_vec();
        let refused = encode(format, &outside, Scope::write(base), &mut buffer);
        let error = EncodeError::OutsidePath(path("/5/0/1"));
        assert_eq!(refused, Err(EncodeFailure::Content(error)), "{format}");
        assert_eq!(buffer, b"before", "{format}");

        let mut encoder = Encoder::new(format, &mut buffer, Scope::write(base)).unwrap();
        good.push(&mut encoder).unwrap();
        drop(encoder);
        assert_eq!(buffer, b"before", "{format}");
        encode(format, &good, Scope::write(base), &mut buffer).unwrap();
        assert!(
            buffer.len() > 6 && buffer.starts_with(b"before"),
            "{format}"
        );
    }
}

#[test]
fn unknown_formats_are_told_apart_from_malformed_payloads() {
    for format in [
        ContentFormat::LINK_FORMAT,
        ContentFormat::new(60),
        ContentFormat::LEGACY_TLV,
    ] {
        assert!(!supports(format));
        assert_eq!(
            decoded(format, b"", "/3/0"),
            Err(DecodeError::Unsupported(format))
        );
        let mut buffer = Vec::new();
        assert_eq!(
            encode(
                format,
                &Content::new(),
                Scope::write(path("/3/0")),
                &mut buffer
            ),
            Err(EncodeFailure::Unsupported(format))
        );
        assert!(buffer.is_empty());
    }
    assert!(matches!(
        decoded(ContentFormat::TLV, &[0xc1], "/3/0"),
        Err(DecodeError::Malformed(Malformed::Tlv(_)))
    ));
    assert!(matches!(
        decoded(ContentFormat::JSON, b"{}", "/3/0"),
        Err(DecodeError::Malformed(Malformed::Json(_)))
    ));
    assert!(matches!(
        decoded(ContentFormat::TEXT, b"many", "/3/0/9"),
        Err(DecodeError::Malformed(Malformed::Text(_)))
    ));
    assert!(matches!(
        decoded(ContentFormat::TEXT, b"85", "/3/0"),
        Err(DecodeError::Malformed(Malformed::Text(
            text::TextError::Path(_)
        )))
    ));
    assert!(matches!(
        decoded(ContentFormat::OPAQUE, b"85", "/3/0/9"),
        Err(DecodeError::Malformed(Malformed::Opaque(_)))
    ));
}

/// A format says which scopes it carries, and refuses the others in both directions.
#[test]
fn what_a_format_does_not_carry_is_refused() {
    let resource = path("/3/0/9");
    let list = PathList::from_iter([resource]);
    let content = Content::from_iter([(resource, Value::Integer(85))]);
    for format in FORMATS {
        for (scope, source) in [
            (
                Scope::paths(),
                Events::from_iter([OwnedEvent::Path(resource)]),
            ),
            (Scope::paths(), Events::from(&content)),
            (Scope::create(ObjectId::DEVICE), Events::from(&content)),
            (Scope::write(path("/3/0")), Events::from(&content)),
            (Scope::answer(path("/3")), Events::from(&content)),
        ] {
            let mut payload = Vec::new();
            let mut encoder = Encoder::new(format, &mut payload, scope).unwrap();
            let pushed = source.push(&mut encoder);
            let written = encoder.finish();
            let mut read = Events::new();
            let decoded = decode(format, b"", scope, &Untyped, &mut read);
            if carries(format, scope) {
                assert_eq!((pushed, written), (Ok(()), Ok(())), "{format} {scope:?}");
            } else {
                assert!(pushed.is_err() && written == pushed, "{format} {scope:?}");
                assert!(payload.is_empty() && read.is_empty(), "{format} {scope:?}");
                assert!(matches!(decoded, Err(DecodeError::Malformed(_))));
            }
        }
        assert!(!carries(format, Scope::paths()));
        assert!(carries(format, Scope::write(resource)));
        let mut payload = Vec::new();
        let mut encoder = Encoder::new(format, &mut payload, Scope::write(resource)).unwrap();
        let refused = Err(EncodeError::Structure(Step::Path));
        assert_eq!(list.push(&mut encoder), refused, "{format}");
    }
}

#[test]
fn what_has_no_definition_comes_as_raw_bytes_or_as_json_has_it() {
    for (format, payload) in [
        (ContentFormat::TEXT, &b"85"[..]),
        (ContentFormat::OPAQUE, b"85"),
        (ContentFormat::TLV, &[0xc2, 9, b'8', b'5']),
    ] {
        let mut content = Content::new();
        decode(
            format,
            payload,
            Scope::write(path("/3/0/9")),
            &Untyped,
            &mut content,
        )
        .unwrap();
        assert_eq!(
            content.get(&path("/3/0/9")),
            Some(&Value::Raw(b"85".to_vec()))
        );
    }
    let payload = br#"{"bn":"/3/0/9","e":[{"v":85}]}"#;
    let types: &dyn TypeLookup = &Untyped;
    let mut content = Content::new();
    decode(
        ContentFormat::JSON,
        payload,
        Scope::write(path("/3/0/9")),
        types,
        &mut content,
    )
    .unwrap();
    assert_eq!(content.get(&path("/3/0/9")), Some(&Value::Integer(85)));
}

/// Collects the identifiers of Object Instances.
#[derive(Default)]
struct Instances(Vec<Option<u16>>);

impl Sink for Instances {
    type Error = EncodeError;

    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        if let Event::Instance(id) = event {
            self.0.push(id.map(InstanceId::get));
        }
        Ok(())
    }
}

#[test]
fn a_create_names_its_instance_or_leaves_it_to_the_client() {
    let object = ObjectId::SERVER;
    let id = InstanceId::new(5).unwrap();
    let content = Content::from_iter([(path("/1/5/1"), Value::Integer(60))]);
    for (format, instance, content, expected) in [
        (ContentFormat::TLV, None, &content, None),
        (ContentFormat::TLV, Some(id), &content, Some(5)),
        (ContentFormat::TLV, Some(id), &Content::new(), Some(5)),
        (ContentFormat::TLV, None, &Content::new(), None),
        (ContentFormat::JSON, None, &content, None),
        (ContentFormat::JSON, Some(id), &content, Some(5)),
    ] {
        let mut buffer = Vec::new();
        encode_create(format, content, object, instance, &mut buffer).unwrap();
        let mut read = Instances::default();
        decode(
            format,
            &buffer,
            Scope::create(object),
            &Registry::default(),
            &mut read,
        )
        .unwrap();
        assert_eq!(read.0, [expected], "{buffer:?}");
    }
    for (format, error) in [
        (
            ContentFormat::TEXT,
            EncodeFailure::Unsupported(ContentFormat::TEXT),
        ),
        (
            ContentFormat::TLV,
            EncodeFailure::Content(EncodeError::OutsidePath(path("/1/5/1"))),
        ),
    ] {
        let instance = InstanceId::new(if format == ContentFormat::TLV { 4 } else { 5 });
        assert_eq!(
            encode_create(format, &content, object, instance, &mut Vec::new()),
            Err(error)
        );
    }
}

#[test]
fn json_of_linked_objects_and_of_history_is_for_answers_only() {
    for payload in [
        &br#"{"bn":"/","e":[{"n":"3/0/9","v":85},{"n":"1/0/1","v":60}]}"#[..],
        br#"{"bn":"/3/0/","e":[{"n":"9","v":85,"t":-5},{"n":"9","v":84,"t":-10}]}"#,
    ] {
        let (types, base) = (Registry::default(), path("/3/0"));
        let mut answer = Content::new();
        decode(
            ContentFormat::JSON,
            payload,
            Scope::answer(base),
            &types,
            &mut answer,
        )
        .unwrap();
        assert_eq!(answer.entries().len(), 2);
        assert!(matches!(
            decode(
                ContentFormat::JSON,
                payload,
                Scope::write(base),
                &types,
                &mut Content::new()
            ),
            Err(DecodeError::Malformed(Malformed::Json(_)))
        ));
    }
}
