//! A LwM2M server on UDP, with a command line.

use core::time::Duration;
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use lwm2m_examples::{
    commands::{self, Commands},
    console::{Command, Console, usage},
    definitions,
    driver::Clock,
    exit,
    listening::ListenArguments,
    scribe::RecordArguments,
    secure::server::SecurePeer,
    seed,
};
use lwm2m_statemachine::server::{NoSec, Server, ServerConfig};

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
    #[command(flatten)]
    listening: ListenArguments,
    /// An object definition file or a folder
    ///
    /// The files are XML. The option may be repeated.
    #[arg(long, value_name = "PATH", verbatim_doc_comment)]
    ddf: Vec<PathBuf>,
    /// How long a client in Queue Mode is awake
    ///
    /// In seconds after its last message. What is for it later waits until it
    /// is heard again. By default it is 91: MAX_TRANSMIT_WAIT, less what a
    /// message may be under way.
    #[arg(long, value_name = "SECONDS", verbatim_doc_comment)]
    awake: Option<u32>,
    #[command(flatten)]
    recording: RecordArguments,
}

fn main() -> ExitCode {
    exit::conclude(run(&Arguments::parse()))
}

fn configure(arguments: &Arguments, refuses_no_sec: bool) -> io::Result<ServerConfig> {
    let mut config = ServerConfig::new(seed::fresh()?);
    definitions::load(&arguments.ddf, &mut config.registry, &mut io::stderr())?;
    if refuses_no_sec {
        config.no_sec = NoSec::Refuse;
    }
    let awake = arguments.awake.map(u64::from);
    config.queue_mode.awake = awake.map(Duration::from_secs);
    Ok(config)
}

fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let clock = Clock::start();
    let scribe = arguments.recording.scribe()?;
    let listening = arguments.listening.read()?;
    let config = configure(arguments, listening.refuses_no_sec())?;
    let server = Server::with_hosts(config, SecurePeer::host);
    let driver = listening.bind(clock, server)?;
    let mut driver = driver.with_tap(Some(scribe.tap(true)));
    let address = driver.address();
    arguments.recording.begin_chart(&scribe, "server", address);
    for reached in listening.open(&mut driver)? {
        exit::say(format_args!("listening {reached}"));
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
