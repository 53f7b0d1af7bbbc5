//! A LwM2M client on UDP: a device with Objects 0 to 7 and 9, and thermostats.

use core::time::Duration;
use std::{io, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, error::ErrorKind};
use lwm2m_core::{BindingMode, EndpointName, Msisdn};
use lwm2m_examples::{
    address::HostPort,
    chart::Chart,
    commands::{self, Commands},
    device::{
        self, AccountSettings, Owner, Pace, Rest, Right, ServerArgument, Settings, SleepSettings,
        Style,
    },
    driver::Clock,
    exit,
    keys::ClientKeyArguments,
    scribe::Scribe,
    secure::library::LibraryName,
    uri,
};
use lwm2m_linkformat::{RootPath, RootPathError};

/// A LwM2M client: a device with Objects 0 to 7 and 9, the Test Object 3442
/// and thermostats of its own (Object 26241), for one server or several, or
/// for those that a bootstrap-server names.
///
/// Prints what happens, one line each. Reads commands from standard input.
/// Without any, and when standard input has ended, it goes on until it is
/// interrupted (Ctrl-C); it does not de-register by itself then.
///
/// The first server owns every Object Instance but the Server Object
/// Instances of the others, and may create thermostats. The other servers
/// may read what isn't an account. --owner and --right change that.
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = AFTER_HELP,
    after_long_help = after_long_help())]
