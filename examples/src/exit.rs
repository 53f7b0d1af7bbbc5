//! How a program prints and exits.

use std::{
    io::{self, Write as _},
    process::{self, ExitCode},
};

/// Prints a line on standard output. The program ends when its reader has gone (`client | head`).
pub fn say(line: impl core::fmt::Display) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        // No destructor has anything important to do.
        conclude(Err(error));
        process::exit(1);
    }
}

/// The exit code for this result. An error is printed on standard error, unless the reader of the
/// output has gone.
pub fn conclude(end: io::Result<ExitCode>) -> ExitCode {
    end.unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::BrokenPipe {
            eprintln!("error: {error}");
        }
        ExitCode::FAILURE
    })
}

/// Adds what an error is about, such as a file or an address.
pub fn about(subject: impl core::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{subject}: {error}"))
}
