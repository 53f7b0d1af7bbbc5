//! What the Client fetches for its Objects from CoAP servers, block by block, such as a firmware
//! image (TS E.6, Resource 1).
//!
//! ```text
//! Waiting ─> Connecting ─ connected ─> Asking ─ last block ─> over
//!                ^                     │    ^
//!                │         lost, silent│    │back-off is over
//!                └───────────────── Pausing ┘
//! ```
//!
//! An Object [orders](lwm2m_objects::FetchOrder) a download and gets its bytes
//! ([`Fetched`](lwm2m_objects::Fetched)). Nothing of the body is held here but its first block.

mod body;
mod download;
mod target;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use lwm2m_core::{Code, Instant, Path};
use lwm2m_objects::{FetchFailure, FetchOrder, Fetched, ObjectTree};

use self::{
    body::Progress,
    download::{Download, State},
    target::Target,
};
use super::{
    config::DownloadConfig,
    event::{ClientEvent, ConnectionId, DownloadOutcome, DownloadStatus, Events},
    timers::{Timer, Timers},
};
use crate::{
    coap::{Endpoint, MessageRef, RequestId, RequestOptions},
    machine::Random,
};

/// The server is asked too often (RFC 8516).
const TOO_MANY_REQUESTS: Code = Code::new(4, 29);

/// The downloads of a Client, one at most for each Resource with a URI.
#[derive(Debug)]
pub(super) struct Downloads {
    all: BTreeMap<Path, Download>,
    /// Those that have a connection or are about to ask for one: [`DownloadConfig::most`] at most.
    running: BTreeSet<Path>,
    /// The others.
    waiting: BTreeSet<Path>,
    config: Box<DownloadConfig>,
    random: Random,
    /// Whether the Client has started. None runs before.
    is_started: bool,
    /// Whether the application is offline. None runs meanwhile.
    is_offline: bool,
}

/// What downloads need for a step.
pub(super) struct Context<'c> {
    pub(super) now: Instant,
    pub(super) tree: &'c mut ObjectTree,
    pub(super) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(super) timers: &'c mut Timers,
    pub(super) events: &'c mut Events,
    /// Names a new connection.
    pub(super) new_connection: &'c mut dyn FnMut() -> ConnectionId,
}

/// What follows from a response.
enum Next {
    /// Ask for the next block.
    Ask,
    /// Wait this many seconds, or longer, and ask again.
    Pause(u32),
    Over(DownloadOutcome),
}

impl Downloads {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn new(config: DownloadConfig, random: Random) -> Self {
        Self {
            all: BTreeMap::new(),
            running: BTreeSet::new(),
            waiting: BTreeSet::new(),
            config: Box::new(config),
            random,
            is_started: false,
            is_offline: false,
        }
    }

