//! What the server knows of one client (TS 5.3).

use alloc::boxed::Box;
use core::{mem, time::Duration};

use lwm2m_core::{
    Binding, ContentFormat, InstanceId, Instant, Lifetime, Msisdn, ObjectId, Path, Transport,
    Version,
};
use lwm2m_linkformat::RootPath;

use super::{
    eviction::Standing,
    location::Location,
    objects::ObjectList,
    parameters::{GivenParameters, Parameters},
    refusal::RefusalReason,
};
use crate::{
    downlink::Origin,
    machine::{Channel, Past},
};

/// A registration: what the client said in Register and Update, and from where (TS 5.3.1).
#[derive(Clone, Debug)]
pub struct Registration<P> {
    pub(super) endpoint_name: Box<str>,
    pub(super) location: Location,
    pub(super) contact: Contact<P>,
    pub(super) announced: Announced,
    pub(super) registered: Past,
    pub(super) updated: Past,
    /// When it ends; also the deadline in the expiry queue.
    pub(super) expiry: Instant,
}

/// Where a client is reached, and what it has shown of itself.
#[derive(Clone, Debug)]
pub(super) struct Contact<P> {
    pub(super) peer: P,
    pub(super) channel: Channel,
    pub(super) standing: Standing,
    /// Whether it has updated its registration since it was last considered for eviction.
    pub(super) updated_since: bool,
    /// Whether the peer or the client is gone, and nothing was heard from the client since.
    pub(super) peer_gone: bool,
}

/// What a client said of itself.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    pub(super) lifetime: Lifetime,
    pub(super) version: Version,
    pub(super) binding: Binding,
    pub(super) objects: ObjectList,
    /// `None` if there is nothing in it.
    pub(super) optional: Option<Box<OptionalParameters>>,
}

/// Parameters that few clients send.
#[derive(Clone, Debug, Default)]
pub(super) struct OptionalParameters {
    pub(super) sms: Option<Msisdn>,
    /// Those that the specification doesn't define, as received.
    pub(super) unknown: Parameters,
}

/// What an Update changed. An Update that only extends the registration changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "any of them may change, alone or with others"
)]
#[non_exhaustive]
pub struct Changes {
    /// The Lifetime.
    pub lifetime: bool,
    /// The Binding Mode.
    pub binding: bool,
    /// The SMS Number.
    pub sms_number: bool,
    /// The Objects and Object Instances, their versions, the formats or the alternate path.
    pub objects: bool,
    /// The unknown parameters.
    pub parameters: bool,
    /// The peer: a client with a proven identity moved (TS 7.1.5). Its observations go on.
    pub peer: bool,
    /// The channel on which the client is reached.
    pub channel: bool,
}

/// What a client gave in an Update; `None` stays as it was.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) lifetime: Option<Lifetime>,
    pub(super) binding: Option<Binding>,
    pub(super) objects: Option<ObjectList>,
    pub(super) optional: Option<OptionalParameters>,
}

impl<P> Registration<P> {
    /// The Endpoint Client Name.
    pub fn endpoint_name(&self) -> &str {
        &self.endpoint_name
    }

    /// From where the client registered, and where it is reached.
    pub fn peer(&self) -> &P {
        &self.contact.peer
    }

    /// Whether the client can be reached. It can't once its peer is [gone](crate::Server::peer_gone), or
    /// [itself](crate::Server::client_gone), until it is heard again.
    pub fn is_reachable(&self) -> bool {
        !self.contact.peer_gone
    }

    /// The channel on which the client is reached.
    pub fn channel(&self) -> Channel {
        self.contact.channel
    }

    /// Whether the transport proved the client's identity. Without that, any sender from the same
    /// peer counts as the client.
    pub fn is_secure(&self) -> bool {
        self.contact.standing == Standing::Proven
    }

    /// Whether the client has shown that it receives what is sent to it: it [is
    /// secure](Self::is_secure), or has updated its registration or answered a request since it
    /// registered. If not, the address of the Register may be forged.
    pub fn is_confirmed(&self) -> bool {
        self.contact.standing != Standing::Unconfirmed
    }

    /// Where the client updates the registration.
    pub fn location(&self) -> Location {
        self.location
    }

    /// The Lifetime that the client gave. The server may [keep](Self::expires_at) the registration
    /// for a shorter time: see [`ServerBounds::lifetime`](crate::server::ServerBounds::lifetime).
    pub fn lifetime(&self) -> Lifetime {
        self.announced.lifetime
    }

