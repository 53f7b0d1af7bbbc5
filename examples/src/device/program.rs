//! The device as a program: its machine, its Objects, its world, and what it does on events.

use core::{net::SocketAddr, time::Duration};
use std::io;

use lwm2m_core::{InstanceId, ObjectId, Path, Transport};
use lwm2m_objects::{FetchFailure, software::SoftwareManagementObject, typed::SecurityMode};
use lwm2m_statemachine::{
    ClientEvent,
    client::{AccountId, ConnectionId, DeferredOperation, Session},
};

use super::{
    directory::{Directory, Socket, Waiting, WantedConnection},
    firmware::{self, Played},
    line::Line,
    settings::Settings,
    software::{self, Component},
    tell,
    thermostat::{RESET, THERMOSTAT, Thermostats},
    world::World,
};
use crate::{
    driver::Driver,
    secure::{client::SecureClient, library::Library},
    uri,
};

/// Prints a line.
pub(super) type Print<'p> = &'p mut dyn FnMut(Line);

/// The device.
pub(super) struct Program<'s> {
    pub(super) settings: &'s Settings,
    pub(super) driver: Driver<SecureClient<Library>>,
    pub(super) directory: Directory,
    pub(super) firmware: Played,
    pub(super) software: Component,
    pub(super) world: World,
    /// Whether its radio is off.
    pub(super) is_asleep: bool,
    /// Whether it has powered down.
    pub(super) is_off: bool,
}

