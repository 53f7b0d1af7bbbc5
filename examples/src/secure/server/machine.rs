//! What is asked of a machine above the sessions of a server.

use lwm2m_core::Instant;
use lwm2m_statemachine::{
    BootstrapServer, Machine, Peer, Server, ServerEvent, coap::DatagramError,
};

use super::peers::SecurePeer;

/// A machine whose clients come in sessions: the LwM2M Server, and the Bootstrap-Server.
pub trait ServerMachine<A>: Machine<Peer = SecurePeer<A>, DatagramError = DatagramError> {
    /// The session of a peer has ended.
    fn peer_gone(&mut self, now: Instant, peer: &SecurePeer<A>);

    /// Does what follows for sessions from an event, before the application hears of it. Returns the peer
    /// whose session nobody uses any more.
    fn follow(&mut self, now: Instant, event: &Self::Event) -> Option<SecurePeer<A>> {
        let _ = (now, event);
        None
    }
}

impl<A: Peer> ServerMachine<A> for Server<SecurePeer<A>> {
    fn peer_gone(&mut self, now: Instant, peer: &SecurePeer<A>) {
        self.peer_gone(now, peer);
    }

    /// When a client changes from one session to another, the older one is over, unless another client is
    /// reached in it. A client that was led back to such a session isn't reached in it.
    fn follow(
        &mut self,
        now: Instant,
        event: &ServerEvent<SecurePeer<A>>,
    ) -> Option<SecurePeer<A>> {
        let ServerEvent::PeerLeft { registration, peer } = event else {
            return None;
        };
        let reached = self.registration(*registration)?.peer();
        let ((over, left), (other, number)) = (peer.session()?, reached.session()?);
        if over != other {
            return None;
        }
        let is_led_back = number < left;
        let older = if is_led_back { reached } else { peer };
        if !self.is_reached_by_others(older, *registration) {
            return Some(older.clone());
        }
        if is_led_back {
            self.client_gone(now, *registration);
        }
        None
    }
}

impl<A: Peer> ServerMachine<A> for BootstrapServer<SecurePeer<A>> {
    fn peer_gone(&mut self, now: Instant, peer: &SecurePeer<A>) {
        self.peer_gone(now, peer);
    }
}
