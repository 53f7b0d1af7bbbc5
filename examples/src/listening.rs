//! How a server program listens: for `coap`, and with keys for `coaps`.

use core::net::SocketAddr;
use std::io;

use clap::Args;
use lwm2m_statemachine::server::Host;

use crate::{
    address::HostPort,
    driver::{Clock, Driver, Names},
    exit,
    keys::ServerKeyArguments,
    secure::{
        credentials::ServerCredentials,
        library::{Library, LibraryName},
        server::{SecureServer, ServerMachine, Transport},
        session::NoStack,
        sessions::Bounds,
    },
    seed,
};

/// The port of `coaps` (RFC 7252 §6.2).
const COAPS_PORT: u16 = 5684;

/// Where a server program listens, and with which keys.
#[derive(Args, Clone, Debug)]
pub struct ListenArguments {
    /// The address to listen on
    ///
    /// Of port 0, one that is free.
    #[arg(
        long,
        default_value = "127.0.0.1:5683",
        value_name = "HOST:PORT",
        verbatim_doc_comment
    )]
    listen: HostPort,
    #[command(flatten)]
    keys: ServerKeyArguments,
    /// The DTLS library
    #[arg(long, value_name = "LIBRARY", hide = LibraryName::ALL.len() < 2)]
    dtls_library: Option<LibraryName>,
}

/// A server program that knows its keys, and listens for nobody yet.
#[derive(Debug)]
pub struct Listening<'a> {
    arguments: &'a ListenArguments,
    credentials: Option<ServerCredentials>,
}

/// A machine on its sockets, with DTLS below it.
pub type ServerDriver<M> = Driver<SecureServer<SocketAddr, Library, M>>;

impl ListenArguments {
    /// Reads the keys.
    ///
    /// # Errors
    ///
    /// Those of [`ServerKeyArguments::read`].
    pub fn read(&self) -> io::Result<Listening<'_>> {
        Ok(Listening {
            arguments: self,
            credentials: self.keys.read()?,
        })
    }
}

impl Listening<'_> {
    /// Whether clients without security are refused: what is a client's with a key, such as its name, isn't for one
    /// without.
    pub const fn refuses_no_sec(&self) -> bool {
        self.credentials.is_some() && !self.arguments.keys.allow_nosec
    }

    /// Puts a machine on the socket for `coap`, with DTLS below it if there are keys.
    ///
    /// # Errors
    ///
    /// Of the DTLS library, which may not take the keys, and of an address that isn't this computer's or isn't free.
    pub fn bind<M: ServerMachine<SocketAddr>>(
        &self,
        clock: Clock,
        machine: M,
    ) -> io::Result<ServerDriver<M>> {
        let ListenArguments {
            listen,
            dtls_library,
            ..
        } = self.arguments;
        let library = match &self.credentials {
            Some(credentials) => {
                Library::server(*dtls_library, credentials).map_err(io::Error::other)?
            }
            None => Library::None(NoStack),
        };
        // Which handshakes are displaced in a flood must not be predictable.
        let bounds = Bounds::server(seed::fresh_number()?);
        let machine =
            SecureServer::new(machine, library, bounds).with_hosts(|address| Host::from(*address));
        let plain = Names::by(Transport::Udp, |peer| match peer {
            Transport::Udp(address) => Some(*address),
            _ => None,
        });
        Driver::bind(listen.resolve()?, clock, machine, plain).map_err(exit::about(listen))
    }

    /// Opens the socket for `coaps`, if there are keys. Returns where the program is reached: a socket address for
    /// `coap`, and after it a URI for `coaps`.
    ///
    /// # Errors
    ///
    /// Of an address that isn't this computer's or isn't free.
    pub fn open<M: ServerMachine<SocketAddr>>(
        &self,
        driver: &mut ServerDriver<M>,
    ) -> io::Result<Vec<String>> {
        let plain = driver.address();
        let mut reached = vec![plain.to_string()];
        if self.credentials.is_some() {
            let address = match &self.arguments.keys.listen_secure {
                Some(address) => address.resolve()?,
                None => SocketAddr::new(plain.ip(), COAPS_PORT),
            };
            let secured = Names::by(Transport::Dtls, |peer| match peer {
                Transport::Dtls(address) => Some(*address),
                _ => None,
            });
            let opened = driver.listen(address, secured);
            let opened = opened.map_err(exit::about(address))?;
            reached.push(format!("coaps://{opened}"));
        }
        Ok(reached)
    }
}
