//! Two servers manage a device that a bootstrap-server has told of them: all in one process, each on a UDP
//! socket of its own.

#![allow(
    clippy::std_instead_of_alloc,
    reason = "a program runs on a computer with an operating system"
)]

mod bootstrap;
mod rights;
mod stage;
mod steps;

use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use std::{io, path::PathBuf, process::ExitCode, sync::mpsc, thread};

use clap::Parser;
use lwm2m_examples::{
    address::HostPort,
    chart::Chart,
    commands::Commands,
    device::{self, Command, Pace, Settings, Style},
    driver::Clock,
    exit,
    scribe::Scribe,
};

use self::stage::{ENDPOINT, Stage};

/// Two LwM2M servers, a bootstrap-server and a client in one process, on UDP
/// over loopback.
///
/// The client knows the bootstrap-server alone, which tells it of the servers.
/// These have the Short Server IDs 101 and 102, and different rights on the
/// client. Prints their exchange as a sequence chart, and what came of
/// each step. Fails if any step did not happen.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// Address of server 101
    ///
    /// Of port 0, one that is free. Server 102 has another port.
    #[arg(
        long,
        default_value = "127.0.0.1:0",
        value_name = "HOST:PORT",
        verbatim_doc_comment
    )]
    listen: HostPort,
    /// Writes the traffic to a capture file
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

/// In which time the battery loses one percent.
const DRAIN: Duration = Duration::from_millis(150);

/// The most lines of one datagram in the chart.
const LINES: usize = 10;

fn main() -> ExitCode {
    exit::conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let clock = Clock::start();
    let scribe = Scribe::default();
    if let Some(file) = &arguments.pcap {
        scribe.capture(file)?;
    }
    let first = arguments.listen.resolve()?;
    // The others are on the same host, on any free port.
    let other = SocketAddr::new(first.ip(), 0);
    let addresses = [first, other, other];
    let (commands, receiver) = mpsc::channel();
    let (reporter, reports) = mpsc::channel();
    let mut stage = Stage::new(addresses, clock, scribe.clone(), commands, reports)
        .map_err(exit::about(&arguments.listen))?;
    let servers = stage.servers();
    exit::say(format_args!(
        "Server 101 is at {}, server 102 at {},\nthe bootstrap-server at {}.\n\n{}",
        servers[0].1,
        servers[1].1,
        stage.bootstrapper(),
        Chart::heading("client", "servers").trim_end()
    ));
    let named = servers.map(|(id, address)| (address, id.to_string()));
    let named = named
        .into_iter()
        .chain([(stage.bootstrapper(), "bs".to_owned())]);
    let chart = Chart::of_servers(named).at_most(LINES);
    scribe.draw(chart.knowing(device::definitions()?), io::stdout());

    let settings = settings(stage.bootstrapper(), first.ip());
    let tap = Some(scribe.tap(false));
    let device = thread::spawn(move || {
        let commands = Commands::from_thread(receiver);
        // The receiver is gone once the demo has ended.
        let report = |line| drop(reporter.send(line));
        device::run(&settings, Style::Plain, clock, tap, commands, report)
    });
    let mut played = steps::play(&mut stage);
    // The steps report a device that has failed already.
    let _ = stage.command(Command::Quit);
    match device.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => played.push(("Run the device", Err(error.to_string()))),
        Err(_) => played.push(("Run the device", Err("it panicked".into()))),
    }
    if let Some(error) = scribe.take_failure() {
        played.push(("Write the traffic down", Err(error.to_string())));
    }
    Ok(summary(&played))
}

/// The device, which knows the bootstrap-server alone.
fn settings(bootstrapper: SocketAddr, host: IpAddr) -> Settings {
    Settings {
        bootstrap: Some(format!("coap://{bootstrapper}")),
        bind: Some(SocketAddr::new(host, 0)),
        pace: Pace {
            drain: DRAIN,
            // Nothing else is to move.
            step: Duration::from_secs(3600),
        },
        ..Settings::new(ENDPOINT, Vec::new())
    }
}

/// What came of a step.
type Step = Result<String, String>;

fn summary(steps: &[(&str, Step)]) -> ExitCode {
    exit::say("\nSummary:");
    for (name, step) in steps {
        let (mark, text) = match step {
            Ok(text) => ('✓', text),
            Err(text) => ('✗', text),
        };
        exit::say(format_args!("  {mark} {name}:\n      {text}"));
    }
    let happened = steps.iter().filter(|(_, step)| step.is_ok()).count();
    exit::say(format_args!(
        "{happened} of {} steps happened.",
        steps.len()
    ));
    if happened == steps.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
