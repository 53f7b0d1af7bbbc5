//! Why no bootstrap file was read.

use core::fmt;

use thiserror::Error;

use super::apdu::Status;

/// Why the walk ended without a bootstrap file, though the card may have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WalkError {
    /// The response is too short for a status.
    #[error("a response of {length} bytes for {file}, expected a status of two bytes at its end")]
    NoStatus {
        /// What the command was for.
        file: CardFile,
        /// How many bytes the response has.
        length: usize,
    },
    /// The response has more data than was asked for.
    #[error("a response with more than {limit} bytes of data for {file}")]
    TooLong {
        /// What the command was for.
        file: CardFile,
        /// How much data was expected at most, in bytes.
        limit: usize,
    },
    /// The card refuses the command.
    #[error("the card answers {status} for {file}")]
    Status {
        /// What the command was for.
        file: CardFile,
        /// The answer.
        status: Status,
    },
    /// The card has given no number of a logical channel.
    #[error("expected one byte with the number of a logical channel, 1 to 19")]
    Channel,
    /// The content of a file, or what the card says of it, isn't what it should be.
    #[error("{file}, {error}")]
    Malformed {
        /// Which file.
        file: CardFile,
        /// What is wrong with it.
        error: DataError,
    },
    /// A file, or the part of it that counts, is longer than it may be.
    #[error("{file} has {size} bytes, expected {limit} at most")]
    TooLarge {
        /// Which file.
        file: CardFile,
        /// What the card says, in bytes.
        size: usize,
        /// What is read at most, in bytes.
        limit: usize,
    },
    /// A file ends before the size that the card has given.
    #[error("{file} ends after {read} bytes, expected {expected}")]
    Truncated {
        /// Which file.
        file: CardFile,
        /// What was read, in bytes.
        read: usize,
        /// What was expected, in bytes.
        expected: usize,
    },
    /// A file has too many records.
    #[error("{file} has more than {limit} records")]
    TooManyRecords {
        /// Which file.
        file: CardFile,
        /// How many are read.
        limit: u8,
    },
    /// The card needs more commands than the [bounds](super::WalkBounds) allow.
    #[error("no bootstrap file after {0} commands")]
    TooManyCommands(u16),
    /// The application couldn't verify the PIN, or the card asks for it again and again.
    #[error("{0} needs a PIN that is not verified")]
    Pin(CardFile),
    /// The application couldn't establish the secure channel.
    #[error("no secure channel to the card")]
    SecureChannel,
}

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CardFile {
    /// The logical channel.
    Channel,
    /// EF(DIR), the directory of applications (ISO/IEC 7816-4).
    Directory,
    /// The PKCS#15 application itself.
    Application,
    /// EF(ODF), its object directory file (TS G.3.1).
    ObjectDirectory,
    /// EF(DODF-bootstrap), a data object directory file (TS G.3.2).
    DataObjectDirectory,
    /// EF LwM2M_Bootstrap (TS G.3.3).
    Bootstrap,
}

impl fmt::Display for CardFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channel => "the logical channel",
            Self::Directory => "EF(DIR)",
            Self::Application => "the PKCS#15 application",
            Self::ObjectDirectory => "EF(ODF)",
            Self::DataObjectDirectory => "EF(DODF)",
            Self::Bootstrap => "EF LwM2M_Bootstrap",
        })
    }
}

/// Data of a card that isn't what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at byte {offset}: {problem}")]
pub struct DataError {
    /// Where, in bytes from the beginning of the file, or of what the card says of the file.
    pub offset: usize,
    /// What is wrong there.
    pub problem: DataProblem,
}

/// What is wrong with data of a card; see [`DataError`] for where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DataProblem {
    /// The bytes end within the tag or the length of a data object.
    #[error("the tag or the length of a data object is cut off")]
    Header,
    /// A tag of more than three bytes.
    #[error("a tag of more than three bytes")]
    Tag,
    /// A length that is indefinite, or has more than three bytes.
    #[error("a length that is indefinite or of more than three bytes")]
    LengthForm,
    /// A data object is longer than what is left.
    #[error("a data object of {length} bytes where {available} are left")]
    Length {
        /// What it says, in bytes.
        length: usize,
        /// What is there, in bytes.
        available: usize,
    },
    /// A number that isn't of one to four bytes.
    #[error("expected a number of one to four bytes")]
    Number,
    /// Something else stands where this is expected.
    #[error("expected {0}")]
    Expected(&'static str),
}

impl DataProblem {
    /// The error with this problem.
    pub(super) const fn at(self, offset: usize) -> DataError {
        DataError {
            offset,
            problem: self,
        }
    }
}
