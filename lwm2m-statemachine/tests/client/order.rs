//! The order of checks: of several faults the first in this order is answered, however the request
//! comes in (TS 7.3.2, 8.5).

use lwm2m_core::{Code, ContentFormat, InstanceId, Method};
use lwm2m_objects::{Answer, ObjectTree, firmware::FirmwareUpdateObject, typed};
use lwm2m_statemachine::ClientConfig;

use crate::{
    creating::jobs,
    request::{Request, Way},
    support::{Bench, server_id, tree},
};

const UNKNOWN: ContentFormat = ContentFormat::new(9999);
const NO_FORMAT: Code = Code::UNSUPPORTED_CONTENT_FORMAT;

/// The faults of a request, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// The Security Object.
    Shut,
    /// The target doesn't exist.
    Missing,
    /// The target doesn't support the operation.
    Unsupported,
    Format(Code),
    Payload,
}

use Fault::{Missing, Payload, Shut, Unsupported};

impl Fault {
    const fn code(self) -> Code {
        match self {
            Shut => Code::UNAUTHORIZED,
            Missing => Code::NOT_FOUND,
            Unsupported => Code::METHOD_NOT_ALLOWED,
            Self::Format(code) => code,
            Payload => Code::BAD_REQUEST,
        }
    }
}

/// The variants of each part of an operation's requests, with their faults.
struct Table {
    request: Request,
    success: Code,
    paths: &'static [(&'static str, &'static [Fault])],
    formats: &'static [(Option<ContentFormat>, Option<Code>)],
    payloads: &'static [(&'static [u8], Option<Fault>)],
    /// A fault that counts like one of the payload: a Write that sets attributes.
    queries: &'static [(Option<&'static str>, Option<Fault>)],
}

const NO_QUERY: &[(Option<&str>, Option<Fault>)] = &[(None, None)];
const NO_PAYLOAD: &[(&[u8], Option<Fault>)] = &[(b"", None)];

/// Paths of the Security Object and of missing targets, whether or not the operation allows a path
/// of this form.
const NOWHERE: [(&str, &[Fault]); 12] = [
    ("/0", &[Shut]),
    ("/0/0", &[Shut]),
    ("/0/0/0", &[Shut]),
    ("/0/0/0/0", &[Shut, Missing]),
    ("/0/9/99", &[Shut, Missing]),
    ("/0/65535/x/0/0", &[Shut, Missing]),
    ("/9", &[Missing]),
    ("/3/1", &[Missing]),
    ("/3/0/99", &[Missing]),
    ("/3/0/7/0", &[Missing, Unsupported]),
    ("/9/0/0/0", &[Missing, Unsupported]),
    ("/3/65535", &[Missing]),
];

/// With the Firmware Update Object, which takes its Package block by block.
fn bench() -> Bench {
    let mut tree: ObjectTree = tree(typed::Server::new(server_id(101), 86_400));
    let firmware = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), |_| Answer::Done);
    tree.add(firmware.unwrap());
    tree.add(
        jobs()
            .with(InstanceId::ZERO, 1, 5)
            .with(InstanceId::ZERO, 0, 0),
    );
    let mut bench = Bench::with_tree(ClientConfig::new("order", [7; 32]), tree);
    bench.accept_register();
    bench
}

fn holds(table: &Table) {
    let paths = NOWHERE.iter().chain(table.paths);
    for (path, path_faults) in paths {
        for (format, format_fault) in table.formats {
            for (payload, payload_fault) in table.payloads {
                for (query, query_fault) in table.queries {
                    let mut request = table.request.clone();
                    request.path = path;
                    request.query = *query;
                    request.payload = payload;
                    if request.method == Method::Get {
                        request.accept = *format;
                    } else {
                        request.format = *format;
                    }
                    let mut faults = path_faults.to_vec();
                    faults.extend(format_fault.map(Fault::Format));
                    faults.extend(payload_fault.iter().chain(query_fault));
                    answers(&request, table.success, &faults);
                }
            }
        }
    }
}

