//! What the caller of a walk has to do next.

use core::fmt;

use super::{
    apdu::LogicalChannel,
    error::{CardFile, WalkError},
};

/// What is to be done next; see [`Walk::step`](super::Walk::step).
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step<'w> {
    /// Send this command to the card, and give the response to [`Walk::answer`](super::Walk::answer).
    Send {
        /// The command APDU, of the short form (ISO/IEC 7816-3, cases 1 to 4).
        command: &'w [u8],
        /// Whether it belongs in the [secure channel](Self::SecureChannel), which then wraps it and
        /// unwraps its response.
        secured: bool,
    },
    /// The PKCS#15 application is selected: establish the secure channel of TS Appendix H on this
    /// logical channel, and say so to [`Walk::secure_channel`](super::Walk::secure_channel).
    SecureChannel(LogicalChannel),
    /// A PIN is needed: verify it on the same logical channel, and say so to
    /// [`Walk::pin`](super::Walk::pin).
    VerifyPin(PinRequest<'w>),
    /// The walk has ended: the bootstrap file as far as it counts, for
    /// [`BootstrapFile::decode`](super::BootstrapFile::decode), or that the card has no Bootstrap
    /// Information.
    Done(Result<Option<&'w [u8]>, WalkError>),
}

/// Which PIN is needed, and what for (TS G.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinRequest<'w> {
    /// The file that needs it.
    pub file: CardFile,
    /// The logical channel on which it is to be verified.
    pub channel: LogicalChannel,
    /// The references of the PINs of the application that are enabled (ETSI TS 102 221, 9.5.1), to be
    /// given to VERIFY. `None` if the card doesn't tell.
    pub references: Option<&'w [u8]>,
    /// The readable name of the bootstrap file, which may be shown to the user.
    pub label: Option<&'w str>,
    /// Whether the card has refused a command. If not, the directory says that the file is private or
    /// can be modified.
    pub refused: bool,
}

impl fmt::Debug for Step<'_> {
    /// Shows no content of a file, as some of it is keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { command, secured } => f
                .debug_struct("Send")
                .field("command", command)
                .field("secured", secured)
                .finish(),
            Self::SecureChannel(channel) => f.debug_tuple("SecureChannel").field(channel).finish(),
            Self::VerifyPin(request) => f.debug_tuple("VerifyPin").field(request).finish(),
            Self::Done(outcome) => {
                let outcome = outcome.map(|file| file.map(<[u8]>::len));
                f.debug_tuple("Done").field(&outcome).finish()
            }
        }
    }
}
