//! The connection to a server, over UDP or over SMS (TS 5.3.1.1).

use super::super::{accounts::Access, event::ConnectionId};
use crate::machine::Channel;

/// A connection, the channel that it is on, and what it is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) channel: Channel,
    pub(super) access: Access,
}

/// The connection to the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link {
    None,
    /// The application is asked for it.
    Asked(Connection),
    Up(Connection),
    /// One is up, and the application is asked for one over the channel of the binding. Until that is
    /// up, what is there goes on.
    Moving {
        from: Connection,
        to: Connection,
    },
}

/// What becomes of a link without a connection that was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It was none of its own.
    Nothing,
    /// The one that was asked for, while another one is up.
    Asked,
    /// The only one, or the one that was up.
    Used,
}

impl Connection {
    /// Whether the channel has no security.
    pub(super) const fn is_open(&self) -> bool {
        self.access.is_open_over(self.channel)
    }
}

impl Link {
    /// The connection that is up.
    pub(super) const fn up(&self) -> Option<Connection> {
        match self {
            Self::Up(connection)
            | Self::Moving {
                from: connection, ..
            } => Some(*connection),
            Self::None | Self::Asked(_) => None,
        }
    }

    /// The connection that the application is asked for.
    pub(super) const fn asked(&self) -> Option<Connection> {
        match self {
            Self::Asked(connection) | Self::Moving { to: connection, .. } => Some(*connection),
            Self::None | Self::Up(_) => None,
        }
    }

    /// Whether this connection is asked for, over another channel than this one.
    pub(super) fn asks_elsewhere(&self, id: ConnectionId, channel: Channel) -> bool {
        let asked = self.asked().filter(|asked| asked.id == id);
        asked.is_some_and(|asked| asked.channel != channel)
    }

    /// Whether this connection is up.
    pub(super) fn is_up(&self, id: ConnectionId) -> bool {
        self.up().is_some_and(|up| up.id == id)
    }

    /// All its connections.
    pub(super) fn all(&self) -> impl Iterator<Item = Connection> + use<> {
        [self.up(), self.asked()].into_iter().flatten()
    }

    /// A connection is asked for.
    pub(super) const fn ask(&mut self, to: Connection) {
        *self = match self.up() {
            Some(from) => Self::Moving { from, to },
            None => Self::Asked(to),
        };
    }

    /// The connection that is asked for is up. Returns it, and the one that it replaces.
    pub(super) fn connected(
        &mut self,
        id: ConnectionId,
    ) -> Option<(Connection, Option<Connection>)> {
        let asked = self.asked().filter(|asked| asked.id == id)?;
        let replaced = self.up();
        *self = Self::Up(asked);
        Some((asked, replaced))
    }

    /// A connection is lost.
    pub(super) fn lose(&mut self, id: ConnectionId) -> Lost {
        let (next, lost) = match *self {
            Self::Moving { from, to } if to.id == id => (Self::Up(from), Lost::Asked),
            Self::Moving { from, to } if from.id == id => (Self::Asked(to), Lost::Used),
            Self::Asked(own) | Self::Up(own) if own.id == id => (Self::None, Lost::Used),
            other => (other, Lost::Nothing),
        };
        *self = next;
        lost
    }

    /// The one that is up stays alone. Returns the one that was asked for beside it.
    pub(super) const fn stay(&mut self) -> Option<Connection> {
        match *self {
            Self::Moving { from, to } => {
                *self = Self::Up(from);
                Some(to)
            }
            _ => None,
        }
    }
}