fn answers(request: &Request, success: Code, faults: &[Fault]) {
    let first = faults.iter().min();
    let expected = first.map_or(success, |fault| fault.code());
    for way in [Way::Whole, Way::Blocks] {
        let codes = request.codes(&mut bench(), way);
        let shown = format!("{request:?} {way:?} {faults:?}: {codes:?}");
        assert_eq!(codes.last(), Some(&expected), "{shown}");
        // Everything but the payload is known from the first block on.
        if first.is_some_and(|fault| *fault != Payload) {
            assert_eq!(codes.len(), 1, "{shown}");
        }
    }
}

#[test]
fn a_read_an_observe_and_its_end_tell_the_first_fault() {
    for observe in [None, Some(0), Some(1)] {
        holds(&Table {
            request: Request {
                observe,
                ..Request::new(Method::Get, "")
            },
            success: Code::CONTENT,
            paths: &[
                ("/", &[Unsupported]),
                ("/3", &[]),
                ("/3/0", &[]),
                ("/3/0/9", &[]),
                ("/3/0/4", &[Unsupported]),
                ("/5/0/0", &[Unsupported]),
            ],
            formats: &[
                (None, None),
                (Some(ContentFormat::TLV), None),
                (Some(UNKNOWN), Some(Code::NOT_ACCEPTABLE)),
            ],
            payloads: NO_PAYLOAD,
            queries: NO_QUERY,
        });
    }
}

#[test]
fn a_discover_tells_the_first_fault() {
    holds(&Table {
        request: Request::new(Method::Get, ""),
        success: Code::CONTENT,
        paths: &[
            ("/", &[Unsupported]),
            ("/3", &[]),
            ("/3/0", &[]),
            ("/3/0/4", &[]),
        ],
        formats: &[(Some(ContentFormat::LINK_FORMAT), None)],
        payloads: NO_PAYLOAD,
        queries: NO_QUERY,
    });
}

#[test]
fn a_write_tells_the_first_fault() {
    for method in [Method::Put, Method::Post] {
        holds(&Table {
            request: Request::new(method, ""),
            success: Code::CHANGED,
            paths: &[
                ("/", &[Unsupported]),
                ("/3", &[Unsupported]),
                ("/3/0/14", &[]),
                ("/3/0/9", &[Unsupported]),
                ("/5/0/3", &[Unsupported]),
            ],
            formats: &[
                (Some(ContentFormat::TEXT), None),
                (Some(UNKNOWN), Some(Code::UNSUPPORTED_CONTENT_FORMAT)),
                (None, Some(Code::BAD_REQUEST)),
            ],
            payloads: &[
                (b"+01:00 and so on", None),
                (b"+01:00 and so on, in blocks", None),
                (b"+01:00 and so on, in blocks\xff", Some(Payload)),
            ],
            queries: &[(None, None), (Some("pmin=1"), Some(Payload))],
        });
    }
}

/// Its blocks go straight to the Object, and are checked like any other request.
#[test]
fn a_write_that_streams_tells_the_first_fault() {
    for method in [Method::Put, Method::Post] {
        holds(&Table {
            request: Request::new(method, ""),
            success: Code::CHANGED,
            paths: &[
                ("/5", &[Unsupported]),
                ("/5/0/0", &[]),
                ("/5/0/3", &[Unsupported]),
                ("/5/1/0", &[Missing]),
                ("/5/0/99", &[Missing]),
                ("/5/0/0/0", &[Missing, Unsupported]),
            ],
            formats: &[
                (Some(ContentFormat::OPAQUE), None),
                (Some(UNKNOWN), Some(Code::UNSUPPORTED_CONTENT_FORMAT)),
                (None, Some(Code::BAD_REQUEST)),
            ],
            payloads: &[(b"a package of 33 bytes, in blocks", None)],
            queries: &[(None, None), (Some("pmin=1"), Some(Payload))],
        });
    }
}