impl Program<'_> {
    /// Registers where it isn't registered.
    pub(super) fn register(&mut self) {
        let now = self.driver.now();
        self.driver.machine.client.start(now);
    }

    /// Does all that there is to do now.
    pub(super) fn act(&mut self, print: Print<'_>) -> io::Result<()> {
        self.follow_events(print)?;
        self.play_firmware(print)?;
        self.play_software(print);
        let now = self.driver.now();
        self.world.play(now, &mut self.driver.machine.client);
        self.follow_events(print)
    }

    /// Waits for datagrams, `at_most` this long and not longer than until there is something to do.
    pub(super) fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        let dues = [
            Some(self.world.due()),
            self.firmware.due(),
            self.software.due(),
        ];
        let next = dues.into_iter().flatten().min();
        let idle = next.map_or(Duration::MAX, |due| {
            due.saturating_duration_since(self.driver.now())
        });
        self.driver.wait(idle.min(at_most))
    }

    /// There are sockets only. The Client asks again later, and meanwhile goes on with what it has.
    fn refuse_transport(&mut self, account: AccountId, connection: ConnectionId, print: Print<'_>) {
        let line = self.directory.about(Line::new("error"), account);
        print(line.word("message", "this program can't send short messages"));
        let now = self.driver.now();
        self.driver.machine.lost(now, connection);
    }

    fn follow_events(&mut self, print: Print<'_>) -> io::Result<()> {
        while let Some(event) = self.driver.next_event()? {
            self.look_awake(print);
            self.tell_failures(print);
            self.directory.learn(&self.driver.machine.client);
            self.number(&event);
            self.on_event(&event, print)?;
        }
        self.look_awake(print);
        self.tell_failures(print);
        Ok(())
    }

    /// Prints why connections have failed.
    fn tell_failures(&mut self, print: Print<'_>) {
        while let Some(failure) = self.driver.machine.next_failure() {
            let line = Line::new("error");
            let line = match self.directory.account_of(failure.connection) {
                Some(account) => self.directory.about(line, account),
                None => line,
            };
            print(line.word("message", failure.reason));
        }
    }

    /// Makes the connection that an event asks for. Returns whether it does.
    fn makes_connection(&mut self, event: &ClientEvent, print: Print<'_>) -> bool {
        let ClientEvent::Connect {
            connection,
            account,
            transport,
            uri,
            security,
        } = event
        else {
            return false;
        };
        if *transport != Transport::Udp {
            self.tell(event, print);
            self.refuse_transport(*account, *connection, print);
            return true;
        }
        let asked = WantedConnection {
            connection: *connection,
            uri: uri.clone(),
            security: security.clone(),
        };
        if !self.directory.keep(*account, &asked) {
            self.tell(event, print);
            self.connect(*account, &asked, print);
        }
        true
    }

    /// Prints an event, and does what it asks for.
    fn on_event(&mut self, event: &ClientEvent, print: Print<'_>) -> io::Result<()> {
        if self.makes_connection(event, print) || self.falls_asleep(event, print) {
            return Ok(());
        }
        self.tell(event, print);
        match event {
            ClientEvent::Disconnect { connection } => {
                self.driver.close(connection);
                self.directory.disconnected(*connection);
            }
            ClientEvent::Registered { account, location } => {
                self.directory.registered(*account, location);
            }
            ClientEvent::RegistrationFailed { account, .. }
            | ClientEvent::Deregistered { account }
            | ClientEvent::DeregisterFailed { account, .. }
                if !self.driver.machine.client.is_registered(*account) =>
            {
                self.directory.ended(*account);
            }
            ClientEvent::ConnectForDownload {
                connection,
                path,
                uri,
                ..
            } => self.connect_for_download(*connection, *path, uri, print),
            ClientEvent::DeferredEnded { request, .. } => {
                if let Some(number) = self.directory.number(*request) {
                    self.directory.answered(number);
                }
            }
            ClientEvent::Execute { path, .. } => self.execute(*path),
            ClientEvent::Reboot => self.restart(print)?,
            _ => {}
        }
        Ok(())
    }

    /// Gives a request that waits for a command a number.
    fn number(&mut self, event: &ClientEvent) {
        let (request, path, operation) = match event {
            ClientEvent::ExecuteAsked { request, path, .. } => {
                (request, path, DeferredOperation::Execute)
            }
            ClientEvent::ReadAsked { request, path, .. } => {
                (request, path, DeferredOperation::Read)
            }
            ClientEvent::ChangeAsked { request, path, .. } => {
                (request, path, DeferredOperation::Change)
            }
            _ => return,
        };
        self.directory.asked(Waiting {
            request: *request,
            operation,
            path: *path,
        });
    }

    fn tell(&self, event: &ClientEvent, print: Print<'_>) {
        let driver = &self.driver;
        let lines = tell::tell(event, &self.directory, &driver.machine.client, driver.now());
        lines.into_iter().for_each(print);
    }

    /// Connects to the server of an account.
    pub(super) fn connect(
        &mut self,
        account: AccountId,
        asked: &WantedConnection,
        print: Print<'_>,
    ) {
        self.directory.connecting(asked.connection, account);
        let opened = self.open(asked.connection, &asked.uri);
        let (now, machine) = (self.driver.now(), &mut self.driver.machine);
        match (opened, asked.security.mode) {
            (Ok(socket), SecurityMode::NoSec) => {
                let session = if self.directory.meets_again(account, socket) {
                    Session::Resumed
                } else {
                    Session::New
                };
                machine.open_plain(now, asked.connection, session);
            }
            (Ok(_), _) => {
                let host = uri::host(&asked.uri);
                machine.open(now, asked.connection, &asked.security, host);
            }
            (Err(error), _) => {
                let line = self.directory.about(Line::new("error"), account);
                print(line.word("message", format_args!("{}: {error}", asked.uri)));
                self.directory.disconnected(asked.connection);
                machine.lost(now, asked.connection);
            }
        }
    }

    /// Connects to the server that a download comes from.
    fn connect_for_download(
        &mut self,
        connection: ConnectionId,
        path: Path,
        uri: &str,
        print: Print<'_>,
    ) {
        // No account has keys for it.
        let opened = uri::resource(uri).map_err(io::Error::other);
        let opened = opened.and_then(|uri| self.open(connection, &uri));
        let (now, machine) = (self.driver.now(), &mut self.driver.machine);
        match opened {
            Ok(_) => machine.open_plain(now, connection, Session::New),
            Err(error) => {
                let message = format_args!("{uri}: {error}");
                print(Line::new("error").word("message", message));
                let failure = FetchFailure::InvalidUri;
                machine.client.downloads().give_up(now, path, failure);
            }
        }
    }

    /// Opens the way of a connection: an address. It shares the socket of
    /// the device, if that reaches the server and has no other connection to the same address.
    fn open(&mut self, connection: ConnectionId, uri: &str) -> io::Result<Socket> {
        let local = self.driver.address();
        let same_family = |address: &SocketAddr| address.is_ipv4() == local.is_ipv4();
        let address =
            uri::resolve_to(uri, same_family).or_else(|_| uri::resolve_to(uri, |_| true))?;
        let reached = same_family(&address)
            && (self.settings.bind.is_some() || uri::local_address(address)?.ip() == local.ip());
        if reached && !self.driver.names.contains(address) {
            self.driver.names.insert(connection, address);
            Ok(Socket::OfDevice)
        } else {
            self.driver.open(connection, address)?;
            Ok(Socket::OfServer)
        }
    }

    /// Executes what the Objects leave to the application. Reboot and Factory Reset are the
    /// machine's, and an update that has begun goes on.
    pub(super) fn execute(&mut self, path: Path) {
        if let Path::Resource(THERMOSTAT, instance, RESET) = path {
            let (now, client) = (self.driver.now(), &mut self.driver.machine.client);
            client.object(now, THERMOSTAT, |object: &mut Thermostats| {
                object.reset(instance);
            });
        }
    }

    fn play_firmware(&mut self, print: Print<'_>) -> io::Result<()> {
        while let Some(step) = self.firmware.step(self.driver.now()) {
            match step {
                firmware::Step::Tell(line) => print(Line::new("firmware").word("message", line)),
                firmware::Step::Restart => self.restart(print)?,
            }
        }
        Ok(())
    }

    fn play_software(&mut self, print: Print<'_>) {
        while let Some(step) = self.software.step(self.driver.now()) {
            let now = self.driver.now();
            let (client, id) = (
                &mut self.driver.machine.client,
                ObjectId::SOFTWARE_MANAGEMENT,
            );
            let mut tell = |message| print(Line::new("software").word("message", message));
            match step {
                software::Step::Tell(message) => tell(message),
                software::Step::Installed => {
                    tell("installed");
                    client.object(now, id, |object: &mut SoftwareManagementObject| {
                        object.installed(InstanceId::ZERO)
                    });
                }
            }
        }
    }
}
