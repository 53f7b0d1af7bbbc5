//! What was asked of clients, found by client and by the endpoint's request.
//!
//! A ledger holds calls or observations. A client without entries costs nothing, and those of one
//! client are found without looking at the others.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, btree_map},
};

use core::fmt;

use hashbrown::HashMap;
use lwm2m_core::Method;

use super::answer::PendingCall;
use crate::{
    coap::{MessageBuf, RequestId, SavedObservation},
    machine::HandleState,
};

/// What a held call takes in the indices, in bytes: its key, its deadline, and the queue of those.
const INDICES: usize = 240;

/// How many entries an empty index keeps room for.
const SPARE_ROOM: usize = 64;

/// The name of an entry; never used again. `C` is the handle of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Key<C> {
    pub(crate) client: C,
    pub(crate) serial: u64,
}

/// What a ledger can hold.
pub(crate) trait Entry {
    /// The request that it was sent with, if it was.
    fn request(&self) -> Option<RequestId>;
}

/// A call on its way. `C` is the handle of a client.
#[derive(Debug)]
pub(crate) struct PlacedCall<C> {
    pub(crate) call: PendingCall,
    pub(crate) state: CallState<C>,
}

/// How far a call has come.
#[derive(Debug)]
pub(crate) enum CallState<C> {
    /// The endpoint doesn't have it yet.
    Queued(QueuedRequest),
    /// It waits for its answer.
    Sent(RequestId),
    /// It was made for a client in Queue Mode (TS 8.3), and may have to wait until the client is awake.
    Held(Box<HeldRequest<C>>),
}

/// What a queued call will be sent with.
#[derive(Debug)]
pub(crate) struct QueuedRequest {
    pub(crate) message: MessageBuf,
    /// The request of the observation that it cancels.
    pub(crate) cancels: Option<RequestId>,
}

/// What a held call is sent with, perhaps more than once.
pub(crate) struct HeldRequest<C> {
    pub(crate) message: MessageBuf,
    /// Of the observation that it cancels.
    pub(crate) cancels: Option<Cancelled>,
    /// It waits for its answer; the endpoint has it.
    pub(crate) request: Option<RequestId>,
    /// Whether it has left before: the client may have received it.
    pub(crate) was_sent: bool,
    /// Whether the client was woken by SMS for it.
    pub(crate) is_triggered: bool,
    /// The client that it was called for; another one may have taken its place.
    pub(crate) called_for: C,
}

/// The observation that a held call cancels.
pub(crate) enum Cancelled {
    /// Its request: notifications of it may come, but nobody waits for them.
    Observed(RequestId),
    /// The cancellation was sent with its token. If it is to be sent again, this is put back first.
    Saved(Box<SavedObservation<()>>),
}

impl<C: fmt::Debug> fmt::Debug for HeldRequest<C> {
    /// Without the message, which may hold keys, and without the token of an observation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldRequest")
            .field("request", &self.request)
            .field("was_sent", &self.was_sent)
            .field("called_for", &self.called_for)
            .finish_non_exhaustive()
    }
}

impl<C> HeldRequest<C> {
    /// Whether the request may be repeated without harm: its method is idempotent (RFC 7252 §5.1). That
    /// is so for all operations but Execute, Create, and Write by POST (TS Table 25).
    pub(crate) fn is_repeatable(&self) -> bool {
        matches!(
            self.message.code().method(),
            Some(Method::Get | Method::Put | Method::Delete)
        )
    }

    /// What it takes, in bytes; an estimate.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + size_of::<PlacedCall<C>>() + INDICES + self.message.size()
    }
}

impl<C> PlacedCall<C> {
    /// What is held of it, if it is.
    pub(crate) fn held(&self) -> Option<&HeldRequest<C>> {
        match &self.state {
            CallState::Held(held) => Some(held),
            CallState::Queued(_) | CallState::Sent(_) => None,
        }
    }
}

