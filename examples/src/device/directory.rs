//! What the device remembers of its accounts: whom it calls how, and how far each registration is.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{Attributes, Path, ShortServerId};
use lwm2m_objects::typed;
use lwm2m_statemachine::client::{
    AccountId, AccountRole, Client, ConnectionId, DeferredId, DeferredOperation,
};
use serde_json::Value as Json;

use super::line::Line;

/// The accounts of the device.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The roles, also of accounts that are gone: events still name them.
    roles: BTreeMap<AccountId, AccountRole>,
    /// Whose connections there are.
    connections: BTreeMap<ConnectionId, AccountId>,
    /// Where the registrations are.
    locations: BTreeMap<AccountId, String>,
    /// The requests that wait for a command, by the number that they are shown with.
    requests: BTreeMap<u64, Waiting>,
    /// How many requests there have been.
    asked: u64,
    /// The accounts whose link is cut by a command, and the connection that the Client has asked
    /// for meanwhile.
    cut: BTreeMap<AccountId, Option<WantedConnection>>,
    /// The accounts that had a connection over the device's socket: the next one over it is the same
    /// channel.
    reached: BTreeSet<AccountId>,
}

/// The socket of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    /// That of the device.
    OfDevice,
    /// One for this connection alone.
    OfServer,
}

/// A connection that the Client has asked for.
#[derive(Clone, Debug)]
pub(super) struct WantedConnection {
    pub(super) connection: ConnectionId,
    pub(super) uri: String,
    pub(super) security: typed::Security,
}

/// A request of a server that waits for a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) request: DeferredId,
    pub(super) operation: DeferredOperation,
    pub(super) path: Path,
}

impl Directory {
    /// Learns which accounts there are.
    pub(super) fn learn(&mut self, client: &Client) {
        for account in client.accounts() {
            self.roles.insert(account.id, account.role);
        }
    }

    /// Adds to a line which account it is about.
    pub(super) fn about(&self, line: Line, account: AccountId) -> Line {
        let line = match self.roles.get(&account) {
            Some(AccountRole::Server(server)) => line.field("server", server.get(), server),
            Some(AccountRole::BootstrapServer) => line.word("server", "bootstrap"),
            _ => line.field("server", Json::Null, "?"),
        };
        line.hidden("account", account.instance().get())
    }

    /// The attributes that the server of an account has written at a path.
    pub(super) fn attributes(&self, client: &Client, account: AccountId, at: Path) -> Attributes {
        let Some(AccountRole::Server(server)) = self.roles.get(&account) else {
            return Attributes::NONE;
        };
        let mut written = client.reporting().attributes(*server);
        let found = written.find(|(path, _)| *path == at);
        found.map_or(Attributes::NONE, |(_, attributes)| attributes)
    }

    /// A connection is made for an account.
    pub(super) fn connecting(&mut self, connection: ConnectionId, account: AccountId) {
        self.connections.insert(connection, account);
    }

    /// The account that had this connection.
    pub(super) fn account_of(&self, connection: ConnectionId) -> Option<AccountId> {
        self.connections.get(&connection).copied()
    }

    /// A connection is closed.
    pub(super) fn disconnected(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// The registration of an account is at this location now.
    pub(super) fn registered(&mut self, account: AccountId, location: &str) {
        self.locations.insert(account, location.to_owned());
    }

    /// The registration of an account has ended.
    pub(super) fn ended(&mut self, account: AccountId) {
        self.locations.remove(&account);
    }

    /// The location of a registration that stands.
    pub(super) fn location(&self, account: AccountId) -> Option<&str> {
        self.locations.get(&account).map(String::as_str)
    }

    /// The locations of the registrations that stand.
    pub(super) fn locations(&self) -> impl Iterator<Item = (AccountId, &str)> {
        let locations = self.locations.iter();
        locations.map(|(account, location)| (*account, &**location))
    }

    /// A request waits for a command from now on.
    pub(super) fn asked(&mut self, waiting: Waiting) {
        self.asked += 1;
        self.requests.insert(self.asked, waiting);
    }

    /// The number of a request that waits.
    pub(super) fn number(&self, request: DeferredId) -> Option<u64> {
        let mut requests = self.requests.iter();
        let found = requests.find(|(_, waiting)| waiting.request == request);
        found.map(|(number, _)| *number)
    }

    /// The request with this number.
    pub(super) fn waiting(&self, number: u64) -> Option<Waiting> {
        self.requests.get(&number).copied()
    }

    /// The request with this number waits no longer.
    pub(super) fn answered(&mut self, number: u64) {
        self.requests.remove(&number);
    }

    /// The link to an account is cut from now on.
    pub(super) fn cut(&mut self, account: AccountId) -> bool {
        if self.cut.contains_key(&account) {
            return false;
        }
        self.cut.insert(account, None);
        true
    }

    /// Keeps the connection that the Client asks for, if the link to this account is cut.
    pub(super) fn keep(&mut self, account: AccountId, asked: &WantedConnection) -> bool {
        let kept = self.cut.get_mut(&account);
        kept.map(|kept| *kept = Some(asked.clone())).is_some()
    }

    /// The link to an account is there again. Returns the connection to make, if the Client has
    /// asked for one.
    pub(super) fn mend(&mut self, account: AccountId) -> Option<WantedConnection> {
        self.cut.remove(&account).flatten()
    }

    /// Whether the link to an account is cut.
    pub(super) fn is_cut(&self, account: AccountId) -> bool {
        self.cut.contains_key(&account)
    }

    /// Whether a connection over this socket is the channel that the account had before.
    pub(super) fn meets_again(&mut self, account: AccountId, socket: Socket) -> bool {
        match socket {
            Socket::OfDevice => !self.reached.insert(account),
            Socket::OfServer => {
                self.reached.remove(&account);
                false
            }
        }
    }

    /// An account had a connection over the device's socket before it was switched off.
    pub(super) fn has_reached(&mut self, account: AccountId) {
        self.reached.insert(account);
    }

    /// The accounts that had a connection over the device's socket.
    pub(super) fn reached(&self) -> impl Iterator<Item = AccountId> {
        self.reached.iter().copied()
    }

    /// The accounts that a command is about: that of a server, or all.
    pub(super) fn chosen(
        client: &Client,
        server: Option<ShortServerId>,
    ) -> Result<Vec<AccountId>, String> {
        match server {
            Some(server) => client
                .accounts()
                .find(|account| account.role == AccountRole::Server(server))
                .map(|account| vec![account.id])
                .ok_or_else(|| {
                    format!("expected the Short Server ID of an account, found {server}")
                }),
            None => Ok(client.accounts().map(|account| account.id).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_core::InstanceId;

    use super::*;

    #[test]
    fn a_connection_continues_the_one_before_over_the_socket_of_the_device_alone() {
        let mut directory = Directory::default();
        let account = AccountId::new(InstanceId::ZERO);
        for (socket, again) in [
            (Socket::OfDevice, false),
            (Socket::OfDevice, true),
            (Socket::OfServer, false),
            (Socket::OfServer, false),
            (Socket::OfDevice, false),
        ] {
            assert_eq!(directory.meets_again(account, socket), again);
        }
    }
}
