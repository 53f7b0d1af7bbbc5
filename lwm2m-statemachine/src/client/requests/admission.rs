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
//! [`access`] makes checks 1 to 4. On the Bootstrap interface there are no rights, and the tree checks the target
//! with the operation: of these checks, the 5th is left (TS 5.2.2).

use lwm2m_core::{
    ContentFormat, DownlinkRequest, Method, ObjectId, ObserveOption, Operation, Path,
    ResourceSupport, ShortServerId, codec::Scope,
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
    let segments = segments.ok_or(Refusal::NotFound)?;
    let method = message.code().method().ok_or(Refusal::NotSupported)?;
    let finish = finish(caller, segments.clone(), method).transpose()?;
    let path = match (finish, caller) {
        (Some(_), _) => Path::Root,
        (None, Caller::Server(_)) => path(segments)?,
        (None, Caller::BootstrapServer) => {
            Path::from_segments(segments).map_err(|_| Refusal::Malformed)?
        }
    };
    let request = DownlinkRequest {
        accept: message.accept(),
        content_format: message.content_format(),
        observe: message.observe().and_then(ObserveOption::from_number),
        has_queries: message.uri_query().next().is_some(),
        has_payload,
        ..DownlinkRequest::new(method, path)
    };
    let target = tree.target(path);
    let operation = match (finish, caller) {
        (Some(finish), _) => finish,
        (None, Caller::Server(_)) => request.intended(support(&target)),
        (None, Caller::BootstrapServer) => request.bootstrap_operation()?,
    };
    Ok(Classified {
        request,
        caller,
        operation,
        target,
    })
}

