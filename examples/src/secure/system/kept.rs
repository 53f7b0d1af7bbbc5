//! Sessions that can be resumed (RFC 5246 §7.3), and the facts of one handshake.

use core::hash::Hash;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslRef, SslSession};

use super::cookie::Cookie;
use crate::secure::credentials::{Account, ClientCredentials, KnownClients};
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
    cookie: Mutex<Cookie>,
    psk: Mutex<Option<Psk>>,
    refusal: Mutex<Option<Refusal>>,
}

impl Facts {
    pub(super) fn new(psk: Option<Psk>) -> Result<Arc<Self>, ErrorStack> {
        let mut cookie = Cookie::default();
        openssl::rand::rand_bytes(&mut cookie)?;
        Ok(Arc::new(Self {
            cookie: Mutex::new(cookie),
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

    pub(super) fn cookie(&self) -> Cookie {
        *lock(&self.cookie)
    }

    pub(super) fn use_cookie(&self, cookie: Cookie) {
        *lock(&self.cookie) = cookie;
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

/// Sessions by a key, and no more of them than the bound: the one used longest ago goes first.
struct Kept<K, V> {
    entries: HashMap<Arc<K>, Entry<V>>,
    /// By their turns.
    used: BTreeMap<u64, Arc<K>>,
    next: u64,
    bound: usize,
}

struct Entry<V> {
    value: V,
    turn: u64,
}

impl<K: Eq + Hash, V> Kept<K, V> {
    fn new(bound: usize) -> Self {
        Self {
            entries: HashMap::new(),
            used: BTreeMap::new(),
            next: 0,
            bound,
        }
    }

    fn insert(&mut self, key: Arc<K>, value: V) {
        self.remove(&key);
        let turn = self.next_turn();
        self.used.insert(turn, Arc::clone(&key));
        self.entries.insert(key, Entry { value, turn });
        while self.entries.len() > self.bound
            && let Some((_, oldest)) = self.used.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }

    fn get(&mut self, key: &K) -> Option<&V> {
        let turn = self.next_turn();
        let entry = self.entries.get_mut(key)?;
        if let Some(key) = self.used.remove(&entry.turn) {
            self.used.insert(turn, key);
            entry.turn = turn;
        }
        Some(&entry.value)
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.used.remove(&entry.turn);
        }
    }

    const fn next_turn(&mut self) -> u64 {
        self.next = self.next.saturating_add(1);
        self.next
    }
}

/// An account with its keys: other keys, another session.
pub(super) type OfAccount = (Account, ClientCredentials);

/// A client's sessions, by their accounts.
#[derive(Clone)]
pub(super) struct OfAccounts(Arc<Mutex<Kept<OfAccount, SslSession>>>);

impl OfAccounts {
    pub(super) fn new(bound: usize) -> Self {
        Self(Arc::new(Mutex::new(Kept::new(bound))))
    }

    pub(super) fn get(&self, account: &OfAccount) -> Option<SslSession> {
        lock(&self.0).get(account).cloned()
    }

    pub(super) fn keep(&self, account: &Arc<OfAccount>, session: SslSession) {
        lock(&self.0).insert(Arc::clone(account), session);
    }

    pub(super) fn forget(&self, account: &OfAccount) {
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
            let id = Arc::new(session.id().to_vec());
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
    use std::sync::Arc;

    use super::Kept;

    #[test]
    fn the_one_used_longest_ago_goes_when_there_are_too_many() {
        let mut kept = Kept::new(2);
        for (key, value) in [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')] {
            kept.insert(Arc::new(key), value);
        }
        assert_eq!(
            [1, 2, 3].map(|key| kept.get(&key).copied()),
            [Some('c'), None, Some('d')]
        );
        kept.get(&1);
        kept.insert(Arc::new(4), 'e');
        assert_eq!(
            [1, 3, 4].map(|key| kept.get(&key).copied()),
            [Some('c'), None, Some('e')]
        );
        kept.remove(&1);
        assert_eq!(kept.get(&1), None);
        assert_eq!(kept.entries.len(), kept.used.len());
    }

    #[test]
    fn nothing_is_kept_if_nothing_may_be() {
        let mut kept = Kept::new(0);
        kept.insert(Arc::new(1), 'a');
        assert_eq!(kept.get(&1), None);
        assert!(kept.used.is_empty());
    }
}
