//! How a device starts: as new, with what it has kept, or again.

use core::net::SocketAddr;
use std::io;

use lwm2m_core::Instant;
use lwm2m_statemachine::{
    Client, ClientConfig, Reliability,
    client::{AccountId, ClientError},
};

use super::{
    directory::Directory,
    invalid,
    line::Line,
    objects::{self, Objects},
    program::{Print, Program},
    settings::Settings,
    state::{self, Kept},
    world::World,
};
use crate::{
    driver::{Clock, Driver, Names, Tap},
    exit,
    secure::{
        client::SecureClient,
        credentials::{Expiry, WallClock},
        library::Library,
    },
    seed, uri,
};

impl<'s> Program<'s> {
    /// A device that has just been switched on.
    pub(super) fn start(
        settings: &'s Settings,
        clock: Clock,
        tap: Option<Tap>,
        print: Print<'_>,
    ) -> io::Result<Self> {
        settings.check().map_err(io::Error::other)?;
        let now = clock.now();
        let (objects, kept) = restored(settings, now, print)?;
        let Objects {
            tree,
            firmware,
            software,
        } = objects;
        let client = client(settings, now, |config| match &kept {
            Some(kept) => Client::restore(config, tree, &kept.client, now, kept.elapsed()),
            None => Client::new(config, tree),
        })?;
        let driver = bind(settings, clock, client, kept.as_ref())?.with_tap(tap);
        print(Line::new("listening").word("address", driver.address()));
        let mut program = Self {
            settings,
            directory: Directory::default(),
            firmware,
            software,
            world: World::new(driver.now(), settings.pace),
            is_asleep: false,
            is_off: false,
            driver,
        };
        if let Some(kept) = kept {
            program.remember(&kept);
        }
        program.register();
        Ok(program)
    }

    /// Remembers what there was with its servers. A connection from the same address continues the one before.
    fn remember(&mut self, kept: &Kept) {
        for (instance, location) in &kept.locations {
            let account = AccountId::new(*instance);
            if self.driver.machine.client.is_registered(account) {
                self.directory.registered(account, location);
            }
        }
        if kept.address == self.driver.address() {
            for instance in &kept.reached {
                self.directory.has_reached(AccountId::new(*instance));
            }
        }
    }

    /// Reboots: only what a device stores is kept, the values of its tree.
    pub(super) fn restart(&mut self, print: Print<'_>) -> io::Result<()> {
        let saved = self.driver.machine.client.tree().snapshot();
        let now = self.driver.now();
        let objects = objects::restarted(self.settings, now, &saved)?;
        let client = client(self.settings, now, |config| {
            Client::new(config, objects.tree)
        })?;
        self.driver.replace(client, Names::table())?;
        self.firmware = objects.firmware;
        self.software = objects.software;
        self.directory = Directory::default();
        self.register();
        print(Line::new("rebooted"));
        Ok(())
    }
}

/// The Objects with what the device has kept, or as new.
fn restored(
    settings: &Settings,
    now: Instant,
    print: Print<'_>,
) -> io::Result<(Objects, Option<Kept>)> {
    if let Some(file) = &settings.state
        && let Some(kept) = state::read(file, print)?
    {
        match objects::woken(settings, now, &kept.values, kept.elapsed()) {
            Ok(objects) => return Ok((objects, Some(kept))),
            Err(error) => print(state::unusable(file, error)),
        }
    }
    Ok((objects::new(settings, now)?, None))
}

/// The machine of a device that starts.
fn client(
    settings: &Settings,
    now: Instant,
    make: impl FnOnce(ClientConfig) -> Result<Client, ClientError>,
) -> io::Result<SecureClient<Library>> {
    let mut config = ClientConfig::new(settings.endpoint_name.as_str(), seed::fresh()?);
    config
        .announced
        .alternate_path
        .clone_from(&settings.alternate_path);
    config.announced.sms_number = settings.sms_number.as_ref().map(ToString::to_string);
    config.queue_mode.awake = settings.sleep.awake;
    config.queue_mode.wakes_to_notify = settings.sleep.wakes_to_notify;
    if settings.confirmable {
        config.notifications = Reliability::Confirmable;
    }
    let client = make(config).map_err(invalid)?;
    let expiry = if settings.refuse_expired {
        Expiry::Refuse(WallClock::of_this_computer(now))
    } else {
        Expiry::Accept
    };
    let library = Library::client(settings.library, expiry).map_err(io::Error::other)?;
    Ok(SecureClient::new(client, library))
}

/// The machine on a socket: the one of before, if its address is still free.
fn bind(
    settings: &Settings,
    clock: Clock,
    client: SecureClient<Library>,
    kept: Option<&Kept>,
) -> io::Result<Driver<SecureClient<Library>>> {
    let (before, else_at) = match settings.bind {
        Some(address) => (None, address),
        None => (kept.map(|kept| kept.address), local_address(settings)?),
    };
    let addresses: Vec<SocketAddr> = before.into_iter().chain([else_at]).collect();
    let driver = Driver::bind(&*addresses, clock, client, Names::table());
    driver.map_err(exit::about(else_at))
}

/// The address for a socket that reaches the first server.
fn local_address(settings: &Settings) -> io::Result<SocketAddr> {
    let uri = settings.uris().next().unwrap_or_default();
    uri::resolve(uri).and_then(|address| uri::local_address(address).map_err(exit::about(uri)))
}
