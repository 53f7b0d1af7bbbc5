//! The application is told which records have changed.

use alloc::boxed::Box;

use lwm2m_core::Instant;

use super::{
    event::{RecordChange, ServerEvent},
    id::{RegistrationId, Revision},
    parts::Server,
    registrar::Registration,
};
use crate::machine::Peer;

/// The records of clients, for a restart of the server: see [`Server::records`].
#[derive(Debug)]
pub struct Records<'a, P> {
    pub(super) server: &'a mut Server<P>,
}

impl<P> Server<P> {
    /// The records of clients: they are taken while the server runs, or before it ends, and restored when it was
    /// started again.
    ///
    /// To be ready for a crash, have the server [tell](super::ServerConfig::records) which records have changed.
    ///
    #[cfg_attr(feature = "serde", doc = "```")]
    #[cfg_attr(not(feature = "serde"), doc = "```ignore")]
    /// # use core::time::Duration;
    /// # use lwm2m_core::Instant;
    /// # use lwm2m_statemachine::{Server, ServerConfig};
    /// use lwm2m_statemachine::server::Record;
    ///
    /// # let (mut server, now) = (Server::<u16>::new(ServerConfig::new([7; 32])), Instant::ZERO);
    /// // Before the server ends:
    /// let records: Vec<_> = server.records().all(now).collect();
    /// let saved = serde_json::to_string(&records)?;
    ///
    /// // After it was started again, three seconds later:
    /// let mut server = Server::<u16>::new(ServerConfig::new([8; 32])); // a fresh seed
    /// for record in serde_json::from_str::<Vec<Record<u16>>>(&saved)? {
    ///     let name = record.endpoint_name().to_owned();
    ///     if let Err(error) = server.records().restore(now, record, Duration::from_secs(3)) {
    ///         println!("{name} has to register anew: {error}");
    ///     }
    /// }
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub const fn records(&mut self) -> Records<'_, P> {
        Records { server: self }
    }
}

impl<P: Peer> Records<'_, P> {
    /// All [changes of records](ServerEvent::Record) up to this one are stored: what depends on them is sent. Call it
    /// once for many, in their order. A number that was never told counts as the last one that was.
    ///
    /// It does nothing unless the server is [durable](super::RecordKeeping::Durable).
    pub fn stored(&mut self, now: Instant, revision: Revision) {
        self.server.keeping.set_now(now);
        self.server.keeping.stored(revision);
    }

    /// The record of a client has changed.
    pub(super) fn note(&mut self, registration: RegistrationId) {
        self.announce(registration, RecordChange::Changed, None);
    }

    /// A client has registered.
    pub(super) fn note_new(&mut self, registration: RegistrationId) {
        self.announce(registration, RecordChange::New, None);
    }

    /// The record of a client has changed, and something is sent to another peer because of that.
    pub(super) fn note_to(&mut self, registration: RegistrationId, peer: &P) {
        self.announce(registration, RecordChange::Changed, Some(peer));
    }

    /// A registration has ended.
    pub(super) fn note_gone(&mut self, registration: RegistrationId, was: &Registration<P>) {
        if !self.server.keeping.is_on() {
            return;
        }
        let revision = self.server.keeping.end(registration);
        self.server.keeping.wait(was.peer(), revision);
        self.server.events.push_back(ServerEvent::Record {
            registration,
            endpoint_name: Box::from(was.endpoint_name()),
            change: RecordChange::Gone,
            revision,
        });
    }

    fn announce(&mut self, registration: RegistrationId, change: RecordChange, to: Option<&P>) {
        if !self.server.keeping.is_on() {
            return;
        }
        let Server {
            registrar,
            keeping,
            events,
            ..
        } = &mut *self.server;
        let Some(client) = registrar.get(registration) else {
            return;
        };
        let (revision, is_first) = keeping.change(registration);
        keeping.wait(client.peer(), revision);
        if let Some(peer) = to {
            keeping.wait(peer, revision);
        }
        if is_first {
            events.push_back(ServerEvent::Record {
                registration,
                endpoint_name: Box::from(client.endpoint_name()),
                change,
                revision,
            });
        }
    }
}
