//! The pipeline for the requests of servers: a request is classified, authorized and executed,
//! and its answer is queued. The Client then carries out its [`Effect`].
//!
//! Whole bodies and streamed blocks pass the same checks ([`admission`]). A deferred request waits
//! between the checks and the execution ([`deferred`]); its rights are checked again when the
//! application answers.

mod admission;
mod commits;
mod deferred;
mod large;
mod streams;

use alloc::{boxed::Box, string::String, vec::Vec};
use core::time::Duration;

use lwm2m_core::{
    Arguments, AttributesUpdate, Code, ContentFormat, Instant, ObserveOption, Operation, Path,
    ShortServerId,
};
use lwm2m_objects::{Change, Execution, ObjectTree, Target, access};

pub(super) use self::streams::Block;
use self::{
    admission::{Classified, classify},
    commits::{ChangeRequest, Commit},
    deferred::{Asker, Deferred, OpenKind, OpenRequest},
    large::{LargeRead, LargeReads},
    streams::Streams,
};
use super::{
    accounts::{Caller, Origin},
    attributes::AttributeStore,
    config::{ClientConfig, Root},
    content::content,
    discover::discover,
    event::{
        AccountId, ClientEvent, ConnectionId, DeferredEnd, DeferredError, DeferredId,
        DeferredOperation, Events, InvalidAnswer,
    },
    refusal::Refusal,
    reporting::{Cancellation, NewObservation, Observer, Reporting},
    timers::Timers,
};
use crate::coap::{
    Endpoint, MessageBuf, MessageRef, Responder, SendError, SourceId, Token, TransferId,
};

/// The requests of servers: how they are answered, and those that take more than one call.
#[derive(Debug)]
pub(super) struct Requests {
    deferred: Deferred,
    streams: Streams,
    large: LargeReads,
    /// The format of a single Resource, if the request doesn't name one.
    single_resource_format: ContentFormat,
    /// Where servers find the Objects.
    root: Root,
}

/// What a request is served with.
pub(super) struct Context<'c> {
    pub(super) now: Instant,
    pub(super) tree: &'c mut ObjectTree,
    pub(super) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(super) attributes: &'c mut AttributeStore,
    pub(super) reporting: &'c mut Reporting,
    pub(super) timers: &'c mut Timers,
    pub(super) events: &'c mut Events,
}

impl Context<'_> {
    const fn reader(&mut self) -> Reader<'_> {
        Reader {
            now: self.now,
            tree: self.tree,
            endpoint: self.endpoint,
            reporting: self.reporting,
        }
    }
}

/// The part of a [`Context`] that a Read and an Observe need.
struct Reader<'c> {
    now: Instant,
    tree: &'c ObjectTree,
    endpoint: &'c Endpoint<ConnectionId>,
    reporting: &'c mut Reporting,
}

impl Reader<'_> {
    /// Observe (TS 5.5.1): the answer to a Read with the Observe option. If the target can't be
    /// read, no observation begins. At the limit, the values are sent but no observation begins
    /// either (RFC 7641 §4.1).
    fn observe(
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

/// What a request causes apart from its answer. The answer is queued already, so it leaves first.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    Nothing,
    /// A server has written, created or deleted.
    Committed {
        /// The paths that now read differently.
        differences: Vec<Path>,
        /// What the application is told.
        event: Option<Box<ClientEvent>>,
    },
    /// A server has set or unset attributes.
    AttributesWritten {
        account: AccountId,
        server: ShortServerId,
        path: Path,
    },
    /// A server has executed a Resource that its Object leaves to the application.
    Executed {
        account: AccountId,
        path: Path,
        /// Nothing, if the application knows of it.
        arguments: Option<String>,
    },
    /// An observation begins.
    Observed(Box<NewObservation>),
    /// Observations end.
    Cancelled(AccountId, Cancellation),
}

/// How far a request has come.
enum Progress {
    /// It is executed.
    Done(MessageBuf, Effect),
    /// Its answer is taken from the Object block by block.
    Large(MessageBuf, LargeRead),
    /// The application answers it.
    Waits(ShortServerId, Path, OpenKind),
}

impl Progress {
    const fn answered(answer: MessageBuf) -> Self {
        Self::Done(answer, Effect::Nothing)
    }

    /// The application is told of what is committed, unless it has decided about it.
    fn committed(commit: Commit, event: impl FnOnce(Vec<Change>) -> Option<ClientEvent>) -> Self {
        let Commit {
            answer,
            changes,
            differences,
        } = commit;
        let event = event(changes).map(Box::new);
        Self::Done(answer, Effect::Committed { differences, event })
    }
}