/// Table 27 has neither 4.06 nor 4.15 for it.
#[test]
fn an_execute_tells_the_first_fault() {
    holds(&Table {
        request: Request::new(Method::Post, ""),
        success: Code::CHANGED,
        paths: &[("/3/0/4", &[]), ("/3/0/5", &[Missing])],
        formats: &[
            (None, None),
            (Some(ContentFormat::TEXT), None),
            (Some(ContentFormat::OPAQUE), Some(Code::BAD_REQUEST)),
            (Some(ContentFormat::TLV), Some(Code::BAD_REQUEST)),
            (Some(UNKNOWN), Some(Code::BAD_REQUEST)),
        ],
        payloads: &[
            (b"", None),
            (b"0='soon',1", None),
            (b"0='as-soon-as-possible'", None),
            (b"0='as-soon-as-possible", Some(Payload)),
        ],
        queries: NO_QUERY,
    });
    holds(&Table {
        request: Request::new(Method::Post, ""),
        success: Code::CHANGED,
        paths: &[
            ("/", &[Unsupported]),
            ("/3", &[Unsupported]),
            ("/3/0", &[Unsupported]),
            ("/3/0/9", &[Unsupported]),
        ],
        formats: &[(None, None)],
        payloads: NO_PAYLOAD,
        queries: NO_QUERY,
    });
}

/// It needs no right (TS 7.3.2). What can't be read has no attributes.
#[test]
fn a_write_attributes_tells_the_first_fault() {
    holds(&Table {
        request: Request::new(Method::Put, ""),
        success: Code::CHANGED,
        paths: &[
            ("/", &[Unsupported]),
            ("/3", &[]),
            ("/3/0", &[]),
            ("/3/0/9", &[]),
            ("/3/0/4", &[Unsupported]),
            ("/5/0/0", &[Unsupported]),
        ],
        formats: &[(None, None)],
        payloads: NO_PAYLOAD,
        queries: &[
            (Some("pmin=1"), None),
            (Some("pmin"), None),
            (Some("pmin=x"), Some(Payload)),
            (Some("ver=1.0"), Some(Payload)),
        ],
    });
}

#[test]
fn a_create_tells_the_first_fault() {
    holds(&Table {
        request: Request::new(Method::Post, ""),
        success: Code::CREATED,
        paths: &[
            ("/", &[Unsupported]),
            // Not for servers to create.
            ("/3", &[Unsupported]),
            ("/26242", &[]),
        ],
        formats: &[
            (Some(ContentFormat::TLV), None),
            // Object Instances come in TLV or JSON (TS 5.4.6).
            (Some(ContentFormat::TEXT), Some(NO_FORMAT)),
            (Some(ContentFormat::OPAQUE), Some(NO_FORMAT)),
            (Some(UNKNOWN), Some(NO_FORMAT)),
            (None, Some(Code::BAD_REQUEST)),
        ],
        payloads: &[
            (b"\xC1\x01\x07", None),
            (b"\xC1\x01\x07\xC8\x02\x0Ba long note", None),
            // Not of the definition.
            (b"\xC1\x63\x07\xC1\x01\x07", None),
            (b"\xC1\x01", Some(Payload)),
            (b"\xC8\x02\x0Ba long note\xC1\x63\x07", Some(Payload)),
            (b"\x08\x00\x03\xC1\x01\x07", Some(Payload)),
        ],
        queries: NO_QUERY,
    });
}

#[test]
fn a_delete_tells_the_first_fault() {
    holds(&Table {
        request: Request::new(Method::Delete, ""),
        success: Code::DELETED,
        paths: &[
            ("/", &[Unsupported]),
            ("/3", &[Unsupported]),
            ("/3/0", &[Unsupported]),
            ("/3/0/9", &[Unsupported]),
            ("/26242", &[Unsupported]),
            ("/26242/0", &[]),
            ("/26242/1", &[Missing]),
            ("/26242/0/1", &[Unsupported]),
        ],
        formats: &[(None, None)],
        payloads: NO_PAYLOAD,
        queries: NO_QUERY,
    });
}
