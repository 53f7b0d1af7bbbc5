//! The state machine of TS E.6.1.

use alloc::{string::String, vec::Vec};

use thiserror::Error;

use super::{
    DeliveryMethod, DownloadError, Protocol, Snapshot, SnapshotError, State, UpdateResult,
};
use crate::behaviour::update::{Answer, LONGEST_URI, MOST_RECEIVED, scheme};

/// The state machine of a firmware update, without time, transport or storage; see the
/// [module](super).
///
/// ```
/// use lwm2m_objects::{
///     Answer,
///     firmware::{DeliveryMethod, Event, Machine, State, UpdateResult},
/// };
///
/// let mut machine = Machine::new(DeliveryMethod::Both, []);
/// let mut image = Vec::new();
/// let mut flash = |event: Event<'_>| match event {
///     Event::Block { offset, bytes } => {
///         image.truncate(offset as usize);
///         image.extend_from_slice(bytes);
///         Answer::Done
///     }
///     _ => Answer::Done,
/// };
/// machine.begin();
/// machine.block(b"firm", &mut flash)?;
/// assert_eq!(machine.state(), State::Downloading);
/// machine.block(b"ware", &mut flash)?;
/// machine.end(&mut flash)?;
/// assert_eq!(machine.state(), State::Downloaded);
/// machine.update(&mut flash)?;
/// assert_eq!((machine.state(), machine.result()), (State::Idle, UpdateResult::Updated));
/// assert_eq!(image, b"firmware");
/// # Ok::<(), lwm2m_objects::firmware::NotNow>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    state: State,
    result: UpdateResult,
    package_uri: String,
    /// What a pull has received, in bytes.
    received: u64,
    upload: Upload,
    delivery: DeliveryMethod,
    protocols: Vec<Protocol>,
}

/// A Write of Package that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    /// There is none.
    None,
    /// Nothing has arrived but, perhaps, one zero byte: if no more does, it is a reset.
    Begun {
        zero: bool,
        /// Whether it takes the place of one that has not ended.
        again: bool,
    },
    /// So many bytes have arrived.
    Running { offset: u64 },
    /// It failed, which Update Result tells; the rest is dropped.
    Dropped,
}

/// What a firmware update asks of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The next bytes of a package that is pushed; a new one begins at offset 0, and whatever
    /// there was of another is to go.
    Block {
        /// How many bytes of the package were before.
        offset: u64,
        /// The bytes; never none.
        bytes: &'a [u8],
    },
    /// All of the package has been pushed: check it.
    Verify,
    /// Fetch a package and check it.
    Fetch {
        /// Where it is; of a supported protocol.
        uri: &'a str,
        /// How many bytes of it were there already, before a reboot.
        offset: u64,
    },
    /// Install the package. Whoever has to reboot for it answers `Later` and does so once the
    /// response to the server has left.
    Update,
    /// What there is of the package is to go, and what is under way is to end. The answer does
    /// not matter.
    Discard,
}

/// A request or a call that the machine does not take in this state: nothing has changed. The
/// answer to a request is 4.05.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not while the firmware update is {0:?}")]
pub struct NotNow(pub State);

impl Machine {
    /// A machine in the Idle state. It fetches by these protocols; by CoAP if none is named
    /// (TS E.6, Resource 8).
    pub fn new(delivery: DeliveryMethod, protocols: impl Into<Vec<Protocol>>) -> Self {
        Self {
            state: State::Idle,
            result: UpdateResult::Initial,
            package_uri: String::new(),
            received: 0,
            upload: Upload::None,
            delivery,
            protocols: protocols.into(),
        }
    }

    /// Resource 3.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Resource 5.
    pub const fn result(&self) -> UpdateResult {
        self.result
    }

    /// Resource 1: what was written last, if no push or reset came after it.
    pub fn package_uri(&self) -> &str {
        &self.package_uri
    }

    /// Resource 8, as it was given.
    pub fn protocols(&self) -> &[Protocol] {
        &self.protocols
    }

    /// Resource 9.
    pub const fn delivery(&self) -> DeliveryMethod {
        self.delivery
    }

    /// What a pull has received so far, in bytes.
    pub const fn received(&self) -> u64 {
        self.received
    }
}

/// The server's side. Each call may ask something of the application.
impl Machine {
    /// A Write of Package begins; [`block`](Self::block)s follow, then [`end`](Self::end). One
    /// that has not ended is forgotten.
    pub const fn begin(&mut self) {
        let again = self.is_pushing();
        self.upload = Upload::Begun { zero: false, again };
    }