impl Requests {
    pub(super) fn new(config: &ClientConfig, root: Root) -> Self {
        // A request that the endpoint has forgotten can no longer be answered.
        let remembered = config.coap.transmission.non_lifetime();
        let longest = remembered.saturating_sub(Duration::from_secs(1));
        let within = config.answer_within.min(longest);
        Self {
            deferred: Deferred::new(within, config.most_deferred),
            streams: Streams::default(),
            large: LargeReads::default(),
            single_resource_format: config.single_resource_format,
            root,
        }
    }

    /// How many requests wait for the application, and how many values are written or read piece by
    /// piece.
    pub(super) fn usage(&self) -> (usize, usize) {
        (self.deferred.len(), self.streams.len() + self.large.len())
    }

    /// A whole request.
    pub(super) fn serve(
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

    /// Answers with a body that is taken from its Object block by block.
    fn respond_from(
        &mut self,
        context: &mut Context<'_>,
        responder: Responder,
        answer: MessageBuf,
        read: LargeRead,
    ) -> Result<(), SendError> {
        let source = context
            .endpoint
            .bodies()
            .source(u32::try_from(read.length()).ok());
        self.large.begin(source.id(), read);
        let id = source.id();
        let sent = context
            .endpoint
            .respond(context.now, responder, (answer, source));
        if sent.is_err() {
            self.large.end(id);
        }
        sent
    }

    /// The endpoint needs a block of an answer.
    pub(super) fn supply(
        &mut self,
        context: &mut Context<'_>,
        source: SourceId,
        offset: usize,
        length: usize,
    ) {
        let (now, endpoint) = (context.now, &mut *context.endpoint);
        match self.large.piece(context.tree, source, offset, length) {
            Ok(piece) => {
                // An error says that nobody needs it any more.
                let _ = endpoint
                    .bodies()
                    .supply(now, source, offset, &piece.bytes, piece.more);
            }
            // Another value is read anew.
            Err(Refusal::Incomplete) => endpoint.bodies().abort(now, source),
            Err(refusal) => endpoint.bodies().abort_with(now, source, refusal.code()),
        }
    }

    /// The endpoint needs no more blocks of an answer.
    pub(super) fn source_closed(&mut self, source: SourceId) {
        self.large.end(source);
    }

    /// A block of a request. The body is assembled unless its Object takes it piece by piece.
    pub(super) fn serve_block(
        &mut self,
        context: &mut Context<'_>,
        origin: Origin,
        responder: Responder,
        request: &MessageRef<'_>,
        block: Block,
    ) {
        if block.offset == 0 {
            let has_payload = !request.payload().is_empty();
            let classified = classify(
                context.tree,
                &self.root,
                origin.caller,
                request,
                has_payload,
            );
            let streamed = classified.and_then(|classified| {
                classified.admit(context.tree)?;
                Ok(classified.streamed(context.tree))
            });
            match streamed {
                Ok(Some(path)) => self.streams.begin(block.transfer, path),
                Ok(None) => {
                    // If an answer can no longer be sent, the peer is gone.
                    let _ = context.endpoint.assemble(context.now, responder, request);
                    return;
                }
                // The remaining blocks aren't needed.
                Err(refusal) => return refuse(context, responder, refusal),
            }
        }
        let code = match self.write_block(context.tree, origin, request.payload(), block) {
            Ok(()) if block.more => Code::CONTINUE,
            Ok(()) => Code::CHANGED,
            Err(refusal) => refusal.code(),
        };
        if code != Code::CONTINUE {
            self.streams.end(block.transfer);
        }
        let answer = MessageBuf::response(code);
        let _ = context.endpoint.respond(context.now, responder, answer);
    }

    /// Passes a block on to its Object, if the server may still write there. The first block has been
    /// admitted.
    fn write_block(
        &mut self,
        tree: &mut ObjectTree,
        origin: Origin,
        bytes: &[u8],
        block: Block,
    ) -> Result<(), Refusal> {
        let path = self.streams.path(block.transfer);
        let path = path.ok_or(Refusal::Incomplete)?;
        let may_write = match origin.caller {
            _ if block.offset == 0 => Ok(()),
            Caller::Server(server) => access::authorize(tree, server, Operation::Write, path),
            Caller::BootstrapServer => Err(access::Refusal::NotSupported),
        };
        if let Err(refusal) = may_write {
            self.streams.abort(tree, block.transfer);
            return Err(refusal.into());
        }
        Ok(streams::write(tree, path, block, bytes)?)
    }

    /// The rest of a streamed body won't arrive.
    pub(super) fn stream_lost(&mut self, tree: &mut ObjectTree, transfer: TransferId) {
        self.streams.abort(tree, transfer);
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
        let (server, account) = (admitted?, origin.account);
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
            let changes = asked.prepare(context.tree)?.changes.into_changes();
            let request = asked.into_owned();
            let kind = OpenKind::Change { request, changes };
            return self.wait((server, account), path, kind);
        }
        let commit = asked.commit(context.tree)?;
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
        admitted: Result<ShortServerId, Refusal>,
    ) -> Progress {
        let format = classified.answer_format(self.single_resource_format);
        let target = &classified.target;
        let answer = admitted.and_then(|server| content(reader.tree, server, target, format, None));
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

/// Requests that are waiting for the application.
impl Requests {
    /// From now on the application answers requests for this operation.
    pub(super) fn defer(&mut self, operation: DeferredOperation, path: Path) {
        self.deferred.add(operation, path);
    }

    /// Undoes [`defer`](Self::defer). Returns `false` if the path wasn't deferred.
    pub(super) fn stop_deferring(&mut self, operation: DeferredOperation, path: Path) -> bool {
        self.deferred.remove(operation, path)
    }

    /// Answers a deferred request for the application. Returns the code that the server gets, if it
    /// can be sent, and the effect.
    pub(super) fn answer(
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
            .and_then(|()| carry_out(context, &open));
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
    pub(super) fn expire(&mut self, context: &mut Context<'_>, request: DeferredId) -> Effect {
        if self.deferred.is_late(context.now, request) {
            self.due(context, request)
        } else {
            Effect::Nothing
        }
    }

    /// The application has taken too long to answer.
    pub(super) fn due(&mut self, context: &mut Context<'_>, request: DeferredId) -> Effect {
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
    pub(super) fn end(&mut self, context: &mut Context<'_>, from: impl Fn(&Origin) -> bool) {
        for request in self.deferred.of(from) {
            if let Some(open) = self.deferred.close(context.timers, request) {
                context.endpoint.ignore(open.responder);
                let reason = DeferredEnd::RegistrationEnded;
                context
                    .events
                    .push_back(ClientEvent::DeferredEnded { request, reason });
            }
        }
    }
}

/// Carries out a deferred request. Its target and the rights on it may have changed meanwhile.
fn carry_out(context: &mut Context<'_>, open: &OpenRequest) -> Result<Progress, Refusal> {
    let (server, path) = (open.server, open.path);
    match &open.kind {
        OpenKind::Execute(arguments) => {
            access::authorize(context.tree, server, Operation::Execute, path)?;
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
            access::authorize(context.tree, server, request.operation, path)?;
            let commit = request.commit(context.tree)?;
            Ok(Progress::committed(commit, |_| None))
        }
    }
}

/// The answer to a Read: the values as they are now, or what is read block by block.
fn read(
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
fn write_attributes(
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

/// What a refusal of a deferred request leads to.
fn refused(context: &Context<'_>, open: &OpenRequest) -> Effect {
    match open.kind {
        OpenKind::Read { observe: true, .. } => {
            not_observed(context, open.origin, open.responder.token())
        }
        _ => Effect::Nothing,
    }
}

/// The effect of a request whose answer was sent, or could not be. What was done stands, but an observation
/// begins with its answer.
fn effect_if(
    context: &Context<'_>,
    sent: Result<(), SendError>,
    (origin, token): (Origin, Token),
    effect: Effect,
) -> Effect {
    match effect {
        Effect::Observed(_) if sent.is_err() => not_observed(context, origin, token),
        effect => effect,
    }
}

/// An Observe is refused. It would have taken the place of the observation with its token, and after an
/// error there is none (RFC 7641 §4.1, §4.2).
fn not_observed(context: &Context<'_>, origin: Origin, token: Token) -> Effect {
    let account = origin.account;
    if context.reporting.contains(account, token) {
        Effect::Cancelled(account, Cancellation::Token(token))
    } else {
        Effect::Nothing
    }
}

fn refuse(context: &mut Context<'_>, responder: Responder, refusal: Refusal) {
    let answer = MessageBuf::response(refusal.code());
    // If it can no longer be sent, the peer is gone.
    let _ = context.endpoint.respond(context.now, responder, answer);
}
