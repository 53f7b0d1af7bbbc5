//! The commands of the Bootstrap-Server (TS 5.2.7), with the codes of its interface (TS Table 27).

use alloc::boxed::Box;

use lwm2m_core::{ContentFormat, Operation, Path};
use lwm2m_objects::ObjectTree;

use super::{
    super::{bootstrap, event::AccountId, refusal::Refusal},
    admission::Classified,
    bindings::UsableBindings,
    parts::{Context, Effect, Progress},
};
use crate::coap::MessageBuf;

/// A command that has been admitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command<'b> {
    operation: Operation,
    path: Path,
    format: Option<ContentFormat>,
    body: &'b [u8],
}

impl<'b> Command<'b> {
    pub(super) const fn of(classified: &Classified<'_>, body: &'b [u8]) -> Self {
        Self {
            operation: classified.operation,
            path: classified.target.path(),
            format: classified.content_format(),
            body,
        }
    }

    /// Carries it out.
    pub(super) fn run(
        self,
        context: &mut Context<'_>,
        account: AccountId,
        bindings: UsableBindings,
    ) -> Result<Progress, Refusal> {
        let (operation, path) = (self.operation, self.path);
        let (tree, commands) = (&mut *context.tree, &mut context.bootstrap.commands);
        let done = match operation {
            Operation::BootstrapWrite => commands.write(tree, path, self.format, self.body),
            Operation::BootstrapDelete => commands.delete(tree, path),
            Operation::BootstrapDiscover => {
                let answer = bootstrap::discover(tree, path);
                let answer = answer.map_err(|refusal| refusal.of_bootstrap(operation))?;
                return Ok(Progress::answered(answer));
            }
            Operation::BootstrapFinish => {
                let supports = |tree: &ObjectTree, binding| bindings.supports(tree, binding);
                if let Err(reason) = commands.settle(tree, supports) {
                    // It may be mended (TS 5.2.6).
                    let answer = MessageBuf::response(Refusal::NotAcceptable.code());
                    let effect = Effect::Inconsistent(account, Box::new(reason));
                    return Ok(Progress::Done(answer, effect));
                }
                let answer = MessageBuf::response(operation.success());
                return Ok(Progress::Done(answer, Effect::Finished));
            }
            // There are no others on this interface.
            _ => Err(Refusal::Malformed),
        };
        done.map_err(|refusal| refusal.of_bootstrap(operation))?;
        Ok(Progress::answered(MessageBuf::response(
            operation.success(),
        )))
    }
}