    /// The next bytes of Package. With the first of them, Idle becomes Downloading; but a value
    /// that is no more than one zero byte is a reset.
    pub fn block(
        &mut self,
        bytes: &[u8],
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), NotNow> {
        match (self.upload, bytes) {
            (Upload::None, _) => Err(NotNow(self.state)),
            (_, []) | (Upload::Dropped, _) => Ok(()),
            (Upload::Begun { zero: false, again }, [0]) => {
                self.upload = Upload::Begun { zero: true, again };
                Ok(())
            }
            (Upload::Begun { zero, again }, _) => {
                if let Err(refused) = self.may_push(again) {
                    self.upload = Upload::None;
                    return Err(refused);
                }
                self.state = State::Downloading;
                self.result = UpdateResult::Initial;
                self.package_uri.clear();
                self.received = 0;
                self.upload = Upload::Running { offset: 0 };
                if zero {
                    self.hand_on(&[0], ask);
                }
                self.hand_on(bytes, ask);
                Ok(())
            }
            (Upload::Running { .. }, _) => {
                self.hand_on(bytes, ask);
                Ok(())
            }
        }
    }

    /// Package has been written. If it was empty or one zero byte, it was a reset.
    pub fn end(
        &mut self,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), NotNow> {
        match self.upload {
            Upload::None => return Err(NotNow(self.state)),
            Upload::Begun { .. } => self.reset(ask),
            Upload::Dropped => self.upload = Upload::None,
            Upload::Running { .. } => {
                self.upload = Upload::None;
                self.arrives(ask(Event::Verify));
            }
        }
        Ok(())
    }

    /// The rest of Package will not come: the transfer was given up.
    pub fn abort(&mut self, ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>) {
        if self.is_pushing() {
            ask(Event::Discard);
            self.fail(DownloadError::ConnectionLost);
        }
        self.upload = Upload::None;
    }

    /// All of Package at once.
    pub fn write_package(
        &mut self,
        package: &[u8],
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), NotNow> {
        self.may_write_package(package)?;
        self.begin();
        self.block(package, ask)?;
        self.end(ask)
    }

    /// A Write of Package URI. The empty text is a reset. An invalid URI, or one of a protocol
    /// that is not supported, is written all the same: only Update Result tells (TS E.6.1). One of
    /// more than 255 bytes is invalid, and is not kept.
    pub fn write_package_uri(
        &mut self,
        uri: &str,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), NotNow> {
        self.may_write_package_uri(uri)?;
        if uri.is_empty() {
            self.reset(ask);
            return Ok(());
        }
        self.result = UpdateResult::Initial;
        if uri.len() > LONGEST_URI {
            self.package_uri.clear();
            self.fail(DownloadError::InvalidUri);
            return Ok(());
        }
        self.package_uri = uri.into();
        match self.unfetchable() {
            Some(error) => self.fail(error),
            None => self.fetch(0, ask),
        }
        Ok(())
    }

    /// Update is executed.
    pub fn update(
        &mut self,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), NotNow> {
        if self.state != State::Downloaded {
            return Err(NotNow(self.state));
        }
        self.state = State::Updating;
        self.result = UpdateResult::Initial;
        match ask(Event::Update) {
            Answer::Done => self.updated(),
            Answer::Later => Ok(()),
            Answer::Failed(_) => self.update_failed(),
        }
    }

    /// Whether [`write_package`](Self::write_package) would be taken.
    pub fn may_write_package(&self, package: &[u8]) -> Result<(), NotNow> {
        match package {
            [] | [0] => Ok(()),
            _ => self.may_push(self.is_pushing()),
        }
    }

    /// Whether [`write_package_uri`](Self::write_package_uri) would be taken.
    pub fn may_write_package_uri(&self, uri: &str) -> Result<(), NotNow> {
        let may =
            uri.is_empty() || self.state == State::Idle && self.delivery != DeliveryMethod::Push;
        if may { Ok(()) } else { Err(NotNow(self.state)) }
    }
}

/// The application's side: how that ends to which it answered `Later`.
impl Machine {
    /// So many bytes of a package that is pulled have been received and stored. Nothing but a
    /// [`Snapshot`] tells it.
    pub fn progress(&mut self, received: u64) -> Result<(), NotNow> {
        // A push has no URI.
        if self.state != State::Downloading || self.package_uri.is_empty() {
            return Err(NotNow(self.state));
        }
        self.received = received.min(MOST_RECEIVED);
        Ok(())
    }

    /// The package is there, and is good.
    pub fn downloaded(&mut self) -> Result<(), NotNow> {
        if self.state != State::Downloading || self.is_pushing() {
            return Err(NotNow(self.state));
        }
        self.arrives(Answer::Done);
        Ok(())
    }

    /// The package did not arrive, or is not good.
    pub fn failed(&mut self, error: DownloadError) -> Result<(), NotNow> {
        if self.state != State::Downloading {
            return Err(NotNow(self.state));
        }
        self.fail(error);
        Ok(())
    }