#[expect(clippy::struct_excessive_bools, reason = "each of them is a flag")]
struct Arguments {
    /// A server or several [default: coap://127.0.0.1]
    ///
    /// The option may be repeated. A Short Server ID may come before the
    /// URI: 7=coap://192.0.2.7:5683. Without one, the servers count from
    /// 101. Servers with coaps:// need keys. With --bootstrap there is no
    /// default.
    #[arg(long, value_name = "[ID=]URI", verbatim_doc_comment)]
    server: Vec<ServerArgument>,
    /// A bootstrap-server
    ///
    /// It is asked for servers when there are none, or none answers.
    #[arg(long, value_name = "URI", value_parser = uri::server, verbatim_doc_comment)]
    bootstrap: Option<String>,
    #[command(flatten)]
    keys: ClientKeyArguments,
    /// The DTLS library
    #[arg(long, value_name = "LIBRARY", hide = LibraryName::ALL.len() < 2)]
    dtls_library: Option<LibraryName>,
    /// The endpoint name
    #[arg(long, default_value = "example-client", value_name = "NAME",
        value_parser = clap::value_parser!(EndpointName<'static>))]
    endpoint: EndpointName<'static>,
    /// The server that owns an Object Instance
    ///
    /// /26241/1=102 gives the second thermostat to server 102.
    #[arg(long, value_name = "PATH=ID", verbatim_doc_comment)]
    owner: Vec<Owner>,
    /// The rights of a server
    ///
    /// Letters of RWEDC, or - for none. ID 0 stands for all servers without
    /// rights of their own. /3/0=102:RE lets server 102 read and execute,
    /// /26241=102:C lets it create.
    #[arg(long, value_name = "PATH=ID:RIGHTS", verbatim_doc_comment)]
    right: Vec<Right>,
    /// Lifetime of registrations
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(1..))]
    lifetime: u32,
    /// U, UQ, S, SQ, US or UQS
    #[arg(long, default_value = "U", value_name = "BINDING")]
    binding: BindingMode,
    /// Adds Queue Mode to the binding
    ///
    /// A server then sends what it has for the device while that is awake:
    /// after a Register or an Update. It is for the servers of the command
    /// line; a bootstrap-server says itself what binding its servers have.
    #[arg(long, verbatim_doc_comment)]
    queue_mode: bool,
    /// How long the device is awake
    ///
    /// After a message from or to a server with Queue Mode. Without it, 93
    /// seconds, which is what servers count on.
    #[arg(long, value_name = "SECONDS", verbatim_doc_comment,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    awake: Option<u64>,
    /// Sleeps in Queue Mode
    ///
    /// When all servers believe that the device is asleep, it turns its
    /// radio off: what arrives then is dropped. It wakes when its
    /// registration has to be updated, something is to be notified, or a
    /// command needs that, and begins with an Update. Its sensors and its
    /// commands go on. Without --sleep it tells when it might.
    #[arg(long, verbatim_doc_comment)]
    sleep: bool,
    /// Ends when the device may sleep
    ///
    /// It tells for how long. As --sleep, but the sensors are off, too.
    /// Start the program again with the same --state when it says so, or
    /// earlier.
    #[arg(
        long,
        requires = "state",
        conflicts_with = "sleep",
        verbatim_doc_comment
    )]
    power_off: bool,
    /// Goes on after a restart
    ///
    /// The device saves its state in this file when it sleeps or might, and
    /// at `quit`: the values of its Objects, its registrations, and what is
    /// observed. When it starts again, it begins with an Update, or sleeps on
    /// if it was asleep and has nothing to tell. It needs its address back,
    /// so a server with coaps:// is registered with anew.
    /// What the command line says of servers, owners and rights counts when
    /// there is no file yet. There are keys in it: only its owner may read
    /// it.
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    state: Option<PathBuf>,
    /// Doesn't wake for notifications
    ///
    /// What is to be notified while the device is asleep waits until it
    /// wakes for another reason.
    #[arg(long, verbatim_doc_comment)]
    no_waking: bool,
    /// The device's number, for SMS
    ///
    /// Country code and number, without +. Servers are told if the binding
    /// has SMS.
    #[arg(long, value_name = "DIGITS", verbatim_doc_comment)]
    sms_number: Option<Msisdn>,
    /// Where the Objects are
    ///
    /// With an alternate path such as /lwm2m, servers find the Objects below
    /// that alone.
    #[arg(long, default_value = "/", value_name = "PATH", value_parser = root_path,
        verbatim_doc_comment)]
    alternate_path: String,
    /// The default of pmin
    ///
    /// The shortest time between two notifications.
    #[arg(
        long,
        default_value_t = 0,
        value_name = "SECONDS",
        verbatim_doc_comment
    )]
    pmin: u32,
    /// The default of pmax
    ///
    /// The longest time between two notifications.
    #[arg(
        long,
        default_value_t = 6000,
        value_name = "SECONDS",
        verbatim_doc_comment
    )]
    pmax: u32,
    /// Doesn't store notifications
    ///
    /// What is to be notified while the device is offline is not kept.
    #[arg(long, verbatim_doc_comment)]
    no_storing: bool,
    /// Sends confirmable notifications
    #[arg(long)]
    confirmable: bool,
    /// The address to listen on
    ///
    /// Without it, any that reaches the first server. A server on another
    /// network is reached from a socket of its own.
    #[arg(long, value_name = "HOST:PORT", verbatim_doc_comment)]
    bind: Option<HostPort>,
    /// Time per percent of battery
    #[arg(long, default_value_t = 10, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..))]
    drain: u64,
    /// Time between measurements
    ///
    /// Of the location, the radio signal and the rooms.
    #[arg(long, default_value_t = 10, value_name = "SECONDS", verbatim_doc_comment,
        value_parser = clap::value_parser!(u64).range(1..))]
    step: u64,
    /// Prints JSON, one object per line
    #[arg(long)]
    json: bool,
    /// Draws the traffic to standard error
    #[arg(long)]
    chart: bool,
    /// Writes the traffic to a capture file
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

const AFTER_HELP: &str = "--help also lists the commands and the fields of --json.";

const JSON: &str = "\
JSON lines (--json):
  Each line is one object. `event` is the first word of the line that people
  are shown, and `time` the seconds since the start. By kind, the rest is:
    listening               address
    connecting              server, account, uri
    disconnected            server, account; neither after a download
    registered              server, account, location
    updated, deregistered   server, account
    disabled                server, account, seconds
    failed                  server, account, operation, reason, retry
    bootstrapping           server, account, by
    bootstrapped, purged    server, account
    inconsistent            server, account, reason
    smartcard               nothing
    written                 server, account, path, type, value
    emptied, removed        server, account, path
    created, deleted        server, account, path
    executed                server, account, path, arguments
    asked                   server, account, operation, path, arguments, request
    answered, expired       request, and code or reason
    observed, unobserved    server, account, path
    attributes              server, account, path, attributes
    dropped                 server, account, dropped
    download                path, state, and uri, announced, received, retry
                            or reason
    firmware, software      message
    idle, asleep, off       seconds, or null
    awake                   nothing
    offline, online         server, account; neither if it is the whole device
    added, removed, asks    path
    stops                   operation
    rebooted                nothing
    reset                   reason, if the state of the factory isn't restored
    note, error             message
  `server` is the Short Server ID, `account` the Security Object Instance.
  `server` of the bootstrap-server is bootstrap.
  idle, asleep, off: the device may sleep, or does, until `seconds` have
  passed, or until there is something to do. `queue` is awake or asleep, if
  the server has Queue Mode.
  `operation` is register, update, deregister or bootstrap; of what is asked,
  execute, write, create or delete. `retry` is the number of seconds until the
  next attempt, if there is one.
  `type` is string, integer, float, boolean, opaque, time or objlnk. `value` is
  a number for integer, float and time, and true or false for boolean. Octets
  are text, 0x and hexadecimal digits; a link is text such as 3:0. A key of an
  account is null.
  What commands list, line by line:
    get                     event value: path, type, value, name
    list                    event object or instance: path, name, owner, rights
    accounts                event account: server, account, state, queue,
                            location, uri, offline, stored
    observations            event observation: server, account, path, token
    attributes              event attributes: server, account, path, attributes
    help                    event help: usage";

