//! The state machines of the Software Management specification, sections 5.1 and 5.2.

use alloc::string::String;

use lwm2m_core::InstanceId;
use thiserror::Error;

use super::{DownloadError, Numbering, Snapshot, SnapshotError, State, UpdateResult};
use crate::behaviour::update::{Answer, LONGEST_URI, MOST_RECEIVED, scheme};

/// Both state machines of one software component, without time, transport or storage; see the
/// [module](super).
///
/// ```
/// use lwm2m_objects::{
///     Answer,
///     software::{Machine, Numbering, State, UpdateResult},
/// };
///
/// let mut machine = Machine::new(Numbering::Registered);
/// let mut application = |_: lwm2m_objects::software::Event<'_>| Answer::Done;
/// machine.write_package(b"software", &mut application)?;
/// assert_eq!((machine.state(), machine.result()), (State::Delivered, UpdateResult::Verified));
/// machine.install(&mut application)?;
/// machine.activate(&mut application)?;
/// assert!(machine.is_active());
/// machine.uninstall(false, &mut application)?;
/// assert_eq!((machine.state(), machine.is_active()), (State::Initial, false));
/// # Ok::<(), lwm2m_objects::software::Refused>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    numbering: Numbering,
    state: State,
    result: UpdateResult,
    /// The Software Activation machine: whether it is ACTIVE. Not alive is INACTIVE.
    active: bool,
    /// Whether an installation is under way.
    installing: bool,
    package_uri: String,
    /// What a pull has received, in bytes.
    received: u64,
    upload: Upload,
}

/// A Write of Package that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    /// There is none.
    None,
    /// Nothing has arrived; `again` if it takes the place of one that has not ended.
    Begun { again: bool },
    /// So many bytes have arrived.
    Running { offset: u64 },
    /// It failed, which Update Result tells; the rest is dropped.
    Dropped,
}

/// What software management asks of the application.
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
    /// Fetch a package.
    Fetch {
        /// Where it is. What cannot be fetched by any protocol of the application is answered
        /// with an invalid URI.
        uri: &'a str,
        /// How many bytes of it were there already, before a reboot.
        offset: u64,
    },
    /// Check the integrity of the package.
    Verify,
    /// Install the package.
    Install,
    /// Remove the software, if it is installed, and the package.
    Uninstall,
    /// Make ready for another package, which will update the software.
    PrepareUpdate,
    /// The software may be used from now on.
    Activate,
    /// The software must not be used from now on.
    Deactivate,
    /// What there is of the package is to go, and what is under way is to end; with an Object
    /// Instance that is deleted, the software too. The answer does not matter.
    Discard,
}

/// Why a request or a call of the application is refused: nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Not in this state; the answer to a request is 4.05.
    #[error("not while the software is {0:?}")]
    NotNow(State),
    /// The application could not activate or deactivate the software; the answer is 5.00.
    #[error("the software could not be activated or deactivated")]
    Failed,
    /// There is no such Object Instance.
    #[error("there is no Object Instance {0}")]
    NotFound(InstanceId),
}

impl Machine {
    /// A machine in the INITIAL state.
    pub const fn new(numbering: Numbering) -> Self {
        Self {
            numbering,
            state: State::Initial,
            result: UpdateResult::Initial,
            active: false,
            installing: false,
            package_uri: String::new(),
            received: 0,
            upload: Upload::None,
        }
    }

    /// Which numbers it has.
    pub const fn numbering(&self) -> Numbering {
        self.numbering
    }

    /// Resource 7.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Resource 9.
    pub const fn result(&self) -> UpdateResult {
        self.result
    }

    /// Resource 12: whether the software may be used.
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// Whether an installation is under way: the application has answered `Later`.
    pub const fn is_installing(&self) -> bool {
        self.installing
    }

    /// Resource 3: where the package comes from, if it is pulled.
    pub fn package_uri(&self) -> &str {
        &self.package_uri
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
        self.upload = Upload::Begun { again };
    }

