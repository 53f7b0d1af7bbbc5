//! What the program does on the events of the machine, and on commands.

use core::{fmt, net::SocketAddr, ops::ControlFlow};
use std::{collections::BTreeMap, path::PathBuf, rc::Rc};

use lwm2m_core::Instant;
use lwm2m_objects::Registry;
use lwm2m_statemachine::{
    Channel,
    bootstrap_server::{
        BootstrapFailure, BootstrapId, BootstrapServer, BootstrapServerEvent, BootstrapServerStats,
        Discovered, PauseReason, Plan, Refusal, RefuseWith, Requester, StartError,
    },
};

use super::{
    command::{self, Command, Reached},
    plans::{Plans, Rule},
    ready::NoPlan,
};
use crate::{
    console::shown,
    device::Line,
    secure::{
        credentials::{ClientCredentials, ProvenIdentity},
        server::{SecureDatagramError, SecurePeer, SecureServer, SessionNews},
        session::{DtlsStack, SessionError},
        sessions::ConnectError,
    },
};

/// Who a client is to the machine.
type Peer = SecurePeer<SocketAddr>;

/// The application of a bootstrap-server: who gets which plan. What happens is told line by line.
#[derive(Debug)]
pub struct Actor {
    file: PathBuf,
    plans: Plans,
    under_way: BTreeMap<BootstrapId, UnderWay>,
    /// The clients that are to be reached with security: which one is where, and what it has to prove.
    reaching: BTreeMap<SocketAddr, (Box<str>, ClientCredentials)>,
}

/// A bootstrap that has begun.
#[derive(Debug)]
struct UnderWay {
    endpoint: Box<str>,
    rule: Rc<Rule>,
    found: Option<Discovered>,
    /// Whether the plan was given, after a Discover.
    is_told: bool,
    /// Whether it was tried to repair what was inconsistent.
    is_repaired: bool,
}

impl UnderWay {
    fn new(endpoint: Box<str>, rule: Rc<Rule>) -> Self {
        Self {
            endpoint,
            rule,
            found: None,
            is_told: false,
            is_repaired: false,
        }
    }
}

/// Why a bootstrap doesn't go on.
#[derive(Debug)]
enum Stop {
    Plan(NoPlan),
    Start(StartError),
    /// There is no more to tell the client.
    NoMore,
    /// There is no way to begin a session.
    Connect(ConnectError),
    /// There is no session.
    Unreached(SessionError),
    /// Another client is at the other end of the session.
    Other,
}

impl Actor {
    /// For these plans, which were read from this file.
    pub const fn new(file: PathBuf, plans: Plans) -> Self {
        Self {
            file,
            plans,
            under_way: BTreeMap::new(),
            reaching: BTreeMap::new(),
        }
    }

    /// Does what an event asks for.
    pub fn follow(
        &mut self,
        now: Instant,
        machine: &mut BootstrapServer<Peer>,
        event: BootstrapServerEvent<Peer>,
        print: &mut dyn FnMut(Line),
    ) {
        match event {
            BootstrapServerEvent::Requested { bootstrap, client } => {
                self.requested(now, machine, bootstrap, client, print);
            }
            BootstrapServerEvent::Discovered {
                bootstrap,
                path,
                found,
            } => {
                let Some(known) = self.under_way.get_mut(&bootstrap) else {
                    return;
                };
                let line = about("discovered", &known.endpoint);
                print(line.path(path).word("found", Found(&found)));
                known.found = Some(found);
            }
            BootstrapServerEvent::NotDiscovered {
                bootstrap,
                path,
                failure,
            } => {
                if let Some(known) = self.under_way.get(&bootstrap) {
                    let line = about("undiscovered", &known.endpoint);
                    print(line.path(path).word("reason", failure));
                }
            }
            BootstrapServerEvent::Paused { bootstrap, reason } => {
                if let Err(stop) = self.go_on(now, machine, bootstrap, reason, print) {
                    self.stopped(bootstrap, &stop, print);
                    machine.abort(now, bootstrap);
                }
            }
            BootstrapServerEvent::Ended {
                bootstrap,
                endpoint_name,
                outcome,
                may_have_finished,
                ..
            } => {
                self.under_way.remove(&bootstrap);
                print(ended(&endpoint_name, outcome, may_have_finished));
            }
            BootstrapServerEvent::Refused(refusal) => print(refused(&refusal)),
            // Of an event that a later version adds, it says what is known.
            event => print(Line::new("note").word("message", format_args!("{event:?}"))),
        }
    }