fn after_long_help() -> String {
    format!("{}\n\n{JSON}", commands::help(&device::usage()))
}

/// An alternate path (TS 8.2.2).
fn root_path(text: &str) -> Result<String, RootPathError> {
    RootPath::new(text).map(|_| text.to_owned())
}

impl Arguments {
    fn settings(&self) -> io::Result<Settings> {
        let endpoint_name = self.endpoint.to_string();
        let mut servers = ServerArgument::numbered(&self.server);
        if servers.is_empty() && self.bootstrap.is_none() {
            servers = ServerArgument::numbered(&[ServerArgument::local()]);
        }
        Ok(Settings {
            bootstrap: self.bootstrap.clone(),
            account: AccountSettings {
                lifetime: self.lifetime,
                binding: if self.queue_mode {
                    device::with_queue_mode(self.binding)
                } else {
                    self.binding
                },
                minimum_period: self.pmin,
                maximum_period: self.pmax,
                storing: !self.no_storing,
            },
            alternate_path: self.alternate_path.clone(),
            sms_number: self.sms_number,
            keys: self.keys.read()?,
            refuse_expired: self.keys.refuse_expired,
            library: self.dtls_library,
            owners: self.owner.clone(),
            rights: self.right.clone(),
            confirmable: self.confirmable,
            bind: self.bind.as_ref().map(HostPort::resolve).transpose()?,
            sleep: SleepSettings {
                awake: self.awake.map(Duration::from_secs),
                wakes_to_notify: !self.no_waking,
                rest: self.rest(),
            },
            state: self.state.clone(),
            pace: Pace {
                drain: Duration::from_secs(self.drain),
                step: Duration::from_secs(self.step),
            },
            ..Settings::new(endpoint_name, servers)
        })
    }
}

impl Arguments {
    const fn rest(&self) -> Rest {
        if self.power_off {
            Rest::PowerOff
        } else if self.sleep {
            Rest::Sleep
        } else {
            Rest::Idle
        }
    }
}

fn main() -> ExitCode {
    exit::conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let clock = Clock::start();
    let settings = arguments.settings()?;
    if let Err(mistake) = settings.check() {
        Arguments::command()
            .error(ErrorKind::ValueValidation, mistake)
            .exit();
    }
    let scribe = Scribe::default();
    if arguments.chart {
        eprint!("{}", Chart::heading("client", "server"));
        scribe.draw(chart(&settings)?, io::stderr());
    }
    if let Some(file) = &arguments.pcap {
        scribe.capture(file)?;
    }
    let tap = Some(scribe.tap(true));
    let commands = Commands::from_stdin();
    let style = if arguments.json {
        Style::Json
    } else {
        Style::Plain
    };
    device::run(&settings, style, clock, tap, commands, exit::say)?;
    scribe.take_failure().map_or(Ok(ExitCode::SUCCESS), Err)
}

/// A chart of the traffic with all servers.
fn chart(settings: &Settings) -> io::Result<Chart> {
    let mut servers = Vec::new();
    for server in &settings.servers {
        servers.push((uri::resolve(&server.uri)?, server.id.to_string()));
    }
    if let Some(uri) = &settings.bootstrap {
        servers.push((uri::resolve(uri)?, "bootstrap".to_owned()));
    }
    let chart = match &servers[..] {
        [(only, _)] => Chart::new(*only),
        _ => Chart::of_servers(servers),
    };
    Ok(chart.knowing(device::definitions()?))
}
