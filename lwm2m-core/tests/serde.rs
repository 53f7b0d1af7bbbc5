//! What the `serde` feature writes reads back equal, and invalid input is refused.

use core::fmt::Debug;

use lwm2m_core::{
    AccessRights, Argument, Arguments, AttributeLevel, AttributeName, Attributes, AttributesUpdate,
    Binding, BindingMode, BootstrapParameters, Change, Code, ContentFormat, DataType,
    DefaultPeriods, DownlinkRequest, EnablerVersions, EndpointName, InstanceId, Instant, Lifetime,
    Method, Msisdn, NotificationConditions, ObjectId, ObjectLink, Operation, Parameter, Path,
    PathForm, RegisterParameters, ShortServerId, Timestamp, Transport, Transports,
    UpdateParameters, Value, Version, WriteMode,
    codec::{Content, Events, Purpose},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, json: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
}

/// For types that borrow from their input.
fn borrowed_round_trip<'a, T>(value: &T, json: &'a str)
where
    T: Serialize + Deserialize<'a> + PartialEq + Debug,
{
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
}

fn refused<T: DeserializeOwned + Debug>(json: &str) {
    assert!(serde_json::from_str::<T>(json).is_err(), "{json}");
}

#[test]
fn identifiers_paths_and_numbers() {
    round_trip(&ObjectId::new(65535), "65535");
    round_trip(&InstanceId::new(65534).unwrap(), "65534");
    refused::<InstanceId>("65535");
    refused::<ShortServerId>("0");
    round_trip(&"/3/0/9".parse::<Path>().unwrap(), "\"/3/0/9\"");
    refused::<Path>("\"/3/65535\"");
    round_trip(&Code::CONTENT, "69");
    round_trip(&ContentFormat::TLV, "11542");
    round_trip(&Method::Post, "\"Post\"");
    round_trip(&Instant::from_millis(1500), "1500");
    round_trip(&Timestamp::Relative(-1.5), "{\"Relative\":-1.5}");
}

