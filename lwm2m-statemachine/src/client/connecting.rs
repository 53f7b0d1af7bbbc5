//! The application makes connections, and tells what becomes of them.

use lwm2m_core::Instant;

use super::{
    bootstrap::Bootstrap,
    calls::Client,
    connection::{Inbound, InboundRefusal, Session},
    downloads::Downloads,
    event::ConnectionId,
    registrations::Registrations,
};

impl Client {
    /// The connection that [`ClientEvent::Connect`](super::ClientEvent::Connect) asked for is up, as a new one or as the
    /// continuation of the last. A name that isn't waited for is ignored.
    pub fn connected(&mut self, now: Instant, connection: ConnectionId, session: Session) {
        if self.parts.download(now, |downloads, context| {
            downloads.connected(context, connection)
        }) {
            return;
        }
        if self.parts.bootstrap(now, |bootstrap, context| {
            bootstrap.connected(context, connection)
        }) {
            return;
        }
        self.parts.register(now, |registrations, context| {
            registrations.connected(context, connection, session);
        });
    }

    /// The address that the server sees has changed, and the connection goes on. Without security the
    /// Client registers anew (TS 8.2.4), else it sends an Update.
    pub fn address_changed(&mut self, now: Instant, connection: ConnectionId) {
        self.parts.register(now, |registrations, context| {
            registrations.address_changed(context, connection);
        });
    }

    /// A connection is lost, or could not be made. The registration and the observations live on. The
    /// Client asks for a connection again, later with each failure in a row.
    pub fn disconnected(&mut self, now: Instant, connection: ConnectionId) {
        if self.parts.download(now, |downloads, context| {
            downloads.disconnected(context, connection)
        }) {
            return self.parts.drain(now);
        }
        if self.parts.bootstrap(now, |bootstrap, context| {
            bootstrap.disconnected(context, connection)
        }) {
            return self.parts.forget(now, connection);
        }
        if self.parts.registrations.account_on(connection).is_some() {
            self.parts.register(now, |registrations, context| {
                registrations.disconnected(context, connection);
            });
            self.parts.forget(now, connection);
        }
    }

    /// Another side has begun a connection. If the Client takes it, pass in its datagrams with the name
    /// that is returned; [`ClientEvent::Disconnect`](super::ClientEvent::Disconnect) tells that it is no longer needed.
    /// Further short messages of a server come on the same connection, whether or not you ask again.
    ///
    /// # Errors
    ///
    /// [`InboundRefusal`]: answer nothing to the other side.
    pub fn inbound(
        &mut self,
        now: Instant,
        from: Inbound<'_>,
    ) -> Result<ConnectionId, InboundRefusal> {
        let mut taken = Err(InboundRefusal::Unknown);
        match from {
            Inbound::Account(account) => {
                taken = self.parts.bootstrap(now, |bootstrap, context| {
                    bootstrap.inbound(context, account)
                });
            }
            Inbound::Sms { number } => self.parts.register(now, |registrations, context| {
                taken = registrations.inbound(context, number);
            }),
        }
        taken
    }

    /// There is no network for a while: the Client asks for no connection, sends nothing and ignores
    /// every datagram. Registrations live on until their lifetime is over, and so do observations.
    /// Connections to servers are kept; one that is lost meanwhile is told by
    /// [`disconnected`](Self::disconnected). Those of downloads end.
    pub fn go_offline(&mut self, now: Instant) {
        self.parts.bootstrap(now, Bootstrap::go_offline);
        self.parts.register(now, Registrations::go_offline);
        self.parts.download(now, Downloads::go_offline);
        self.parts.drain(now);
    }

    /// There is a network again. Each server with a registration hears an Update, before any
    /// notification (TS 8.3).
    pub fn go_online(&mut self, now: Instant) {
        self.parts.register(now, Registrations::go_online);
        self.parts.bootstrap(now, Bootstrap::go_online);
        self.parts.download(now, Downloads::go_online);
    }
}
