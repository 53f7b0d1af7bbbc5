use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use proptest::prelude::*;

use super::*;
use crate::Code;
use crate::{BindingMode, Transport, Transports};

fn refuse(_: &str) -> UnknownParameter {
    UnknownParameter::Refuse
}

fn accept(_: &str) -> UnknownParameter {
    UnknownParameter::Accept
}

fn register<'a>(queries: &[&'a str]) -> Result<RegisterParameters<'a>, ParameterError> {
    RegisterParameters::read(queries.iter().copied(), Version::INITIAL, refuse)
}

fn update(queries: &[&str]) -> Result<UpdateParameters, ParameterError> {
    UpdateParameters::read(queries.iter().copied(), Binding::default(), refuse)
}

/// As a Server of LwM2M 1.1 reads it.
fn later<'a>(queries: &[&'a str]) -> Result<RegisterParameters<'a>, ParameterError> {
    RegisterParameters::read(queries.iter().copied(), Version::new(1, 1), refuse)
}

fn transports(text: &str, queue_mode: bool) -> Binding {
    Binding::Transports {
        transports: text.parse().unwrap(),
        queue_mode,
    }
}

fn printed<'a>(queries: impl Iterator<Item = ParameterQuery<'a>>) -> Vec<String> {
    queries.map(|query| query.to_string()).collect()
}

fn lifetime(seconds: u32) -> Lifetime {
    Lifetime::from_secs(seconds).unwrap()
}

#[test]
fn a_register_is_read_in_any_order_and_written_in_one() {
    let expected = RegisterParameters {
        endpoint: EndpointName::new("urn:dev:os:0023C7-000001").unwrap(),
        lifetime: lifetime(86400),
        version: Version::INITIAL,
        binding: BindingMode::UQS.into(),
        sms: Some("4912345".parse().unwrap()),
    };
    for queries in [
        [
            "ep=urn:dev:os:0023C7-000001",
            "lt=86400",
            "sms=4912345",
            "lwm2m=1.0",
            "b=UQS",
        ],
        [
            "b=UQS",
            "lwm2m=\"1.0\"",
            "lt=086400",
            "sms=4912345",
            "ep=urn:dev:os:0023C7-000001",
        ],
    ] {
        assert_eq!(register(&queries), Ok(expected.clone()));
    }
    assert_eq!(
        printed(expected.queries()),
        [
            "ep=urn:dev:os:0023C7-000001",
            "lt=86400",
            "sms=4912345",
            "lwm2m=1.0",
            "b=UQS"
        ]
    );
}

#[test]
fn binding_and_number_may_be_absent() {
    let parameters = register(&["ep=a=b&c", "lt=1", "lwm2m=1.0"]).unwrap();
    assert_eq!(parameters.endpoint.as_str(), "a=b&c");
    assert_eq!(parameters.binding, BindingMode::U);
    assert_eq!(parameters.sms, None);
}

#[test]
fn errors_tell_which_query_and_what_was_expected() {
    use Parameter::{Binding, EndpointName, Lifetime, SmsNumber};

    let malformed = |query, parameter| ParameterError::Malformed { query, parameter };
    let long = alloc::format!("ep={}", "x".repeat(253));
    for (queries, error) in [
        (
            vec!["lt=1", "lwm2m=1.0"],
            ParameterError::Missing(EndpointName),
        ),
        (vec!["ep=a", "lwm2m=1.0"], ParameterError::Missing(Lifetime)),
        (
            vec!["ep=a", "lt=1"],
            ParameterError::Missing(Parameter::Version),
        ),
        (
            vec!["ep=a", "lt=1", "lwm2m=1.0", "ep=a"],
            ParameterError::Duplicate {
                query: 3,
                parameter: EndpointName,
            },
        ),
        (vec!["ep=", "lt=1"], malformed(0, EndpointName)),
        (vec!["ep"], malformed(0, EndpointName)),
        (vec![&long], malformed(0, EndpointName)),
        (vec!["ep=a", "lt=0"], malformed(1, Lifetime)),
        (vec!["lt=-1"], malformed(0, Lifetime)),
        (vec!["lt=+1"], malformed(0, Lifetime)),
        (vec!["lt="], malformed(0, Lifetime)),
        (vec!["lt=4294967296"], malformed(0, Lifetime)),
        (vec!["lt=60s"], malformed(0, Lifetime)),
        (vec!["sms=+4912345"], malformed(0, SmsNumber)),
        (vec!["sms="], malformed(0, SmsNumber)),
        (vec!["sms=1234567890123456"], malformed(0, SmsNumber)),
        (vec!["b=USQ"], malformed(0, Binding)),
        (vec!["b"], malformed(0, Binding)),
        (vec!["lwm2m=1"], malformed(0, Parameter::Version)),
        (vec!["foo=1"], ParameterError::Unknown { query: 0 }),
        (vec!["lt=1", "EP=a"], ParameterError::Unknown { query: 1 }),
        // The first of several.
        (vec!["b=Q", "lt=x", "foo"], malformed(0, Binding)),
    ] {
        assert_eq!(register(&queries), Err(error), "{queries:?}");
        assert_eq!(error.code(), Code::BAD_REQUEST);
    }
    assert_eq!(
        malformed(2, Lifetime).to_string(),
        "query 2: expected lt= and seconds, 1 to 4294967295"
    );
    assert_eq!(
        ParameterError::Missing(EndpointName).to_string(),
        "expected a query ep="
    );
}

