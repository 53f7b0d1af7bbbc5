//! The face of software: its table of transitions, what the application is asked, and its calls.

use lwm2m_core::{InstanceId, ResourceId};
use thiserror::Error;

use super::{
    phase::Phase,
    snapshot::{Snapshot, SnapshotError},
};
use crate::{
    behaviour::update::{
        Answer,
        face::{Ask, Face, Request, Step, sealed::Sealed},
        machine,
    },
    typed::software::values::{DownloadError, Numbering, State, UpdateResult},
};

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
pub type Machine = machine::Machine<Software>;

/// The [`Face`] of software: which numbering the Object has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Software {
    numbering: Numbering,
}

/// What software management asks of the application.
///
/// An application must answer each of them, so an addition is a breaking change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The next bytes of a package that is pushed, or that the Client fetches. A new package begins at offset 0; discard what
    /// was stored of another one.
    Block {
        /// How many bytes of the package came before.
        offset: u64,
        /// The bytes; never empty.
        bytes: &'a [u8],
    },
    /// Fetch a package. An Object in a Client gets this only for what the Client doesn't [fetch
    /// itself](super::SoftwareManagementObject::pulled_by_application).
    Fetch {
        /// Where it is. If the application has no protocol for it, it answers with
        /// [`InvalidUri`](DownloadError::InvalidUri).
        uri: &'a str,
        /// How many bytes of it were received before a reboot.
        offset: u64,
    },
    /// Check the integrity of the package.
    Verify,
    /// Install the package.
    Install,
    /// Remove the software, if it is installed, and the package.
    Uninstall,
    /// Prepare for another package, which will update the software.
    PrepareUpdate,
    /// The software may be used from now on.
    Activate,
    /// The software must not be used from now on.
    Deactivate,
    /// Discard what there is of the package, and stop what is under way. If the Object Instance was
    /// deleted, remove the software, too. The answer is ignored.
    Discard,
}

/// Why a request or a call of the application is refused: nothing has changed.
///
/// It may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
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

impl Sealed for Software {}

impl Face for Software {
    type Phase = Phase;
    type UpdateResult = UpdateResult;
    type DownloadError = DownloadError;
    type Event<'e> = Event<'e>;
    type Refused = Refused;

    const PACKAGE: ResourceId = ResourceId::new(2);
    const PACKAGE_URI: ResourceId = ResourceId::new(3);
    const START: (Phase, UpdateResult) = (Phase::Initial, UpdateResult::Initial);
    const DOWNLOADING: Phase = Phase::DownloadStarted;
    const EMPTY_RESETS: bool = false;
    const URI_IS_READABLE: bool = false;
    const VERIFIES_PULLS: bool = true;
    const CONNECTION_LOST: DownloadError = DownloadError::ConnectionLost;
    const INVALID_URI: DownloadError = DownloadError::InvalidUri;

    /// The table of section 5.1.1 of the Software Management specification, and Figure 2 of
    /// section 5.2.
    #[rustfmt::skip]
    #[expect(clippy::match_same_arms, reason = "it is a table")]
    fn next(
        &self,
        phase: Phase,
        unchanged: UpdateResult,
        step: Step<DownloadError>,
    ) -> Option<(Phase, UpdateResult)> {
        use Phase::{Active, Delivered, Downloaded, DownloadStarted, Inactive, Initial, Installing};
        use UpdateResult::{Download, Downloading, InstallationFailed, Installed, UninstallationFailed};

        let none = UpdateResult::Initial;
        let (verified, registered) = match self.numbering {
            Numbering::Registered => (UpdateResult::Verified, true),
            Numbering::Candidate => (none, false),
        };
        Some(match (phase, step) {
            // PKG/URI Write.
            (Initial,         Step::Started)       => (DownloadStarted, Downloading),
            // A push replaces one that has not ended.
            (DownloadStarted, Step::StartedAgain)  => (DownloadStarted, Downloading),
            // PKG Download Failed.
            (DownloadStarted, Step::Failed(error)) => (Initial,         Download(error)),
            // PKG Written.
            (DownloadStarted, Step::Arrived)       => (Downloaded,      none),
            // PKG Integrity OK, KO.
            (Downloaded,      Step::Verified)      => (Delivered,       verified),
            (Downloaded,      Step::VerificationFailed(_))
                => (Initial, Download(DownloadError::Integrity)),
            // Install execution.
            (Delivered,       Step::InstallStarted) => (Installing,     unchanged),
            (Installing,      Step::Installed)      => (Inactive,       Installed),
            (Installing,      Step::InstallFailed)  => (Delivered,      InstallationFailed),
            // Uninstall execution (5.1.3.2). The candidate numbering has no result for a failure.
            (Delivered | Installing | Inactive | Active, Step::Uninstalled) => (Initial, none),
            (Delivered | Installing | Inactive | Active, Step::UninstallFailed) if registered
                => (phase, UninstallationFailed),
            // Software Activation (5.2).
            (Inactive | Active, Step::Activated)    => (Active,         unchanged),
            (Inactive | Active, Step::Deactivated)  => (Inactive,       unchanged),
            _ => return None,
        })
    }

