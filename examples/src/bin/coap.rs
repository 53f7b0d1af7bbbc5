//! A plain CoAP program, without LwM2M: a server, and a client that reads, writes and observes.

use core::{net::SocketAddr, time::Duration};
use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_examples::{
    address::HostPort,
    chart::Chart,
    driver::{Clock, Driver, Names},
    exit,
    scribe::Scribe,
    seed,
    store::{Counting, Store},
    uri,
};
use lwm2m_statemachine::coap::{
    Config, Endpoint, Event, MessageBuf, OwnedIncoming, OwnedMessage, RequestId, RequestOptions,
};

/// A CoAP server and client, with blocks (RFC 7959) and observation (RFC 7641).
///
/// A URI is `coap://HOST[:PORT][/PATH][?QUERY]`, as it is typed: nothing is
/// percent-decoded. The client prints bodies on standard output and what else
/// there is to say on standard error, and fails if the response does.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    tuning: Tuning,
}

#[derive(Subcommand)]
enum Command {
    /// Serves what is put into it, for GET, PUT, DELETE and Observe
    ///
    /// Any path can be put, and is then there; those who observe it are
    /// notified. /body is there from the beginning. /count is 0, and counts up
    /// once it is observed. It goes on until it is interrupted (Ctrl-C).
    #[command(verbatim_doc_comment)]
    Serve {
        /// Where to listen
        ///
        /// Of port 0, one that is free.
        #[arg(
            long,
            default_value = "127.0.0.1:5683",
            value_name = "HOST:PORT",
            verbatim_doc_comment
        )]
        listen: HostPort,
        /// The length of /body
        ///
        /// It has numbered lines of 16 characters.
        #[arg(
            long,
            default_value_t = 4096,
            value_name = "BYTES",
            verbatim_doc_comment
        )]
        size: usize,
        /// Time per number of /count
        #[arg(long, default_value_t = 1000, value_name = "MS",
            value_parser = clap::value_parser!(u64).range(1..))]
        step: u64,
        /// The number at which /count stops
        ///
        /// Without it, it doesn't stop.
        #[arg(long, value_name = "NUMBER", verbatim_doc_comment)]
        last: Option<u64>,
        /// Sends confirmable notifications
        ///
        /// Of every number of /count, not only of the last one.
        #[arg(long, verbatim_doc_comment)]
        confirmable: bool,
    },
    /// Reads
    Get {
        /// What
        #[arg(value_name = "URI", value_parser = uri::resource)]
        uri: String,
        /// Writes the body to a file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Writes
    #[command(group = clap::ArgGroup::new("body").required(true))]
    Put {
        /// What
        #[arg(value_name = "URI", value_parser = uri::resource)]
        uri: String,
        /// The body, as text
        #[arg(value_name = "TEXT", group = "body")]
        text: Option<String>,
        /// The body, from a file
        #[arg(long, value_name = "FILE", group = "body")]
        file: Option<PathBuf>,
    },
    /// Reads, and prints what it becomes, one line each
    Observe {
        /// What
        #[arg(value_name = "URI", value_parser = uri::resource)]
        uri: String,
        /// Ends once it is this text
        ///
        /// The observation is cancelled then. Without it, it goes on until it
        /// is interrupted (Ctrl-C).
        #[arg(long, value_name = "TEXT", verbatim_doc_comment)]
        until: Option<String>,
    },
}

/// What server and client have in common.
#[derive(Args)]
struct Tuning {
    /// The largest block
    ///
    /// It is 16, 32, 64, 128, 256, 512 or 1024.
    #[arg(long, global = true, default_value_t = 1024, value_name = "BYTES",
        value_parser = block_size, verbatim_doc_comment)]
    block_size: usize,
    /// The largest body in blocks
    #[arg(long, global = true, default_value_t = 1 << 24, value_name = "BYTES")]
    largest: usize,
    /// The wait before a retransmission
    ///
    /// ACK_TIMEOUT (RFC 7252), the shortest one.
    #[arg(long, global = true, default_value_t = 2000, value_name = "MS",
        verbatim_doc_comment, value_parser = clap::value_parser!(u64).range(1..))]
    ack_timeout: u64,
    /// How often a message is sent again
    ///
    /// MAX_RETRANSMIT (RFC 7252).
    #[arg(long, global = true, default_value_t = 4, value_name = "TIMES",
        verbatim_doc_comment, value_parser = clap::value_parser!(u8).range(..=20))]
    max_retransmit: u8,
    /// Draws the traffic to standard error
    #[arg(long, global = true)]
    chart: bool,
    /// Writes the traffic to a capture file
    #[arg(long, global = true, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

