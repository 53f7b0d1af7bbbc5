//! Sessions that can be resumed (RFC 5246 §7.3), and the facts of one handshake.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslRef, SslSession};

use crate::secure::credentials::{ClientCredentials, KnownClients};
use crate::secure::session::Refusal;

/// A PSK identity and its key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Psk {
    pub(super) identity: Vec<u8>,
    pub(super) key: Vec<u8>,
}

/// What the callbacks of OpenSSL know of the handshake that they are called for, and leave there.
pub(super) struct Facts {
    /// The cookie of this server's HelloVerifyRequest.
    pub(super) cookie: [u8; 32],
    psk: Mutex<Option<Psk>>,
    refusal: Mutex<Option<Refusal>>,
}

impl Facts {
    pub(super) fn new(psk: Option<Psk>) -> Result<Arc<Self>, ErrorStack> {
        let mut cookie = [0; 32];
        openssl::rand::rand_bytes(&mut cookie)?;
        Ok(Arc::new(Self {
            cookie,
            psk: Mutex::new(psk),
            refusal: Mutex::new(None),
        }))
    }

    /// Binds them to the handshake.
    pub(super) fn bind(facts: &Arc<Self>, ssl: &mut SslRef) -> Result<(), ErrorStack> {
        ssl.set_ex_data(index()?, Arc::clone(facts));
        Ok(())
    }

    /// Those of the handshake that a callback is called for.
    pub(super) fn of(ssl: &SslRef) -> Option<Arc<Self>> {
        ssl.ex_data(index().ok()?).cloned()
    }

    pub(super) fn psk(&self) -> Option<Psk> {
        lock(&self.psk).clone()
    }

    pub(super) fn use_psk(&self, psk: Psk) {
        *lock(&self.psk) = Some(psk);
    }

    /// Why the peer isn't accepted.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        *lock(&self.refusal)
    }

    pub(super) fn refuse(&self, refusal: Refusal) {
        *lock(&self.refusal) = Some(refusal);
    }
}

/// The place of [`Facts`] in a handshake: one for the whole program, since OpenSSL never frees them.
fn index() -> Result<Index<Ssl, Arc<Facts>>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, Arc<Facts>>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let new = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| new))
}

/// A panic elsewhere leaves nothing half done in these.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sessions by a key, the oldest first, and no more of them than the bound.
struct Kept<K, V> {
    entries: VecDeque<(K, V)>,
    bound: usize,
}

impl<K: PartialEq, V> Kept<K, V> {
    fn new(bound: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bound,
        }
    }

    fn insert(&mut self, key: K, value: V) {
        self.entries.retain(|(kept, _)| *kept != key);
        self.entries.push_back((key, value));
        while self.entries.len() > self.bound {
            self.entries.pop_front();
        }
    }

    fn get(&self, key: &K) -> Option<&V> {
        let (_, value) = self.entries.iter().find(|(kept, _)| kept == key)?;
        Some(value)
    }

    fn remove(&mut self, key: &K) {
        self.entries.retain(|(kept, _)| kept != key);
    }
}

/// A client's sessions, by the keys of their accounts: other keys, another session.
#[derive(Clone)]
pub(super) struct OfAccounts(Arc<Mutex<Kept<ClientCredentials, SslSession>>>);

impl OfAccounts {
    pub(super) fn new(bound: usize) -> Self {
        Self(Arc::new(Mutex::new(Kept::new(bound))))
    }

    pub(super) fn get(&self, account: &ClientCredentials) -> Option<SslSession> {
        lock(&self.0).get(account).cloned()
    }

    pub(super) fn keep(&self, account: &ClientCredentials, session: SslSession) {
        lock(&self.0).insert(account.clone(), session);
    }

    pub(super) fn forget(&self, account: &ClientCredentials) {
        lock(&self.0).remove(account);
    }
}

/// What the client of a session has proved. A session is only resumed while that still counts.
enum Proof {
    Psk(Psk),
    Certificate(Vec<u8>),
}

impl Proof {
    fn of(ssl: &SslRef) -> Option<Self> {
        if let Some(certificate) = ssl.peer_certificate() {
            return Some(Self::Certificate(certificate.to_der().ok()?));
        }
        Some(Self::Psk(Facts::of(ssl)?.psk()?))
    }

    fn counts(&self, clients: &dyn KnownClients) -> bool {
        match self {
            Self::Psk(Psk { identity, key }) => {
                clients.pre_shared_key(identity).as_ref() == Some(key)
            }
            Self::Certificate(certificate) => clients.accepts_certificate(certificate).is_ok(),
        }
    }
}

/// A server's sessions, by their session ID.
#[derive(Clone)]
pub(super) struct OfClients(Arc<Mutex<ById>>);

type ById = Kept<Vec<u8>, (SslSession, Proof)>;

impl OfClients {
    pub(super) fn new(bound: usize) -> Self {
        Self(Arc::new(Mutex::new(Kept::new(bound))))
    }

    /// Keeps the session of a handshake that is complete.
    pub(super) fn keep(&self, ssl: &SslRef, session: SslSession) {
        if let Some(proof) = Proof::of(ssl) {
            let id = session.id().to_vec();
            lock(&self.0).insert(id, (session, proof));
        }
    }

    /// The session with this ID, if its client is still known: else there is a full handshake.
    pub(super) fn get(&self, id: &[u8], clients: &dyn KnownClients) -> Option<SslSession> {
        let id = id.to_vec();
        let mut kept = lock(&self.0);
        let (session, proof) = kept.get(&id)?;
        if proof.counts(clients) {
            return Some(session.clone());
        }
        kept.remove(&id);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Kept;

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut kept = Kept::new(2);
        for (key, value) in [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')] {
            kept.insert(key, value);
        }
        assert_eq!(
            [kept.get(&1), kept.get(&2), kept.get(&3)],
            [Some(&'c'), None, Some(&'d')]
        );
        kept.remove(&1);
        assert_eq!(kept.get(&1), None);
    }
}