    /// The next bytes of Package. With the first of them, INITIAL becomes DOWNLOAD STARTED.
    pub fn block(
        &mut self,
        bytes: &[u8],
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), Refused> {
        match self.upload {
            Upload::None => return Err(Refused::NotNow(self.state)),
            _ if bytes.is_empty() => return Ok(()),
            Upload::Dropped => return Ok(()),
            Upload::Running { .. } => {}
            Upload::Begun { again } => {
                if let Err(refused) = self.may_push(again) {
                    self.upload = Upload::None;
                    return Err(refused);
                }
                self.starts();
                self.upload = Upload::Running { offset: 0 };
            }
        }
        let Upload::Running { offset } = self.upload else {
            return Ok(());
        };
        match ask(Event::Block { offset, bytes }) {
            Answer::Done | Answer::Later => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let offset = offset.saturating_add(length);
                self.upload = Upload::Running { offset };
            }
            Answer::Failed(error) => self.fail(error),
        }
        Ok(())
    }

    /// Package has been written. An empty value is no package: nothing changes.
    pub fn end(
        &mut self,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), Refused> {
        match self.upload {
            Upload::None => return Err(Refused::NotNow(self.state)),
            Upload::Begun { again: true } => self.abort(ask),
            Upload::Begun { again: false } | Upload::Dropped => self.upload = Upload::None,
            Upload::Running { .. } => self.written(ask),
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
    ) -> Result<(), Refused> {
        if package.is_empty() {
            return Ok(());
        }
        self.may_write_package()?;
        self.begin();
        self.block(package, ask)?;
        self.end(ask)
    }

    /// A Write of Package URI. An empty one is none: nothing changes. One of more than 255 bytes is
    /// invalid.
    pub fn write_package_uri(
        &mut self,
        uri: &str,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), Refused> {
        if uri.is_empty() {
            return Ok(());
        }
        self.may_write_package_uri()?;
        self.starts();
        if uri.len() > LONGEST_URI {
            self.fail(DownloadError::InvalidUri);
            return Ok(());
        }
        self.package_uri = uri.into();
        if scheme(uri).is_some() {
            self.fetch(ask);
        } else {
            self.fail(DownloadError::InvalidUri);
        }
        Ok(())
    }

    /// Install is executed.
    pub fn install(
        &mut self,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), Refused> {
        if self.state != State::Delivered || self.installing {
            return Err(Refused::NotNow(self.state));
        }
        self.installing = true;
        match ask(Event::Install) {
            Answer::Done => self.installed(),
            Answer::Later => Ok(()),
            Answer::Failed(_) => self.installation_failed(),
        }
    }

    /// Uninstall is executed; `update` if another package will follow to update the software.
    pub fn uninstall(
        &mut self,
        update: bool,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), Refused> {
        if !matches!(self.state, State::Delivered | State::Installed) {
            return Err(Refused::NotNow(self.state));
        }
        let answer = ask(if update {
            Event::PrepareUpdate
        } else {
            Event::Uninstall
        });
        if matches!(answer, Answer::Failed(_)) && self.numbering == Numbering::Registered {
            self.result = UpdateResult::UninstallationFailed;
        } else {
            self.forget(UpdateResult::Initial);
        }
        Ok(())
    }

    /// Activate is executed. What is active stays so.
    pub fn activate(
        &mut self,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), Refused> {
        self.switch(true, ask)
    }

    /// Deactivate is executed. What is inactive stays so.
    pub fn deactivate(
        &mut self,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), Refused> {
        self.switch(false, ask)
    }

    /// Whether a package would be taken: in INITIAL, or in place of one that is being pushed.
    pub fn may_write_package(&self) -> Result<(), Refused> {
        self.may_push(self.is_pushing())
    }

    /// Whether the URI of a package would be taken: in INITIAL.
    pub fn may_write_package_uri(&self) -> Result<(), Refused> {
        self.expect(State::Initial)
    }
}

/// The application's side: how that ends to which it answered `Later`.
impl Machine {
    /// So many bytes of a package that is pulled have been received and stored. Nothing but a
    /// [`Snapshot`] tells it.
    pub fn progress(&mut self, received: u64) -> Result<(), Refused> {
        self.expect_fetching()?;
        self.received = received.min(MOST_RECEIVED);
        Ok(())
    }

    /// All of the package that is pulled is there; it is to be verified now.
    pub fn downloaded(
        &mut self,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), Refused> {
        self.expect_fetching()?;
        self.written(ask);
        Ok(())
    }

    /// The package did not arrive.
    pub fn failed(&mut self, error: DownloadError) -> Result<(), Refused> {
        self.expect(State::DownloadStarted)?;
        self.fail(error);
        Ok(())
    }

    /// The package is good.
    pub fn verified(&mut self) -> Result<(), Refused> {
        self.expect(State::Downloaded)?;
        self.state = State::Delivered;
        self.result = match self.numbering {
            Numbering::Registered => UpdateResult::Verified,
            Numbering::Candidate => UpdateResult::Initial,
        };
        Ok(())
    }

    /// The package is not good.
    pub fn verification_failed(&mut self) -> Result<(), Refused> {
        self.expect(State::Downloaded)?;
        self.fail(DownloadError::Integrity);
        Ok(())
    }

