//! Which operation a request is, and whether it is allowed. The checks and their order are the same
//! for every caller, and for whole and streamed bodies.
//!
//! The checks of a server's request, in order. The first that fails decides the code (TS 8.5, Table
//! 27):
//!
//! 1. The target isn't in the Security Object: 4.01 (TS E.1).
//! 2. The target exists: 4.04.
//! 3. The server has the right: 4.01 (TS 7.3.2).
//! 4. The target supports the operation: 4.05.
//! 5. The formats: 4.15 for the payload's, 4.06 for the answer's. Operations for which Table 27
//!    has neither are 4.00, as is a format that is not named.
//! 6. The payload: 4.00. The operation itself checks it.
//!
//! [`access`] makes checks 1 to 4. No operation of the Bootstrap interface is offered yet.

use lwm2m_core::{
    ContentFormat, DownlinkRequest, ObjectId, ObserveOption, Operation, Path, ResourceSupport,
    ShortServerId, codec::Scope,
};
use lwm2m_objects::{Object, ObjectTree, Target, access};

use super::super::{accounts::Caller, config::Root, refusal::Refusal};
use crate::{coap::MessageRef, downlink::payload};

/// A request whose operation and target are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classified<'t> {
    request: DownlinkRequest,
    caller: Caller,
    pub(super) operation: Operation,
    pub(super) target: Target<'t>,
}

/// Which operation a request is meant to be (TS 8.2.3, Tables 25, 26).
///
/// `has_payload` says whether its body, of which the request may carry only a block, isn't empty.
pub(super) fn classify<'t>(
    tree: &'t ObjectTree,
    root: &Root,
    caller: Caller,
    message: &MessageRef<'_>,
    has_payload: bool,
) -> Result<Classified<'t>, Refusal> {
    let segments = match caller {
        // The Objects are found below it alone (TS 8.2.2).
        Caller::Server(_) => root.below(message.uri_path()),
        Caller::BootstrapServer => Some(message.uri_path()),
    };
    let path = path(segments.ok_or(Refusal::NotFound)?)?;
    let method = message.code().method().ok_or(Refusal::NotSupported)?;
    let request = DownlinkRequest {
        accept: message.accept(),
        content_format: message.content_format(),
        observe: message.observe().and_then(ObserveOption::from_number),
        has_queries: message.uri_query().next().is_some(),
        has_payload,
        ..DownlinkRequest::new(method, path)
    };
    let target = tree.target(path);
    let operation = match caller {
        Caller::Server(_) => request.intended(support(&target)),
        Caller::BootstrapServer => request.bootstrap_operation()?,
    };
    Ok(Classified {
        request,
        caller,
        operation,
        target,
    })
}

/// The path of a request. An invalid path in the Security Object counts as the Object itself:
/// access to it is refused before anything is looked up.
fn path<'s>(segments: impl Iterator<Item = &'s str> + Clone) -> Result<Path, Refusal> {
    Path::from_segments(segments.clone()).or_else(|_| match Path::from_segments(segments.take(1)) {
        Ok(security @ Path::Object(ObjectId::SECURITY)) => Ok(security),
        _ => Err(Refusal::NotFound),
    })
}

/// What a POST on a Resource can mean, by its definition.
fn support(target: &Target<'_>) -> Option<ResourceSupport> {
    let operations = target.resource()?.operations;
    Some(if operations.executable() {
        ResourceSupport::Execute
    } else if operations.writable() {
        ResourceSupport::Write
    } else {
        ResourceSupport::Neither
    })
}

