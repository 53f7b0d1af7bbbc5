//! What the application asks of a part of the Client, in groups that borrow it.

use core::time::Duration;

use lwm2m_core::{Attributes, Code, Instant, Path, ShortServerId};
use lwm2m_objects::FetchFailure;

use super::{
    bootstrap::Bootstrap,
    event::{
        AccountId, BootstrapRefusal, BootstrapState, DeferredError, DeferredId, DeferredOperation,
        DownloadStatus, ObservationStatus, StoredNotifications,
    },
    parts::Parts,
};

/// The requests that the application decides about: [`Client::deferred`](super::Client::deferred).
#[derive(Debug)]
pub struct DeferredRequests<'c> {
    parts: &'c mut Parts,
}

/// What the Client fetches for its Objects: [`Client::downloads`](super::Client::downloads).
#[derive(Debug)]
pub struct RunningDownloads<'c> {
    parts: &'c mut Parts,
}

/// The Bootstrap interface (TS 5.2): [`Client::bootstrapping`](super::Client::bootstrapping).
#[derive(Debug)]
pub struct Bootstrapping<'c> {
    parts: &'c mut Parts,
}

/// What the servers observe: [`Client::reporting`](super::Client::reporting).
#[derive(Clone, Copy, Debug)]
pub struct ReportingStatus<'c> {
    parts: &'c Parts,
}

impl<'c> DeferredRequests<'c> {
    pub(super) const fn new(parts: &'c mut Parts) -> Self {
        Self { parts }
    }

    /// Defers requests for this operation: from now on the application answers them itself. The
    /// Client emits an event for each request, and neither executes nor answers the request before
    /// the application does. The application may refuse, and may take a while. `path` is an Object,
    /// an Object Instance or a Resource, and covers everything below it. A Read, an Observe or a change
    /// of a path above it is deferred too, as it has the same values. Notifications and the
    /// answer to a Cancel Observation aren't deferred: they carry the value that the tree has.
    ///
    /// The Client makes all its checks first, so the application is asked only about requests that
    /// the server is allowed to make. A deferred request waits no longer than
    /// [`Deferring::answer_within`](super::Deferring::answer_within), and no more than
    /// [`Deferring::most`](super::Deferring::most) of each server wait. A
    /// retransmission counts as the same request.
    ///
    /// ```
    /// # use lwm2m_core::{InstanceId, Instant, ShortServerId};
    /// # use lwm2m_objects::{ObjectTree, Store, typed::{Device, Security, Server}};
    /// # use lwm2m_statemachine::{Client, ClientConfig, ClientError, ClientEvent};
    /// use lwm2m_core::Code;
    /// use lwm2m_statemachine::client::DeferredOperation;
    ///
    /// # let id = ShortServerId::new(101).unwrap();
    /// # let mut tree = ObjectTree::new();
    /// # tree.add(Store::of([(InstanceId::ZERO, Security::no_sec("coap://192.0.2.1", id))]));
    /// # tree.add(Store::of([(InstanceId::ZERO, Server::new(id, 86_400))]));
    /// # tree.add(Store::of([(InstanceId::ZERO, Device::default())]));
    /// # let now = Instant::ZERO;
    /// # let is_idle = true;
    /// let mut client = Client::new(ClientConfig::new("device", [7; 32]), tree)?;
    /// client.deferred().defer(DeferredOperation::Execute, "/3/0/4".parse().unwrap());
    /// // …
    /// while let Some(event) = client.poll_event() {
    ///     if let ClientEvent::ExecuteAsked { request, path, .. } = event {
    ///         let consent = if is_idle { Ok(()) } else { Err(Code::METHOD_NOT_ALLOWED) };
    ///         if client.deferred().answer_execute(now, request, consent) == Ok(Code::CHANGED) {
    ///             println!("{path}: ClientEvent::Reboot follows");
    ///         }
    ///     }
    /// }
    /// # Ok::<(), ClientError>(())
    /// ```
    pub fn defer(&mut self, operation: DeferredOperation, path: Path) {
        self.parts.requests.defer(operation, path);
    }

