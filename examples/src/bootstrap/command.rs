//! The commands of the program, and how they are written.

use core::{fmt, str::FromStr};

use crate::address::HostPort;

/// How each command is written, and what it does.
const USAGE: [(&str, &str); 7] = [
    ("list", "list the bootstraps under way"),
    ("plans", "list the plans and who gets them"),
    ("reload", "read the file with the plans again"),
    (
        "begin EP [coaps://]HOST:PORT",
        "bootstrap a client that is ready for it there",
    ),
    ("abort EP", "end the bootstrap of a client"),
    ("stats", "say what was done since the start"),
    ("quit", "end; clients are not told"),
];

/// The commands, for the help of the program and of the command line.
pub fn usage() -> Vec<String> {
    let commands = USAGE.iter();
    let commands = commands.map(|(written, what)| format!("{written:<30}{what}"));
    let help = format!("{:<30}list the commands", "help");
    commands.chain([help]).collect()
}

/// A command to the bootstrap-server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// List the bootstraps.
    List,
    /// List the plans.
    Plans,
    /// Read the plans again.
    Reload,
    /// Begin a bootstrap without a request (TS 5.2.3.4).
    Begin(String, Reached),
    /// End a bootstrap.
    Abort(String),
    /// Say what was done.
    Stats,
    /// List the commands.
    Help,
    /// End.
    Quit,
}

/// Where a client is ready for a bootstrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Without security.
    Plain(HostPort),
    /// As a DTLS server (TS 7.1.6).
    Secured(HostPort),
}

impl FromStr for Reached {
    type Err = <HostPort as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("coaps://") {
            Some(address) => address.parse().map(Self::Secured),
            None => text.parse().map(Self::Plain),
        }
    }
}

/// A line that is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError(String);

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(line: &str) -> Result<Self, CommandError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words[..] {
            ["list"] => Self::List,
            ["plans"] => Self::Plans,
            ["reload"] => Self::Reload,
            ["begin", endpoint, address] => match address.parse() {
                Ok(address) => Self::Begin(endpoint.to_owned(), address),
                Err(error) => return Err(CommandError(format!("{address}: {error}"))),
            },
            ["abort", endpoint] => Self::Abort(endpoint.to_owned()),
            ["stats"] => Self::Stats,
            ["help"] => Self::Help,
            ["quit"] => Self::Quit,
            _ => {
                let written = words.first().and_then(|word| {
                    let mut usage = USAGE.iter().map(|(written, _)| written);
                    usage.find(|written| written.split(' ').next() == Some(word))
                });
                let expected = written.map_or_else(
                    || "expected a command; help lists them".to_owned(),
                    |written| format!("expected {written}"),
                );
                return Err(CommandError(expected));
            }
        })
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for CommandError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_or_says_what_was_expected() {
        let command = |line: &str| line.parse::<Command>();
        assert_eq!(command("abort  a"), Ok(Command::Abort("a".into())));
        let begin = command("begin a 127.0.0.1:5683").unwrap();
        assert!(matches!(begin, Command::Begin(name, Reached::Plain(_)) if name == "a"));
        let begin = command("begin a coaps://127.0.0.1:5684").unwrap();
        assert!(matches!(begin, Command::Begin(_, Reached::Secured(_))));
        for (line, told) in [
            ("begin a", "expected begin EP [coaps://]HOST:PORT"),
            ("abort", "expected abort EP"),
            ("begin a b", "b: expected HOST:PORT"),
            ("list all", "expected list"),
            ("dance", "expected a command"),
        ] {
            let error = command(line).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
        for line in usage() {
            let word = line.split(' ').next().unwrap();
            let error = command(&format!("{word} a b c d")).unwrap_err();
            assert!(!error.to_string().is_empty());
        }
    }
}
