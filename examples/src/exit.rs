//! What a program says, and how it ends.

use std::{
    io::{self, Write as _},
    process::{self, ExitCode},
};

/// Prints a line on standard output. When nobody reads it any more (`client | head`), the program
/// ends.
pub fn say(line: impl core::fmt::Display) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        // No destructor has anything to do that matters now.
        conclude(Err(error));
        process::exit(1);
    }
}

/// The exit code of a program that came to this end; an error is told on standard error, in words,
/// unless it is that nobody reads any more.
pub fn conclude(end: io::Result<ExitCode>) -> ExitCode {
    end.unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::BrokenPipe {
            eprintln!("error: {error}");
        }
        ExitCode::FAILURE
    })
}

/// Says of an error what it is about, such as a file or an address.
pub fn about(subject: impl core::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{subject}: {error}"))
}
