use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::ContentFormat;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn request(method: Method, at: &str) -> DownlinkRequest {
    DownlinkRequest::new(method, path(at))
}

fn with_value(method: Method, at: &str) -> DownlinkRequest {
    DownlinkRequest {
        content_format: Some(ContentFormat::TLV),
        has_payload: true,
        ..request(method, at)
    }
}

fn codes(texts: &str) -> Vec<Code> {
    let code = |text: &str| {
        let (class, detail) = text.split_once('.').unwrap();
        Code::new(class.parse().unwrap(), detail.parse().unwrap())
    };
    texts.split(' ').map(code).collect()
}

#[test]
fn table_27() {
    for (operation, expected) in [
        (Operation::BootstrapRequest, "2.04 4.00"),
        (Operation::BootstrapWrite, "2.04 4.00 4.15"),
        (Operation::BootstrapDiscover, "2.05 4.00 4.04"),
        (Operation::BootstrapDelete, "2.02 4.00"),
        (Operation::BootstrapFinish, "2.04 4.00 4.06"),
        (Operation::Register, "2.01 4.00 4.03 4.12"),
        (Operation::Update, "2.04 4.00 4.04"),
        (Operation::Deregister, "2.02 4.00 4.04"),
        (Operation::Create, "2.01 4.00 4.01 4.04 4.05 4.15"),
        (Operation::Read, "2.05 4.00 4.01 4.04 4.05 4.06"),
        (
            Operation::Write,
            "2.04 2.31 4.00 4.01 4.04 4.05 4.08 4.13 4.15",
        ),
        (Operation::Delete, "2.02 4.00 4.01 4.04 4.05"),
        (Operation::Execute, "2.04 4.00 4.01 4.04 4.05"),
        (Operation::WriteAttributes, "2.04 4.00 4.01 4.04 4.05"),
        (Operation::Discover, "2.05 4.00 4.01 4.04 4.05"),
        (Operation::Observe, "2.05 4.00 4.01 4.04 4.05 4.06"),
        (
            Operation::CancelObservation,
            "2.05 4.00 4.01 4.04 4.05 4.06",
        ),
        (Operation::Notify, "2.05"),
    ] {
        let expected = codes(expected);
        for byte in 0..=255 {
            let code = Code::from_byte(byte);
            let generic = byte == 0xA0 && operation != Operation::Notify;
            assert_eq!(
                operation.allows(code),
                expected.contains(&code) || generic,
                "{operation}: {code}"
            );
        }
        assert_eq!(Some(&operation.success()), expected.first());
    }
}

#[test]
fn table_1_and_the_rights_of_7_3_2() {
    use Direction::{Downlink, Uplink};
    use Interface::{Bootstrap, ClientRegistration, DeviceManagement, InformationReporting};

    for (operation, interface, direction, right) in [
        (Operation::BootstrapRequest, Bootstrap, Uplink, "-"),
        (Operation::BootstrapWrite, Bootstrap, Downlink, "-"),
        (Operation::BootstrapDiscover, Bootstrap, Downlink, "-"),
        (Operation::BootstrapDelete, Bootstrap, Downlink, "-"),
        (Operation::BootstrapFinish, Bootstrap, Downlink, "-"),
        (Operation::Register, ClientRegistration, Uplink, "-"),
        (Operation::Update, ClientRegistration, Uplink, "-"),
        (Operation::Deregister, ClientRegistration, Uplink, "-"),
        (Operation::Create, DeviceManagement, Downlink, "C"),
        (Operation::Read, DeviceManagement, Downlink, "R"),
        (Operation::Write, DeviceManagement, Downlink, "W"),
        (Operation::Delete, DeviceManagement, Downlink, "D"),
        (Operation::Execute, DeviceManagement, Downlink, "E"),
        (Operation::WriteAttributes, DeviceManagement, Downlink, "-"),
        (Operation::Discover, DeviceManagement, Downlink, "-"),
        (Operation::Observe, InformationReporting, Downlink, "R"),
        (
            Operation::CancelObservation,
            InformationReporting,
            Downlink,
            "-",
        ),
        (Operation::Notify, InformationReporting, Uplink, "R"),
    ] {
        assert_eq!(operation.interface(), interface, "{operation}");
        assert_eq!(operation.direction(), direction, "{operation}");
        assert_eq!(
            alloc::format!("{}", operation.minimum_right()),
            right,
            "{operation}"
        );
    }
}