    /// Undoes a [`defer`](Self::defer) of exactly this path: new requests are answered at once.
    /// Returns `false` if the path wasn't deferred.
    pub fn stop(&mut self, operation: DeferredOperation, path: Path) -> bool {
        self.parts.requests.stop_deferring(operation, path)
    }

    /// Answers [`ClientEvent::ExecuteAsked`](super::ClientEvent::ExecuteAsked). With `Ok` the Object [executes](lwm2m_objects::Object::execute) and
    /// the server gets the result; no [`ClientEvent::Execute`](super::ClientEvent::Execute) follows, as the application knows
    /// already. `Err` refuses with a code that Table 27 lists for an Execute, or 5.00.
    ///
    /// Returns the code that the server gets. It's a refusal even after `Ok` if the Object refuses, the
    /// target is gone, or the server has lost the right to it.
    pub fn answer_execute(
        &mut self,
        now: Instant,
        request: DeferredId,
        result: Result<(), Code>,
    ) -> Result<Code, DeferredError> {
        self.answer(now, request, DeferredOperation::Execute, result)
    }

    /// Answers [`ClientEvent::ReadAsked`](super::ClientEvent::ReadAsked). `Ok` says that the tree has the value now (see
    /// [`set`](super::Client::set) and [`object`](super::Client::object)): the Client reads it, and an observation
    /// begins if the server asked for one. `Err` refuses with a code that Table 27 lists for a
    /// Read, or 5.00.
    ///
    /// Returns the code that the server gets, as [`answer_execute`](Self::answer_execute) does.
    pub fn answer_read(
        &mut self,
        now: Instant,
        request: DeferredId,
        result: Result<(), Code>,
    ) -> Result<Code, DeferredError> {
        self.answer(now, request, DeferredOperation::Read, result)
    }

    /// Answers [`ClientEvent::ChangeAsked`](super::ClientEvent::ChangeAsked). With `Ok` the Client makes the change as it is right at this
    /// moment, and the server gets the result; no [`ClientEvent::Written`](super::ClientEvent::Written), [`ClientEvent::Created`](super::ClientEvent::Created) or
    /// [`ClientEvent::Deleted`](super::ClientEvent::Deleted) follows, as the application knows already. `Err` refuses with a code that
    /// Table 27 lists for the operation, or 5.00.
    ///
    /// Returns the code that the server gets, as [`answer_execute`](Self::answer_execute) does.
    pub fn answer_change(
        &mut self,
        now: Instant,
        request: DeferredId,
        result: Result<(), Code>,
    ) -> Result<Code, DeferredError> {
        self.answer(now, request, DeferredOperation::Change, result)
    }

    fn answer(
        &mut self,
        now: Instant,
        request: DeferredId,
        operation: DeferredOperation,
        result: Result<(), Code>,
    ) -> Result<Code, DeferredError> {
        self.parts.expire(now);
        self.parts.advance_objects(now);
        let late = self
            .parts
            .request(now, |requests, context| requests.expire(context, request));
        self.parts.follow_request(now, late);
        let (sent, effect) = self.parts.request(now, |requests, context| {
            requests.answer(context, request, operation, result)
        })?;
        self.parts.drain(now);
        self.parts.follow_request(now, effect);
        self.parts.follow_objects(now);
        Ok(sent?)
    }
}

impl<'c> RunningDownloads<'c> {
    pub(super) const fn new(parts: &'c mut Parts) -> Self {
        Self { parts }
    }

    /// What the Client is fetching for its Objects, in the order of the paths.
    pub fn all(self) -> impl Iterator<Item = DownloadStatus<'c>> {
        self.parts.downloads.all()
    }

    /// Gives up the download for the Resource at `path`, for example because there is no such host
    /// ([`FetchFailure::InvalidUri`]). Its Object reports the failure. Returns `false` if there is no
    /// such download.
    pub fn give_up(&mut self, now: Instant, path: Path, failure: FetchFailure) -> bool {
        let given_up = self.parts.download(now, |downloads, context| {
            downloads.give_up(context, path, failure)
        });
        self.parts.follow_objects(now);
        given_up
    }
}

