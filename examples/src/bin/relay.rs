//! A bad network, to try programs on.

use core::str::FromStr;
use std::{io, process::ExitCode};

use clap::Parser;
use lwm2m_examples::{
    address::HostPort,
    commands::Commands,
    driver::{Clock, Driver, Names},
    exit,
    relay::{Faults, Relay},
};

/// A bad network on UDP: loses, doubles and delays datagrams.
///
/// It stands between a server and one client, which sends to the relay as if
/// it were the server. Reads `quit` from standard input, then says what became
/// of the datagrams; when standard input has ended without it, it goes on until
/// it is interrupted (Ctrl-C).
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// The server
    #[arg(value_name = "HOST:PORT")]
    server: HostPort,
    /// The address to listen on
    ///
    /// Of port 0, one that is free.
    #[arg(
        long,
        default_value = "127.0.0.1:0",
        value_name = "HOST:PORT",
        verbatim_doc_comment
    )]
    listen: HostPort,
    /// How many datagrams are lost
    #[arg(long, default_value_t = 10, value_name = "PERCENT", value_parser = percent())]
    loss: u8,
    /// How many arrive twice
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = percent())]
    double: u8,
    /// How many are overtaken
    ///
    /// They arrive after the one that was sent next.
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = percent(),
        verbatim_doc_comment)]
    overtake: u8,
    /// Decides which
    ///
    /// The same seed decides the same.
    #[arg(long, default_value_t = 1, value_name = "NUMBER", verbatim_doc_comment)]
    seed: u64,
}

fn percent() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=100)
}

struct Quit;

impl FromStr for Quit {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        match line {
            "quit" => Ok(Self),
            _ => Err(format!("expected quit, not {line:?}")),
        }
    }
}

fn main() -> ExitCode {
    exit::conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let faults = Faults {
        lost: arguments.loss,
        doubled: arguments.double,
        overtaken: arguments.overtake,
    };
    let relay = Relay::new(arguments.server.resolve()?, faults, arguments.seed);
    let mut driver = Driver::bind(
        arguments.listen.resolve()?,
        Clock::start(),
        relay,
        Names::direct(),
    )
    .map_err(exit::about(&arguments.listen))?;
    exit::say(format_args!("listening {}", driver.address()));
    let mut commands = Commands::<Result<Quit, _>>::from_stdin();
    loop {
        while let Some(command) = commands.poll() {
            match command {
                Ok(Quit) => {
                    exit::say(driver.machine.tally());
                    return Ok(ExitCode::SUCCESS);
                }
                Err(error) => exit::say(format_args!("error {error}")),
            }
        }
        driver.wait(commands.patience())?;
    }
}
