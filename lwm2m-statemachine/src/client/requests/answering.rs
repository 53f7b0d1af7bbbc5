//! Requests that the application answers.

use lwm2m_core::{Arguments, Code, Operation, Path};
use lwm2m_objects::{Execution, access};

use super::{
    super::{
        accounts::Origin,
        event::{
            ClientEvent, DeferredEnd, DeferredError, DeferredId, DeferredOperation, InvalidAnswer,
        },
        refusal::Refusal,
    },
    bindings::UsableBindings,
    deferred::{OpenKind, OpenRequest},
    operations::read,
    parts::{Context, Effect, Progress, Requests, effect_if, not_observed, refuse},
};
use crate::coap::{MessageBuf, SendError};

/// Requests that are waiting for the application.
impl Requests {
    /// From now on the application answers requests for this operation.
    pub(in crate::client) fn defer(&mut self, operation: DeferredOperation, path: Path) {
        self.deferred.add(operation, path);
    }

    /// Undoes [`defer`](Self::defer). Returns `false` if the path wasn't deferred.
    pub(in crate::client) fn stop_deferring(
        &mut self,
        operation: DeferredOperation,
        path: Path,
    ) -> bool {
        self.deferred.remove(operation, path)
    }

    /// Answers a deferred request for the application. Returns the code that the server gets, if it
    /// can be sent, and the effect.
    pub(in crate::client) fn answer(
        &mut self,
        context: &mut Context<'_>,
        id: DeferredId,
        operation: DeferredOperation,
        result: Result<(), Code>,
    ) -> Result<(Result<Code, SendError>, Effect), DeferredError> {
        let open = self.deferred.get(id)?;
        if open.kind.operation() != operation {
            return Err(InvalidAnswer::Operation(operation).into());
        }
        if let Err(code) = result {
            let asked = open.kind.asked();
            if code.is_success() || !asked.allows(code) {
                return Err(InvalidAnswer::Code(asked, code).into());
            }
        }
        let open = self.deferred.close(context.timers, id);
        let open = open.ok_or(DeferredError::NotOpen(id))?;
        let progress = result
            .map_err(Refusal::Application)
            .and_then(|()| carry_out(context, &open, self.bindings));
        let (answer, effect) = match progress {
            Ok(Progress::Done(answer, effect)) => (answer, effect),
            Ok(Progress::Large(answer, read)) => {
                let code = answer.code();
                let sent = self.respond_from(context, open.responder, answer, read);
                return Ok((sent.map(|()| code), Effect::Nothing));
            }
            Ok(Progress::Waits(..)) => return Err(DeferredError::NotOpen(id)),
            Err(refusal) => {
                let answer = MessageBuf::response(refusal.code());
                (answer, refused(context, &open))
            }
        };
        let code = answer.code();
        let (now, token) = (context.now, open.responder.token());
        let sent = context.endpoint.respond(now, open.responder, answer);
        let effect = effect_if(context, sent, (open.origin, token), effect);
        Ok((sent.map(|()| code), effect))
    }

    /// Ends a waiting request whose deadline has come but wasn't handled yet.
    pub(in crate::client) fn expire(
        &mut self,
        context: &mut Context<'_>,
        request: DeferredId,
    ) -> Effect {
        if self.deferred.is_late(context.now, request) {
            self.due(context, request)
        } else {
            Effect::Nothing
        }
    }

    /// The application has taken too long to answer.
    pub(in crate::client) fn due(
        &mut self,
        context: &mut Context<'_>,
        request: DeferredId,
    ) -> Effect {
        let Some(open) = self.deferred.close(context.timers, request) else {
            return Effect::Nothing;
        };
        let effect = refused(context, &open);
        // The application may have begun with it, so it must not run again.
        refuse(context, open.responder, Refusal::Failed);
        let reason = DeferredEnd::TimedOut;
        context
            .events
            .push_back(ClientEvent::DeferredEnded { request, reason });
        effect
    }

    /// Ends the waiting requests from there: they can no longer be answered.
    pub(in crate::client) fn end(
        &mut self,
        context: &mut Context<'_>,
        from: impl Fn(&Origin) -> bool,
    ) {
        for request in self.deferred.of(from) {
            self.drop(context, request, DeferredEnd::RegistrationEnded);
        }
    }

    /// A bootstrap is under way: no server gets an answer, and nothing that is written block by block goes on.
    pub(in crate::client) fn rest(&mut self, context: &mut Context<'_>) {
        for request in self.deferred.of(|_| true) {
            self.drop(context, request, DeferredEnd::Bootstrap);
        }
        self.streams.abort_all(context.tree);
    }

    fn drop(&mut self, context: &mut Context<'_>, request: DeferredId, reason: DeferredEnd) {
        if let Some(open) = self.deferred.close(context.timers, request) {
            context.endpoint.ignore(open.responder);
            context
                .events
                .push_back(ClientEvent::DeferredEnded { request, reason });
        }
    }
}

/// Carries out a deferred request. Its target and the rights on it may have changed meanwhile.
fn carry_out(
    context: &mut Context<'_>,
    open: &OpenRequest,
    bindings: UsableBindings,
) -> Result<Progress, Refusal> {
    let (server, path) = (open.server, open.path);
    match &open.kind {
        OpenKind::Execute(arguments) => {
            access::authorize(&*context.tree, server, Operation::Execute, path)?;
            let arguments = Arguments::parse(arguments.as_bytes());
            let arguments = arguments.map_err(|_| Refusal::Malformed)?;
            let effect = match context.tree.execute(path, &arguments)? {
                Execution::Done => Effect::Nothing,
                Execution::Application => Effect::Executed {
                    account: open.origin.account,
                    path,
                    arguments: None,
                },
            };
            Ok(Progress::Done(MessageBuf::response(Code::CHANGED), effect))
        }
        OpenKind::Read { format, observe } => {
            let reader = context.reader();
            let tree = reader.tree;
            let target = tree.target(path);
            access::authorize_target(tree, &target, server, Operation::Read)?;
            if *observe {
                let observer = (server, open.origin.account);
                return reader.observe(observer, &open.responder, &target, *format);
            }
            read(tree, server, &target, *format)
        }
        OpenKind::Change { request, .. } => {
            access::authorize(&*context.tree, server, request.operation, path)?;
            let commit = request.commit(context.tree, bindings)?;
            Ok(Progress::committed(commit, |_| None))
        }
    }
}

/// What a refusal of a deferred request leads to.
fn refused(context: &Context<'_>, open: &OpenRequest) -> Effect {
    match open.kind {
        OpenKind::Read { observe: true, .. } => {
            not_observed(context, open.origin, open.responder.token())
        }
        _ => Effect::Nothing,
    }
}
