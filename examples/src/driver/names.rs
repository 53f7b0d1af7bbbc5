//! Which peer is at which address.

use core::net::SocketAddr;

use lwm2m_statemachine::Peer;

/// Which peer is at which address.
///
/// A server knows its peers by address: [`Names::direct`], or [`Names::by`] if there is more to a
/// name. A client names its connections, and the
/// driver keeps their addresses: [`Names::table`].
#[derive(Clone, Debug)]
pub struct Names<P> {
    /// The known names; there are few.
    table: Vec<(P, SocketAddr)>,
    /// Converts an address to a name, and a name to an address, where the table has none.
    direct: Option<Direct<P>>,
}

/// From an address to a name, and back; `None` for a peer that this socket doesn't reach.
type Direct<P> = (fn(SocketAddr) -> P, fn(&P) -> Option<SocketAddr>);

impl Names<SocketAddr> {
    /// Every address is its own name.
    pub fn direct() -> Self {
        Self {
            table: Vec::new(),
            direct: Some((|address| address, |peer| Some(*peer))),
        }
    }
}

impl<P: Peer> Names<P> {
    /// Names that are [inserted](Self::insert) one by one; datagrams from other addresses are
    /// dropped.
    pub const fn table() -> Self {
        Self {
            table: Vec::new(),
            direct: None,
        }
    }

    /// Names that are made of addresses. `address` has none for a peer of another socket.
    pub fn by(name: fn(SocketAddr) -> P, address: fn(&P) -> Option<SocketAddr>) -> Self {
        Self {
            table: Vec::new(),
            direct: Some((name, address)),
        }
    }

    /// Gives an address a name, which replaces the one that it had.
    pub fn insert(&mut self, peer: P, address: SocketAddr) {
        self.table.retain(|(_, known)| *known != address);
        self.table.push((peer, address));
    }

    /// Whether an address has a name of its own.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.table.iter().any(|(_, known)| *known == address)
    }

    /// Forgets a name.
    pub fn remove(&mut self, peer: &P) {
        self.table.retain(|(known, _)| known != peer);
    }

    pub(super) fn peer(&self, address: SocketAddr) -> Option<P> {
        let known = self.table.iter().find(|(_, known)| *known == address);
        match (known, self.direct) {
            (Some((peer, _)), _) => Some(peer.clone()),
            (None, direct) => direct.map(|(name, _)| name(address)),
        }
    }

    pub(super) fn address(&self, peer: &P) -> Option<SocketAddr> {
        let known = self.table.iter().find(|(known, _)| known == peer);
        match (known, self.direct) {
            (Some((_, address)), _) => Some(*address),
            (None, direct) => direct.and_then(|(_, address)| address(peer)),
        }
    }
}
