//! Commands to a card and its responses (ISO/IEC 7816-4, ETSI TS 102 221).

use alloc::vec::Vec;
use core::fmt;

/// A logical channel of a card (ISO/IEC 7816-4, 5.4.1): 0 is the basic one, 1 to 19 are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogicalChannel(u8);

impl LogicalChannel {
    /// The basic logical channel, which is always open.
    pub const BASIC: Self = Self(0);

    /// The channel with this number, if it is one of 0 to 19.
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            0..=19 => Some(Self(number)),
            _ => None,
        }
    }

    /// Its number, 0 to 19.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The class byte of an interindustry command on it, without secure messaging.
    pub const fn class(self) -> u8 {
        match self.0 {
            number @ 0..=3 => number,
            number => 0x40 | number.saturating_sub(4),
        }
    }
}

/// What a card says of a command: the bytes SW1 and SW2 (ISO/IEC 7816-4, 5.6; ETSI TS 102 221, 10.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u16);

impl Status {
    /// The end of the file was reached before the bytes that were asked for.
    pub const END_OF_FILE: Self = Self(0x6282);
    /// The security status is not satisfied: a PIN has to be verified.
    pub const SECURITY: Self = Self(0x6982);
    /// There is no such file or application.
    pub const NOT_FOUND: Self = Self(0x6A82);
    /// There is no such record.
    pub const NO_RECORD: Self = Self(0x6A83);

    /// The status of these two bytes.
    pub const fn new(status: u16) -> Self {
        Self(status)
    }

    /// Both bytes, SW1 first.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether the command succeeded. `91xx` is success while the card has a command for the
    /// terminal (ETSI TS 102 221, 10.2.1.1).
    pub const fn is_success(self) -> bool {
        self.0 == 0x9000 || self.0 >> 8 == 0x91
    }

    /// How the command goes on, and the length of SW2; 0 stands for 256.
    pub(super) const fn more(self) -> Option<More> {
        let [first, length] = self.0.to_be_bytes();
        match first {
            0x61 => Some(More::GetResponse(length)),
            0x6C => Some(More::AskAgain(length)),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.0 {
            0x6282 => "end of file",
            0x6283 => "file deactivated",
            0x6700 => "wrong length",
            0x6881 => "logical channel not supported",
            0x6882 => "secure messaging not supported",
            0x6982 => "security status not satisfied",
            0x6983 => "PIN blocked",
            0x6985 => "conditions of use not satisfied",
            0x6A81 => "function not supported",
            0x6A82 => "file or application not found",
            0x6A83 => "record not found",
            0x6A86 | 0x6B00 => "wrong parameters",
            0x6D00 => "instruction not supported",
            0x6E00 => "class not supported",
            _ if self.is_success() => "success",
            _ => return write!(f, "{:04X}", self.0),
        };
        write!(f, "{:04X} ({what})", self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:04X})", self.0)
    }
}

/// How a command goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    /// The card has this many bytes more (61xx).
    GetResponse(u8),
    /// The same command with this length (6Cxx).
    AskAgain(u8),
}

/// A command of the short form, with up to 255 bytes of data and up to 256 of response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    class: u8,
    instruction: u8,
    parameters: [u8; 2],
    data: Vec<u8>,
    /// How many bytes the response has; 0 stands for 256, `None` for none.
    length: Option<u8>,
}

/// How a SELECT says what it selects: its first parameter (ISO/IEC 7816-4, table 39; ETSI TS 102
/// 221, 11.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SelectBy {
    /// The file with an identifier in the current directory.
    Identifier = 0x00,
    /// An application by its identifier.
    Application = 0x04,
    /// A path from the master file.
    Path = 0x08,
}

impl Command {
    const fn new(class: u8, instruction: u8, parameters: [u8; 2]) -> Self {
        Self {
            class,
            instruction,
            parameters,
            data: Vec::new(),
            length: None,
        }
    }

    /// MANAGE CHANNEL that opens a channel of the card's choice, from the basic one.
    pub(super) const fn open_channel() -> Self {
        Self::new(LogicalChannel::BASIC.class(), 0x70, [0x00, 0x00]).expecting(1)
    }

    /// MANAGE CHANNEL that closes a channel, from the basic one.
    pub(super) const fn close_channel(channel: LogicalChannel) -> Self {
        Self::new(LogicalChannel::BASIC.class(), 0x70, [0x80, channel.get()])
    }

    /// SELECT that asks for the file control parameters.
    pub(super) fn select(channel: LogicalChannel, by: SelectBy, data: &[u8]) -> Self {
        let mut command = Self::new(channel.class(), 0xA4, [by as u8, 0x04]).expecting(0);
        command.data.extend_from_slice(data);
        command
    }

    /// READ RECORD of a record by its number from 1.
    pub(super) const fn read_record(channel: LogicalChannel, number: u8, length: u8) -> Self {
        Self::new(channel.class(), 0xB2, [number, 0x04]).expecting(length)
    }

    /// READ BINARY from an offset of 15 bits.
    pub(super) const fn read_binary(channel: LogicalChannel, offset: u16, length: u8) -> Self {
        Self::new(channel.class(), 0xB0, (offset & 0x7FFF).to_be_bytes()).expecting(length)
    }

    /// GET RESPONSE after this command.
    pub(super) const fn get_response(&self, length: u8) -> Self {
        Self::new(self.class, 0xC0, [0x00, 0x00]).expecting(length)
    }

    /// The command with another length of the response.
    pub(super) const fn expecting(mut self, length: u8) -> Self {
        self.length = Some(length);
        self
    }

    /// The bytes of the command (ISO/IEC 7816-3, cases 1 to 4).
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let [first, second] = self.parameters;
        let mut bytes = Vec::from([self.class, self.instruction, first, second]);
        // Data is an AID or a path, each of which is far shorter than 256 bytes.
        if let (Ok(length), false) = (u8::try_from(self.data.len()), self.data.is_empty()) {
            bytes.push(length);
            bytes.extend_from_slice(&self.data);
        }
        bytes.extend(self.length);
        bytes
    }
}

/// The data and the status of a response, if it has a status.
pub(super) fn split(response: &[u8]) -> Option<(&[u8], Status)> {
    let (data, status) = response.split_last_chunk()?;
    Some((data, Status(u16::from_be_bytes(*status))))
}
