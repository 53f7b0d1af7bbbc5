//! The bootstrap-server of the demo: it tells the device of both servers, and who may do what.

use core::{net::SocketAddr, time::Duration};
use std::io;

use lwm2m_core::{AccessRights, InstanceId, ObjectId, Path, ShortServerId};
use lwm2m_examples::{
    driver::{Clock, Driver, Names},
    scribe::Scribe,
    seed,
};
use lwm2m_objects::typed::{self, AccessControl, AclTarget};
use lwm2m_statemachine::bootstrap_server::{
    BootstrapId, BootstrapServer, BootstrapServerConfig, BootstrapServerEvent, Discovered, Plan,
    plans::{self, Account, BootstrapAccount},
};

use crate::stage::{LIFETIME, ROOM_OF_102, SERVERS};

/// The entry of an ACL for the servers that have none of their own.
const DEFAULT: u16 = 0;

/// A bootstrap-server on its socket.
pub(crate) struct Bootstrapper {
    driver: Driver<BootstrapServer<SocketAddr>>,
    /// The servers that it tells of.
    servers: [(ShortServerId, SocketAddr); 2],
    /// How the bootstrap of the device has ended.
    ended: Option<Result<String, String>>,
    /// What the device has.
    found: Discovered,
}

impl Bootstrapper {
    pub(crate) fn new(
        address: SocketAddr,
        clock: Clock,
        scribe: &Scribe,
        servers: [(ShortServerId, SocketAddr); 2],
    ) -> io::Result<Self> {
        let machine = BootstrapServer::new(BootstrapServerConfig::new(seed::fresh()?));
        let driver = Driver::bind(address, clock, machine, Names::direct())?;
        Ok(Self {
            driver: driver.with_tap(Some(scribe.tap(false))),
            servers,
            ended: None,
            found: Discovered::default(),
        })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.driver.address()
    }

    /// Drives it for a moment.
    pub(crate) fn turn(&mut self, moment: Duration) -> io::Result<()> {
        self.driver.wait(moment)?;
        while let Some(event) = self.driver.next_event()? {
            if let Err(error) = self.follow(event) {
                self.ended = Some(Err(error));
            }
        }
        Ok(())
    }

    /// How the bootstrap has ended, if it has.
    pub(crate) fn take_end(&mut self) -> Option<Result<String, String>> {
        self.ended.take()
    }

    fn follow(&mut self, event: BootstrapServerEvent<SocketAddr>) -> Result<(), String> {
        let now = self.driver.now();
        let machine = &mut self.driver.machine;
        match event {
            // What the device has decides about the rest of the plan.
            BootstrapServerEvent::Requested { bootstrap, .. } => {
                let plan = Plan::new().discover(Path::Root);
                let started = machine.start(now, bootstrap, &plan);
                started.map_err(|error| error.to_string())
            }
            BootstrapServerEvent::Discovered { found, .. } => {
                self.found = found;
                Ok(())
            }
            BootstrapServerEvent::Ended {
                endpoint_name,
                outcome,
                ..
            } => {
                let found = self.found.instances().count();
                let told =
                    format!("{endpoint_name} has {found} Object Instances, and now two servers");
                let ended = outcome.map(|()| told);
                self.ended = Some(ended.map_err(|failure| failure.to_string()));
                Ok(())
            }
            BootstrapServerEvent::Paused { bootstrap, .. } => self.go_on(bootstrap),
            event => Err(format!("{event:?}")),
        }
    }

    fn go_on(&mut self, bootstrap: BootstrapId) -> Result<(), String> {
        let plan = self.plan()?;
        let now = self.driver.now();
        let resumed = self.driver.machine.resume(now, bootstrap, &plan);
        resumed.map_err(|error| error.to_string())
    }

    /// Both servers, and the rights on all that the device has.
    fn plan(&self) -> Result<Plan, String> {
        let found = &self.found;
        let own = found.bootstrap_account().ok_or("no account of its own")?;
        let accounts = self.servers.map(|(id, address)| Account {
            security: typed::Security::no_sec(format!("coap://{address}"), id),
            server: typed::Server {
                default_minimum_period: Some(0),
                default_maximum_period: Some(6000),
                ..typed::Server::new(id, LIFETIME)
            },
        });
        let ids = (0..).filter_map(InstanceId::new);
        let of_accounts = ids.zip(SERVERS).map(|(instance, owner)| {
            // An account is for its server alone.
            AccessControl::on_instance(ObjectId::SERVER, instance, owner)
        });
        let others = found.instances().filter(|(object, ..)| {
            ![
                ObjectId::SECURITY,
                ObjectId::SERVER,
                ObjectId::ACCESS_CONTROL,
            ]
            .contains(object)
        });
        let others = others.map(|(object, instance, _)| {
            let path = Path::Instance(object, instance);
            let owner = if path == ROOM_OF_102 {
                SERVERS[1]
            } else {
                SERVERS[0]
            };
            AccessControl {
                target: AclTarget::Instance(object, instance),
                acl: vec![(DEFAULT, AccessRights::READ)],
                owner: owner.get(),
            }
        });
        let creators = ROOM_OF_102
            .object()
            .map(|rooms| AccessControl::on_object(rooms).with(SERVERS[0], AccessRights::CREATE));
        let access = of_accounts.chain(others).chain(creators);
        let keep = BootstrapAccount::Keep(own);
        plans::several_servers(keep, accounts, access).map_err(|error| error.to_string())
    }
}
