//! Which operation a request is, and whether it may be: the order of the checks, for every way in.
//!
//! Of several faults the first one of this order is answered (TS 8.5, Table 27):
//!
//! 1. The Security Object is shut to these interfaces: 4.01 (TS E.1).
//! 2. What the path names is there: 4.04.
//! 3. The target supports the operation: 4.05.
//! 4. The formats: 4.15 for the payload's, 4.06 for the answer's. Operations for which Table 27
//!    has neither are 4.00, as is a format that is not named.
//! 5. The payload: 4.00. That is for the operation itself.
//!
//! Access rights (4.01, TS 7.3.2) are not enforced yet. Their place is between 2 and 3.

use lwm2m_core::{
    Code, ContentFormat, DownlinkRequest, ObjectId, ObserveOption, Operation, Path, ResourceSupport,
};
use lwm2m_objects::{ObjectTree, ResourceDefinition};

use crate::{coap::MessageRef, downlink::payload};

/// A request of which it is known what it is meant to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClassifiedRequest {
    request: DownlinkRequest,
    pub(super) operation: Operation,
}

/// Which operation a request is meant to be (TS Tables 25, 26).
///
/// `has_payload` tells whether its body, of which the request may carry a block, has any byte.
pub(super) fn classify(
    tree: &ObjectTree,
    request: &MessageRef<'_>,
    has_payload: bool,
) -> Result<ClassifiedRequest, Code> {
    // Whatever the rest of the path is.
    let object = Path::from_segments(request.uri_path().take(1));
    if object == Ok(Path::Object(ObjectId::SECURITY)) {
        return Err(Code::UNAUTHORIZED);
    }
    let path = Path::from_segments(request.uri_path()).map_err(|_| Code::NOT_FOUND)?;
    let method = request.code().method().ok_or(Code::METHOD_NOT_ALLOWED)?;
    let request = DownlinkRequest {
        accept: request.accept(),
        content_format: request.content_format(),
        observe: request.observe().and_then(ObserveOption::from_number),
        has_queries: request.uri_query().next().is_some(),
        has_payload,
        ..DownlinkRequest::new(method, path)
    };
    Ok(ClassifiedRequest {
        operation: request.intended(support(tree, path)),
        request,
    })
}

impl ClassifiedRequest {
    pub(super) const fn path(&self) -> Path {
        self.request.path
    }

    /// Makes the checks 2 to 4; with an error, that is the code of the answer.
    pub(super) fn admit(&self, tree: &ObjectTree) -> Result<(), Code> {
        if !tree.target(self.path()).exists_for(self.operation) {
            return Err(Code::NOT_FOUND);
        }
        self.request
            .check_target(self.operation, support(tree, self.path()))
            .map_err(|error| error.code())?;
        if !self.is_supported(tree) {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        self.check_formats()?;
        self.request
            .check_content(self.operation)
            .map_err(|error| error.code())
    }

    /// Whether the Client offers the operation, and a Resource that is its target allows it.
    fn is_supported(&self, tree: &ObjectTree) -> bool {
        let resource = definition(tree, self.path());
        let allowed = |allows: fn(&ResourceDefinition) -> bool| resource.is_none_or(allows);
        match self.operation {
            Operation::Read | Operation::Observe | Operation::CancelObservation => {
                allowed(|resource| resource.operations.readable())
            }
            Operation::Write => allowed(|resource| resource.operations.writable()),
            Operation::Execute => allowed(|resource| resource.operations.executable()),
            Operation::Discover => true,
            // Create, Delete and Write-Attributes are not offered.
            _ => false,
        }
    }

    fn check_formats(&self) -> Result<(), Code> {
        let supported = |format: Option<ContentFormat>| format.is_none_or(payload::supports);
        match self.operation {
            Operation::Read | Operation::Observe | Operation::CancelObservation
                if !supported(self.request.accept) =>
            {
                Err(Code::NOT_ACCEPTABLE)
            }
            Operation::Write if !supported(self.request.content_format) => {
                Err(Code::UNSUPPORTED_CONTENT_FORMAT)
            }
            // Arguments are plain text, with or without saying so (TS 5.4.5).
            Operation::Execute
                if !matches!(
                    self.request.content_format,
                    None | Some(ContentFormat::TEXT)
                ) =>
            {
                Err(Code::BAD_REQUEST)
            }
            _ => Ok(()),
        }
    }

    /// The Resource that is written and whose Object takes the value piece by piece: in the opaque
    /// format, which is nothing but the value.
    pub(super) fn streamed(&self, tree: &ObjectTree) -> Option<Path> {
        let opaque = self.request.content_format == Some(ContentFormat::OPAQUE);
        let streams = self.operation == Operation::Write && opaque && tree.streams(self.path());
        streams.then_some(self.path())
    }
}

/// What a POST on a Resource can be, by its definition.
fn support(tree: &ObjectTree, path: Path) -> Option<ResourceSupport> {
    let operations = definition(tree, path)?.operations;
    Some(if operations.executable() {
        ResourceSupport::Execute
    } else if operations.writable() {
        ResourceSupport::Write
    } else {
        ResourceSupport::Neither
    })
}

/// The definition of a Resource.
fn definition(tree: &ObjectTree, path: Path) -> Option<&ResourceDefinition> {
    tree.definition(path.object()?)?.resource(path.resource()?)
}
