//! The face of firmware: its table of transitions, what the application is asked, and its calls.

use alloc::vec::Vec;

use lwm2m_core::ResourceId;
use thiserror::Error;

use super::snapshot::{Snapshot, SnapshotError};
use crate::{
    behaviour::update::{
        face::{Ask, Face, Request, Step, Way, sealed::Sealed},
        machine,
    },
    typed::firmware::values::{DeliveryMethod, DownloadError, Protocol, State, UpdateResult},
};

/// The state machine of a firmware update (TS E.6.1), without time, transport or storage; see the
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
pub type Machine = machine::Machine<Firmware>;

/// The [`Face`] of firmware: the delivery methods and protocols of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    delivery: DeliveryMethod,
    protocols: Vec<Protocol>,
}

/// What a firmware update asks of the application.
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
    /// All of the package is there: check it.
    Verify,
    /// Fetch a package and check it. An Object in a Client gets this only for what the Client doesn't
    /// [fetch itself](super::FirmwareUpdateObject::pulled_by_application).
    Fetch {
        /// Where it is; of a supported protocol.
        uri: &'a str,
        /// How many bytes of it were received before a reboot.
        offset: u64,
    },
    /// Install the package. An application that has to reboot for it answers `Later`, and reboots
    /// once the response to the server has left.
    Update,
    /// Discard what there is of the package, and stop what is under way. The answer is ignored.
    Discard,
}

/// A request or a call that is not allowed in this state: nothing has changed. A request is
/// answered with 4.05.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not while the firmware update is {0:?}")]
pub struct NotNow(pub State);

impl Sealed for Firmware {}

impl Face for Firmware {
    type Phase = State;
    type UpdateResult = UpdateResult;
    type DownloadError = DownloadError;
    type Event<'e> = Event<'e>;
    type Refused = NotNow;

    const PACKAGE: ResourceId = ResourceId::new(0);
    const PACKAGE_URI: ResourceId = ResourceId::new(1);
    const START: (State, UpdateResult) = (State::Idle, UpdateResult::Initial);
    const DOWNLOADING: State = State::Downloading;
    // TS E.6, Resource 3.
    const EMPTY_RESETS: bool = true;
    const URI_IS_READABLE: bool = true;
    const VERIFIES_PULLS: bool = false;
    const CONNECTION_LOST: DownloadError = DownloadError::ConnectionLost;
    const INVALID_URI: DownloadError = DownloadError::InvalidUri;

    /// TS E.6.1, Figure 29, with the values of Resources 3 and 5.
    #[rustfmt::skip]
    #[expect(clippy::match_same_arms, reason = "it is a table")]
    fn next(
        &self,
        state: State,
        _: UpdateResult,
        step: Step<DownloadError>,
    ) -> Option<(State, UpdateResult)> {
        use State::{Downloaded, Downloading, Idle, Updating};
        use UpdateResult::{Download, Initial, UpdateFailed, Updated};

        Some(match (state, step) {
            (Idle,        Step::Started)                   => (Downloading, Initial),
            // A push replaces one that has not ended.
            (Downloading, Step::StartedAgain)              => (Downloading, Initial),
            (Downloading, Step::Failed(error))             => (Idle,        Download(error)),
            // Figure 29 has no state for the verification.
            (Downloading, Step::Arrived)                   => (Downloading, Initial),
            (Downloading, Step::VerificationFailed(error)) => (Idle,        Download(error)),
            (Downloading, Step::Verified)                  => (Downloaded,  Initial),
            // Resource 2, Update.
            (Downloaded,  Step::InstallStarted)            => (Updating,    Initial),
            (Updating,    Step::Installed)                 => (Idle,        Updated),
            (Updating,    Step::InstallFailed)             => (Downloaded,  UpdateFailed),
            // Resource 3: an empty Package or Package URI.
            (_,           Step::Reset)                     => (Idle,        Initial),
            _ => return None,
        })
    }

    /// Resource 9.
    fn takes(&self, way: Way) -> bool {
        match way {
            Way::Push => self.delivery != DeliveryMethod::Pull,
            Way::Pull => self.delivery != DeliveryMethod::Push,
        }
    }

    /// Resource 8; CoAP is the default.
    fn unsupported(&self, scheme: &str) -> Option<DownloadError> {
        let protocols = match &*self.protocols {
            [] => &[Protocol::Coap],
            protocols => protocols,
        };
        let protocol = Protocol::of_scheme(scheme).filter(|protocol| protocols.contains(protocol));
        protocol.is_none().then_some(DownloadError::Protocol)
    }

    fn not_now(state: State) -> NotNow {
        NotNow(state)
    }
}

impl<'a> From<Request<'a>> for Event<'a> {
    fn from(request: Request<'a>) -> Self {
        match request {
            Request::Block { offset, bytes } => Self::Block { offset, bytes },
            Request::Fetch { uri, offset } => Self::Fetch { uri, offset },
            Request::Verify => Self::Verify,
            Request::Install => Self::Update,
            Request::Discard => Self::Discard,
        }
    }
}

/// Firmware Update.
impl Machine {
    /// A machine in the Idle state. It fetches by these protocols, or by CoAP if there are none
    /// (TS E.6, Resource 8).
    pub fn new(delivery: DeliveryMethod, protocols: impl Into<Vec<Protocol>>) -> Self {
        Self::with(Firmware {
            delivery,
            protocols: protocols.into(),
        })
    }

    /// Resource 3.
    pub const fn state(&self) -> State {
        self.phase()
    }

    /// Resource 8, as it was given.
    pub fn protocols(&self) -> &[Protocol] {
        &self.face().protocols
    }

    /// Resource 9.
    pub const fn delivery(&self) -> DeliveryMethod {
        self.face().delivery
    }

    /// Update is executed.
    pub fn update(&mut self, ask: &mut Ask<'_, Firmware>) -> Result<(), NotNow> {
        self.start_install(ask)
    }

    /// The application's side: the package is there, and is good.
    pub fn downloaded(&mut self) -> Result<(), NotNow> {
        self.finish_download()
    }

    /// The application's side: the new firmware runs.
    pub fn updated(&mut self) -> Result<(), NotNow> {
        self.step(Step::Installed)
    }

    /// The application's side: the old firmware still runs, and the package is still there.
    pub fn update_failed(&mut self) -> Result<(), NotNow> {
        self.step(Step::InstallFailed)
    }

    /// The state to keep across a reboot.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state(),
            result: self.result(),
            package_uri: self.package_uri().into(),
            received: self.received(),
        }
    }

    /// Continues after a reboot. A pull that was under way is asked for again, unless its protocol is
    /// no longer supported. A push was lost with its connection, so the state is Idle. In the state
    /// Updating, the application reports how the update went.
    pub fn restore(
        &mut self,
        snapshot: Snapshot,
        ask: &mut Ask<'_, Firmware>,
    ) -> Result<(), SnapshotError> {
        snapshot.check()?;
        let at = (snapshot.state, snapshot.result);
        self.resume(at, (snapshot.package_uri, snapshot.received), ask);
        Ok(())
    }
}
