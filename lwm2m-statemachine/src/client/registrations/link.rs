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
    /// One is up over another channel than that of the registration, and a Register goes over it. Until that
    /// is accepted, the registration goes on where it was, if that is still up.
    Joining {
        from: Option<Connection>,
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
    /// That of the registration, while a Register goes over another one.
    Left,
    /// The one over which a Register goes, while the registration stands over another channel.
    Joining,
}

impl Connection {
    /// Whether the channel has no security.
    pub(super) const fn is_open(&self) -> bool {
        self.access.is_open_over(self.channel)
    }
}

impl Link {
    /// The connection that is up; that of the registration, if a Register goes over another one.
    pub(super) const fn up(&self) -> Option<Connection> {
        match self {
            Self::Up(connection)
            | Self::Moving {
                from: connection, ..
            } => Some(*connection),
            Self::Joining { from, .. } => *from,
            Self::None | Self::Asked(_) => None,
        }
    }

    /// The connection over which a Register goes, while the registration stands over another channel.
    pub(super) const fn joining(&self) -> Option<Connection> {
        match self {
            Self::Joining { to, .. } => Some(*to),
            _ => None,
        }
    }

    /// The connections that are up, the newer one first.
    pub(super) fn all_up(&self) -> impl Iterator<Item = Connection> + use<> {
        [self.joining(), self.up()].into_iter().flatten()
    }

    /// The connection that the application is asked for.
    pub(super) const fn asked(&self) -> Option<Connection> {
        match self {
            Self::Asked(connection) | Self::Moving { to: connection, .. } => Some(*connection),
            Self::None | Self::Up(_) | Self::Joining { .. } => None,
        }
    }

    /// Whether this connection is asked for, over another channel than this one.
    pub(super) fn asks_elsewhere(&self, id: ConnectionId, channel: Channel) -> bool {
        let asked = self.asked().filter(|asked| asked.id == id);
        asked.is_some_and(|asked| asked.channel != channel)
    }

    /// Whether this connection is up.
    pub(super) fn is_up(&self, id: ConnectionId) -> bool {
        self.all_up().any(|up| up.id == id)
    }

    /// All its connections.
    pub(super) fn all(&self) -> impl Iterator<Item = Connection> + use<> {
        let all = [self.up(), self.asked(), self.joining()];
        all.into_iter().flatten()
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
            Self::Joining { from, to } if to.id == id => (Self::of(from), Lost::Joining),
            Self::Joining {
                from: Some(from),
                to,
            } if from.id == id => (Self::Joining { from: None, to }, Lost::Left),
            Self::Asked(own) | Self::Up(own) if own.id == id => (Self::None, Lost::Used),
            other => (other, Lost::Nothing),
        };
        *self = next;
        lost
    }

    /// The one of the registration stays alone. Returns the one that was asked for or joined beside it.
    pub(super) const fn stay(&mut self) -> Option<Connection> {
        let (from, to) = match *self {
            Self::Moving { from, to } => (Some(from), to),
            Self::Joining { from, to } => (from, to),
            _ => return None,
        };
        *self = Self::of(from);
        Some(to)
    }

    /// The registration is over the new one, or there is none. Returns the one that it was over.
    pub(super) const fn join(&mut self) -> Option<Connection> {
        match *self {
            Self::Joining { from, to } => {
                *self = Self::Up(to);
                from
            }
            _ => None,
        }
    }

    const fn of(up: Option<Connection>) -> Self {
        match up {
            Some(up) => Self::Up(up),
            None => Self::None,
        }
    }
}
