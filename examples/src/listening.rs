//! The sockets of a server program: for `coap`, and with keys for `coaps`.

use core::net::SocketAddr;
use std::io;

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

/// A machine on the socket for `coap`, with DTLS below it if there are credentials.
pub fn bind<M: ServerMachine<SocketAddr>>(
    listen: &HostPort,
    clock: Clock,
    machine: M,
    library: Option<LibraryName>,
    credentials: Option<&ServerCredentials>,
) -> io::Result<Driver<SecureServer<SocketAddr, Library, M>>> {
    let library = match credentials {
        Some(credentials) => Library::server(library, credentials).map_err(io::Error::other)?,
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

/// Opens the socket for `coaps`. Returns where it is reached.
pub fn listen_secured<M: ServerMachine<SocketAddr>>(
    driver: &mut Driver<SecureServer<SocketAddr, Library, M>>,
    keys: &ServerKeyArguments,
) -> io::Result<SocketAddr> {
    let address = match &keys.listen_secure {
        Some(address) => address.resolve()?,
        None => SocketAddr::new(driver.address().ip(), COAPS_PORT),
    };
    let secured = Names::by(Transport::Dtls, |peer| match peer {
        Transport::Dtls(address) => Some(*address),
        _ => None,
    });
    driver
        .listen(address, secured)
        .map_err(exit::about(address))
}
