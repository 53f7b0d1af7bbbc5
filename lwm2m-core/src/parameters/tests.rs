use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use proptest::prelude::*;

use super::*;

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
    UpdateParameters::read(queries.iter().copied(), refuse)
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
        binding: BindingMode::UQS,
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
                server: Version::INITIAL
            }
        );
        assert_eq!(error.code(), Code::PRECONDITION_FAILED);
    }
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
            binding: Some(BindingMode::UQ),
            sms: Some("1".parse().unwrap()),
        }
    );
    assert_eq!(printed(parameters.queries()), ["lt=6000", "sms=1", "b=UQ"]);
    assert_eq!(update(&["ep=a"]), Err(ParameterError::Unknown { query: 0 }));
    assert_eq!(
        UpdateParameters::read(["ep=a", "lt=1"], accept).map(|update| update.lifetime),
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
        binding in prop::sample::select(&BindingMode::ALL[..]),
        sms in prop::option::of("[0-9]{1,15}"),
    ) -> RegisterParameters<'static> {
        RegisterParameters {
            endpoint: endpoint.parse().unwrap(),
            lifetime: lifetime(seconds),
            version: Version::new(version.0, version.1),
            binding,
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
        prop_assert_eq!(UpdateParameters::read(queries.iter().map(String::as_str), refuse), Ok(update));
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
        let _ = UpdateParameters::read(queries(), accept);
        let _ = BootstrapParameters::read(queries(), accept);
    }
}
