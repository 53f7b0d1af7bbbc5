//! A LwM2M server on UDP, with a command line.

use core::net::SocketAddr;
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use lwm2m_examples::{
    address::HostPort,
    chart::Chart,
    commands::{self, Commands},
    console::{Command, Console, usage},
    definitions,
    driver::{Clock, Driver, Names},
    exit,
    keys::ServerKeyArguments,
    scribe::Scribe,
    secure::{
        library::{Library, LibraryName},
        server::{SecurePeer, SecureServer, Transport},
        session::NoStack,
        sessions::Bounds,
    },
    seed,
};
use lwm2m_statemachine::server::{NoSec, Server, ServerConfig};

/// The port of `coaps` (RFC 7252 §6.2).
const COAPS_PORT: u16 = 5684;

/// A LwM2M server: accepts registrations, and manages the clients.
///
/// Prints what happens, one line each. Reads commands from standard input.
/// Without any, and when standard input has ended, it goes on until it is
/// interrupted (Ctrl-C).
///
/// With keys, it listens for coaps:// too, and clients without security may
/// not register unless --allow-nosec lets them.
///
/// What is read or observed is asked for in TLV if no FORMAT is named; `any`
/// leaves it to the client.
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = "--help also lists the commands.",
    after_long_help = commands::help(&usage()))]
struct Arguments {
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
    /// An object definition file or a folder
    ///
    /// The files are XML. The option may be repeated.
    #[arg(long, value_name = "PATH", verbatim_doc_comment)]
    ddf: Vec<PathBuf>,
    /// Draws the traffic to standard error
    #[arg(long)]
    chart: bool,
    /// Writes the traffic to a capture file
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit::conclude(run(&Arguments::parse()))
}

/// Which handshakes are displaced in a flood must not be predictable.
fn bounds() -> io::Result<Bounds> {
    let fresh = seed::fresh()?;
    let mut bounds = Bounds::default();
    bounds.seed = fresh
        .first_chunk()
        .map_or(0, |first| u64::from_le_bytes(*first));
    Ok(bounds)
}

/// Opens the socket for DTLS.
fn listen_secured(
    arguments: &Arguments,
    driver: &mut Driver<SecureServer<SocketAddr, Library>>,
) -> io::Result<SocketAddr> {
    let address = match &arguments.keys.listen_secure {
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

fn configure(arguments: &Arguments, has_keys: bool) -> io::Result<ServerConfig> {
    let mut config = ServerConfig::new(seed::fresh()?);
    definitions::load(&arguments.ddf, &mut config.registry, &mut io::stderr())?;
    // The name of a client with a key isn't for one without.
    if has_keys && !arguments.keys.allow_nosec {
        config.no_sec = NoSec::Refuse;
    }
    Ok(config)
}

fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let clock = Clock::start();
    let scribe = Scribe::default();
    if let Some(file) = &arguments.pcap {
        scribe.capture(file)?;
    }
    let credentials = arguments.keys.read()?;
    let config = configure(arguments, credentials.is_some())?;
    let library = match &credentials {
        Some(credentials) => Library::server(arguments.dtls_library, credentials),
        None => Ok(Library::None(NoStack)),
    };
    let library = library.map_err(io::Error::other)?;
    let server = Server::with_hosts(config, SecurePeer::host);
    let server = SecureServer::new(server, library, bounds()?);
    let plain = Names::by(Transport::Udp, |peer| match peer {
        Transport::Udp(address) => Some(*address),
        _ => None,
    });
    let listen = arguments.listen.resolve()?;
    let mut driver = Driver::bind(listen, clock, server, plain)
        .map_err(exit::about(&arguments.listen))?
        .with_tap(Some(scribe.tap(true)));
    if arguments.chart {
        eprint!("{}", Chart::heading("client", "server"));
        scribe.draw(Chart::new(driver.address()), io::stderr());
    }
    exit::say(format_args!("listening {}", driver.address()));
    if credentials.is_some() {
        let address = listen_secured(arguments, &mut driver)?;
        exit::say(format_args!("listening coaps://{address}"));
    }

    let mut commands = Commands::<Result<Command, _>>::from_stdin();
    let mut console = Console::default();
    let mut out = io::stdout().lock();
    loop {
        while let Some(news) = driver.machine.next_news() {
            console.tell_session(&news, &mut out)?;
        }
        while let Some(event) = driver.next_event()? {
            console.tell(&driver.machine.server, event, &mut out)?;
        }
        while let Some((from, error)) = driver.next_useless() {
            console.tell_useless(from, error, &mut out)?;
        }
        while let Some(command) = commands.poll() {
            let now = driver.now();
            match command {
                Ok(command) => {
                    let flow = console.obey(now, &mut driver.machine.server, command, &mut out)?;
                    if flow.is_break() {
                        return scribe.take_failure().map_or(Ok(ExitCode::SUCCESS), Err);
                    }
                }
                Err(error) => writeln!(out, "error {error}")?,
            }
        }
        out.flush()?;
        driver.wait(commands.patience())?;
    }
}