    /// What is being fetched, in the order of the paths.
    pub(super) fn all(&self) -> impl Iterator<Item = DownloadStatus<'_>> {
        self.all.iter().map(|(path, download)| DownloadStatus {
            path: *path,
            uri: &download.uri,
            received: download.body.received(),
            announced: download.body.announced(),
        })
    }

    /// Carries out what Objects have ordered: all of it, before one that waits takes the place of another.
    pub(super) fn follow(&mut self, context: &mut Context<'_>) {
        while let Some(order) = context.tree.poll_fetch() {
            match order {
                FetchOrder::Begin { path, uri } => self.begin(context, path, uri),
                FetchOrder::Stop { path } => self.close(context, path, DownloadOutcome::Stopped),
            }
        }
        self.start_waiting(context);
    }

    fn begin(&mut self, context: &mut Context<'_>, path: Path, uri: String) {
        self.close(context, path, DownloadOutcome::Stopped);
        let Some(target) = Target::parse(&uri) else {
            let failure = FetchFailure::InvalidUri;
            context.tree.fetched(path, Fetched::Failed(failure));
            let outcome = DownloadOutcome::Failed(failure);
            let event = ClientEvent::DownloadEnded { path, outcome };
            return context.events.push_back(event);
        };
        let download = Download::new(target, uri, self.config.block_size, context.now);
        self.all.insert(path, download);
        self.waiting.insert(path);
    }

    /// Starts downloads that wait, as many as may run at once.
    fn start_waiting(&mut self, context: &mut Context<'_>) {
        while self.is_started && !self.is_offline && self.running.len() < self.config.most.max(1) {
            let Some(path) = self.waiting.pop_first() else {
                return;
            };
            if let Some(download) = self.all.get_mut(&path) {
                download.run(context.now);
                self.running.insert(path);
                self.connect(context, path);
            }
        }
    }

    /// Asks the application for a connection to the server of a download.
    fn connect(&mut self, context: &mut Context<'_>, path: Path) {
        let Some(download) = self.all.get_mut(&path) else {
            return;
        };
        let connection = (context.new_connection)();
        download.state = State::Connecting(connection);
        let event = ClientEvent::ConnectForDownload {
            connection,
            path,
            uri: download.uri.clone(),
            security: download.target.security(context.tree),
        };
        context.events.push_back(event);
        self.arm(context, path);
    }

    /// Asks for the block that is needed next.
    fn ask(&mut self, context: &mut Context<'_>, path: Path, connection: ConnectionId) {
        let Some(download) = self.all.get_mut(&path) else {
            return;
        };
        // Too large to be numbered.
        let Some(block) = download.body.block() else {
            return self.fail(context, path, FetchFailure::Storage);
        };
        let Some(message) = download.target.request(block) else {
            return self.fail(context, path, FetchFailure::InvalidUri);
        };
        let options = RequestOptions {
            single_block: true,
            ..RequestOptions::default()
        };
        let (now, endpoint) = (context.now, &mut context.endpoint);
        match endpoint.request(now, connection, message, options) {
            Ok(request) => {
                download.state = State::Asking {
                    connection,
                    request,
                };
                self.arm(context, path);
            }
            Err(_) => self.pause(context, path, Some(connection), 0),
        }
    }

    /// Waits before it is tried again, at least this many seconds.
    fn pause(
        &mut self,
        context: &mut Context<'_>,
        path: Path,
        connection: Option<ConnectionId>,
        seconds: u32,
    ) {
        let Some(download) = self.all.get_mut(&path) else {
            return;
        };
        let retry = download.pause(
            context.now,
            &self.config,
            &mut self.random,
            connection,
            seconds,
        );
        context.events.push_back(ClientEvent::DownloadInterrupted {
            path,
            received: download.body.received(),
            retry,
        });
        self.arm(context, path);
    }

    /// Sets the timer of a download.
    fn arm(&mut self, context: &mut Context<'_>, path: Path) {
        if let Some(download) = self.all.get_mut(&path) {
            let deadline = download.deadline(&self.config);
            let timer = Timer::Download(path);
            context.timers.set(timer, &mut download.armed, deadline);
        }
    }
}

/// What happens to downloads.
impl Downloads {
    /// A connection is up. Returns whether it is one of a download.
    pub(super) fn connected(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
    ) -> bool {
        let Some(path) = self.at(connection) else {
            return false;
        };
        let download = self.all.get(&path);
        if download.is_some_and(|download| matches!(download.state, State::Connecting(_))) {
            self.ask(context, path, connection);
        }
        true
    }

    /// A connection is lost, or could not be made. Returns whether it was one of a download.
    pub(super) fn disconnected(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
    ) -> bool {
        let Some(path) = self.at(connection) else {
            return false;
        };
        self.pause(context, path, None, 0);
        context.endpoint.close_peer(context.now, &connection);
        true
    }

    /// A request got a response. Returns whether it is one of a download.
    pub(super) fn answered(
        &mut self,
        context: &mut Context<'_>,
        request: RequestId,
        response: &MessageRef<'_>,
    ) -> bool {
        let Some((path, connection)) = self.of(request) else {
            return false;
        };
        match self.take(context, path, response) {
            Next::Ask => self.ask(context, path, connection),
            Next::Pause(seconds) => self.pause(context, path, Some(connection), seconds),
            Next::Over(DownloadOutcome::Failed(failure)) => self.fail(context, path, failure),
            Next::Over(outcome) => self.end(context, path, outcome),
        }
        true
    }