#[test]
fn values() {
    round_trip(&DataType::ObjectLink, "\"ObjectLink\"");
    for (value, json) in [
        (Value::from("a"), r#"{"String":"a"}"#),
        (Value::from(i64::MIN), r#"{"Integer":-9223372036854775808}"#),
        (Value::from(6.667e-11), r#"{"Float":6.667e-11}"#),
        (Value::from(true), r#"{"Boolean":true}"#),
        (Value::Opaque(vec![1, 2]), r#"{"Opaque":[1,2]}"#),
        (Value::Time(-1), r#"{"Time":-1}"#),
        (
            ObjectLink::NULL.into(),
            r#"{"ObjectLink":{"object":65535,"instance":65535}}"#,
        ),
        (Value::Raw(vec![]), r#"{"Raw":[]}"#),
    ] {
        round_trip(&value, json);
    }
    let content = Content::from_iter([("/3/0/9".parse::<Path>().unwrap(), 100)]);
    round_trip(
        &content,
        r#"{"entries":[{"path":"/3/0/9","value":{"Integer":100},"time":null}]}"#,
    );
    round_trip(
        &Events::from(&content),
        concat!(
            r#"[{"Object":3},{"Instance":0},"#,
            r#"{"Resource":{"id":9,"value":{"Integer":100},"time":null}},"#,
            r#""EndInstance","EndObject"]"#
        ),
    );
    round_trip(&Purpose::Create, "\"Create\"");
}

/// TLV carries them, so stored values have them.
#[test]
fn values_that_are_no_numbers_in_json() {
    let infinite = Value::Float(f64::NEG_INFINITY);
    round_trip(&infinite, r#"{"Float":"-inf"}"#);
    round_trip(&Value::Float(f64::INFINITY), r#"{"Float":"inf"}"#);
    let json = serde_json::to_string(&Value::Float(f64::NAN)).unwrap();
    assert_eq!(json, r#"{"Float":"NaN"}"#);
    let Ok(Value::Float(number)) = serde_json::from_str(&json) else {
        panic!("a float")
    };
    assert!(number.is_nan());
    let content = Content::from_iter([("/3303/0/5700".parse::<Path>().unwrap(), infinite)]);
    round_trip(
        &content,
        r#"{"entries":[{"path":"/3303/0/5700","value":{"Float":"-inf"},"time":null}]}"#,
    );
    // Other programs write whole numbers without a fraction.
    for (json, number) in [("15", 15.0), ("-15", -15.0), ("1e3", 1000.0)] {
        let json = format!(r#"{{"Float":{json}}}"#);
        assert_eq!(
            serde_json::from_str::<Value>(&json).unwrap(),
            Value::Float(number)
        );
    }
    for wrong in ["null", "\"\"", "\"1.5\"", "\"nan\"", "true"] {
        refused::<Value>(&format!(r#"{{"Float":{wrong}}}"#));
    }
}

#[test]
fn attributes() {
    let attributes = Attributes {
        pmin: Some(10),
        gt: Some(50.5),
        ..Attributes::NONE
    };
    round_trip(
        &attributes,
        r#"{"pmin":10,"pmax":null,"gt":50.5,"lt":null,"st":null}"#,
    );
    let update = AttributesUpdate {
        pmin: Change::Set(1),
        pmax: Change::Unset,
        ..AttributesUpdate::default()
    };
    round_trip(
        &update,
        r#"{"pmin":{"Set":1},"pmax":"Unset","gt":"Keep","lt":"Keep","st":"Keep"}"#,
    );
    let defaults = DefaultPeriods {
        pmin: 1,
        pmax: None,
    };
    round_trip(&defaults, r#"{"pmin":1,"pmax":null}"#);
    round_trip(
        &NotificationConditions::default(),
        r#"{"pmin":0,"pmax":null,"gt":null,"lt":null,"st":null}"#,
    );
    round_trip(&AttributeLevel::Instance, "\"Instance\"");
    round_trip(&AttributeName::Step, "\"Step\"");
}

#[test]
fn parameters() {
    round_trip(&Version::new(2, 10), "\"2.10\"");
    refused::<Version>("\"1\"");
    round_trip(&BindingMode::UQS, "\"UQS\"");
    refused::<BindingMode>("\"USQ\"");
    round_trip(&"4912345".parse::<Msisdn>().unwrap(), "\"4912345\"");
    refused::<Msisdn>("\"+49\"");
    round_trip(&Lifetime::from_secs(86400).unwrap(), "86400");
    refused::<Lifetime>("0");
    let endpoint = EndpointName::new("a").unwrap();
    round_trip(&endpoint, "\"a\"");
    refused::<EndpointName<'static>>("\"\"");
    round_trip(
        &RegisterParameters {
            endpoint: endpoint.clone(),
            lifetime: Lifetime::from_secs(60).unwrap(),
            version: Version::INITIAL,
            binding: BindingMode::U.into(),
            sms: None,
        },
        r#"{"endpoint":"a","lifetime":60,"version":"1.0","binding":{"Mode":"U"},"sms":null}"#,
    );
    round_trip(
        &Binding::Transports {
            transports: Transports::UDP.and(Transport::Tcp),
            queue_mode: true,
        },
        r#"{"Transports":{"transports":"UT","queue_mode":true}}"#,
    );
    round_trip(
        &EnablerVersions::up_to(Version::new(1, 1)),
        r#"["1.0","1.1"]"#,
    );
    refused::<EnablerVersions>(r#"["1.1","1.0"]"#);
    refused::<Transports>("\"UQ\"");
    round_trip(&Transport::NonIp, "\"NonIp\"");
    round_trip(
        &UpdateParameters::default(),
        r#"{"lifetime":null,"binding":null,"sms":null}"#,
    );
    round_trip(&BootstrapParameters { endpoint }, r#"{"endpoint":"a"}"#);
    round_trip(&Parameter::SmsNumber, "\"SmsNumber\"");
}

#[test]
fn arguments_and_operations() {
    borrowed_round_trip(&Arguments::parse(b"1='x',5").unwrap(), "\"1='x',5\"");
    assert!(serde_json::from_str::<Arguments<'_>>("\"1=x\"").is_err());
    let argument = Argument {
        digit: 1,
        value: Some("x"),
    };
    borrowed_round_trip(&argument, r#"{"digit":1,"value":"x"}"#);
    for operation in Operation::ALL {
        let json = format!("\"{operation:?}\"");
        round_trip(operation, &json);
    }
    round_trip(
        &Operation::Execute.path_form(),
        r#"{"Tree":{"from":3,"to":3}}"#,
    );
    round_trip(&PathForm::Location, "\"Location\"");
    round_trip(&WriteMode::PartialUpdate, "\"PartialUpdate\"");
    round_trip(&(AccessRights::READ | AccessRights::CREATE), "17");
    let request = DownlinkRequest::new(Method::Get, Path::Root);
    round_trip(
        &request,
        r#"{"method":"Get","path":"/","accept":null,"content_format":null,"observe":null,"has_queries":false,"has_payload":false}"#,
    );
}