impl<C> Entry for PlacedCall<C> {
    fn request(&self) -> Option<RequestId> {
        match &self.state {
            CallState::Queued(_) => None,
            CallState::Sent(request) => Some(*request),
            CallState::Held(held) => held.request,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Ledger<C, T> {
    entries: BTreeMap<Key<C>, T>,
    by_request: HashMap<RequestId, Key<C>, HandleState>,
    serial: u64,
}

impl<C: Copy + Ord, T: Entry> Ledger<C, T> {
    pub(crate) fn new(hashes: HandleState) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_request: HashMap::with_hasher(hashes),
            serial: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entries of a client, in the order in which they were added.
    pub(crate) fn of(&self, client: C) -> impl Iterator<Item = &T> {
        self.entries_of(client).map(|(_, entry)| entry)
    }

    /// The same, with their keys.
    pub(crate) fn entries_of(&self, client: C) -> impl Iterator<Item = (Key<C>, &T)> {
        let entries = self.entries.range(keys_of(client));
        entries.map(|(key, entry)| (*key, entry))
    }

    /// The first entry of all.
    pub(crate) fn first(&self) -> Option<Key<C>> {
        self.entries.keys().next().copied()
    }

    /// Adds an entry behind the others of the client.
    pub(crate) fn insert(&mut self, client: C, entry: T) -> Key<C> {
        let key = Key {
            client,
            serial: self.serial,
        };
        self.serial = self.serial.wrapping_add(1);
        if let Some(request) = entry.request() {
            self.by_request.insert(request, key);
        }
        self.entries.insert(key, entry);
        key
    }

    /// The serial number of the next entry.
    pub(crate) const fn serial(&self) -> u64 {
        self.serial
    }

    /// Leaves these serial numbers out: they were given out before a restart.
    pub(crate) fn begin_at(&mut self, serial: u64) {
        self.serial = self.serial.max(serial);
    }

    /// Adds an entry under the key that it had before a restart.
    pub(crate) fn restore(&mut self, key: Key<C>, entry: T) {
        self.begin_at(key.serial.saturating_add(1));
        if let Some(request) = entry.request() {
            self.by_request.insert(request, key);
        }
        self.entries.insert(key, entry);
    }

    pub(crate) fn get(&self, key: Key<C>) -> Option<&T> {
        self.entries.get(&key)
    }

    pub(crate) fn by_request(&self, request: RequestId) -> Option<(Key<C>, &T)> {
        let key = *self.by_request.get(&request)?;
        Some((key, self.entries.get(&key)?))
    }

    pub(crate) fn take(&mut self, key: Key<C>) -> Option<T> {
        let entry = self.entries.remove(&key)?;
        if let Some(request) = entry.request() {
            self.by_request.remove(&request);
            self.give_back();
        }
        Some(entry)
    }

    /// Gives the room of the index back once nothing is in it.
    fn give_back(&mut self) {
        if self.by_request.is_empty() && self.by_request.capacity() > SPARE_ROOM {
            self.by_request = HashMap::with_hasher(*self.by_request.hasher());
        }
    }

    pub(crate) fn take_by_request(&mut self, request: RequestId) -> Option<(Key<C>, T)> {
        let key = self.by_request.remove(&request)?;
        let entry = self.entries.remove(&key)?;
        self.give_back();
        Some((key, entry))
    }

    pub(crate) fn get_mut(&mut self, key: Key<C>) -> Option<&mut T> {
        self.entries.get_mut(&key)
    }

    /// Takes the first entry of a client.
    pub(crate) fn take_of(&mut self, client: C) -> Option<(Key<C>, T)> {
        let (key, _) = self.entries.range(keys_of(client)).next()?;
        let key = *key;
        Some((key, self.take(key)?))
    }
}

impl<C: Copy + Ord> Ledger<C, PlacedCall<C>> {
    /// Adds a call behind the others of the client.
    pub(crate) fn queue(&mut self, client: C, call: PendingCall, request: QueuedRequest) -> Key<C> {
        let state = CallState::Queued(request);
        self.insert(client, PlacedCall { call, state })
    }

    /// Hands a queued call to the endpoint with `send`. If that fails, the call is gone.
    pub(crate) fn send<E>(
        &mut self,
        key: Key<C>,
        send: impl FnOnce(QueuedRequest) -> Result<RequestId, E>,
    ) -> Result<(), E> {
        if let btree_map::Entry::Occupied(mut entry) = self.entries.entry(key)
            && let CallState::Queued(queued) = &mut entry.get_mut().state
        {
            let queued = QueuedRequest {
                message: queued.message.take(),
                cancels: queued.cancels,
            };
            match send(queued) {
                Ok(request) => {
                    entry.get_mut().state = CallState::Sent(request);
                    self.by_request.insert(request, key);
                }
                Err(error) => {
                    entry.remove();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// Calls that are held for clients in Queue Mode.
impl<C: Copy + Ord> Ledger<C, PlacedCall<C>> {
    /// Adds a call that is held, behind the others of the client.
    pub(crate) fn hold(&mut self, client: C, call: PendingCall, held: HeldRequest<C>) -> Key<C> {
        let state = CallState::Held(Box::new(held));
        self.insert(client, PlacedCall { call, state })
    }

    /// What is held of a call.
    pub(crate) fn held_mut(&mut self, key: Key<C>) -> Option<&mut HeldRequest<C>> {
        match &mut self.entries.get_mut(&key)?.state {
            CallState::Held(held) => Some(held),
            CallState::Queued(_) | CallState::Sent(_) => None,
        }
    }

    /// What is held of all calls to a client.
    pub(crate) fn all_held(&mut self, client: C) -> impl Iterator<Item = &mut HeldRequest<C>> {
        let entries = self.entries.range_mut(keys_of(client));
        entries.filter_map(|(_, placed)| match &mut placed.state {
            CallState::Held(held) => Some(&mut **held),
            CallState::Queued(_) | CallState::Sent(_) => None,
        })
    }

    /// The endpoint has a held call, with this request.
    pub(crate) fn held_sent(&mut self, key: Key<C>, request: RequestId) {
        if let Some(held) = self.held_mut(key) {
            held.request = Some(request);
            self.by_request.insert(request, key);
        }
    }

    /// The endpoint no longer has a held call: it waits again, in its old place. `has_left` tells whether
    /// the client may have received it. Returns what is held.
    pub(crate) fn put_back(&mut self, key: Key<C>, has_left: bool) -> Option<&mut HeldRequest<C>> {
        let held = self.held_mut(key)?;
        let request = held.request.take();
        held.was_sent |= request.is_some() && has_left;
        if let Some(request) = request {
            self.by_request.remove(&request);
            self.give_back();
        }
        self.held_mut(key)
    }

    /// Gives a call that waits to the client that has taken the place of its own. It keeps its serial
    /// number, and with that its place among the others.
    pub(crate) fn hand_over(&mut self, key: Key<C>, client: C) -> Option<Key<C>> {
        let entry = self.entries.remove(&key)?;
        let key = Key { client, ..key };
        self.entries.insert(key, entry);
        Some(key)
    }
}

fn keys_of<C: Copy>(client: C) -> core::ops::RangeInclusive<Key<C>> {
    let key = |serial| Key { client, serial };
    key(0)..=key(u64::MAX)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use lwm2m_core::{Instant, Method, Operation, Path};

    use super::*;
    use crate::{
        coap::{Config, Endpoint},
        machine::{Channel, Random},
    };

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Named(RequestId, &'static str);

    impl Entry for Named {
        fn request(&self) -> Option<RequestId> {
            Some(self.0)
        }
    }

    fn requests<const N: usize>() -> [RequestId; N] {
        let mut endpoint = Endpoint::new(Config::new([1; 32]));
        [(); N].map(|()| endpoint.ping(Instant::ZERO, "peer", Channel::Udp).unwrap())
    }

    fn ledger<T: Entry>() -> Ledger<char, T> {
        Ledger::new(HandleState::new(&mut Random::new([2; 32])))
    }

    #[test]
    fn entries_are_found_by_key_request_and_client_until_taken() {
        let requests = requests::<4>();
        let mut ledger = ledger();
        let [one, two, three] = [('a', 0, "one"), ('b', 1, "two"), ('a', 2, "three")]
            .map(|(client, at, name)| ledger.insert(client, Named(requests[at], name)));
        let counts = ['a', 'b'].map(|client| ledger.of(client).count());
        assert_eq!((counts, ledger.len()), ([2, 1], 3));
        assert_eq!(ledger.get(two), Some(&Named(requests[1], "two")));
        let third = Named(requests[2], "three");
        assert_eq!(ledger.by_request(requests[2]), Some((three, &third)));
        assert_eq!(ledger.by_request(requests[3]), None);

        let second = Named(requests[1], "two");
        assert_eq!(ledger.take_by_request(requests[1]), Some((two, second)));
        assert_eq!(ledger.take(two), None);
        assert_eq!(ledger.take_of('b'), None);
        let first = Named(requests[0], "one");
        assert_eq!(ledger.take_of('a'), Some((one, first)));
        assert_eq!(ledger.take(three), Some(third));
        assert_eq!(ledger.by_request(requests[2]), None);
        assert_eq!((ledger.len(), ledger.by_request.len()), (0, 0));
        assert_ne!(ledger.insert('a', Named(requests[3], "four")), one);
    }

    fn queue(
        ledger: &mut Ledger<char, PlacedCall<char>>,
        client: char,
        resource: u16,
    ) -> Key<char> {
        let call = PendingCall {
            operation: Operation::Read,
            path: Path::of(&[3, 0, resource]).unwrap(),
            accept: None,
        };
        let mut message = MessageBuf::request(Method::Get);
        message.payload(&resource.to_be_bytes());
        let cancels = None;
        ledger.queue(client, call, QueuedRequest { message, cancels })
    }

    #[test]
    fn a_call_is_queued_with_its_message_and_then_sent_with_its_request() {
        let [request, other] = requests();
        let mut ledger = ledger();
        let [first, second] = [1, 2].map(|resource| queue(&mut ledger, 'a', resource));
        assert_eq!((ledger.of('a').count(), ledger.by_request.len()), (2, 0));
        assert!(ledger.get(first).unwrap().request().is_none());

        let mut sent = Vec::new();
        for (key, request) in [(second, request), (second, other)] {
            let result: Result<(), ()> = ledger.send(key, |queued| {
                sent.push(queued.message.payload_bytes().to_vec());
                Ok(request)
            });
            assert_eq!(result, Ok(()));
        }
        // What was sent isn't sent again, and what is queued has no request to be found by.
        assert_eq!(sent, [[0, 2]]);
        assert_eq!(ledger.by_request(request).unwrap().0, second);
        assert!(ledger.by_request(other).is_none());
        let of_a = [first, second].map(|_| ledger.take_of('a').unwrap().0);
        assert_eq!(of_a, [first, second]);
        assert_eq!((ledger.len(), ledger.by_request.len()), (0, 0));
    }

    fn hold(ledger: &mut Ledger<char, PlacedCall<char>>, method: Method) -> Key<char> {
        let call = PendingCall {
            operation: Operation::Read,
            path: Path::of(&[3, 0]).unwrap(),
            accept: None,
        };
        let held = HeldRequest {
            message: MessageBuf::request(method),
            cancels: None,
            request: None,
            was_sent: false,
            is_triggered: false,
            called_for: 'a',
        };
        ledger.hold('a', call, held)
    }

    #[test]
    fn a_held_call_is_put_back_in_its_place_and_handed_over_with_it() {
        let [request, other] = requests();
        let mut ledger = ledger();
        let [first, second] = [(); 2].map(|()| hold(&mut ledger, Method::Get));
        ledger.held_sent(first, request);
        assert_eq!(ledger.by_request(request).unwrap().0, first);
        let held = ledger.put_back(first, true).unwrap();
        assert!(held.was_sent && held.request.is_none());
        assert!(ledger.by_request(request).is_none());
        // One that didn't leave wasn't sent.
        ledger.held_sent(second, other);
        assert!(!ledger.put_back(second, false).unwrap().was_sent);

        let [second, first] = [second, first].map(|key| ledger.hand_over(key, 'b').unwrap());
        assert_eq!(ledger.of('a').count(), 0);
        assert_eq!(
            ledger
                .entries_of('b')
                .map(|(key, _)| key)
                .collect::<Vec<_>>(),
            [first, second]
        );
        assert_eq!(ledger.get(first).unwrap().held().unwrap().called_for, 'a');
    }

    #[test]
    fn a_call_may_be_repeated_unless_its_method_is_post() {
        let mut ledger = ledger();
        for (method, may_be) in [
            (Method::Get, true),
            (Method::Put, true),
            (Method::Delete, true),
            (Method::Post, false),
        ] {
            let key = hold(&mut ledger, method);
            assert_eq!(
                ledger.get(key).unwrap().held().unwrap().is_repeatable(),
                may_be
            );
        }
    }

    #[test]
    fn a_call_that_the_endpoint_refuses_is_gone() {
        let mut ledger = ledger();
        let [stays, goes] = ['a', 'b'].map(|client| queue(&mut ledger, client, 1));
        assert_eq!(ledger.send(goes, |_| Err("full")), Err("full"));
        assert!(ledger.get(goes).is_none() && ledger.get(stays).is_some());
        assert_ne!(queue(&mut ledger, 'b', 1), goes);
    }
}