    /// A client asks for a bootstrap.
    fn requested(
        &mut self,
        now: Instant,
        machine: &mut BootstrapServer<Peer>,
        bootstrap: BootstrapId,
        client: Requester<Peer>,
        print: &mut dyn FnMut(Line),
    ) {
        let endpoint = client.endpoint_name;
        let security = client.identity.security_mode();
        let from = format_args!("from {} ({security:?})", client.peer);
        let line = about("requested", &endpoint).field("peer", client.peer.to_string(), from);
        print(line.hidden("security", format!("{security:?}")));
        let Some(rule) = self.plans.find(&endpoint) else {
            print(about("unknown", &endpoint).saying("no plan is for this client"));
            // If its time is over, that is told as well.
            let _ = machine.refuse(now, bootstrap, RefuseWith::UnknownEndpoint);
            return;
        };
        let started = begin(&rule, &endpoint)
            .and_then(|plan| machine.start(now, bootstrap, &plan).map_err(Stop::Start));
        let is_started = started.is_ok();
        self.under_way
            .insert(bootstrap, UnderWay::new(endpoint, rule));
        match started {
            Ok(()) => self.tell_start(bootstrap, print),
            Err(stop) => self.stopped(bootstrap, &stop, print),
        }
        if !is_started {
            let _ = machine.refuse(now, bootstrap, RefuseWith::Unavailable);
        }
    }

    /// A client waits: for the plan after a Discover, or for the repair of it.
    fn go_on(
        &mut self,
        now: Instant,
        machine: &mut BootstrapServer<Peer>,
        bootstrap: BootstrapId,
        reason: PauseReason,
        print: &mut dyn FnMut(Line),
    ) -> Result<(), Stop> {
        let known = self.under_way.get_mut(&bootstrap).ok_or(Stop::NoMore)?;
        let (endpoint, found) = (&known.endpoint, known.found.as_ref());
        let plan = match reason {
            PauseReason::StepsDone if !known.is_told => {
                known.is_told = true;
                known.rule.then(endpoint, found).map_err(Stop::Plan)?
            }
            PauseReason::Inconsistent => {
                let repair = known.rule.repair(endpoint, found);
                let repair = repair.filter(|_| !known.is_repaired);
                print(about("inconsistent", endpoint).saying(match &repair {
                    Some(_) => "4.06; what the plan says is written again",
                    None => "4.06",
                }));
                known.is_repaired = true;
                repair.ok_or(Stop::NoMore)?.map_err(Stop::Plan)?
            }
            _ => return Err(Stop::NoMore),
        };
        machine.resume(now, bootstrap, &plan).map_err(Stop::Start)
    }

    fn tell_start(&self, bootstrap: BootstrapId, print: &mut dyn FnMut(Line)) {
        if let Some(UnderWay { endpoint, rule, .. }) = self.under_way.get(&bootstrap) {
            print(about("started", endpoint).word("plan", rule));
        }
    }

    fn stopped(&self, bootstrap: BootstrapId, stop: &Stop, print: &mut dyn FnMut(Line)) {
        if let Some(known) = self.under_way.get(&bootstrap) {
            print(about("stopped", &known.endpoint).word("reason", stop));
        }
    }

    /// Tells of a datagram that the machine rejected.
    pub fn useless(from: SocketAddr, error: &SecureDatagramError) -> Line {
        let line = Line::new("useless").field("peer", from.to_string(), from);
        line.word("reason", error)
    }

    /// Tells of a session. If the client was to be reached in it, its bootstrap begins.
    pub fn hear(
        &mut self,
        now: Instant,
        machine: &mut BootstrapServer<Peer>,
        news: SessionNews<SocketAddr>,
        print: &mut dyn FnMut(Line),
    ) {
        print(Self::session(&news));
        let address = match &news {
            SessionNews::Connected { peer, .. } => *peer.address(),
            SessionNews::Failed { address, .. } => *address,
            SessionNews::Ended { .. } | SessionNews::Unsent { .. } => return,
        };
        let Some((endpoint, keys)) = self.reaching.remove(&address) else {
            return;
        };
        let begun = match news {
            SessionNews::Connected { peer, identity, .. } if proves(&identity, &keys) => {
                self.begin(now, machine, &endpoint, peer)
            }
            SessionNews::Failed { why, .. } => Err(Stop::Unreached(why)),
            _ => Err(Stop::Other),
        };
        self.tell_begun(&endpoint, begun, print);
    }