    /// The new firmware runs.
    pub fn updated(&mut self) -> Result<(), NotNow> {
        self.ends_update(State::Idle, UpdateResult::Updated)
    }

    /// The old firmware still runs; the package is still there.
    pub fn update_failed(&mut self) -> Result<(), NotNow> {
        self.ends_update(State::Downloaded, UpdateResult::UpdateFailed)
    }
}

/// Survival of a reboot.
impl Machine {
    /// What to keep.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state,
            result: self.result,
            package_uri: self.package_uri.clone(),
            received: self.received,
        }
    }

    /// Goes on after a reboot. A pull that was under way is asked for again, unless its protocol is
    /// not supported any more. A push was lost with its connection, so the state is Idle. In the
    /// state Updating, the application tells how the update went.
    pub fn restore(
        &mut self,
        snapshot: Snapshot,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), SnapshotError> {
        snapshot.check()?;
        self.state = snapshot.state;
        self.result = snapshot.result;
        self.package_uri = snapshot.package_uri;
        self.received = snapshot.received;
        self.upload = Upload::None;
        if self.state == State::Downloading {
            let error = match &*self.package_uri {
                "" => Some(DownloadError::ConnectionLost),
                _ => self.unfetchable(),
            };
            match error {
                Some(error) => {
                    ask(Event::Discard);
                    self.fail(error);
                }
                None => self.fetch(self.received, ask),
            }
        }
        Ok(())
    }
}

/// The transitions.
impl Machine {
    /// Whether a push has begun to arrive, and has not ended.
    const fn is_pushing(&self) -> bool {
        matches!(
            self.upload,
            Upload::Running { .. } | Upload::Begun { again: true, .. }
        )
    }

    /// Back to Idle, from wherever.
    fn reset(&mut self, ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>) {
        if self.state != State::Idle {
            ask(Event::Discard);
        }
        self.state = State::Idle;
        self.result = UpdateResult::Initial;
        self.package_uri.clear();
        self.received = 0;
        self.upload = Upload::None;
    }

    /// Whether a package may be pushed now; `again` if it takes the place of one under way.
    fn may_push(&self, again: bool) -> Result<(), NotNow> {
        let state = match self.state {
            State::Idle => true,
            State::Downloading => again,
            State::Downloaded | State::Updating => false,
        };
        if state && self.delivery != DeliveryMethod::Pull {
            Ok(())
        } else {
            Err(NotNow(self.state))
        }
    }

    /// Hands bytes of a push on, unless the application has had enough of it.
    fn hand_on(&mut self, bytes: &[u8], ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>) {
        let Upload::Running { offset } = self.upload else {
            return;
        };
        match ask(Event::Block { offset, bytes }) {
            Answer::Done | Answer::Later => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let offset = offset.saturating_add(length);
                self.upload = Upload::Running { offset };
            }
            Answer::Failed(error) => self.fail(error),
        }
    }

    /// Why Package URI names nothing that can be fetched, if so.
    fn unfetchable(&self) -> Option<DownloadError> {
        let protocols = match &*self.protocols {
            [] => &[Protocol::Coap],
            protocols => protocols,
        };
        let Some(scheme) = scheme(&self.package_uri) else {
            return Some(DownloadError::InvalidUri);
        };
        let protocol = Protocol::of_scheme(scheme).filter(|protocol| protocols.contains(protocol));
        protocol.is_none().then_some(DownloadError::Protocol)
    }

    fn fetch(&mut self, offset: u64, ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>) {
        self.state = State::Downloading;
        self.received = offset;
        self.upload = Upload::None;
        let uri = &self.package_uri;
        let answer = ask(Event::Fetch { uri, offset });
        self.arrives(answer);
    }

    /// All of the package is there, if the application says so.
    fn arrives(&mut self, answer: Answer<DownloadError>) {
        match answer {
            Answer::Done => {
                self.state = State::Downloaded;
                self.upload = Upload::None;
            }
            Answer::Later => {}
            Answer::Failed(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: DownloadError) {
        self.state = State::Idle;
        self.result = UpdateResult::Download(error);
        self.received = 0;
        self.upload = match self.upload {
            // More may come of a push; the server learns of the error by Update Result only.
            Upload::Running { .. } | Upload::Dropped => Upload::Dropped,
            Upload::Begun { zero, .. } => Upload::Begun { zero, again: false },
            Upload::None => Upload::None,
        };
    }

    fn ends_update(&mut self, state: State, result: UpdateResult) -> Result<(), NotNow> {
        if self.state != State::Updating {
            return Err(NotNow(self.state));
        }
        self.state = state;
        self.result = result;
        Ok(())
    }
}