    /// The version of the LwM2M Enabler that the client supports.
    pub fn version(&self) -> Version {
        self.announced.version
    }

    /// The Binding Mode, or what later versions have in its place; U if the client gave none.
    pub fn binding(&self) -> Binding {
        self.announced.binding
    }

    /// Whether the client is in Queue Mode: requests wait until it is awake (TS 5.3.1.1, 8.3).
    pub fn is_in_queue_mode(&self) -> bool {
        let mut transports = Transport::ALL.iter();
        transports.any(|transport| self.binding().queues(*transport))
    }

    /// The SMS Number (MSISDN), if the client gave one.
    pub fn sms_number(&self) -> Option<Msisdn> {
        self.announced.optional.as_ref()?.sms
    }

    /// The number where a Registration Update Trigger by SMS reaches a client in Queue Mode that is
    /// reachable by SMS at any time (UQS, TS 8.4), if it gave one.
    pub fn trigger_number(&self) -> Option<Msisdn> {
        self.sms_number().filter(|_| self.takes_triggers())
    }

    /// Whether the client is in Queue Mode, and is reached by SMS at any time.
    pub(in crate::server) fn takes_triggers(&self) -> bool {
        let is_reached = self.has_sms() && !self.binding().queues(Transport::Sms);
        is_reached && self.is_in_queue_mode()
    }

    /// Whether the binding has SMS.
    pub(in crate::server) fn has_sms(&self) -> bool {
        self.binding().has(Transport::Sms)
    }

    /// The Server Object Instance of the server that this client has registered at, if the client lists a single
    /// one. The Short Server ID in each of several (`/1/x/0`) tells which it is.
    pub fn server_instance(&self) -> Option<InstanceId> {
        let listed = self
            .objects()
            .filter(|(object, _)| *object == ObjectId::SERVER);
        let mut instances = listed.filter_map(|(_, instance)| instance);
        instances.next().filter(|_| instances.next().is_none())
    }

