//! A device: the client machine on a socket, with the Objects 0 to 7 and 9, thermostats of its own,
//! a simulated world, and pretended updates.
//!
//! What happens is reported line by line; [`Style::Json`] has the same lines as JSON.

mod boot;
mod command;
mod directory;
mod firmware;
mod line;
mod obey;
mod objects;
mod program;
mod settings;
mod show;
mod sleep;
mod software;
mod state;
mod tell;
mod thermostat;
mod world;

use core::{ops::ControlFlow, time::Duration};
use std::io;

use lwm2m_objects::ObjectDefinition;

use self::program::Program;
pub use self::{
    command::{Command, CommandError, usage},
    line::{Line, Style},
    settings::{
        AccountSettings, Owner, Pace, Rest, Right, ServerArgument, ServerAt, Settings,
        SleepSettings, with_queue_mode,
    },
};
use crate::{
    commands::Commands,
    driver::{Clock, Tap},
};

/// Runs a device until it is told to quit. What happens is reported line by line.
pub fn run(
    settings: &Settings,
    style: Style,
    clock: Clock,
    tap: Option<Tap>,
    mut commands: Commands<Result<Command, CommandError>>,
    mut report: impl FnMut(String),
) -> io::Result<()> {
    let mut print = |line: Line| report(line.render(style, clock.now()));
    let mut program = Program::start(settings, clock, tap, &mut print)?;
    loop {
        program.act(&mut print)?;
        if program.is_off {
            return Ok(());
        }
        while let Some(command) = commands.poll() {
            match command {
                Ok(command) => {
                    let flow = program.obey(command, &mut print)?;
                    // What follows from it comes before the next command.
                    program.wait(Duration::ZERO)?;
                    program.act(&mut print)?;
                    if program.is_off {
                        return Ok(());
                    }
                    if flow == ControlFlow::Break(()) {
                        return program.save();
                    }
                }
                Err(error) => print(Line::new("error").word("message", error)),
            }
        }
        program.wait(commands.patience())?;
    }
}

/// The definitions of the device's Objects that aren't built in.
pub fn definitions() -> io::Result<Vec<ObjectDefinition>> {
    objects::definitions()
}

/// What is invalid in the settings of a device.
fn invalid(error: impl core::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