#[test]
fn get_is_read_discover_observe_or_cancel() {
    let get = |at| request(Method::Get, at);
    for at in ["/3", "/3/0", "/3/0/9"] {
        let observe = |observe, accept| DownlinkRequest {
            accept,
            observe,
            ..get(at)
        };
        for (request, operation) in [
            (get(at), Operation::Read),
            (observe(None, Some(ContentFormat::JSON)), Operation::Read),
            (
                observe(None, Some(ContentFormat::LINK_FORMAT)),
                Operation::Discover,
            ),
            (
                observe(ObserveOption::from_number(0), None),
                Operation::Observe,
            ),
            (
                observe(ObserveOption::from_number(1), Some(ContentFormat::TLV)),
                Operation::CancelObservation,
            ),
            (
                observe(ObserveOption::from_number(2), None),
                Operation::Read,
            ),
            (
                observe(
                    ObserveOption::from_number(0),
                    Some(ContentFormat::LINK_FORMAT),
                ),
                Operation::Discover,
            ),
        ] {
            assert_eq!(request.operation(None), Ok(operation), "{at}");
        }
    }
    let error = get("/").operation(None).unwrap_err();
    assert_eq!(error.code(), Code::METHOD_NOT_ALLOWED);
}

/// TS 5.4 has no requests on a Resource Instance.
#[test]
fn a_resource_instance_is_not_found() {
    let at = "/3/0/7/0";
    let discover = DownlinkRequest {
        accept: Some(ContentFormat::LINK_FORMAT),
        ..request(Method::Get, at)
    };
    let attributes = DownlinkRequest {
        has_queries: true,
        ..request(Method::Put, at)
    };
    for request in [
        request(Method::Get, at),
        discover,
        with_value(Method::Put, at),
        attributes,
        request(Method::Post, at),
        with_value(Method::Post, at),
        request(Method::Delete, at),
    ] {
        let error = request.operation(None).unwrap_err();
        assert_eq!(error.code(), Code::NOT_FOUND, "{request:?}");
    }
}

#[test]
fn put_is_write_or_write_attributes() {
    let put = |at| request(Method::Put, at);
    let attributes = |at| DownlinkRequest {
        has_queries: true,
        ..put(at)
    };
    for at in ["/3/0", "/3/0/14"] {
        assert_eq!(
            with_value(Method::Put, at).operation(None),
            Ok(Operation::Write)
        );
        // An empty value is a value if it has a format.
        let empty = DownlinkRequest {
            content_format: Some(ContentFormat::TEXT),
            ..put(at)
        };
        assert_eq!(empty.operation(None), Ok(Operation::Write));
        for request in [
            put(at),
            DownlinkRequest {
                has_payload: true,
                ..attributes(at)
            },
        ] {
            let error = request.operation(None).unwrap_err();
            assert_eq!(error, DownlinkError::NoContentFormat(Operation::Write));
            assert_eq!(error.code(), Code::BAD_REQUEST);
        }
        let both = DownlinkRequest {
            has_queries: true,
            ..with_value(Method::Put, at)
        };
        assert_eq!(both.operation(None), Err(DownlinkError::ValueAndAttributes));
    }
    for at in ["/3", "/3/0", "/3/0/9"] {
        assert_eq!(
            attributes(at).operation(None),
            Ok(Operation::WriteAttributes)
        );
    }
    for request in [
        with_value(Method::Put, "/"),
        with_value(Method::Put, "/3"),
        attributes("/"),
    ] {
        let error = request.operation(None).unwrap_err();
        assert_eq!(error.code(), Code::METHOD_NOT_ALLOWED, "{}", request.path);
    }
}

#[test]
fn post_on_a_resource_is_by_its_definition() {
    let at = path("/5/0/0");
    let bare = request(Method::Post, "/5/0/0");
    let arguments = DownlinkRequest {
        has_payload: true,
        ..bare
    };
    let value = with_value(Method::Post, "/5/0/0");
    for request in [bare, arguments, value] {
        assert_eq!(
            request.operation(Some(ResourceSupport::Execute)),
            Ok(Operation::Execute)
        );
        let error = request
            .operation(Some(ResourceSupport::Neither))
            .unwrap_err();
        assert_eq!(error, DownlinkError::Resource(at));
        assert_eq!(error.code(), Code::METHOD_NOT_ALLOWED);
        let error = request.operation(None).unwrap_err();
        assert_eq!(error, DownlinkError::Unknown(at));
        assert_eq!(error.code(), Code::NOT_FOUND);
    }
    let writable = Some(ResourceSupport::Write);
    assert_eq!(value.operation(writable), Ok(Operation::Write));
    assert_eq!(
        arguments.operation(writable),
        Err(DownlinkError::NoContentFormat(Operation::Write))
    );
    // Without anything in it, it is no Write.
    let error = bare.operation(writable).unwrap_err();
    let (operation, path) = (Operation::Execute, at);
    assert_eq!(error, DownlinkError::Target { operation, path });
    assert_eq!(error.code(), Code::METHOD_NOT_ALLOWED);
    assert_eq!(WriteMode::of(Method::Post), Some(WriteMode::PartialUpdate));
    assert_eq!(WriteMode::of(Method::Put), Some(WriteMode::Replace));
}