/// Bootstrap-Finish, if that is its path; it has no other method (TS 8.2.3).
fn finish<'s>(
    caller: Caller,
    segments: impl Iterator<Item = &'s str>,
    method: Method,
) -> Option<Result<Operation, Refusal>> {
    let is_finish = caller == Caller::BootstrapServer && segments.eq(["bs"]);
    is_finish.then_some(match method {
        Method::Post => Ok(Operation::BootstrapFinish),
        _ => Err(Refusal::Malformed),
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
    /// Makes checks 1 to 5, and returns whose request it is.
    pub(super) fn admit(&self, tree: &ObjectTree) -> Result<Caller, Refusal> {
        if let Caller::Server(server) = self.caller {
            self.authorize(tree, server)?;
        }
        let formats = self.check_formats();
        match self.caller {
            Caller::Server(_) => {
                formats?;
                self.request.check_content(self.operation)?;
            }
            Caller::BootstrapServer => {
                formats.map_err(|refusal| refusal.of_bootstrap(self.operation))?;
            }
        }
        Ok(self.caller)
    }

    /// Makes checks 1 to 4.
    fn authorize(&self, tree: &ObjectTree, server: ShortServerId) -> Result<(), Refusal> {
        let operation = match self.operation {
            // Its answer is that of a Read.
            Operation::CancelObservation => Operation::Read,
            operation => operation,
        };
        Ok(access::authorize_target(
            tree,
            &self.target,
            server,
            operation,
        )?)
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
            Operation::BootstrapWrite
                if !(supported(self.request.content_format) && self.fits()) =>
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

    /// Whether the payload's format can carry the target of a Bootstrap-Write (TS 5.2.7.4): text and opaque are for
    /// a single Resource.
    fn fits(&self) -> bool {
        let scope = Scope::write(self.target.path());
        let format = self.request.content_format;
        format.is_none_or(|format| payload::carries(format, scope))
    }

    /// The content format of the payload.
    pub(super) const fn content_format(&self) -> Option<ContentFormat> {
        self.request.content_format
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
    use lwm2m_core::Code;
    use lwm2m_objects::example;

    use super::*;
    use crate::coap::{MessageBuf, MessageType, Token};

    /// Which operation a request of the Bootstrap-Server is, or the code of its refusal.
    fn bootstrap(
        method: Method,
        path: &str,
        accept: Option<ContentFormat>,
        format: Option<ContentFormat>,
    ) -> Result<Operation, Code> {
        let mut request = MessageBuf::request(method);
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            request.uri_path(segment).unwrap();
        }
        if let Some(format) = format {
            request.content_format(format).unwrap();
        }
        if let Some(format) = accept {
            request.accept(format).unwrap();
        }
        let wire = request.finish(MessageType::Confirmable, 1, Token::EMPTY);
        let message = MessageRef::parse(wire.as_ref()).unwrap();
        let tree = example::client();
        let root = Root::new("/lwm2m").unwrap();
        let classified = classify(&tree, &root, Caller::BootstrapServer, &message, true);
        let admitted = classified.and_then(|classified| {
            let caller = classified.admit(&tree)?;
            assert_eq!(caller, Caller::BootstrapServer);
            Ok(classified.operation)
        });
        admitted.map_err(Refusal::code)
    }

    /// The Bootstrap interface (TS 8.2.3) includes the Security Object, has no access rights and no alternate path.
    /// None of its operations is mistaken for one of another interface.
    #[test]
    fn a_bootstrap_server_has_the_operations_of_its_own_interface() {
        let links = Some(ContentFormat::LINK_FORMAT);
        let tlv = Some(ContentFormat::TLV);
        for (method, path, accept, format, operation) in [
            (Method::Put, "/0/0", None, tlv, Operation::BootstrapWrite),
            (Method::Put, "/3/0/14", None, tlv, Operation::BootstrapWrite),
            (Method::Get, "/", links, None, Operation::BootstrapDiscover),
            (
                Method::Delete,
                "/1/0",
                None,
                None,
                Operation::BootstrapDelete,
            ),
            (Method::Delete, "/", None, None, Operation::BootstrapDelete),
            (Method::Post, "/bs", None, None, Operation::BootstrapFinish),
        ] {
            let found = bootstrap(method, path, accept, format);
            assert_eq!(found, Ok(operation), "{path}");
        }
        for (method, path) in [
            (Method::Get, "/3/0"),
            (Method::Post, "/3/0/4"),
            (Method::Post, "/3"),
            (Method::Delete, "/3/0/14"),
            (Method::Put, "/"),
            (Method::Put, "/3/0/11/0"),
            (Method::Put, "/bs"),
            (Method::Get, "/bs"),
            (Method::Delete, "/bs"),
            (Method::Post, "/bs/0"),
            (Method::Post, "/lwm2m/bs"),
            (Method::Put, "/lwm2m/3/0"),
            (Method::Put, "/x"),
        ] {
            let found = bootstrap(method, path, None, tlv);
            assert_eq!(found, Err(Code::BAD_REQUEST), "{path}");
        }
        let found = bootstrap(Method::Get, "/bs", links, None);
        assert_eq!(found, Err(Code::BAD_REQUEST));
    }

    /// TS 5.2.7.4, 8.5.
    #[test]
    fn a_bootstrap_write_has_a_format_that_carries_its_target() {
        let put = |path, format| bootstrap(Method::Put, path, None, Some(format));
        let unsupported = Err(Code::UNSUPPORTED_CONTENT_FORMAT);
        for format in [ContentFormat::TLV, ContentFormat::JSON] {
            for path in ["/3", "/3/0", "/3/0/14"] {
                assert_eq!(put(path, format), Ok(Operation::BootstrapWrite), "{path}");
            }
        }
        for format in [ContentFormat::TEXT, ContentFormat::OPAQUE] {
            assert_eq!(put("/3/0/14", format), Ok(Operation::BootstrapWrite));
            assert_eq!(put("/3/0", format), unsupported);
            assert_eq!(put("/3", format), unsupported);
        }
        assert_eq!(put("/3/0", ContentFormat::LINK_FORMAT), unsupported);
        assert_eq!(put("/3/0", ContentFormat::new(60)), unsupported);
    }
}