    fn not_now(phase: Phase) -> Refused {
        Refused::NotNow(phase.state())
    }
}

impl<'a> From<Request<'a>> for Event<'a> {
    fn from(request: Request<'a>) -> Self {
        match request {
            Request::Block { offset, bytes } => Self::Block { offset, bytes },
            Request::Fetch { uri, offset } => Self::Fetch { uri, offset },
            Request::Verify => Self::Verify,
            Request::Install => Self::Install,
            Request::Discard => Self::Discard,
        }
    }
}

/// Software Management.
impl Machine {
    /// A machine in the INITIAL state.
    pub const fn new(numbering: Numbering) -> Self {
        Self::with(Software { numbering })
    }

    /// The numbering of the Object.
    pub const fn numbering(&self) -> Numbering {
        self.face().numbering
    }

    /// Resource 7.
    pub const fn state(&self) -> State {
        self.phase().state()
    }

    /// Resource 12: whether the software may be used.
    pub const fn is_active(&self) -> bool {
        matches!(self.phase(), Phase::Active)
    }

    /// Whether an installation is under way: the application has answered `Later`.
    pub const fn is_installing(&self) -> bool {
        matches!(self.phase(), Phase::Installing)
    }
}

/// Software Management, the server's side.
impl Machine {
    /// Install is executed.
    pub fn install(&mut self, ask: &mut Ask<'_, Software>) -> Result<(), Refused> {
        self.start_install(ask)
    }

    /// Uninstall is executed; `update` if another package will follow to update the software.
    pub fn uninstall(&mut self, update: bool, ask: &mut Ask<'_, Software>) -> Result<(), Refused> {
        self.may_step(Step::Uninstalled)?;
        let answer = ask(if update {
            Event::PrepareUpdate
        } else {
            Event::Uninstall
        });
        if matches!(answer, Answer::Failed(_)) && self.step(Step::UninstallFailed).is_ok() {
            return Ok(());
        }
        self.lose(Step::Uninstalled)
    }

    /// Activate is executed. Active software stays active.
    pub fn activate(&mut self, ask: &mut Ask<'_, Software>) -> Result<(), Refused> {
        self.switch(Event::Activate, Step::Activated, ask)
    }

    /// Deactivate is executed. Inactive software stays inactive.
    pub fn deactivate(&mut self, ask: &mut Ask<'_, Software>) -> Result<(), Refused> {
        self.switch(Event::Deactivate, Step::Deactivated, ask)
    }

    fn switch(
        &mut self,
        event: Event<'_>,
        step: Step<DownloadError>,
        ask: &mut Ask<'_, Software>,
    ) -> Result<(), Refused> {
        self.may_step(step)?;
        if self.is_active() == (step == Step::Activated) {
            return Ok(());
        }
        if matches!(ask(event), Answer::Failed(_)) {
            return Err(Refused::Failed);
        }
        self.step(step)
    }
}

/// Software Management, the application's side: reports about what it answered with `Later`.
impl Machine {
    /// A pulled package is there, and is to be verified now.
    pub fn downloaded(&mut self, ask: &mut Ask<'_, Software>) -> Result<(), Refused> {
        self.pulled(ask)
    }

    /// The package is good.
    pub fn verified(&mut self) -> Result<(), Refused> {
        self.step(Step::Verified)
    }

    /// The package is not good.
    pub fn verification_failed(&mut self) -> Result<(), Refused> {
        self.lose(Step::VerificationFailed(DownloadError::Integrity))
    }

    /// The software is installed; it is inactive.
    pub fn installed(&mut self) -> Result<(), Refused> {
        self.step(Step::Installed)
    }

    /// The software could not be installed; the package is still there.
    pub fn installation_failed(&mut self) -> Result<(), Refused> {
        self.step(Step::InstallFailed)
    }
}

/// Software Management across a reboot.
impl Machine {
    /// The state to keep.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state(),
            result: self.result(),
            active: self.is_active(),
            installing: self.is_installing(),
            package_uri: self.package_uri().into(),
            received: self.received(),
        }
    }

    /// Continues after a reboot. A pull and a verification that were under way are asked for again.
    /// The application reports how an installation went. A push was lost with its connection, so
    /// the state is INITIAL.
    pub fn restore(
        &mut self,
        snapshot: Snapshot,
        ask: &mut Ask<'_, Software>,
    ) -> Result<(), SnapshotError> {
        let phase = snapshot.phase(self.numbering())?;
        let pulled = (snapshot.package_uri, snapshot.received);
        self.resume((phase, snapshot.result), pulled, ask);
        if phase == Phase::Downloaded {
            self.verify(ask);
        }
        Ok(())
    }
}