fn block_size(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(size @ (16 | 32 | 64 | 128 | 256 | 512 | 1024)) => Ok(size),
        _ => Err("expected 16, 32, 64, 128, 256, 512 or 1024"),
    }
}

fn main() -> ExitCode {
    exit::conclude(run(Arguments::parse()))
}

fn run(arguments: Arguments) -> io::Result<ExitCode> {
    let tuning = &arguments.tuning;
    match arguments.command {
        Command::Serve {
            listen,
            size,
            step,
            last,
            confirmable,
        } => {
            let mut store = Store::new(Counting {
                step: Duration::from_millis(step),
                last,
                confirmable,
            });
            store.insert("body", lines(size));
            serve(store, &mut tuning.bind(listen.resolve()?, None)?)
        }
        Command::Get { uri, out } => {
            let mut client = Client::new(tuning, &uri)?;
            let response = client.get(&uri)?;
            if response.message.message().code().is_success() {
                match out {
                    Some(file) => {
                        fs::write(&file, response.body()).map_err(exit::about(file.display()))?;
                    }
                    None => io::stdout().write_all(response.body())?,
                }
            }
            client.end(&response)
        }
        Command::Put { uri, text, file } => {
            let (body, format) = match (file, text) {
                (Some(file), _) => (
                    fs::read(&file).map_err(exit::about(file.display()))?,
                    ContentFormat::OPAQUE,
                ),
                (None, text) => (text.unwrap_or_default().into_bytes(), ContentFormat::TEXT),
            };
            let mut client = Client::new(tuning, &uri)?;
            let response = client.put(&uri, &body, format)?;
            client.end(&response)
        }
        Command::Observe { uri, until } => {
            let mut client = Client::new(tuning, &uri)?;
            let response = client.observe(&uri, until.as_deref())?;
            client.end(&response)
        }
    }
}

/// Lines of 16 characters, each with the offset of its first byte, so that no two blocks are equal.
fn lines(size: usize) -> Vec<u8> {
    let lines = (0..)
        .step_by(16)
        .flat_map(|at: usize| format!("{at:015}\n").into_bytes());
    lines.take(size).collect()
}

type Node = Driver<Endpoint<SocketAddr>>;

impl Tuning {
    /// An endpoint on a socket; a client names its server.
    fn bind(&self, address: SocketAddr, server: Option<SocketAddr>) -> io::Result<Node> {
        let mut config = Config::new(seed::fresh()?);
        config.block_size = self.block_size;
        config.transmission.ack_timeout = Duration::from_millis(self.ack_timeout);
        config.transmission.max_retransmit = self.max_retransmit;
        config.bounds.body = self.largest;
        let clock = Clock::start();
        let scribe = Scribe::default();
        if let Some(file) = &self.pcap {
            scribe.capture(file)?;
        }
        let mut driver = Driver::bind(address, clock, Endpoint::new(config), Names::direct())
            .map_err(exit::about(address))?;
        if self.chart {
            eprint!("{}", Chart::heading("client", "server"));
            let server = server.unwrap_or(driver.address());
            scribe.draw(Chart::new(server), io::stderr());
        }
        if self.chart || self.pcap.is_some() {
            driver = driver.with_tap(Some(scribe.tap(true)));
        }
        Ok(driver)
    }
}

fn serve(mut store: Store<SocketAddr>, driver: &mut Node) -> io::Result<ExitCode> {
    exit::say(format_args!("listening {}", driver.address()));
    let mut report = |line: String| exit::say(line);
    loop {
        let now = driver.now();
        if let Err(error) = store.tick(now, &mut driver.machine) {
            report(format!("error {error}"));
        }
        while let Some(event) = driver.next_event()? {
            let now = driver.now();
            let done = store.on_event(now, &mut driver.machine, event, &mut report);
            if let Err(error) = done {
                report(format!("error {error}"));
            }
        }
        let patience = store.next_tick().map_or(Duration::MAX, |next| {
            next.saturating_duration_since(driver.now())
        });
        driver.wait(patience)?;
    }
}