    /// The unknown parameters of the Register, as received; none unless
    /// [`ServerConfig::unknown_parameters`](crate::server::ServerConfig::unknown_parameters) keeps
    /// them.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        let optional = self.announced.optional.iter();
        optional.flat_map(|optional| optional.unknown.iter())
    }

    /// The Objects and Object Instances, in ascending order. An Object is listed by itself if it
    /// has no Object Instance, or if the client gave its version.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectId, Option<InstanceId>)> {
        self.announced.objects.iter()
    }

    /// Whether the client has the Object or Object Instance of this path.
    pub fn has(&self, path: &Path) -> bool {
        self.announced.objects.has(path)
    }

    /// The version of an Object that the client has: the one in the Object's own link; else the
    /// first one in a link of its Object Instances, as in LwM2M 1.2; else 1.0 (TS 6.2.3).
    /// [`Server::definitions`](crate::Server::definitions) has the definition that values are
    /// decoded with.
    pub fn object_version(&self, object: ObjectId) -> Option<Version> {
        self.announced.objects.version(object)
    }

    pub(in crate::server) fn object_list(&self) -> &ObjectList {
        &self.announced.objects
    }

    /// Whether the client announced this format for all its Objects (`ct` of the root link,
    /// TS 5.3.1). Of a list of more than 32 formats, the first 32 count.
    pub fn announces(&self, format: ContentFormat) -> bool {
        self.announced.objects.announces(format)
    }

    /// Where the client's Objects are (TS 8.2.2).
    pub fn alternate_path(&self) -> RootPath<'_> {
        self.announced.objects.alternate_path()
    }

    /// When the client registered; [`Instant::ZERO`] if that was before the clock began, as after a
    /// [restart](crate::server::Records::restore).
    pub fn registered_at(&self) -> Instant {
        self.registered.after(Duration::ZERO)
    }

    /// When the client registered or updated last; likewise.
    pub fn updated_at(&self) -> Instant {
        self.updated.after(Duration::ZERO)
    }

    /// When the registration ends unless it is updated: the Lifetime, or as much of it as the
    /// [bounds](crate::server::ServerBounds) allow, and the server's
    /// [grace](crate::server::ServerConfig::grace), after the last update.
    pub fn expires_at(&self) -> Instant {
        self.expiry
    }

    /// The heap it takes, in bytes.
    pub(super) fn heap(&self) -> usize {
        self.endpoint_name.len() + self.announced.heap()
    }

    /// How many bytes more it will take after this Update.
    pub(super) fn growth(&self, update: &Update) -> usize {
        let Announced {
            objects, optional, ..
        } = &self.announced;
        let (list, others) = (objects.heap(), heap_of(optional.as_deref()));
        let list_after = update.objects.as_ref().map_or(list, ObjectList::heap);
        let others_after = update
            .optional
            .as_ref()
            .map_or(others, OptionalParameters::heap);
        (list_after + others_after).saturating_sub(list + others)
    }

    /// The optional parameters after an Update that gives these; `None` if it gives none.
    pub(super) fn optional_with(
        &self,
        unknown: &GivenParameters,
        sms: Option<Msisdn>,
    ) -> Result<Option<OptionalParameters>, RefusalReason> {
        if unknown.is_empty() && sms.is_none() {
            return Ok(None);
        }
        let none = OptionalParameters::default();
        let before = self.announced.optional.as_deref().unwrap_or(&none);
        Ok(Some(OptionalParameters {
            sms: sms.or(before.sms),
            unknown: before.unknown.merged(unknown)?,
        }))
    }

    /// The peer that a client with a proven identity leaves when it is reached at this one, on this
    /// channel. `None` if it is the same, or is gone. On another channel, nothing is left: a client may
    /// be reached on both (TS 8.4).
    pub(in crate::server) fn left_for(&self, peer: &P, channel: Channel) -> Option<P>
    where
        P: Clone + PartialEq,
    {
        let contact = &self.contact;
        let is_left = self.is_secure()
            && self.is_reachable()
            && contact.peer != *peer
            && contact.channel == channel;
        is_left.then(|| contact.peer.clone())
    }

    /// Applies an Update, and returns what has changed, and the Objects before if they have.
    pub(super) fn update(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        update: Update,
    ) -> (Changes, Option<ObjectList>)
    where
        P: Clone + PartialEq,
    {
        let mut changes = update.optional.map_or_else(Changes::default, |optional| {
            self.announced.set_optional(optional)
        });
        let (contact, announced) = (&mut self.contact, &mut self.announced);
        changes.lifetime = set(&mut announced.lifetime, update.lifetime);
        changes.binding = set(&mut announced.binding, update.binding);
        let other = update.objects.filter(|list| *list != announced.objects);
        let before = other.map(|list| mem::replace(&mut announced.objects, list));
        changes.objects = before.is_some();
        changes.channel = contact.channel != origin.channel;
        changes.peer = contact.set(origin);
        contact.updated_since = true;
        self.updated = now.into();
        (changes, before)
    }
}

impl<P: Clone + PartialEq> Contact<P> {
    /// The client was heard from there. Returns whether that is another peer.
    pub(super) fn set(&mut self, origin: &Origin<'_, P>) -> bool {
        let is_another = self.peer != *origin.peer;
        if is_another {
            self.peer = origin.peer.clone();
        }
        self.channel = origin.channel;
        self.peer_gone = false;
        is_another
    }
}

impl Announced {
    /// The heap it takes, in bytes.
    fn heap(&self) -> usize {
        self.objects.heap() + heap_of(self.optional.as_deref())
    }

    fn set_optional(&mut self, optional: OptionalParameters) -> Changes {
        let none = OptionalParameters::default();
        let before = self.optional.as_deref().unwrap_or(&none);
        let changes = Changes {
            parameters: before.unknown != optional.unknown,
            sms_number: before.sms != optional.sms,
            ..Changes::default()
        };
        if changes != Changes::default() {
            self.optional = optional.boxed();
        }
        changes
    }
}

impl OptionalParameters {
    /// The heap they take, in bytes; zero if there is nothing to keep.
    fn heap(&self) -> usize {
        if self.is_empty() {
            0
        } else {
            size_of::<Self>() + self.unknown.heap()
        }
    }

    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (!self.is_empty()).then(|| Box::new(self))
    }

    fn is_empty(&self) -> bool {
        self.sms.is_none() && self.unknown.is_empty()
    }
}

fn heap_of(optional: Option<&OptionalParameters>) -> usize {
    optional.map_or(0, OptionalParameters::heap)
}

/// Sets what the client gave. Returns whether that is a change.
fn set<T: PartialEq>(slot: &mut T, given: Option<T>) -> bool {
    match given {
        Some(value) if *slot != value => {
            *slot = value;
            true
        }
        _ => false,
    }
}
