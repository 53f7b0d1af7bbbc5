//! One command until its whole response is there.

use alloc::vec::Vec;
use core::mem;

use super::apdu::{Command, More, Status, split};

/// The longest response of one command, in bytes.
pub(super) const MAX_RESPONSE: usize = 1024;

/// A command under way. A card with the protocol T=0 may have it fetch the response by GET RESPONSE,
/// or ask with another length (ISO/IEC 7816-4, 61xx and 6Cxx).
pub(super) struct Exchange {
    command: Command,
    /// What is to be sent now.
    bytes: Vec<u8>,
    /// Whether the card has named the length already.
    corrected: bool,
    /// The data of the response so far.
    data: Vec<u8>,
}

/// What is wrong with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It has no status.
    NoStatus,
    /// It is longer than [`MAX_RESPONSE`].
    TooLong,
}

impl Exchange {
    pub(super) fn new(command: Command) -> Self {
        Self {
            bytes: command.to_bytes(),
            command,
            corrected: false,
            data: Vec::new(),
        }
    }

    /// The command to send now.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes a response. Returns the data and the status once that is all, and `None` if there is
    /// another command to send.
    pub(super) fn answer(&mut self, response: &[u8]) -> Result<Option<(Vec<u8>, Status)>, Fault> {
        let (data, status) = split(response).ok_or(Fault::NoStatus)?;
        match status.more() {
            Some(More::AskAgain(length)) if !self.corrected => {
                self.corrected = true;
                self.send(self.command.clone().expecting(length));
                return Ok(None);
            }
            Some(More::GetResponse(length)) => {
                self.keep(data)?;
                self.corrected = false;
                self.send(self.command.get_response(length));
                return Ok(None);
            }
            _ => self.keep(data)?,
        }
        Ok(Some((mem::take(&mut self.data), status)))
    }

    fn send(&mut self, command: Command) {
        self.bytes = command.to_bytes();
        self.command = command;
    }

    fn keep(&mut self, data: &[u8]) -> Result<(), Fault> {
        if self.data.len().saturating_add(data.len()) > MAX_RESPONSE {
            return Err(Fault::TooLong);
        }
        self.data.extend_from_slice(data);
        Ok(())
    }
}