impl Classified<'_> {
    /// Makes checks 1 to 5, and returns the server.
    pub(super) fn admit(&self, tree: &ObjectTree) -> Result<ShortServerId, Refusal> {
        let server = self.authorize(tree)?;
        self.check_formats()?;
        self.request.check_content(self.operation)?;
        Ok(server)
    }

    /// Makes checks 1 to 4.
    fn authorize(&self, tree: &ObjectTree) -> Result<ShortServerId, Refusal> {
        let Caller::Server(server) = self.caller else {
            return Err(Refusal::NotOffered(self.operation));
        };
        let operation = match self.operation {
            // Its answer is that of a Read.
            Operation::CancelObservation => Operation::Read,
            operation => operation,
        };
        access::authorize_target(tree, &self.target, server, operation)?;
        Ok(server)
    }

    fn check_formats(&self) -> Result<(), Refusal> {
        let object = self.target.object();
        let in_json = object.is_none_or(Object::supports_json);
        let supported = |format: Option<ContentFormat>| {
            format.is_none_or(|format| {
                payload::supports(format) && (in_json || format != ContentFormat::JSON)
            })
        };
        match self.operation {
            Operation::Read | Operation::Observe | Operation::CancelObservation
                if !supported(self.request.accept) =>
            {
                Err(Refusal::NotAcceptable)
            }
            Operation::Write if !supported(self.request.content_format) => {
                Err(Refusal::UnsupportedFormat)
            }
            Operation::Create
                if !(supported(self.request.content_format) && self.carries_instances()) =>
            {
                Err(Refusal::UnsupportedFormat)
            }
            // Arguments are plain text, with or without saying so (TS 5.4.5).
            Operation::Execute
                if !matches!(
                    self.request.content_format,
                    None | Some(ContentFormat::TEXT)
                ) =>
            {
                Err(Refusal::Malformed)
            }
            _ => Ok(()),
        }
    }

    /// Whether the payload's format is one for whole Object Instances: TLV or JSON (TS 5.4.6).
    fn carries_instances(&self) -> bool {
        let object = self.target.path().object();
        let scope = object.map(Scope::create);
        let (Some(format), Some(scope)) = (self.request.content_format, scope) else {
            return true;
        };
        payload::carries(format, scope)
    }

    /// The format of an answer: what Accept asks for, else TLV, or `single` for a single Resource
    /// (TS 8.1).
    pub(super) fn answer_format(&self, single: ContentFormat) -> ContentFormat {
        let resource = self.target.resource();
        let is_single = resource.is_some_and(|resource| !resource.is_multiple());
        let default = if is_single {
            single
        } else {
            ContentFormat::TLV
        };
        self.request.accept.unwrap_or(default)
    }

    /// The Resource that is written and whose Object takes the value piece by piece: in the opaque
    /// format, which is nothing but the value.
    pub(super) fn streamed(&self, tree: &ObjectTree) -> Option<Path> {
        let opaque = self.request.content_format == Some(ContentFormat::OPAQUE);
        let path = self.target.path();
        let streams = self.operation == Operation::Write && opaque && tree.streams(path);
        streams.then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_core::{Code, Method};
    use lwm2m_objects::example;

    use super::*;
    use crate::coap::{MessageBuf, MessageType, Token};

    /// How a request of the Bootstrap-Server is refused, by the method, the path and Accept.
    fn bootstrap(method: Method, path: &str, accept: Option<ContentFormat>) -> Refusal {
        let mut request = MessageBuf::request(method);
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            request.uri_path(segment).unwrap();
        }
        if let Some(format) = accept {
            request.accept(format).unwrap();
        }
        let wire = request.finish(MessageType::Confirmable, 1, Token::EMPTY);
        let message = MessageRef::parse(wire.as_ref()).unwrap();
        let tree = example::client();
        let root = Root::new("/lwm2m").unwrap();
        let classified = classify(&tree, &root, Caller::BootstrapServer, &message, true);
        let admitted = classified.and_then(|classified| classified.admit(&tree));
        admitted.unwrap_err()
    }

    /// The Bootstrap interface (TS 8.2.3) includes the Security Object and has no access rights.
    /// None of its operations is offered, and none is mistaken for one of another interface.
    #[test]
    fn a_bootstrap_server_is_told_that_its_operations_are_not_offered() {
        let links = Some(ContentFormat::LINK_FORMAT);
        for (method, path, accept, operation) in [
            (Method::Put, "/0/0", None, Operation::BootstrapWrite),
            (Method::Put, "/3/0/14", None, Operation::BootstrapWrite),
            (Method::Get, "/", links, Operation::BootstrapDiscover),
            (Method::Delete, "/1/0", None, Operation::BootstrapDelete),
        ] {
            let refusal = bootstrap(method, path, accept);
            assert_eq!(refusal, Refusal::NotOffered(operation), "{path}");
            assert_eq!(refusal.code(), Code::BAD_REQUEST);
        }
        for (method, path) in [
            (Method::Get, "/3/0"),
            (Method::Post, "/3/0/4"),
            (Method::Delete, "/3/0/14"),
        ] {
            let refusal = bootstrap(method, path, None);
            assert_eq!(refusal, Refusal::Malformed, "{path}");
        }
    }
}
