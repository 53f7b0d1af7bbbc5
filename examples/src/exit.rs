//! How a program ends.

use std::{io, process::ExitCode};

/// The exit code of a program that came to this end; an error is told on standard error, in words.
pub fn conclude(end: io::Result<ExitCode>) -> ExitCode {
    end.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

/// Says of an error what it is about, such as a file or an address.
pub fn about(subject: impl core::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{subject}: {error}"))
}