    /// A request got no response. Returns whether it is one of a download.
    pub(super) fn unanswered(&mut self, context: &mut Context<'_>, request: RequestId) -> bool {
        let Some((path, connection)) = self.of(request) else {
            return false;
        };
        self.pause(context, path, Some(connection), 0);
        true
    }

    /// The deadline of a download has passed.
    pub(super) fn due(&mut self, context: &mut Context<'_>, path: Path) {
        let Some(download) = self.all.get_mut(&path) else {
            return;
        };
        download.armed = None;
        if download.is_over(&self.config, context.now) {
            return self.fail(context, path, FetchFailure::ConnectionLost);
        }
        match download.state {
            State::Pausing { connection, until } if until <= context.now => match connection {
                Some(connection) => self.ask(context, path, connection),
                None => self.connect(context, path),
            },
            _ => self.arm(context, path),
        }
    }

    /// Gives up a download. Returns whether there is one.
    pub(super) fn give_up(
        &mut self,
        context: &mut Context<'_>,
        path: Path,
        failure: FetchFailure,
    ) -> bool {
        let is_there = self.all.contains_key(&path);
        if is_there {
            self.fail(context, path, failure);
        }
        is_there
    }

    /// Whether one is under way: not while all of them wait for their next attempt.
    pub(super) fn are_under_way(&self) -> bool {
        let mut running = self.running();
        running
            .any(|(_, download)| !matches!(download.state, State::Waiting | State::Pausing { .. }))
    }

    /// Those that run, in the order of the paths.
    fn running(&self) -> impl Iterator<Item = (Path, &Download)> {
        let running = self.running.iter();
        running.filter_map(|path| Some((*path, self.all.get(path)?)))
    }

    /// The download at this connection.
    pub(super) fn at(&self, connection: ConnectionId) -> Option<Path> {
        let mut running = self.running();
        running
            .find(|(_, download)| download.connection() == Some(connection))
            .map(|(path, _)| path)
    }

    /// The download of this request, and its connection.
    fn of(&self, request: RequestId) -> Option<(Path, ConnectionId)> {
        self.running()
            .find_map(|(path, download)| match download.state {
                State::Asking {
                    connection,
                    request: asked,
                } if asked == request => Some((path, connection)),
                _ => None,
            })
    }
}

/// The blocks.
impl Downloads {
    /// Takes a response. The Update Results are those of TS E.6, Resource 5.
    fn take(&mut self, context: &mut Context<'_>, path: Path, response: &MessageRef<'_>) -> Next {
        let failed = |failure| Next::Over(DownloadOutcome::Failed(failure));
        let Some(download) = self.all.get_mut(&path) else {
            return Next::Over(DownloadOutcome::Stopped);
        };
        let has_begun = download.body.received() > 0;
        match response.code() {
            Code::CONTENT => self.take_block(context, path, response),
            // The server has lost its place, or the body has become shorter.
            Code::REQUEST_ENTITY_INCOMPLETE | Code::BAD_REQUEST if has_begun => {
                self.begin_again(path)
            }
            // It doesn't know of blocks, or of the method.
            Code::BAD_OPTION | Code::NOT_IMPLEMENTED => failed(FetchFailure::Protocol),
            Code::SERVICE_UNAVAILABLE | TOO_MANY_REQUESTS => Next::Pause(response.max_age()),
            code if code.class() == 4 => failed(FetchFailure::InvalidUri),
            code if code.class() == 5 => Next::Pause(0),
            _ => failed(FetchFailure::Integrity),
        }
    }