#[test]
fn post_above_a_resource_is_create_or_write() {
    let post = |at| request(Method::Post, at);
    assert_eq!(
        with_value(Method::Post, "/3303").operation(None),
        Ok(Operation::Create)
    );
    assert_eq!(
        post("/3303").operation(None),
        Err(DownlinkError::NoContentFormat(Operation::Create))
    );
    assert_eq!(
        with_value(Method::Post, "/3/0").operation(None),
        Ok(Operation::Write)
    );
    // Execute on an Object Instance has an error of its own (TS 5.4.5, 7.3.2.3).
    for (at, code) in [
        ("/3/0", Code::METHOD_NOT_ALLOWED),
        ("/3/0/7/0", Code::NOT_FOUND),
    ] {
        let error = post(at).operation(None).unwrap_err();
        assert_eq!(
            error,
            DownlinkError::Target {
                operation: Operation::Execute,
                path: path(at)
            }
        );
        assert_eq!(error.code(), code);
    }
    let payload_only = DownlinkRequest {
        has_payload: true,
        ..post("/3/0")
    };
    assert_eq!(
        payload_only.operation(None),
        Err(DownlinkError::NoContentFormat(Operation::Write))
    );
}

#[test]
fn delete_takes_an_object_instance() {
    for (at, result) in [
        ("/", Err(Code::METHOD_NOT_ALLOWED)),
        ("/3303", Err(Code::METHOD_NOT_ALLOWED)),
        ("/3303/1", Ok(Operation::Delete)),
        ("/3303/1/5700", Err(Code::METHOD_NOT_ALLOWED)),
    ] {
        let operation = request(Method::Delete, at).operation(None);
        assert_eq!(operation.map_err(|error| error.code()), result, "{at}");
    }
}

#[test]
fn the_bootstrap_server_has_targets_of_its_own() {
    let discover = |at| DownlinkRequest {
        accept: Some(ContentFormat::LINK_FORMAT),
        ..request(Method::Get, at)
    };
    for (request, operation) in [
        (discover("/"), Some(Operation::BootstrapDiscover)),
        (discover("/0"), Some(Operation::BootstrapDiscover)),
        (discover("/0/0"), None),
        (request(Method::Get, "/0"), None),
        (with_value(Method::Put, "/"), None),
        (
            with_value(Method::Put, "/0"),
            Some(Operation::BootstrapWrite),
        ),
        (
            with_value(Method::Put, "/0/0"),
            Some(Operation::BootstrapWrite),
        ),
        (
            with_value(Method::Put, "/0/0/0"),
            Some(Operation::BootstrapWrite),
        ),
        (
            request(Method::Delete, "/"),
            Some(Operation::BootstrapDelete),
        ),
        (
            request(Method::Delete, "/0"),
            Some(Operation::BootstrapDelete),
        ),
        (
            request(Method::Delete, "/0/1"),
            Some(Operation::BootstrapDelete),
        ),
        (request(Method::Delete, "/0/1/0"), None),
        (with_value(Method::Post, "/0"), None),
    ] {
        match (request.bootstrap_operation(), operation) {
            (Ok(found), Some(operation)) => assert_eq!(found, operation),
            (Err(error), None) => assert_eq!(error.code(), Code::BAD_REQUEST),
            (found, _) => panic!("{request:?}: {found:?}"),
        }
    }
}

fn paths() -> impl Strategy<Value = Path> {
    prop::collection::vec(0u16..9, 0..=4).prop_map(|ids| Path::of(&ids).unwrap())
}

proptest! {
    /// The operation of any request has its method and may have its path, and a refusal is one of
    /// the operation's codes.
    #[test]
    fn classification_agrees_with_the_tables(
        method in prop::sample::select(&[Method::Get, Method::Post, Method::Put, Method::Delete][..]),
        path in paths(),
        accept in prop::option::of((39u16..=42).prop_map(ContentFormat::new)),
        content_format in prop::option::of((39u16..=42).prop_map(ContentFormat::new)),
        observe in prop::option::of(0u32..3),
        has_queries in any::<bool>(),
        has_payload in any::<bool>(),
        support in prop::sample::select(&[
            None,
            Some(ResourceSupport::Execute),
            Some(ResourceSupport::Write),
            Some(ResourceSupport::Neither),
        ][..]),
    ) {
        let request = DownlinkRequest {
            method,
            path,
            accept,
            content_format,
            observe: observe.and_then(ObserveOption::from_number),
            has_queries,
            has_payload,
        };
        let intended = request.intended(support);
        prop_assert!(intended.methods().contains(&method));
        match request.operation(support) {
            Ok(operation) => {
                prop_assert_eq!(operation, intended);
                prop_assert_eq!(operation.direction(), Direction::Downlink);
                prop_assert!(operation.methods().contains(&method));
                prop_assert!(operation.may_target(&path));
            }
            Err(error) => {
                if let DownlinkError::Target { operation, .. } | DownlinkError::NoContentFormat(operation) = error {
                    prop_assert_eq!(operation, intended);
                }
                prop_assert!(intended.allows(error.code()));
            }
        }
        if let Ok(operation) = request.bootstrap_operation() {
            prop_assert_eq!(operation.interface(), Interface::Bootstrap);
            prop_assert!(operation.methods().contains(&method));
            prop_assert!(operation.may_target(&path));
        }
    }
}
