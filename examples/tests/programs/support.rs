//! Programs that run while a test talks to them.

use core::time::Duration;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Instant,
};

/// Long enough for anything, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running program; it is killed when the test ends.
pub(crate) struct Program {
    pub(crate) child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line with this beginning, and skips those before it.
    pub(crate) fn expect(&mut self, beginning: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line {beginning:?}, but\n{}", self.seen.join("\n"));
            };
            if line.starts_with(beginning) {
                return line;
            }
            self.seen.push(line);
        }
    }

    /// Waits for a line with each of these beginnings, in any order.
    pub(crate) fn expect_each<const N: usize>(&mut self, beginnings: [&str; N]) -> [String; N] {
        let mut found = [const { None }; N];
        while found.iter().any(Option::is_none) {
            let line = self.next();
            let mut beginnings = beginnings.iter().zip(&mut found);
            match beginnings.find(|(beginning, _)| line.starts_with(**beginning)) {
                Some((_, found)) => *found = Some(line),
                None => self.seen.push(line),
            }
        }
        found.map(Option::unwrap)
    }

    /// Waits for the next line, whatever it is.
    pub(crate) fn next(&mut self) -> String {
        self.expect("")
    }

    pub(crate) fn ends(mut self) -> bool {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server, and its URI.
pub(crate) fn server(arguments: &[&str]) -> (Program, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    let mut server = Program::start(command.args(["--listen", "127.0.0.1:0"]).args(arguments));
    let uri = server.expect("listening ").replace("listening ", "coap://");
    (server, uri)
}

/// The device named `me`, with these arguments.
pub(crate) fn client(arguments: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_client"));
    Program::start(command.args(["--endpoint", "me"]).args(arguments))
}

/// A server, and the device registered at it as `me`.
pub(crate) fn server_and_device() -> (Program, Program) {
    let (mut server, uri) = server(&[]);
    let client = device_at(&mut server, &uri);
    (server, client)
}

/// The device, registered as `me` at a server.
pub(crate) fn device_at(server: &mut Program, uri: &str) -> Program {
    let mut client = client(&["--server", uri]);
    client.expect("registered 101 /rd/");
    server.expect("registered me /rd/");
    client
}

/// The exit status and standard error of a program that fails at once.
pub(crate) fn complaint(program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    (output.status.code(), told)
}