impl<'c> Bootstrapping<'c> {
    pub(super) const fn new(parts: &'c mut Parts) -> Self {
        Self { parts }
    }

    /// Where the Client is in the Bootstrap Sequence (TS 5.2.4).
    pub fn state(&self, now: Instant) -> BootstrapState {
        self.parts.bootstrap.state(now)
    }

    /// Begins a Client Initiated Bootstrap now (TS 5.2.3.3), whether or not servers have failed: for example because
    /// the application knows that there are new keys. It takes the place of a bootstrap that has begun. If it fails,
    /// the Bootstrap Sequence goes on where it was.
    ///
    /// # Errors
    ///
    /// [`BootstrapRefusal`]: nothing has begun.
    pub fn begin(&mut self, now: Instant) -> Result<(), BootstrapRefusal> {
        self.parts.bootstrap(now, Bootstrap::request)
    }

    /// Ends the bootstrap that has begun, whoever began it, and rolls it back. The Bootstrap Sequence goes on where it
    /// was. Returns `false` if there is none.
    pub fn abort(&mut self, now: Instant) -> bool {
        self.parts.bootstrap(now, Bootstrap::abort)
    }

    /// Answers [`SmartcardAsked`](super::ClientEvent::SmartcardAsked): the smartcard was tried. If it has Bootstrap
    /// Information, the tree has that now; if not, the Client goes on with what the factory has given it (TS 5.2.4,
    /// step 2). Either way it registers at the servers that the tree has. Returns `false` if the Client doesn't wait
    /// for this.
    pub fn smartcard_tried(&mut self, now: Instant) -> bool {
        self.parts.bootstrap(now, Bootstrap::smartcard_tried)
    }

    /// How long the account of the Bootstrap-Server is still kept (TS E.1, Resource 12), to be saved across a restart;
    /// `None` if it isn't purged. A [snapshot](super::Client::snapshot) has it, too.
    pub fn account_timeout(&self, now: Instant) -> Option<Duration> {
        self.parts.bootstrap.account_timeout(now)
    }

    /// Takes up [`account_timeout`](Self::account_timeout) after a restart: what was left of it, less the time that
    /// has passed since. Without it, an account is kept until the next bootstrap. Returns `false` if there is no
    /// account of a Bootstrap-Server.
    pub fn resume_account_timeout(&mut self, now: Instant, remaining: Duration) -> bool {
        self.parts.bootstrap(now, |bootstrap, context| {
            bootstrap.resume_timeout(context, remaining)
        })
    }
}

impl<'c> ReportingStatus<'c> {
    pub(super) const fn new(parts: &'c Parts) -> Self {
        Self { parts }
    }

    /// The attributes that a server has set, each set with the Object, the Object Instance or the
    /// Resource that it stands at (TS 5.1.1).
    pub fn attributes(
        self,
        server: ShortServerId,
    ) -> impl Iterator<Item = (Path, Attributes)> + use<'c> {
        self.parts.attributes.below(server, Path::Root)
    }

    /// The observations of all servers, in the order in which they began.
    pub fn observations(self) -> impl Iterator<Item = ObservationStatus> + use<'c> {
        let observed = self.parts.reporting.observed();
        observed.map(|(observer, path)| ObservationStatus {
            account: observer.account,
            path,
            token: observer.token(),
        })
    }

    /// What is stored for the server of an account, to be sent when the Client is online again (TS E.2,
    /// Resource 6).
    pub fn stored(self, account: AccountId) -> StoredNotifications {
        let (waiting, dropped) = self.parts.reporting.stored(account);
        StoredNotifications { waiting, dropped }
    }
}