    /// The software is installed; it is inactive.
    pub fn installed(&mut self) -> Result<(), Refused> {
        self.expect_installing()?;
        self.installing = false;
        self.state = State::Installed;
        self.result = UpdateResult::Installed;
        self.active = false;
        Ok(())
    }

    /// The software could not be installed; the package is still there.
    pub fn installation_failed(&mut self) -> Result<(), Refused> {
        self.expect_installing()?;
        self.installing = false;
        self.result = UpdateResult::InstallationFailed;
        Ok(())
    }
}

/// Survival of a reboot.
impl Machine {
    /// What to keep.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state,
            result: self.result,
            active: self.active,
            installing: self.installing,
            package_uri: self.package_uri.clone(),
            received: self.received,
        }
    }

    /// Goes on after a reboot. A pull and a verification that were under way are asked for again;
    /// of an installation, the application tells how it went. A push was lost with its
    /// connection, so the state is INITIAL.
    pub fn restore(
        &mut self,
        snapshot: Snapshot,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), SnapshotError> {
        snapshot.check(self.numbering)?;
        let (state, result) = (snapshot.state, snapshot.result);
        *self = Self {
            numbering: self.numbering,
            state,
            result,
            active: snapshot.active,
            installing: snapshot.installing,
            package_uri: snapshot.package_uri,
            received: snapshot.received,
            upload: Upload::None,
        };
        match state {
            State::DownloadStarted if self.package_uri.is_empty() => {
                ask(Event::Discard);
                self.fail(DownloadError::ConnectionLost);
            }
            State::DownloadStarted => self.fetch(ask),
            State::Downloaded => self.verify(ask),
            State::Initial | State::Delivered | State::Installed => {}
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
            Upload::Running { .. } | Upload::Begun { again: true }
        )
    }

    /// Whether a package may be pushed now; `again` if it takes the place of one under way.
    fn may_push(&self, again: bool) -> Result<(), Refused> {
        match self.state {
            State::DownloadStarted if again => Ok(()),
            _ => self.expect(State::Initial),
        }
    }

    fn expect(&self, state: State) -> Result<(), Refused> {
        if self.state == state {
            Ok(())
        } else {
            Err(Refused::NotNow(self.state))
        }
    }

    fn expect_fetching(&self) -> Result<(), Refused> {
        self.expect(State::DownloadStarted)?;
        if self.is_pushing() {
            return Err(Refused::NotNow(self.state));
        }
        Ok(())
    }

    fn expect_installing(&self) -> Result<(), Refused> {
        if self.installing {
            Ok(())
        } else {
            Err(Refused::NotNow(self.state))
        }
    }

    /// A package is on its way.
    fn starts(&mut self) {
        self.state = State::DownloadStarted;
        self.result = UpdateResult::Downloading;
        self.package_uri.clear();
        self.received = 0;
    }

    fn fetch(&mut self, ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>) {
        let (uri, offset) = (&*self.package_uri, self.received);
        match ask(Event::Fetch { uri, offset }) {
            Answer::Done => self.written(ask),
            Answer::Later => {}
            Answer::Failed(error) => self.fail(error),
        }
    }

    /// All of the package is there.
    fn written(&mut self, ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>) {
        self.state = State::Downloaded;
        self.result = UpdateResult::Initial;
        self.upload = Upload::None;
        self.verify(ask);
    }

    fn verify(&mut self, ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>) {
        // The state is the one that both expect.
        let _ = match ask(Event::Verify) {
            Answer::Done => self.verified(),
            Answer::Later => Ok(()),
            Answer::Failed(_) => self.verification_failed(),
        };
    }

    fn fail(&mut self, error: DownloadError) {
        self.upload = match self.upload {
            // More may come of a push; the server learns of the error by Update Result only.
            Upload::Running { .. } | Upload::Dropped => Upload::Dropped,
            Upload::Begun { .. } => Upload::Begun { again: false },
            Upload::None => Upload::None,
        };
        self.forget(UpdateResult::Download(error));
    }

    /// Back to INITIAL.
    fn forget(&mut self, result: UpdateResult) {
        self.state = State::Initial;
        self.result = result;
        self.active = false;
        self.installing = false;
        self.package_uri.clear();
        self.received = 0;
    }

    fn switch(
        &mut self,
        active: bool,
        ask: &mut dyn FnMut(Event<'_>) -> Answer<DownloadError>,
    ) -> Result<(), Refused> {
        self.expect(State::Installed)?;
        if self.active == active {
            return Ok(());
        }
        let answer = ask(if active {
            Event::Activate
        } else {
            Event::Deactivate
        });
        if matches!(answer, Answer::Failed(_)) {
            return Err(Refused::Failed);
        }
        self.active = active;
        Ok(())
    }
}