    /// What is told of a session.
    fn session(news: &SessionNews<SocketAddr>) -> Line {
        match news {
            SessionNews::Connected {
                peer,
                identity,
                resumed,
            } => {
                let from = format_args!("from {peer}");
                let line = Line::new("connected").word("identity", identity);
                let line = line.field("peer", peer.to_string(), from);
                line.field("resumed", *resumed, if *resumed { "resumed" } else { "" })
            }
            SessionNews::Ended { peer, why } => {
                let line = Line::new("disconnected");
                line.field("peer", peer.to_string(), format_args!("{peer}:"))
                    .word("reason", why)
            }
            SessionNews::Unsent { peer, length } => {
                let line = Line::new("unsent");
                line.field("peer", peer.to_string(), format_args!("to {peer}:"))
                    .field("bytes", *length, format_args!("{length} bytes"))
            }
            SessionNews::Failed { address, why } => {
                let shown = format_args!("coaps://{address}:");
                let line = Line::new("handshake").field("peer", address.to_string(), shown);
                line.word("reason", why)
            }
        }
    }

    /// Carries out a command. Breaks if the program is to end.
    pub fn obey<D: DtlsStack>(
        &mut self,
        now: Instant,
        secure: &mut SecureServer<SocketAddr, D, BootstrapServer<Peer>>,
        command: Command,
        print: &mut dyn FnMut(Line),
    ) -> ControlFlow<()> {
        let error = |message: &dyn fmt::Display| Line::new("error").word("message", message);
        let machine = &mut secure.server;
        match command {
            Command::Quit => return ControlFlow::Break(()),
            Command::Help => {
                for line in command::usage() {
                    print(Line::item("help").word("usage", line));
                }
            }
            Command::List => {
                for known in self.under_way.values() {
                    let line = Line::item("bootstrap").field(
                        "endpoint",
                        &*known.endpoint,
                        shown(&known.endpoint),
                    );
                    print(line.word("plan", &known.rule));
                }
            }
            Command::Plans => {
                for rule in self.plans.rules() {
                    let line = Line::item("plan").word("endpoint", rule.pattern.as_str());
                    print(line.word("plan", rule));
                }
            }
            Command::Reload => self.reload(machine.registry(), print),
            Command::Begin(endpoint, Reached::Plain(address)) => match address.resolve() {
                Ok(address) => {
                    let begun = self.begin(now, machine, &endpoint, Peer::Plain(address));
                    self.tell_begun(&endpoint, begun, print);
                }
                Err(reason) => print(about("stopped", &endpoint).word("reason", reason)),
            },
            Command::Begin(endpoint, Reached::Secured(address)) => match address.resolve() {
                Ok(address) => {
                    if let Err(stop) = self.reach(now, secure, &endpoint, address) {
                        print(about("stopped", &endpoint).word("reason", stop));
                    }
                }
                Err(reason) => print(about("stopped", &endpoint).word("reason", reason)),
            },
            Command::Abort(endpoint) => {
                let found = machine.find(&endpoint);
                if !found.is_some_and(|bootstrap| machine.abort(now, bootstrap)) {
                    let message = format_args!("there is no bootstrap of {}", shown(&endpoint));
                    print(error(&message));
                }
            }
            Command::Stats => print(counted(machine.stats())),
        }
        ControlFlow::Continue(())
    }

    fn reload(&mut self, registry: &Registry, print: &mut dyn FnMut(Line)) {
        print(match Plans::read(&self.file, registry) {
            Ok(plans) => {
                self.plans = plans;
                let count = self.plans.rules().count();
                let plans = if count == 1 { "plan" } else { "plans" };
                let shown = format_args!("{count} {plans}");
                Line::new("reloaded").field("plans", count, shown)
            }
            Err(mistake) => Line::new("error").word("message", mistake),
        });
    }

