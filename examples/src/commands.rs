//! Commands from standard input, while the program waits for datagrams.

use core::{str::FromStr, time::Duration};
use std::{
    io::{self, BufRead as _},
    sync::mpsc::{self, Receiver, TryRecvError},
    thread,
};

/// How often a driver that waits for datagrams polls for commands.
const POLL: Duration = Duration::from_millis(20);

/// Commands from another thread. When these end, the program goes on.
#[derive(Debug)]
pub struct Commands<C> {
    receiver: Option<Receiver<C>>,
}

/// How commands are written, for the help of a program.
pub fn help(usage: &[impl AsRef<str>]) -> String {
    let usage: Vec<&str> = usage.iter().map(AsRef::as_ref).collect();
    format!("Commands:\n  {}", usage.join("\n  "))
}

impl<C> Commands<C> {
    /// Commands that another thread sends.
    pub const fn from_thread(receiver: Receiver<C>) -> Self {
        Self {
            receiver: Some(receiver),
        }
    }

    /// The next command, if one is there.
    pub fn poll(&mut self) -> Option<C> {
        match self.receiver.as_ref()?.try_recv() {
            Ok(command) => Some(command),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.receiver = None;
                None
            }
        }
    }

    /// How long to wait for datagrams before the next poll.
    pub const fn patience(&self) -> Duration {
        match self.receiver {
            Some(_) => POLL,
            None => Duration::from_secs(3600),
        }
    }
}

impl<C: FromStr<Err: Send> + Send + 'static> Commands<Result<C, C::Err>> {
    /// The lines of standard input. Empty ones and those that aren't UTF-8 are skipped.
    pub fn from_stdin() -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in io::stdin().lock().split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                if !line.trim().is_empty() && sender.send(line.trim().parse()).is_err() {
                    break;
                }
            }
        });
        Self::from_thread(receiver)
    }
}