#[test]
fn a_version_that_is_not_compatible_is_told_before_all_else() {
    for (text, version) in [("1.1", Version::new(1, 1)), ("2.0", Version::new(2, 0))] {
        let query = alloc::format!("lwm2m={text}");
        let error = register(&["b=UT", "Q", "lt=x", &query]).unwrap_err();
        assert_eq!(
            error,
            ParameterError::Version {
                query: 3,
                client: version,
                accepted: EnablerVersions::default()
            }
        );
        assert_eq!(error.code(), Code::PRECONDITION_FAILED);
    }
}

#[test]
fn of_two_versions_the_first_is_judged_and_the_second_is_too_much() {
    fn code<'a>(queries: &[&'a str]) -> Result<RegisterParameters<'a>, Code> {
        register(queries).map_err(|error| error.code())
    }
    let rest = ["ep=a", "lt=1"];
    let both = |first, second| [rest[0], rest[1], first, second];
    assert_eq!(
        code(&both("lwm2m=1.1", "lwm2m=1.0")),
        Err(Code::PRECONDITION_FAILED)
    );
    for second in ["lwm2m=1.0", "lwm2m=1.1"] {
        assert_eq!(
            register(&both("lwm2m=1.0", second)),
            Err(ParameterError::Duplicate {
                query: 3,
                parameter: Parameter::Version
            })
        );
    }
    assert_eq!(code(&both("lwm2m=x", "lwm2m=1.1")), Err(Code::BAD_REQUEST));
}

#[test]
fn a_later_version_has_a_set_of_transports_and_a_flag_for_queue_mode() {
    let rest = ["lwm2m=1.1", "ep=a", "lt=1"];
    for (said, binding) in [
        (&[][..], transports("U", false)),
        (&["b=UT"], transports("UT", false)),
        (&["b=TU", "Q"], transports("UT", true)),
        (&["Q"], transports("U", true)),
        (&["Q", "b=NS"], transports("SN", true)),
    ] {
        let before: Vec<_> = [said, &rest].concat();
        let behind: Vec<_> = [&rest[..], said].concat();
        for queries in [before, behind] {
            let read = later(&queries).unwrap();
            assert_eq!((read.version, read.binding), (Version::new(1, 1), binding));
            let written = printed(read.queries());
            let written: Vec<_> = written.iter().map(String::as_str).collect();
            assert_eq!(later(&written), Ok(read), "{written:?}");
        }
    }
    let full = later(&["ep=a", "lt=1", "lwm2m=1.1", "b=UT", "Q"]).unwrap();
    assert_eq!(
        printed(full.queries()),
        ["ep=a", "lt=1", "lwm2m=1.1", "b=UT", "Q"]
    );
    for (said, parameter) in [
        // Queue Mode is a parameter of its own.
        ("b=UQ", Parameter::Binding),
        ("b=UU", Parameter::Binding),
        ("b=", Parameter::Binding),
        ("b", Parameter::Binding),
        ("Q=", Parameter::QueueMode),
        ("Q=1", Parameter::QueueMode),
    ] {
        let queries = [rest[0], rest[1], rest[2], said];
        let malformed = ParameterError::Malformed {
            query: 3,
            parameter,
        };
        assert_eq!(later(&queries), Err(malformed), "{said}");
    }
    let twice = ParameterError::Duplicate {
        query: 4,
        parameter: Parameter::QueueMode,
    };
    assert_eq!(later(&["Q", "lwm2m=1.1", "ep=a", "lt=1", "Q"]), Err(twice));
}