    fn take_block(
        &mut self,
        context: &mut Context<'_>,
        path: Path,
        response: &MessageRef<'_>,
    ) -> Next {
        let failed = |failure| Next::Over(DownloadOutcome::Failed(failure));
        let Some(download) = self.all.get_mut(&path) else {
            return Next::Over(DownloadOutcome::Stopped);
        };
        let (offset, bytes, more) = match download.body.take(response) {
            Progress::Bytes {
                offset,
                bytes,
                more,
            } => (offset, bytes, more),
            Progress::Nothing => return Next::Ask,
            Progress::Changed => return self.begin_again(path),
            Progress::Failed(failure) => return failed(failure),
        };
        download.progressed(context.now);
        let received = download.body.received();
        let announced = response.size2().map_or(0, u64::from);
        if received.max(announced) > self.config.largest {
            return failed(FetchFailure::Storage);
        }
        if offset == 0 {
            let event = ClientEvent::DownloadStarted {
                path,
                announced: download.body.announced(),
            };
            context.events.push_back(event);
        }
        let part = Fetched::Bytes { offset, bytes };
        if !bytes.is_empty() && !context.tree.fetched(path, part) {
            return Next::Over(DownloadOutcome::Refused);
        }
        match (more, received) {
            (true, _) => Next::Ask,
            // There is no package in it.
            (false, 0) => failed(FetchFailure::Integrity),
            (false, bytes) => {
                context.tree.fetched(path, Fetched::End);
                Next::Over(DownloadOutcome::Complete { bytes })
            }
        }
    }

    /// The body is another one than before.
    fn begin_again(&mut self, path: Path) -> Next {
        let (size, most) = (self.config.block_size, self.config.restarts);
        let download = self.all.get_mut(&path);
        if download.is_some_and(|download| download.begin_again(size, most)) {
            Next::Ask
        } else {
            Next::Over(DownloadOutcome::Failed(FetchFailure::Integrity))
        }
    }
}

/// How downloads end.
impl Downloads {
    /// Tells the Object that it won't get more.
    fn fail(&mut self, context: &mut Context<'_>, path: Path, failure: FetchFailure) {
        context.tree.fetched(path, Fetched::Failed(failure));
        self.end(context, path, DownloadOutcome::Failed(failure));
    }

    /// Ends a download, if there is one. One that waits takes its place.
    fn end(&mut self, context: &mut Context<'_>, path: Path, outcome: DownloadOutcome) {
        self.close(context, path, outcome);
        self.start_waiting(context);
    }

    /// Ends a download, if there is one.
    fn close(&mut self, context: &mut Context<'_>, path: Path, outcome: DownloadOutcome) {
        let Some(mut download) = self.all.remove(&path) else {
            return;
        };
        self.running.remove(&path);
        self.waiting.remove(&path);
        let timer = Timer::Download(path);
        context.timers.set(timer, &mut download.armed, None);
        if let Some(connection) = download.connection() {
            context.endpoint.close_peer(context.now, &connection);
            let event = ClientEvent::Disconnect { connection };
            context.events.push_back(event);
        }
        let event = ClientEvent::DownloadEnded { path, outcome };
        context.events.push_back(event);
    }

    /// The Client starts.
    pub(super) fn start(&mut self, context: &mut Context<'_>) {
        self.is_started = true;
        self.start_waiting(context);
    }

    /// The Client is at its end, until it starts again.
    pub(super) fn stop(&mut self, context: &mut Context<'_>) {
        self.is_started = false;
        self.rest(context);
    }

    /// Objects are gone, and with them the reason for their downloads. None of these takes the place of another.
    pub(super) fn objects_gone(&mut self, context: &mut Context<'_>, objects: &[Path]) {
        let of_one = |path: &&Path| objects.iter().any(|object| object.contains(path));
        let of_them: Vec<Path> = self.all.keys().filter(of_one).copied().collect();
        for path in of_them {
            self.close(context, path, DownloadOutcome::Stopped);
        }
        self.follow(context);
    }

    /// The application goes offline: the connections end, and none is asked for.
    pub(super) fn go_offline(&mut self, context: &mut Context<'_>) {
        self.is_offline = true;
        self.rest(context);
    }

    /// The application is online again.
    pub(super) fn go_online(&mut self, context: &mut Context<'_>) {
        self.is_offline = false;
        self.start_waiting(context);
    }

    /// All of them wait, without a connection.
    fn rest(&mut self, context: &mut Context<'_>) {
        while let Some(path) = self.running.pop_first() {
            self.waiting.insert(path);
            let Some(download) = self.all.get_mut(&path) else {
                continue;
            };
            if let Some(connection) = download.connection() {
                context.endpoint.close_peer(context.now, &connection);
                let event = ClientEvent::Disconnect { connection };
                context.events.push_back(event);
            }
            download.wait(context.now);
            let timer = Timer::Download(path);
            context.timers.set(timer, &mut download.armed, None);
        }
    }
}
