//! The link follows the binding from one channel to the other (TS 5.3.1.1).
//!
//! A server hears of a new binding by an Update over the channel in use (TS 5.3.2). Once it has accepted
//! that, the application is asked for a connection over the new channel. Until this one is up, what is there
//! goes on, so nothing is lost if it can't be had. If it goes on with a session, an Update follows on it, and the
//! old connection ends. Else a Register does, and the old registration with its connection ends when that is
//! accepted:
//!
//! ```text
//!                        Update ─> Up { to }
//! Moving ─ to is up ─<
//!                        Register ─> Joining ─ 2.01 ─> Up { to }
//!                                            └ else ─> Up { from }, an Update there, and later Moving again
//! ```

use core::time::Duration;

use lwm2m_objects::{Typed as _, typed::Server};

use super::{
    super::{connection::Session, retry::Attempts},
    lease::Lease,
    link::{Connection, Link},
    parameters::channel_of,
    registration::Registration,
    step::{Outcome, Step},
};
use crate::machine::Channel;

impl Registration {
    /// Brings the link to the channel that the binding says, and returns that. With a registration, that is
    /// the one that the server has accepted; without one it is the one of the Server Object Instance.
    pub(super) fn follow_binding(&mut self, step: &mut Step<'_>) -> Channel {
        let channel = self.channel_of_binding(step);
        match (self.links.own, &mut self.lease) {
            (Link::Moving { from, .. }, _) if from.channel == channel => self.stay(step),
            (Link::Joining { to, .. }, _) if to.channel != channel && self.exchange.is_none() => {
                self.stay(step);
            }
            // What was there is over, so there is nothing to go on with.
            (Link::Moving { from, to }, None) => {
                self.links.own = Link::Asked(to);
                step.outcomes.push(Outcome::Disconnect(from.id));
            }
            // The registration goes on over its own channel.
            (Link::Asked(asked), Some(lease)) if asked.channel == lease.channel => {}
            (Link::Asked(asked), _) if asked.channel != channel => self.close(step),
            (Link::Up(up), Some(lease)) => {
                if up.channel == channel {
                    lease.moves = Attempts::default();
                } else if !lease.moves.waits(step.now)
                    && !step.tree.is_holding()
                    && step.card.allows_connection(&self.account, step.now)
                {
                    step.outcomes.push(Outcome::Connect(channel));
                }
            }
            (Link::Up(up), None) if up.channel != channel && self.exchange.is_none() => {
                self.close(step);
            }
            _ => {}
        }
        channel
    }

    /// The channel that the binding says. A device without a number can't be reached over SMS, nor can a
    /// server; then it is UDP (TS 5.3.1.1).
    fn channel_of_binding(&self, step: &Step<'_>) -> Channel {
        let channel = if let Some(lease) = &self.lease {
            lease.known.channel()
        } else {
            let instance = self.account.server_instance;
            let server = instance.and_then(|instance| Server::load(step.tree.settled(), instance));
            server.map_or(Channel::Udp, |server| channel_of(server.binding))
        };
        let can_reach = |channel| {
            let access = self.account.access.as_ref();
            access.is_some_and(|access| access.has(channel)) && step.identity.sms.is_some()
        };
        match channel {
            Channel::Sms if can_reach(channel) => Channel::Sms,
            _ => Channel::Udp,
        }
    }

    /// The channel of a connection where none is up and the binding says this one. A registration that can't
    /// have it now goes on where it is.
    pub(super) fn way(&self, step: &Step<'_>, channel: Channel) -> Channel {
        let stays = |lease: &&Lease| {
            let next = lease.moves.next();
            step.tree.is_holding() || next.is_some_and(|next| next > step.now)
        };
        let lease = self.lease.as_ref().filter(stays);
        lease.map_or(channel, |lease| lease.channel)
    }

    /// Whether a connection that replaces another one would end the registration while a bootstrap is under
    /// way. No Register is sent then, so the old one goes on, and the link moves after the bootstrap.
    pub(super) fn is_too_early(
        &self,
        step: &Step<'_>,
        connection: Connection,
        session: Session,
    ) -> bool {
        let goes_on = session == Session::Resumed && self.goes_on_over(connection);
        step.tree.is_holding() && self.lease.is_some() && !goes_on
    }

    /// The connection over the other channel could not be made: it is asked for later.
    pub(super) fn not_moved(&mut self, step: &mut Step<'_>) {
        if let Some(lease) = &mut self.lease {
            let (now, is_refused) = (step.now, false);
            lease
                .moves
                .fail(now, step.retry, is_refused, Duration::ZERO);
        }
    }

    /// The connection over the other channel is no longer wanted.
    pub(super) fn stay(&mut self, step: &mut Step<'_>) {
        let asked = self.links.own.stay();
        let asked = asked.map(|asked| Outcome::Disconnect(asked.id));
        step.outcomes.extend(asked);
    }

    /// Whether the registration goes on over a connection that continues a session. Without security a
    /// server knows a device by its address or its number, so nothing goes on from one channel to the other.
    pub(super) fn goes_on_over(&self, connection: Connection) -> bool {
        self.lease.as_ref().is_some_and(|lease| {
            let was_open = connection.access.is_open_over(lease.channel);
            lease.channel == connection.channel || !was_open && !connection.is_open()
        })
    }

    /// All connections that the Client has asked for end.
    pub(super) fn close(&mut self, step: &mut Step<'_>) {
        let all = self.links.own.all();
        self.links.own = Link::None;
        step.outcomes
            .extend(all.map(|connection| Outcome::Disconnect(connection.id)));
    }
}

/// A connection is up, in which the registration doesn't go on. One over another channel stands until the Register is
/// accepted; `from` is its connection, if that is up.
pub(super) fn begin_anew(
    registration: &mut Registration,
    from: Option<Connection>,
    to: Connection,
) {
    let lease = registration.lease.as_ref();
    if lease.is_some_and(|lease| lease.channel != to.channel) {
        registration.links.own = Link::Joining { from, to };
    } else {
        registration.lease = None;
    }
}

/// A registration over the new connection has taken the place of the old one, or that is over: its connection ends.
pub(super) fn joined(registration: &mut Registration, step: &mut Step<'_>) {
    let left = registration.links.own.join();
    step.outcomes
        .extend(left.map(|left| Outcome::Disconnect(left.id)));
}