#[test]
fn a_client_of_1_0_is_read_by_1_0_whatever_the_server_accepts() {
    let rest = ["lwm2m=1.0", "ep=a", "lt=1"];
    let with = |said| [rest[0], rest[1], rest[2], said];
    let read = later(&with("b=UQ")).unwrap();
    assert_eq!(read.binding, BindingMode::UQ);
    assert_eq!(later(&rest).unwrap().binding, BindingMode::U);
    assert_eq!(later(&with("Q")), Err(ParameterError::Unknown { query: 3 }));
    assert_eq!(
        later(&with("b=UT")).map_err(|error| error.code()),
        Err(Code::BAD_REQUEST)
    );
    let version = later(&["lwm2m=1.2"]).map_err(|error| error.code());
    assert_eq!(version, Err(Code::PRECONDITION_FAILED));
}

#[test]
fn an_update_says_the_binding_as_the_register_did() {
    let update = |queries: &[&'static str], registered| {
        UpdateParameters::read(queries.iter().copied(), registered, refuse)
            .map(|update| update.binding)
            .map_err(|error| error.code())
    };
    let before = transports("UN", false);
    for (queries, binding) in [
        (&[][..], Ok(None)),
        (&["b=U"], Ok(Some(transports("U", false)))),
        (&["b=U", "Q"], Ok(Some(transports("U", true)))),
        (&["Q"], Ok(Some(transports("UN", true)))),
        (&["b=UQ"], Err(Code::BAD_REQUEST)),
        (&["Q=1"], Err(Code::BAD_REQUEST)),
    ] {
        assert_eq!(update(queries, before), binding, "{queries:?}");
    }
    // Without `b` and `Q`, Queue Mode stays as it is; `b` gives the whole binding.
    let queued = transports("UN", true);
    assert_eq!(update(&["lt=1"], queued), Ok(None));
    assert_eq!(update(&["b=UN"], queued), Ok(Some(before)));
    let mode = BindingMode::U.into();
    assert_eq!(update(&["b=UQ"], mode), Ok(Some(BindingMode::UQ.into())));
    assert_eq!(update(&["b=UT"], mode), Err(Code::BAD_REQUEST));
    assert_eq!(update(&["Q"], mode), Err(Code::BAD_REQUEST));
}

#[test]
fn vendor_parameters_are_the_callers_choice() {
    let queries = ["ep=a", "lt=1", "lwm2m=1.0", "site=north", "Q", ""];
    let mut vendor = Vec::new();
    let read = RegisterParameters::read(queries, Version::INITIAL, |query| {
        vendor.push(query);
        UnknownParameter::Accept
    });
    assert!(read.is_ok());
    assert_eq!(vendor, ["site=north", "Q", ""]);
    assert_eq!(
        register(&queries),
        Err(ParameterError::Unknown { query: 3 })
    );
}

#[test]
fn an_update_has_what_changed() {
    assert_eq!(update(&[]), Ok(UpdateParameters::default()));
    let parameters = update(&["b=UQ", "lt=6000", "sms=1"]).unwrap();
    assert_eq!(
        parameters,
        UpdateParameters {
            lifetime: Some(lifetime(6000)),
            binding: Some(BindingMode::UQ.into()),
            sms: Some("1".parse().unwrap()),
        }
    );
    assert_eq!(printed(parameters.queries()), ["lt=6000", "sms=1", "b=UQ"]);
    assert_eq!(update(&["ep=a"]), Err(ParameterError::Unknown { query: 0 }));
    assert_eq!(
        UpdateParameters::read(["ep=a", "lt=1"], Binding::default(), accept)
            .map(|update| update.lifetime),
        Ok(Some(lifetime(1)))
    );
}

