//! The lines between a Client and its servers: addresses, and secure sessions that outlive them.

use core::cell::RefCell;
use std::rc::Rc;

use lwm2m_simulation::{Address, NodeId};

/// The lines of all servers, which the hosts at both ends see.
pub(crate) type Lines = Rc<RefCell<Vec<Line>>>;

/// The addresses by which a server knows its sessions: above all real ones.
const SESSIONS: u32 = 1 << 20;

/// The line to one server. Without a session an end is known by its address; a session goes on from
/// another address, and what belongs to an earlier one is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) server: NodeId,
    secure: bool,
    session: u32,
    /// Whether both ends have the session.
    lives: bool,
    /// The first address of the Client in this session, and the one that was heard last.
    first: u32,
    heard: u32,
    /// The server knows that the Client has left all addresses before this one.
    least: u32,
}

impl Line {
    pub(crate) const fn new(server: NodeId, secure: bool) -> Self {
        Self {
            server,
            secure,
            session: 0,
            lives: false,
            first: 0,
            heard: 0,
            least: 0,
        }
    }

    pub(crate) const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether there is a session to resume.
    pub(crate) const fn can_resume(&self) -> bool {
        self.secure && self.lives
    }

    /// How the server names the session that there is.
    pub(crate) const fn session(&self, client: NodeId) -> Address {
        Address {
            node: client,
            number: SESSIONS + self.session,
        }
    }

    /// A new session begins, with the Client at this address.
    pub(crate) fn begin_session(&mut self, client: Address) {
        self.session += 1;
        self.lives = true;
        self.first = client.number;
        self.heard = client.number;
    }

    /// The session goes on at another address of the Client, which the server knows.
    pub(crate) const fn move_session(&mut self, client: Address) {
        self.heard = client.number;
        self.least = client.number;
    }

    /// The server has forgotten the session.
    pub(crate) const fn lose_session(&mut self) {
        self.lives = false;
    }

    /// How the server names the sender at this address.
    pub(crate) fn named(&mut self, from: Address) -> Option<Address> {
        if !self.secure {
            return Some(from);
        }
        if !self.lives || from.number < self.first {
            return None;
        }
        self.heard = from.number.max(self.least);
        Some(self.session(from.node))
    }

    /// Where the end that the server names this way is reached.
    pub(crate) fn reached(&self, peer: Address) -> Option<Address> {
        if peer.number < SESSIONS {
            return Some(peer);
        }
        let current = self.lives && peer.number == SESSIONS + self.session;
        current.then_some(Address {
            number: self.heard,
            ..peer
        })
    }
}
