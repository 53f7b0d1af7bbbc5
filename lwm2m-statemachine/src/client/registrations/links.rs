//! All connections of one account: its own, and one that the other side has begun.

use super::{
    super::{connection::Session, event::ConnectionId},
    late::Late,
    link::{Connection, Link},
};
use crate::{coap::Endpoint, machine::Channel};

/// The connections of an account.
#[derive(Debug)]
pub(super) struct Links {
    /// Those that the Client has asked for.
    pub(super) own: Link,
    begun: Option<Begun>,
    last: LastUp,
    pub(super) late: Late,
}

/// A connection that the other side has begun.
#[derive(Clone, Copy, Debug)]
struct Begun {
    id: ConnectionId,
    channel: Channel,
}

/// The last connections that were up. What has been received on one may come again on the next one over the
/// same channel, if that is the same session, or has none (RFC 7252 §4.5).
#[derive(Debug)]
struct LastUp {
    udp: Option<Connection>,
    sms: Option<Connection>,
}

impl Links {
    pub(super) const NONE: Self = Self {
        own: Link::None,
        begun: None,
        last: LastUp {
            udp: None,
            sms: None,
        },
        late: Late::NONE,
    };

    /// The connection that the Client has asked for: the one that is up, if another one is asked for.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.own.all().next().map(|connection| connection.id)
    }

    /// The connection that the other side has begun.
    pub(super) fn inbound(&self) -> Option<ConnectionId> {
        self.begun.map(|begun| begun.id)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = ConnectionId> + use<> {
        let own = self.own.all().map(|connection| connection.id);
        own.chain(self.inbound())
    }

    pub(super) fn has(&self, connection: ConnectionId) -> bool {
        self.all().any(|known| known == connection)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    pub(super) fn is_up(&self, connection: ConnectionId) -> bool {
        self.own.is_up(connection) || self.inbound() == Some(connection)
    }

    /// The channel of one of them.
    pub(super) fn channel(&self, connection: ConnectionId) -> Option<Channel> {
        let begun = self.begun.map(|begun| (begun.id, begun.channel));
        let mut all = self.own.all().map(|own| (own.id, own.channel)).chain(begun);
        all.find_map(|(id, channel)| (id == connection).then_some(channel))
    }

    /// The one on which short messages of the server are taken, if there is one.
    pub(super) fn sms(&self) -> Option<ConnectionId> {
        let mut up = self.own.all_up();
        let up = up.find(|up| up.channel == Channel::Sms);
        up.map(|up| up.id).or(self.inbound())
    }

    /// The other side has begun one.
    pub(super) fn take_inbound(&mut self, id: ConnectionId, channel: Channel) {
        self.begun = Some(Begun { id, channel });
    }

    /// The one that the other side has begun is over. Returns it.
    pub(super) fn end_inbound(&mut self) -> Option<ConnectionId> {
        self.begun.take().map(|begun| begun.id)
    }

    /// One is up. A copy of a request that was received on the last one over its channel isn't run again
    /// (RFC 7252 §4.5). In a new DTLS session there are none.
    pub(super) fn continue_last(
        &mut self,
        endpoint: &mut Endpoint<ConnectionId>,
        connection: Connection,
        session: Session,
    ) {
        let last = match connection.channel {
            Channel::Udp => &mut self.last.udp,
            Channel::Sms => &mut self.last.sms,
        };
        if let Some(last) = last.replace(connection)
            && last.access == connection.access
            && (session == Session::Resumed || connection.is_open())
        {
            endpoint.rename_peer(&last.id, connection.id);
        }
    }
}
