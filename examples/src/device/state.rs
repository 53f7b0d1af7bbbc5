//! What a device keeps while its power is off: a file with the values of its Objects and the state of its Client.

use core::{net::SocketAddr, time::Duration};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use lwm2m_core::InstanceId;
use lwm2m_objects::{Sealed, Snapshot};
use lwm2m_statemachine::client::{AccountId, ClientSnapshot};
use serde::{Deserialize, Serialize};

use super::{
    line::Line,
    program::{Print, Program},
};
use crate::exit;

/// What is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// When it was saved, in milliseconds since 1970.
    saved: u64,
    /// The address of the device's socket: from another one, servers don't know a registration without security.
    pub(super) address: SocketAddr,
    /// The Security Object Instances of the accounts that were reached over this socket.
    pub(super) reached: Vec<InstanceId>,
    /// The Security Object Instances of registrations, and where these are.
    pub(super) locations: Vec<(InstanceId, String)>,
    /// The values of the Objects, keys among them.
    pub(super) values: Snapshot,
    /// The state of the Client.
    pub(super) client: ClientSnapshot,
}

impl Kept {
    /// How long ago it was saved, by the clock of this computer. Unknown if that was set back.
    pub(super) fn elapsed(&self) -> Option<Duration> {
        elapsed(self.saved, wall_clock())
    }
}

/// Reads what was kept; none if there is no file. A file that is damaged is told, and is none.
pub(super) fn read(file: &Path, print: Print<'_>) -> io::Result<Option<Kept>> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(exit::about(file.display())(error)),
    };
    match serde_json::from_slice(&text) {
        Ok(Sealed(kept)) => Ok(Some(kept)),
        Err(error) => {
            print(unusable(file, error));
            Ok(None)
        }
    }
}

/// The line about a file that can't be used.
pub(super) fn unusable(file: &Path, why: impl core::fmt::Display) -> Line {
    let file = file.display();
    let message = format_args!("{file}: {why}; the device starts as new");
    Line::new("error").word("message", message)
}

impl Program<'_> {
    /// Saves the state of the device, if it has a file for it.
    pub(super) fn save(&self) -> io::Result<()> {
        let Some(file) = &self.settings.state else {
            return Ok(());
        };
        let client = &self.driver.machine.client;
        let kept = Sealed(Kept {
            saved: wall_clock(),
            address: self.driver.address(),
            reached: self.directory.reached().map(AccountId::instance).collect(),
            locations: self
                .directory
                .locations()
                .map(|(account, location)| (account.instance(), location.to_owned()))
                .collect(),
            values: client.tree().snapshot(),
            client: client.snapshot(self.driver.now()),
        });
        let text = serde_json::to_vec(&kept).map_err(io::Error::other);
        let written = text.and_then(|text| write_whole(file, &text));
        written.map_err(exit::about(file.display()))
    }
}

/// Writes a file that is there whole, or as it was before. Only its owner may read it.
fn write_whole(file: &Path, content: &[u8]) -> io::Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    // One that was left behind may be readable for others.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut written = create(&new)?;
    written.write_all(content)?;
    written.sync_all()?;
    fs::rename(&new, file)?;
    keep_name(file)
}

/// Creates a file that only its owner may read.
fn create(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// A new name of a file outlasts a power cut when its directory is written.
#[cfg(unix)]
fn keep_name(file: &Path) -> io::Result<()> {
    let directory = file.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn keep_name(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Milliseconds since 1970.
fn wall_clock() -> u64 {
    let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    passed.map_or(0, |passed| {
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    })
}

fn elapsed(saved: u64, now: u64) -> Option<Duration> {
    now.checked_sub(saved).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_time_has_passed_is_unknown_when_the_clock_was_set_back() {
        assert_eq!(elapsed(1_000, 4_500), Some(Duration::from_millis(3_500)));
        assert_eq!(elapsed(1_000, 1_000), Some(Duration::ZERO));
        assert_eq!(elapsed(1_000, 999), None);
    }
}