    /// Begins a session with a client, in which its bootstrap begins.
    fn reach<D: DtlsStack>(
        &mut self,
        now: Instant,
        secure: &mut SecureServer<SocketAddr, D, BootstrapServer<Peer>>,
        endpoint: &str,
        address: SocketAddr,
    ) -> Result<(), Stop> {
        let rule = self.plans.find(endpoint).ok_or(Stop::NoMore)?;
        let keys = rule.device(endpoint).map_err(Stop::Plan)?;
        let asked = secure.connect(now, &address, &keys);
        asked.map_err(Stop::Connect)?;
        self.reaching.insert(address, (endpoint.into(), keys));
        Ok(())
    }

    fn tell_begun(
        &self,
        endpoint: &str,
        begun: Result<BootstrapId, Stop>,
        print: &mut dyn FnMut(Line),
    ) {
        match begun {
            Ok(bootstrap) => self.tell_start(bootstrap, print),
            Err(stop) => print(about("stopped", endpoint).word("reason", stop)),
        }
    }

    /// Begins a bootstrap without a request.
    fn begin(
        &mut self,
        now: Instant,
        machine: &mut BootstrapServer<Peer>,
        endpoint: &str,
        peer: Peer,
    ) -> Result<BootstrapId, Stop> {
        let rule = self.plans.find(endpoint).ok_or(Stop::NoMore)?;
        let plan = begin(&rule, endpoint)?;
        let bootstrap = machine.begin(now, endpoint, peer, Channel::Udp, &plan);
        let bootstrap = bootstrap.map_err(Stop::Start)?;
        self.under_way
            .insert(bootstrap, UnderWay::new(endpoint.into(), rule));
        Ok(bootstrap)
    }
}

/// What a client is told first.
fn begin(rule: &Rule, endpoint: &str) -> Result<Plan, Stop> {
    rule.first(endpoint).map_err(Stop::Plan)
}

/// Whether this is the client that these keys reach: it may have begun a session itself meanwhile, and another one may be
/// at its address. A certificate was compared in the session, and names the client.
fn proves(identity: &ProvenIdentity, keys: &ClientCredentials) -> bool {
    match (identity, keys) {
        (ProvenIdentity::Psk(proven), ClientCredentials::PreSharedKey { identity, .. }) => {
            proven == identity
        }
        (
            ProvenIdentity::RawPublicKey(proven),
            ClientCredentials::RawPublicKey {
                server_public_key, ..
            },
        ) => proven == server_public_key,
        (ProvenIdentity::Certificate(names), ClientCredentials::Certificate { host, .. }) => {
            names.contains(host)
        }
        _ => false,
    }
}

/// A line about a client.
fn about(kind: &'static str, endpoint: &str) -> Line {
    Line::new(kind).field("endpoint", endpoint, shown(endpoint))
}

/// How a bootstrap ended.
fn ended(endpoint: &str, outcome: Result<(), BootstrapFailure>, may_have_finished: bool) -> Line {
    match outcome {
        Ok(()) => about("finished", endpoint),
        Err(failure) => {
            let line = about("failed", endpoint).word("reason", failure);
            line.hidden("may_have_finished", may_have_finished)
        }
    }
}

/// A request that the machine has refused.
fn refused(refusal: &Refusal<Peer>) -> Line {
    let name = refusal.endpoint_name.as_deref().unwrap_or_default();
    let from = format_args!("from {}:", refusal.peer);
    Line::new("refused")
        .field("endpoint", name, shown(name))
        .field("peer", refusal.peer.to_string(), from)
        .hidden("code", refusal.code().to_string())
        .word("reason", refusal.reason)
}

/// What the machine has done.
fn counted(stats: BootstrapServerStats) -> Line {
    let counts = [
        ("requested", stats.requested),
        ("refused", stats.refused),
        ("overloaded", stats.overloaded),
        ("begun", stats.begun),
        ("commands", stats.commands),
        ("finished", stats.finished),
        ("failed", stats.failed),
    ];
    counts
        .into_iter()
        .fold(Line::new("stats"), |line, (name, count)| {
            line.field(name, count, format_args!("{name}={count}"))
        })
}

/// What a client has, as links without their attributes but the Short Server ID.
struct Found<'f>(&'f Discovered);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (object, instance, server)) in self.0.instances().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(f, "{blank}/{object}/{instance}")?;
            if let Some(server) = server {
                write!(f, "={server}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
            Self::NoMore => f.write_str("there is no plan for what is next"),
            Self::Connect(error) => error.fmt(f),
            Self::Unreached(error) => error.fmt(f),
            Self::Other => f.write_str("another client is there"),
        }
    }
}