/// [`uri::request`] with the URI in its errors.
fn request(
    method: Method,
    uri: &str,
    observe: Option<u32>,
    format: Option<ContentFormat>,
) -> io::Result<MessageBuf> {
    uri::request(method, uri, observe, format)
        .map_err(io::Error::other)
        .map_err(exit::about(uri))
}

/// One client of one server.
struct Client {
    driver: Node,
    server: SocketAddr,
}

/// A response or notification.
struct Response {
    message: OwnedMessage,
    /// The body, if it was assembled from blocks.
    assembled: Option<Vec<u8>>,
    observing: bool,
}

impl Response {
    fn body(&self) -> &[u8] {
        match &self.assembled {
            Some(body) => body,
            None => self.message.message().payload(),
        }
    }
}

impl Client {
    fn new(tuning: &Tuning, uri: &str) -> io::Result<Self> {
        let server = uri::resolve(uri)?;
        let local = uri::local_address(server).map_err(exit::about(uri))?;
        let driver = tuning.bind(local, Some(server))?;
        Ok(Self { driver, server })
    }

    fn get(&mut self, uri: &str) -> io::Result<Response> {
        let message = request(Method::Get, uri, None, None)?;
        let request = self.send(message, RequestOptions::default())?;
        self.response(request)
    }

    fn put(&mut self, uri: &str, body: &[u8], format: ContentFormat) -> io::Result<Response> {
        let mut message = request(Method::Put, uri, None, Some(format))?;
        message.payload(body);
        let request = self.send(message, RequestOptions::default())?;
        self.response(request)
    }

    /// Prints responses until one has that text or no more will come; returns the last one.
    fn observe(&mut self, uri: &str, until: Option<&str>) -> io::Result<Response> {
        let message = request(Method::Get, uri, Some(0), None)?;
        let observation = self.send(message, RequestOptions::default())?;
        loop {
            let response = self.response(observation)?;
            if !response.message.message().code().is_success() {
                return Ok(response);
            }
            let body = String::from_utf8_lossy(response.body());
            exit::say(&body);
            if !response.observing {
                eprintln!("no notifications will follow");
                return Ok(response);
            }
            if until.is_some_and(|until| until == body) {
                let options = RequestOptions {
                    cancels: Some(observation),
                    ..RequestOptions::default()
                };
                let message = request(Method::Get, uri, Some(1), None)?;
                let cancellation = self.send(message, options)?;
                return self.response(cancellation);
            }
        }
    }

    fn send(&mut self, message: MessageBuf, options: RequestOptions) -> io::Result<RequestId> {
        let now = self.driver.now();
        self.driver
            .machine
            .request(now, self.server, message, options)
            .map_err(io::Error::other)
    }

    /// Waits for the response to a request, or the next notification.
    fn response(&mut self, of: RequestId) -> io::Result<Response> {
        loop {
            while let Some(event) = self.driver.next_event()? {
                match event {
                    Event::Incoming {
                        incoming:
                            OwnedIncoming::Response {
                                request,
                                response,
                                body,
                                observing,
                            }
                            | OwnedIncoming::Notification {
                                request,
                                response,
                                body,
                                observing,
                            },
                        ..
                    } if request == of => {
                        return Ok(Response {
                            message: response,
                            assembled: body.map(|bytes| bytes.to_vec()),
                            observing,
                        });
                    }
                    Event::Incoming {
                        incoming: OwnedIncoming::RequestReset { request },
                        ..
                    } if request == of => return Err(io::Error::other("rejected by the server")),
                    Event::RequestFailed {
                        request, reason, ..
                    } if request == of => {
                        return Err(io::Error::other(format!("no response: {reason}")));
                    }
                    Event::NotificationLost { reason, .. } => {
                        eprintln!("a notification was lost: {reason}");
                    }
                    Event::Incoming {
                        incoming: OwnedIncoming::Request { responder, .. },
                        ..
                    } => {
                        // A client only: it serves nothing.
                        let now = self.driver.now();
                        let answer = MessageBuf::response(Code::NOT_FOUND);
                        // The client may be gone.
                        let _ = self.driver.machine.respond(now, responder, answer);
                    }
                    _ => {}
                }
            }
            self.driver.wait(Duration::MAX)?;
        }
    }

    /// Sends what is left to send, and prints the response's code.
    fn end(&mut self, response: &Response) -> io::Result<ExitCode> {
        self.driver.wait(Duration::ZERO)?;
        let code = response.message.message().code();
        eprintln!("{code} {} bytes", response.body().len());
        Ok(if code.is_success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
