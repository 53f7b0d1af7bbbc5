use lwm2m_core::{
    Arguments, ArgumentsBuilder, AttributeLevel, Attributes, AttributesUpdate, Binding,
    BootstrapParameters, RegisterParameters, ServerUri, Transports, UnknownParameter,
    UpdateParameters, Version,
};

/// URI-queries, joined by `&`, as parameters of Register, Update and Bootstrap-Request and as
/// attributes; and the same bytes as a URI and as arguments of Execute.
pub fn queries(data: &[u8]) {
    arguments(data);
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    uri(text);
    let queries = || text.split('&');
    let unknown = |_: &str| UnknownParameter::Accept;

    for version in [Version::INITIAL, Version::new(1, 1)] {
        if let Ok(read) = RegisterParameters::read(queries(), version, unknown) {
            let written = strings(read.queries());
            let again = RegisterParameters::read(borrowed(&written), version, refuse);
            assert_eq!(again, Ok(read.clone()));
        }
    }
    let later = Binding::Transports {
        transports: Transports::UDP,
        queue_mode: false,
    };
    for registered in [Binding::default(), later] {
        if let Ok(read) = UpdateParameters::read(queries(), registered, unknown) {
            let written = strings(read.queries());
            let again = UpdateParameters::read(borrowed(&written), registered, refuse);
            assert_eq!(again, Ok(read));
        }
    }
    if let Ok(read) = BootstrapParameters::read(queries(), unknown) {
        let written = strings(read.queries());
        let again = BootstrapParameters::read(borrowed(&written), refuse);
        assert_eq!(again, Ok(read.clone()));
    }
    if let Ok(read) = AttributesUpdate::from_queries(queries()) {
        let written = strings(read.queries());
        let again = AttributesUpdate::from_queries(borrowed(&written));
        assert_eq!(again, Ok(read));
        attributes(&read);
    }
}

/// An update that is applied leaves a valid set; one that is refused changes nothing.
fn attributes(update: &AttributesUpdate) {
    for level in [
        AttributeLevel::Object,
        AttributeLevel::Instance,
        AttributeLevel::Resource,
    ] {
        let before = Attributes {
            pmin: Some(10),
            ..Attributes::NONE
        };
        let mut after = before;
        match after.update(level, update) {
            Ok(()) => assert_eq!(after.validate(), Ok(())),
            Err(_) => assert_eq!(after, before),
        }
    }
}

fn arguments(data: &[u8]) {
    let Ok(read) = Arguments::parse(data) else {
        return;
    };
    let mut builder = ArgumentsBuilder::new();
    for argument in read {
        builder.push(argument.digit, argument.value).unwrap();
    }
    assert_eq!(builder.arguments(), read);
    assert_eq!(builder.finish().as_bytes(), data);
}

/// What is read can be written and read again; an error is at a place in the text.
fn uri(text: &str) {
    match ServerUri::split(text) {
        Ok((uri, resource)) => {
            assert!(text.ends_with(resource));
            assert_eq!(ServerUri::parse(&uri.to_string()), Ok(uri));
        }
        Err(error) => assert!(text.is_char_boundary(error.offset)),
    }
}

fn refuse(_: &str) -> UnknownParameter {
    UnknownParameter::Refuse
}

fn strings(queries: impl Iterator<Item = impl ToString>) -> Vec<String> {
    queries.map(|query| query.to_string()).collect()
}

fn borrowed(queries: &[String]) -> impl Iterator<Item = &str> + Clone {
    queries.iter().map(String::as_str)
}
