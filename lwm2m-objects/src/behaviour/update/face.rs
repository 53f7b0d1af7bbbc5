//! What tells one kind of update from another: its table of transitions, and a few rules.

use core::fmt;

use lwm2m_core::ResourceId;

use super::answer::Answer;

/// A kind of update: [`Firmware`](crate::firmware::Firmware) or
/// [`Software`](crate::software::Software). There are no others: the trait is sealed.
///
/// A [`Machine`](super::Machine) takes the package in, by push or by pull, and asks the application
/// for each step. The face says which steps there are.
pub trait Face: sealed::Sealed + Clone + fmt::Debug + Eq + 'static {
    /// Where a machine may be. It tells more than the value of the State Resource where that does
    /// not decide what may follow.
    type Phase: Copy + fmt::Debug + Eq;
    /// The values of Update Result.
    type UpdateResult: Copy + fmt::Debug + Eq;
    /// Why a package did not arrive.
    type DownloadError: Copy;
    /// What the application is asked.
    type Event<'e>: From<Request<'e>>;
    /// Why a request or a call of the application is refused.
    type Refused;

    /// Package.
    const PACKAGE: ResourceId;
    /// Package URI.
    const PACKAGE_URI: ResourceId;
    /// Where a machine begins.
    const START: (Self::Phase, Self::UpdateResult);
    /// While a package is pushed or pulled.
    const DOWNLOADING: Self::Phase;
    /// Whether an empty Package, a Package of one zero byte or an empty Package URI is a reset.
    /// Otherwise an empty value changes nothing.
    const EMPTY_RESETS: bool;
    /// Whether Package URI can be read, and so stays after a download has failed.
    const URI_IS_READABLE: bool;
    /// Whether a package that was pulled is verified by a request of its own.
    const VERIFIES_PULLS: bool;
    /// The connection was lost.
    const CONNECTION_LOST: Self::DownloadError;
    /// Package URI is not a URI, or too long.
    const INVALID_URI: Self::DownloadError;

    /// The table of transitions: where a step leads from here; `None` if it is not allowed.
    fn next(
        &self,
        phase: Self::Phase,
        result: Self::UpdateResult,
        step: Step<Self::DownloadError>,
    ) -> Option<(Self::Phase, Self::UpdateResult)>;

    /// Whether packages may come this way at all.
    fn takes(&self, way: Way) -> bool {
        let _ = way;
        true
    }

    /// Why a package of this scheme cannot be fetched, if so.
    fn unsupported(&self, scheme: &str) -> Option<Self::DownloadError> {
        let _ = scheme;
        None
    }

    /// Whether this Package is none.
    fn is_empty(package: &[u8]) -> bool {
        package.is_empty() || Self::EMPTY_RESETS && package == [0]
    }

    /// The refusal of what is not allowed in this phase.
    fn not_now(phase: Self::Phase) -> Self::Refused;
}

pub(crate) mod sealed {
    /// Keeps [`Face`](super::Face) from being implemented elsewhere.
    pub trait Sealed {}
}

/// The way of a package to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A server writes it into Package.
    Push,
    /// The device fetches it from Package URI.
    Pull,
}

/// What moves a machine on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<E> {
    /// A package begins to arrive, or its URI was written.
    Started,
    /// A push takes the place of one that has not ended.
    StartedAgain,
    /// The package did not arrive.
    Failed(E),
    /// All of the package is there; it is being verified.
    Arrived,
    /// The package is good.
    Verified,
    /// The package is not good.
    VerificationFailed(E),
    /// The server has asked for the installation.
    InstallStarted,
    /// It is done.
    Installed,
    /// It failed; the package is still there.
    InstallFailed,
    /// Package and software were removed.
    Uninstalled,
    /// They could not be removed.
    UninstallFailed,
    /// The software may be used.
    Activated,
    /// The software must not be used.
    Deactivated,
    /// The server gives up what there is.
    Reset,
}

/// What every kind of update asks of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// To take the next bytes of a package that is pushed.
    Block {
        /// How many bytes of the package were before.
        offset: u64,
        /// The bytes; never none.
        bytes: &'a [u8],
    },
    /// To fetch a package.
    Fetch {
        /// Where it is.
        uri: &'a str,
        /// How many bytes of it are there already.
        offset: u64,
    },
    /// To check the package.
    Verify,
    /// To install the package.
    Install,
    /// To throw away what there is of the package, and to end what is under way.
    Discard,
}

/// The application of a face, as it is asked.
pub(crate) type Ask<'a, F> =
    dyn FnMut(<F as Face>::Event<'_>) -> Answer<<F as Face>::DownloadError> + 'a;