#[test]
fn a_bootstrap_request_has_a_name() {
    let read =
        |queries: &[&'static str]| BootstrapParameters::read(queries.iter().copied(), refuse);
    let parameters = read(&["ep=node"]).unwrap();
    assert_eq!(printed(parameters.queries()), ["ep=node"]);
    assert_eq!(
        read(&[]),
        Err(ParameterError::Missing(Parameter::EndpointName))
    );
    assert_eq!(
        read(&["ep=node", "lt=1"]),
        Err(ParameterError::Unknown { query: 1 })
    );
}

#[test]
fn limits_of_the_types() {
    assert!(EndpointName::new("x".repeat(252)).is_ok());
    assert_eq!(EndpointName::new(""), Err(EndpointNameError));
    assert_eq!(EndpointName::new("é".repeat(127)), Err(EndpointNameError));
    let names = BTreeSet::from(["a", "b"].map(|name| EndpointName::new(name).unwrap()));
    assert!(
        names.contains("b") && !names.contains("c"),
        "found by its text"
    );
    assert!(names.iter().map(AsRef::as_ref).eq(["a", "b"]));
    assert_eq!(Lifetime::try_from(0), Err(LifetimeError));
    assert_eq!(Lifetime::try_from(-1), Err(LifetimeError));
    assert_eq!(Lifetime::try_from(1 << 32), Err(LifetimeError));
    assert_eq!(Lifetime::try_from(86400).map(i64::from), Ok(86400));
    let number: Msisdn = "123456789012345".parse().unwrap();
    assert_eq!(number.as_str(), "123456789012345");
    assert_eq!(alloc::format!("{number:?}"), "Msisdn(\"123456789012345\")");
    assert_eq!("0".parse::<Msisdn>().unwrap().as_str(), "0");
    assert!("12 3".parse::<Msisdn>().is_err());
    assert!("١٢".parse::<Msisdn>().is_err());
}

prop_compose! {
    fn parameters()(
        endpoint in "\\PC{1,60}",
        seconds in 1u32..,
        version in any::<(u8, u8)>(),
        mode in prop::sample::select(&BindingMode::ALL[..]),
        letters in prop::sample::subsequence(Transport::ALL, 1..=Transport::ALL.len()),
        queue_mode in any::<bool>(),
        sms in prop::option::of("[0-9]{1,15}"),
    ) -> RegisterParameters<'static> {
        let version = Version::new(version.0, version.1);
        let transports = letters
            .iter()
            .fold(Transports::only(letters[0]), |set, transport| set.and(*transport));
        let later = Binding::Transports { transports, queue_mode };
        RegisterParameters {
            endpoint: endpoint.parse().unwrap(),
            lifetime: lifetime(seconds),
            version,
            binding: if version < Version::new(1, 1) { mode.into() } else { later },
            sms: sms.map(|sms| sms.parse().unwrap()),
        }
    }
}

proptest! {
    #[test]
    fn what_prints_reads_back_equal(parameters in parameters()) {
        let queries = printed(parameters.queries());
        prop_assert!(queries.iter().all(|query| query.len() <= 255));
        let read = RegisterParameters::read(
            queries.iter().map(String::as_str),
            parameters.version,
            refuse,
        );
        prop_assert_eq!(read, Ok(parameters.clone()));

        let update = UpdateParameters {
            lifetime: Some(parameters.lifetime),
            binding: Some(parameters.binding),
            sms: parameters.sms,
        };
        let queries = printed(update.queries());
        let read = UpdateParameters::read(
            queries.iter().map(String::as_str),
            parameters.binding,
            refuse,
        );
        prop_assert_eq!(read, Ok(update));
    }

    #[test]
    fn any_text_is_read_or_refused(
        queries in prop::collection::vec("((ep|lt|lwm2m|b|sms)=)?(1\\.0|U|\\PC{0,8})", 0..6),
    ) {
        let queries = || queries.iter().map(String::as_str);
        let read = RegisterParameters::read(queries(), Version::INITIAL, accept);
        if let Ok(parameters) = read {
            prop_assert!(Version::INITIAL.accepts(parameters.version));
        }
        let _ = UpdateParameters::read(queries(), Binding::default(), accept);
        let _ = BootstrapParameters::read(queries(), accept);
    }
}
