//! The applications of the three.

use std::collections::BTreeMap;

use lwm2m_core::Instant;
use lwm2m_objects::Snapshot;
use lwm2m_simulation::{Address, Application};
use lwm2m_statemachine::{
    BootstrapServer, BootstrapServerEvent, Client, ClientEvent, ConnectionId, Server, ServerEvent,
    Session,
    bootstrap_server::{BootstrapFailure, Plan},
};

/// The Bootstrap-Server gives every client the same plan.
pub(super) struct Station {
    plan: Plan,
    pub(super) outcomes: Vec<Result<(), BootstrapFailure>>,
}

impl Station {
    pub(super) const fn new(plan: Plan) -> Self {
        Self {
            plan,
            outcomes: Vec::new(),
        }
    }
}

impl Application for Station {
    type Machine = BootstrapServer<Address>;

    fn handle_event(
        &mut self,
        now: Instant,
        server: &mut BootstrapServer<Address>,
        event: BootstrapServerEvent<Address>,
    ) {
        match event {
            BootstrapServerEvent::Requested { bootstrap, .. } => {
                server.start(now, bootstrap, self.plan.clone()).unwrap();
            }
            // After a power cut the client may take what is late of an earlier bootstrap for commands of the new
            // one: without security nothing tells them apart. It asks again.
            BootstrapServerEvent::Paused { bootstrap, .. } => {
                server.abort(now, bootstrap);
            }
            BootstrapServerEvent::Ended { outcome, .. } => self.outcomes.push(outcome),
            _ => {}
        }
    }

    fn peer(&mut self, address: Address) -> Option<Address> {
        Some(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        Some(*peer)
    }
}

/// The server takes everybody.
pub(super) struct Platform;

impl Application for Platform {
    type Machine = Server<Address>;

    fn handle_event(&mut self, _: Instant, _: &mut Server<Address>, _: ServerEvent<Address>) {}

    fn peer(&mut self, address: Address) -> Option<Address> {
        Some(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        Some(*peer)
    }
}

/// The device.
pub(super) struct Device {
    /// Where `bootstrap` and `server` are.
    at: [Address; 2],
    /// The connection to each that is up.
    up: [Option<ConnectionId>; 2],
    /// Where each connection leads to that there has been.
    leads_to: BTreeMap<ConnectionId, Address>,
    before: Snapshot,
    after: Option<Snapshot>,
    /// How many bootstraps have succeeded and failed.
    pub(super) finished: u64,
    pub(super) failed: u64,
}

impl Device {
    pub(super) const fn new(at: [Address; 2], before: Snapshot, after: Option<Snapshot>) -> Self {
        Self {
            at,
            up: [None; 2],
            leads_to: BTreeMap::new(),
            before,
            after,
            finished: 0,
            failed: 0,
        }
    }

    /// The same after a power cut.
    pub(super) fn rebooted(&self) -> Self {
        Self {
            finished: self.finished,
            failed: self.failed,
            ..Self::new(self.at, self.before.clone(), self.after.clone())
        }
    }

    /// The connection to the Bootstrap-Server is lost.
    pub(super) fn lose_bootstrap(&mut self, now: Instant, client: &mut Client) {
        if let Some(connection) = self.up[0].take() {
            client.disconnected(now, connection);
        }
    }
}

impl Application for Device {
    type Machine = Client;

    fn handle_event(&mut self, now: Instant, client: &mut Client, event: ClientEvent) {
        match event {
            ClientEvent::Connect {
                connection, uri, ..
            } => {
                let which = match &*uri {
                    "coap://bootstrap" => 0,
                    "coap://server" => 1,
                    uri => panic!("{uri}"),
                };
                self.up[which] = Some(connection);
                self.leads_to.insert(connection, self.at[which]);
                client.connected(now, connection, Session::New);
            }
            ClientEvent::Disconnect { connection } => {
                for up in &mut self.up {
                    up.take_if(|up| *up == connection);
                }
            }
            ClientEvent::BootstrapFinished { .. } => self.finished += 1,
            ClientEvent::BootstrapFailed { .. } => self.failed += 1,
            _ => {}
        }
    }

    fn peer(&mut self, address: Address) -> Option<ConnectionId> {
        let which = self.at.iter().position(|at| *at == address)?;
        self.up[which]
    }

    fn address(&self, connection: &ConnectionId) -> Option<Address> {
        self.leads_to.get(connection).copied()
    }

    /// What would be saved is what was before, or all of what is planned.
    fn check(&self, _: Instant, client: &Client) {
        if let Some(after) = &self.after {
            let saved = client.tree().snapshot();
            assert!(saved == self.before || saved == *after, "half a bootstrap");
        }
    }
}
