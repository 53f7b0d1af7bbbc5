//! Reading one file: SELECT, then READ BINARY or READ RECORD until all of it is there.

use alloc::vec::Vec;
use core::mem;

use super::{
    apdu::{Command, LogicalChannel, Status},
    control::{FileControl, Structure},
    directory::FilePart,
    error::{CardFile, DataError, DataProblem, WalkError},
    file::{BootstrapFile, MAX_FILE},
};

/// A file that is being read.
pub(super) struct Fetch {
    file: CardFile,
    part: FilePart,
    progress: Progress,
    data: Vec<u8>,
}

/// What a fetch needs to know of the walk.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) channel: LogicalChannel,
    /// Whether the current directory is that of the PKCS#15 application.
    pub(super) in_application: bool,
    /// How many bytes are read at a time.
    pub(super) piece: u8,
    /// How many bytes of a directory are read at most.
    pub(super) directory: usize,
    /// How many records are read at most.
    pub(super) records: u8,
}

enum Progress {
    Select,
    /// The rest of the bytes, up to `end`; offsets are within the file.
    Bytes {
        next: usize,
        end: usize,
    },
    /// The rest of the records, of which the first has number 1.
    Records {
        next: u8,
        last: Option<u8>,
        length: u8,
    },
}

/// How a fetch goes on.
pub(super) enum Fetched {
    /// There is another command to send.
    More,
    /// All of it.
    Whole(Vec<u8>),
    /// There is no such file.
    NotFound,
    /// A PIN is needed.
    Denied,
}

/// The end of what a READ BINARY with an offset of 15 bits reaches.
const REACH: usize = 0x8000;

impl Fetch {
    pub(super) const fn new(file: CardFile, part: FilePart) -> Self {
        Self {
            file,
            part,
            progress: Progress::Select,
            data: Vec::new(),
        }
    }

    pub(super) const fn file(&self) -> CardFile {
        self.file
    }

    /// Whether the current directory is that of the application once the file is selected.
    pub(super) const fn stays_in_application(&self) -> bool {
        self.part.path.is_in_application()
    }

    /// The command to send now.
    pub(super) fn command(&self, terms: Terms) -> Command {
        match self.progress {
            Progress::Select => self.part.path.select(terms.channel, terms.in_application),
            Progress::Bytes { next, end } => {
                // The end is within reach.
                let offset = u16::try_from(next).unwrap_or(u16::MAX);
                Command::read_binary(terms.channel, offset, piece(next, end, terms))
            }
            Progress::Records { next, length, .. } => {
                Command::read_record(terms.channel, next, length)
            }
        }
    }

    /// Takes the response to that.
    pub(super) fn take(
        &mut self,
        data: &[u8],
        status: Status,
        terms: Terms,
    ) -> Result<Fetched, WalkError> {
        if status == Status::SECURITY {
            return Ok(Fetched::Denied);
        }
        let file = self.file;
        match self.progress {
            Progress::Select if status == Status::NOT_FOUND => return Ok(Fetched::NotFound),
            Progress::Select if status.is_success() => self.select(data, terms)?,
            Progress::Bytes { next, end }
                if status.is_success() || status == Status::END_OF_FILE =>
            {
                self.read_bytes(data, next, end, terms)?;
            }
            Progress::Records { .. } if status == Status::NO_RECORD => return Ok(self.whole()),
            Progress::Records { next, last, length } if status.is_success() => {
                self.read_record(data, terms)?;
                let next = next.saturating_add(1);
                self.progress = Progress::Records { next, last, length };
            }
            _ => return Err(WalkError::Status { file, status }),
        }
        match self.progress {
            Progress::Bytes { next, end } if next >= end => Ok(self.whole()),
            Progress::Records { next, last, .. } if last.is_some_and(|last| next > last) => {
                Ok(self.whole())
            }
            Progress::Records { next, .. } if next > terms.records => {
                let limit = terms.records;
                Err(WalkError::TooManyRecords { file, limit })
            }
            _ => Ok(Fetched::More),
        }
    }

    fn whole(&mut self) -> Fetched {
        Fetched::Whole(mem::take(&mut self.data))
    }

    /// What is to be read of the file, by what the card says of it.
    fn select(&mut self, data: &[u8], terms: Terms) -> Result<(), WalkError> {
        let control = FileControl::read(data).map_err(|error| self.malformed(error))?;
        self.progress = match (control.structure, self.file) {
            (Some(Structure::Transparent), _) => self.bytes(control.size, terms)?,
            (Some(Structure::Records { length, count }), CardFile::Directory) => {
                Progress::Records {
                    next: 1,
                    last: count.filter(|count| *count <= terms.records),
                    length,
                }
            }
            _ => return Err(self.malformed(DataProblem::Expected("a file of bytes").at(0))),
        };
        Ok(())
    }

    fn bytes(&self, size: Option<usize>, terms: Terms) -> Result<Progress, WalkError> {
        let file = self.file;
        let unknown = DataProblem::Expected("the size of the file (tag 80)").at(0);
        let size = size.ok_or_else(|| self.malformed(unknown))?;
        let next = self.part.index;
        let end = self
            .part
            .length
            .map_or(size, |part| next.saturating_add(part));
        if end > size || next > end {
            let (read, expected) = (size, end.max(next));
            return Err(WalkError::Truncated {
                file,
                read,
                expected,
            });
        }
        let limit = match file {
            CardFile::Bootstrap => MAX_FILE,
            _ => terms.directory,
        };
        let size = end.saturating_sub(next);
        if size > limit {
            return Err(WalkError::TooLarge { file, size, limit });
        }
        if end > REACH {
            let (size, limit) = (end, REACH);
            return Err(WalkError::TooLarge { file, size, limit });
        }
        Ok(Progress::Bytes { next, end })
    }

    fn read_bytes(
        &mut self,
        data: &[u8],
        next: usize,
        end: usize,
        terms: Terms,
    ) -> Result<(), WalkError> {
        let file = self.file;
        let limit = piece(next, end, terms).into();
        if data.len() > limit {
            return Err(WalkError::TooLong { file, limit });
        }
        if data.is_empty() {
            let (read, expected) = (next, end);
            return Err(WalkError::Truncated {
                file,
                read,
                expected,
            });
        }
        self.data.extend_from_slice(data);
        let next = next.saturating_add(data.len());
        // What follows the collection of Objects is padding, and stays on the card.
        let used = match file {
            CardFile::Bootstrap => BootstrapFile::used_length(&self.data),
            _ => None,
        };
        let used_end = used.map_or(end, |used| self.part.index.saturating_add(used));
        let end = end.min(used_end);
        let past = next.saturating_sub(end);
        self.data.truncate(self.data.len().saturating_sub(past));
        self.progress = Progress::Bytes { next, end };
        Ok(())
    }

    fn read_record(&mut self, data: &[u8], terms: Terms) -> Result<(), WalkError> {
        let size = self.data.len().saturating_add(data.len());
        if size > terms.directory {
            let (file, limit) = (self.file, terms.directory);
            return Err(WalkError::TooLarge { file, size, limit });
        }
        self.data.extend_from_slice(data);
        Ok(())
    }

    const fn malformed(&self, error: DataError) -> WalkError {
        WalkError::Malformed {
            file: self.file,
            error,
        }
    }
}

/// How many bytes are read next.
fn piece(next: usize, end: usize, terms: Terms) -> u8 {
    u8::try_from(end.saturating_sub(next)).map_or(terms.piece, |left| left.min(terms.piece))
}
