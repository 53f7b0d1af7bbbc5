//! What differs between firmware and software: the table of transitions, and a few rules.

use core::fmt;

use lwm2m_core::ResourceId;

use super::answer::Answer;

/// A kind of update: [`Firmware`](crate::firmware::Firmware) or
/// [`Software`](crate::software::Software). There are no others: the trait is sealed.
///
/// A [`Machine`](super::Machine) takes the package in, by push or by pull, and asks the application
/// for each step. The face says which steps there are.
pub trait Face: sealed::Sealed + Clone + fmt::Debug + Eq + 'static {
    /// The phase of a machine: the value of the State Resource, or a finer division of it.
    type Phase: Copy + fmt::Debug + Eq;
    /// The values of Update Result.
    type UpdateResult: Copy + fmt::Debug + Eq;
    /// Why a package did not arrive.
    type DownloadError: Copy;
    /// What the application is asked.
    type Event<'e>: From<Request<'e>>;
    /// Why a request, or a call by the application, is refused.
    type Refused;

    /// Package.
    const PACKAGE: ResourceId;
    /// Package URI.
    const PACKAGE_URI: ResourceId;
    /// Where a machine begins.
    const START: (Self::Phase, Self::UpdateResult);
    /// Where a machine is while a package is pushed or pulled.
    const DOWNLOADING: Self::Phase;
    /// Whether an empty Package, one zero byte as Package or an empty Package URI resets the machine.
    /// If not, an empty value changes nothing.
    const EMPTY_RESETS: bool;
    /// Whether Package URI can be read. If so, it stays when a download has failed.
    const URI_IS_READABLE: bool;
    /// Whether the application is asked to verify a pulled package separately, and not as part of
    /// the fetch.
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

    /// Whether packages may be delivered this way at all.
    fn takes(&self, way: Way) -> bool {
        let _ = way;
        true
    }

    /// Why a URI of this scheme cannot be fetched, if so.
    fn unsupported(&self, scheme: &str) -> Option<Self::DownloadError> {
        let _ = scheme;
        None
    }

    /// Whether this is an empty Package.
    fn is_empty(package: &[u8]) -> bool {
        package.is_empty() || Self::EMPTY_RESETS && package == [0]
    }

    /// The error for what is not allowed in this phase.
    fn not_now(phase: Self::Phase) -> Self::Refused;
}

pub(crate) mod sealed {
    /// Keeps [`Face`](super::Face) from being implemented elsewhere.
    pub trait Sealed {}
}

/// How a package gets to the device.
///
/// A package is pushed or pulled, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A server writes it into Package.
    Push,
    /// The device fetches it from Package URI.
    Pull,
}

/// What takes a machine from one phase to another.
///
/// It may grow with the tables of the faces, all of which are in this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step<E> {
    /// A package begins to arrive, or its URI was written.
    Started,
    /// A push replaces one that has not ended.
    StartedAgain,
    /// The package did not arrive.
    Failed(E),
    /// All of the package is there, and is being verified.
    Arrived,
    /// The package is good.
    Verified,
    /// The package is not good.
    VerificationFailed(E),
    /// The server has asked for the installation.
    InstallStarted,
    /// The package is installed.
    Installed,
    /// The installation failed; the package is still there.
    InstallFailed,
    /// The package and the software were removed.
    Uninstalled,
    /// The package or the software could not be removed.
    UninstallFailed,
    /// The software may be used.
    Activated,
    /// The software must not be used.
    Deactivated,
    /// The server abandons the package.
    Reset,
}

/// What every kind of update asks of the application.
///
/// It may grow: each face maps it to its own event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// To take the next bytes of a package that is pushed.
    Block {
        /// How many bytes of the package came before.
        offset: u64,
        /// The bytes; never empty.
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
    /// To discard what there is of the package, and to stop what is under way.
    Discard,
}

/// The application, as a machine calls it.
pub(crate) type Ask<'a, F> =
    dyn FnMut(<F as Face>::Event<'_>) -> Answer<<F as Face>::DownloadError> + 'a;
