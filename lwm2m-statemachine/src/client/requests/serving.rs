//! A request from the checks to its answer.

use lwm2m_core::{Arguments, Code, ObserveOption, Operation, Path, ShortServerId};
use lwm2m_objects::Execution;

use super::{
    super::{
        accounts::{Caller, Origin},
        content::content,
        discover::discover,
        event::{AccountId, ClientEvent, DeferredOperation},
        refusal::Refusal,
        reporting::Cancellation,
    },
    admission::{Classified, classify},
    bootstrapping::Command,
    commits::ChangeRequest,
    deferred::{Asker, OpenKind},
    operations::{read, write_attributes},
    parts::{Context, Effect, Progress, Reader, Requests, effect_if, not_observed, refuse},
};
use crate::coap::{MessageBuf, MessageRef, Responder};

impl Requests {
    /// A whole request.
    pub(in crate::client) fn serve(
        &mut self,
        context: &mut Context<'_>,
        origin: Origin,
        responder: Responder,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Effect {
        match self.execute(context, origin, &responder, request, body) {
            Ok(Progress::Done(answer, effect)) => {
                let token = responder.token();
                let sent = context.endpoint.respond(context.now, responder, answer);
                effect_if(context, sent, (origin, token), effect)
            }
            Ok(Progress::Large(answer, read)) => {
                let _ = self.respond_from(context, responder, answer, read);
                Effect::Nothing
            }
            Ok(Progress::Waits(server, path, kind)) => {
                let asker = Asker {
                    responder,
                    server,
                    origin,
                };
                self.ask(context, asker, path, kind);
                Effect::Nothing
            }
            Err(refusal) => {
                let token = responder.token();
                refuse(context, responder, refusal);
                match request.observe().and_then(ObserveOption::from_number) {
                    Some(ObserveOption::Register) => {
                        let earlier = Cancellation::Token(token);
                        self.deferred.cancel(origin.account, earlier);
                        not_observed(context, origin, token)
                    }
                    _ => Effect::Nothing,
                }
            }
        }
    }

    /// From the checks to the operation.
    fn execute(
        &mut self,
        context: &mut Context<'_>,
        origin: Origin,
        responder: &Responder,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Result<Progress, Refusal> {
        let reader = context.reader();
        let tree = reader.tree;
        let classified = classify(tree, &self.root, origin.caller, request, !body.is_empty())?;
        let path = classified.target.path();
        let admitted = classified.admit(tree);
        if classified.operation == Operation::CancelObservation {
            return Ok(self.cancel(&reader, origin, responder, &classified, admitted));
        }
        let account = origin.account;
        let server = match admitted? {
            Caller::Server(server) => server,
            Caller::BootstrapServer => {
                let command = Command::of(&classified, body);
                return command.run(context, account, self.bindings);
            }
        };
        match classified.operation {
            Operation::Read | Operation::Observe => {
                let asker = (server, account);
                self.read(reader, asker, responder, &classified)
            }
            Operation::Discover => {
                let answer = discover(context.tree, context.attributes, server, path);
                answer.map(Progress::answered)
            }
            operation @ (Operation::Write | Operation::Create | Operation::Delete) => {
                let asked = ChangeRequest::of(operation, path, server, request, body);
                self.change(context, account, asked)
            }
            Operation::WriteAttributes => {
                write_attributes(context, (server, account), path, request)
            }
            Operation::Execute => self.execute_resource(context, (server, account), path, body),
            // Admission refuses all other operations.
            operation => Err(Refusal::NotOffered(operation)),
        }
    }

    /// Write, Create and Delete (TS 5.4.3, 5.4.6, 5.4.7).
    fn change(
        &self,
        context: &mut Context<'_>,
        account: AccountId,
        asked: ChangeRequest<&[u8]>,
    ) -> Result<Progress, Refusal> {
        let (server, path) = (asked.server, asked.path);
        // What is below an Object has nothing to do with a new Object Instance.
        let deferred = match asked.operation {
            Operation::Create => self.deferred.names(DeferredOperation::Change, path),
            _ => self.deferred.covers(DeferredOperation::Change, path),
        };
        if deferred {
            let changes = asked
                .prepare(context.tree, self.bindings)?
                .changes
                .into_changes();
            let request = asked.into_owned();
            let kind = OpenKind::Change { request, changes };
            return self.wait((server, account), path, kind);
        }
        let commit = asked.commit(context.tree, self.bindings)?;
        let event = |changes| Some(asked.event(account, changes));
        Ok(Progress::committed(commit, event))
    }

    /// Execute (TS 5.4.5).
    fn execute_resource(
        &self,
        context: &mut Context<'_>,
        (server, account): (ShortServerId, AccountId),
        path: Path,
        body: &[u8],
    ) -> Result<Progress, Refusal> {
        let arguments = Arguments::parse(body).map_err(|_| Refusal::Malformed)?;
        if self.deferred.covers(DeferredOperation::Execute, path) {
            let kind = OpenKind::Execute(arguments.as_str().into());
            return self.wait((server, account), path, kind);
        }
        let effect = match context.tree.execute(path, &arguments)? {
            Execution::Done => Effect::Nothing,
            Execution::Application => Effect::Executed {
                account,
                path,
                arguments: Some(arguments.as_str().into()),
            },
        };
        Ok(Progress::Done(MessageBuf::response(Code::CHANGED), effect))
    }

    /// Read and Observe (TS 5.4.1, 5.5.1).
    fn read(
        &mut self,
        reader: Reader<'_>,
        (server, account): (ShortServerId, AccountId),
        responder: &Responder,
        classified: &Classified<'_>,
    ) -> Result<Progress, Refusal> {
        let path = classified.target.path();
        let format = classified.answer_format(self.single_resource_format);
        let observe = classified.operation == Operation::Observe;
        let target = &classified.target;
        let progress = if self.deferred.covers(DeferredOperation::Read, path) {
            let kind = OpenKind::Read { format, observe };
            self.wait((server, account), path, kind)?
        } else if observe {
            reader.observe((server, account), responder, target, format)?
        } else {
            read(reader.tree, server, target, format)?
        };
        if observe {
            // It replaces an earlier Observe with its token, including one that is still waiting
            // (RFC 7641 §4.1).
            let earlier = Cancellation::Token(responder.token());
            self.deferred.cancel(account, earlier);
        }
        Ok(progress)
    }

    /// Cancel Observation (TS 5.5.3), answered as a Read. The observation ends even if its target
    /// can't be read.
    fn cancel(
        &mut self,
        reader: &Reader<'_>,
        origin: Origin,
        responder: &Responder,
        classified: &Classified<'_>,
        admitted: Result<Caller, Refusal>,
    ) -> Progress {
        let format = classified.answer_format(self.single_resource_format);
        let target = &classified.target;
        let answer = admitted.and_then(|caller| match caller {
            Caller::Server(server) => content(reader.tree, server, target, format, None),
            Caller::BootstrapServer => Err(Refusal::Malformed),
        });
        let answer = answer.unwrap_or_else(|refusal| MessageBuf::response(refusal.code()));
        let (account, token) = (origin.account, responder.token());
        let path = target.path();
        let has_token =
            reader.reporting.contains(account, token) || self.deferred.observes(account, token);
        // The root is not a target of the operation.
        let cancellation = if has_token || !Operation::CancelObservation.may_target(&path) {
            Cancellation::Token(token)
        } else {
            Cancellation::Below(path)
        };
        self.deferred.cancel(account, cancellation);
        Progress::Done(answer, Effect::Cancelled(account, cancellation))
    }

    /// Leaves the answer to the application, unless too many requests of this server are waiting for it.
    fn wait(
        &self,
        (server, account): (ShortServerId, AccountId),
        path: Path,
        kind: OpenKind,
    ) -> Result<Progress, Refusal> {
        self.deferred.check_room(account)?;
        Ok(Progress::Waits(server, path, kind))
    }

    /// Defers a request, and asks the application.
    fn ask(&mut self, context: &mut Context<'_>, asker: Asker, path: Path, mut kind: OpenKind) {
        let account = asker.origin.account;
        let request = self.deferred.next_id();
        let event = match &mut kind {
            OpenKind::Execute(arguments) => ClientEvent::ExecuteAsked {
                request,
                account,
                path,
                arguments: arguments.clone(),
            },
            OpenKind::Read { .. } => ClientEvent::ReadAsked {
                request,
                account,
                path,
            },
            OpenKind::Change {
                request: of,
                changes,
            } => ClientEvent::ChangeAsked {
                request,
                account,
                operation: of.operation,
                path,
                changes: core::mem::take(changes),
            },
        };
        self.deferred
            .open(context.now, context.timers, asker, path, kind);
        context.events.push_back(event);
    }
}
