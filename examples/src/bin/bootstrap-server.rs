//! A LwM2M bootstrap-server on UDP, with plans from a file.

use std::{io, path::PathBuf, process::ExitCode};

use clap::Parser;
use lwm2m_examples::{
    bootstrap::{Actor, Command, Plans, usage},
    commands::{self, Commands},
    definitions,
    device::{Line, Style},
    driver::Clock,
    exit,
    listening::ListenArguments,
    scribe::RecordArguments,
    secure::server::SecurePeer,
    seed,
};
use lwm2m_statemachine::bootstrap_server::{BootstrapServer, BootstrapServerConfig, NoSec};

/// A LwM2M bootstrap-server: tells clients which servers they have, and the
/// keys for them.
///
/// Prints what happens, one line each. Reads commands from standard input.
/// Without any, and when standard input has ended, it goes on until it is
/// interrupted (Ctrl-C).
///
/// Which client gets which plan is in a file, such as the commented
/// examples/bootstrap-server.toml.
///
/// With keys, it listens for coaps:// too, and clients without security get
/// no plan unless --allow-nosec lets them. Without security, whoever reads the
/// traffic reads the keys of the plans, and a client may take any name.
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = AFTER_HELP,
    after_long_help = after_long_help())]
struct Arguments {
    /// The file with the plans
    #[arg(value_name = "FILE")]
    plans: PathBuf,
    #[command(flatten)]
    listening: ListenArguments,
    /// An object definition file or a folder
    ///
    /// For steps that write Objects which aren't built in. The files are XML.
    /// The option may be repeated.
    #[arg(long, value_name = "PATH", verbatim_doc_comment)]
    ddf: Vec<PathBuf>,
    /// Reads the plans and ends
    #[arg(long)]
    check: bool,
    /// Prints JSON, one object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    recording: RecordArguments,
}

const AFTER_HELP: &str = "--help also lists the commands and the fields of --json.";

const JSON: &str = "\
JSON lines (--json):
  Each line is one object. `event` is the first word of the line that people
  are shown, and `time` the seconds since the start. By kind, the rest is:
    listening               address
    connected               identity, peer, resumed
    disconnected            peer, reason
    requested               endpoint, peer, security
    unknown                 endpoint
    started                 endpoint, plan
    discovered              endpoint, path, found
    undiscovered            endpoint, path, reason
    inconsistent            endpoint
    stopped                 endpoint, reason
    finished                endpoint
    failed                  endpoint, reason, may_have_finished
    refused                 endpoint, peer, code, reason
    useless, handshake      peer, reason
    reloaded                plans
    stats                   requested, refused, overloaded, begun, commands,
                            finished, failed
    note, error             message
  A bootstrap that was requested or started ends with one finished or failed.
  `may_have_finished` is true if the client was told to finish and its answer
  is missing.
  What commands list, line by line:
    list                    event bootstrap: endpoint, plan
    plans                   event plan: endpoint, plan
    help                    event help: usage";

fn after_long_help() -> String {
    format!("{}\n\n{JSON}", commands::help(&usage()))
}

fn main() -> ExitCode {
    exit::conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let clock = Clock::start();
    let mut config = BootstrapServerConfig::new(seed::fresh()?);
    definitions::load(&arguments.ddf, &mut config.registry, &mut io::stderr())?;
    let plans = Plans::read(&arguments.plans, &config.registry)?;
    if arguments.check {
        return Ok(ExitCode::SUCCESS);
    }
    let scribe = arguments.recording.scribe()?;
    let listening = arguments.listening.read()?;
    if listening.refuses_no_sec() {
        config.no_sec = NoSec::Refuse;
    }
    let machine = BootstrapServer::with_hosts(config, SecurePeer::host);
    let driver = listening.bind(clock, machine)?;
    let mut driver = driver.with_tap(Some(scribe.tap(true)));
    let address = driver.address();
    arguments
        .recording
        .begin_chart(&scribe, "bootstrap-server", address);
    let style = if arguments.json {
        Style::Json
    } else {
        Style::Plain
    };
    let mut print = |line: Line| exit::say(line.render(style, clock.now()));
    for reached in listening.open(&mut driver)? {
        print(Line::new("listening").word("address", reached));
    }

    let mut actor = Actor::new(arguments.plans.clone(), plans);
    let mut commands = Commands::<Result<Command, _>>::from_stdin();
    loop {
        while let Some(news) = driver.machine.next_news() {
            let now = driver.now();
            actor.hear(now, &mut driver.machine.server, news, &mut print);
        }
        while let Some(event) = driver.next_event()? {
            let now = driver.now();
            actor.follow(now, &mut driver.machine.server, event, &mut print);
        }
        while let Some((from, error)) = driver.next_useless() {
            print(Actor::useless(from, &error));
        }
        while let Some(command) = commands.poll() {
            let now = driver.now();
            match command {
                Ok(command) => {
                    let flow = actor.obey(now, &mut driver.machine, command, &mut print);
                    if flow.is_break() {
                        return scribe.take_failure().map_or(Ok(ExitCode::SUCCESS), Err);
                    }
                }
                Err(error) => print(Line::new("error").word("message", error)),
            }
        }
        driver.wait(commands.patience())?;
    }
}
