//! Operations that change nothing of the values: Read and Observe (TS 5.4.1, 5.5.1), and Write-Attributes (TS 5.4.4).

use alloc::boxed::Box;

use lwm2m_core::{AttributesUpdate, Code, ContentFormat, Path, ShortServerId};
use lwm2m_objects::{ObjectTree, Target};

use super::{
    super::{
        content::content,
        event::AccountId,
        refusal::Refusal,
        reporting::{NewObservation, Observer},
    },
    large::LargeRead,
    parts::{Context, Effect, Progress, Reader},
};
use crate::coap::{MessageBuf, MessageRef, Responder};

impl Reader<'_> {
    /// Observe (TS 5.5.1): the answer to a Read with the Observe option. If the target can't be
    /// read, no observation begins. At the limit, the values are sent but no observation begins
    /// either (RFC 7641 §4.1).
    pub(super) fn observe(
        self,
        (server, account): (ShortServerId, AccountId),
        responder: &Responder,
        target: &Target<'_>,
        format: ContentFormat,
    ) -> Result<Progress, Refusal> {
        let number = self.reporting.number_for(account, responder.token());
        let answer = content(self.tree, server, target, format, number)?;
        if number.is_none() {
            return Ok(Progress::answered(answer));
        }
        let observer = Observer {
            server,
            account,
            entry: self.endpoint.observer(self.now, responder),
        };
        let observation = NewObservation {
            observer,
            path: target.path(),
            format,
        };
        Ok(Progress::Done(
            answer,
            Effect::Observed(Box::new(observation)),
        ))
    }
}

/// The answer to a Read: the values as they are now, or what is read block by block.
pub(super) fn read(
    tree: &ObjectTree,
    server: ShortServerId,
    target: &Target<'_>,
    format: ContentFormat,
) -> Result<Progress, Refusal> {
    match LargeRead::of(server, target, format).transpose()? {
        Some(read) => Ok(Progress::Large(read.answer(format)?, read)),
        None => content(tree, server, target, format, None).map(Progress::answered),
    }
}

/// Write-Attributes (TS 5.4.4): all attributes, or none.
pub(super) fn write_attributes(
    context: &mut Context<'_>,
    (server, account): (ShortServerId, AccountId),
    path: Path,
    request: &MessageRef<'_>,
) -> Result<Progress, Refusal> {
    let update = AttributesUpdate::from_queries(request.uri_query());
    let update = update.map_err(|_| Refusal::Malformed)?;
    let target = context.tree.target(path);
    context.attributes.write(server, &target, &update)?;
    let effect = Effect::AttributesWritten {
        account,
        server,
        path,
    };
    Ok(Progress::Done(MessageBuf::response(Code::CHANGED), effect))
}
