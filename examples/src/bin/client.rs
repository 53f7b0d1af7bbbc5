//! A LwM2M client on UDP: the example device of the specification.

use core::time::Duration;
use std::{io, path::PathBuf, process::ExitCode};

use clap::Parser;
use lwm2m_core::EndpointName;
use lwm2m_examples::{
    address::HostPort,
    chart::Chart,
    commands::{self, Commands},
    device::{self, Settings, USAGE},
    driver::Clock,
    exit,
    scribe::Scribe,
    uri,
};

/// A LwM2M client: registers the example device of the specification.
///
/// Prints what happens, one line each. Reads commands from standard input.
/// Without any, and when standard input has ended, it goes on until it is
/// interrupted (Ctrl-C); it does not de-register by itself then.
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_long_help = commands::help(USAGE))]
struct Arguments {
    /// The server
    #[arg(long, default_value = "coap://127.0.0.1:5683", value_name = "URI",
        value_parser = uri::server)]
    server: String,
    /// The Endpoint Client Name
    #[arg(long, default_value = "example-client", value_name = "NAME",
        value_parser = clap::value_parser!(EndpointName<'static>))]
    endpoint: EndpointName<'static>,
    /// The lifetime of the registration
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(1..))]
    lifetime: u32,
    /// The address to listen on; if none, any that reaches the server
    #[arg(long, value_name = "HOST:PORT")]
    bind: Option<HostPort>,
    /// In which time the battery loses one percent
    #[arg(long, default_value_t = 10, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..))]
    drain: u64,
    /// Draws a sequence chart of the traffic to standard error
    #[arg(long)]
    chart: bool,
    /// Writes the traffic to a capture file
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit::conclude(run(Arguments::parse()))
}

fn run(arguments: Arguments) -> io::Result<ExitCode> {
    let clock = Clock::start();
    let settings = Settings {
        endpoint_name: arguments.endpoint.to_string(),
        server_uri: arguments.server,
        lifetime: arguments.lifetime,
        bind: arguments.bind.as_ref().map(HostPort::resolve).transpose()?,
        drain: Duration::from_secs(arguments.drain),
    };
    let scribe = Scribe::default();
    if arguments.chart {
        let server = uri::resolve(&settings.server_uri)?;
        eprint!("{}", Chart::heading("client", "server"));
        scribe.draw(Chart::new(server), io::stderr());
    }
    if let Some(file) = &arguments.pcap {
        scribe.capture(file)?;
    }
    let tap = Some(scribe.tap(true));
    let commands = Commands::from_stdin();
    device::run(&settings, clock, tap, commands, exit::say)?;
    scribe.take_failure().map_or(Ok(ExitCode::SUCCESS), Err)
}
