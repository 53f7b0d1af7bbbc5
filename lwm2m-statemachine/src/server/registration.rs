//! What the server knows of one client (TS 5.3).

use alloc::boxed::Box;
use core::fmt;

use lwm2m_core::{
    Binding, ContentFormat, InstanceId, Instant, Lifetime, Msisdn, ObjectId, Path, Version,
};
use lwm2m_linkformat::RootPath;

use super::{
    event::Changes,
    location::Location,
    objects::ObjectList,
    parameters::{Given, Parameters},
    refusal::RefusalReason,
    room::Standing,
};
use crate::machine::Channel;

/// The handle of a registration. It never comes to mean another one: a client that registers anew
/// has a new handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationId {
    /// Where the registration is kept.
    pub(super) index: u32,
    /// Which of all registrations that were kept there.
    pub(super) serial: u32,
}

impl fmt::Display for RegistrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.serial)
    }
}

/// A registration: what the client said in Register and Update, and from where (TS 5.3.1).
#[derive(Clone, Debug)]
pub struct Registration<P> {
    pub(super) endpoint_name: Box<str>,
    pub(super) peer: P,
    pub(super) channel: Channel,
    pub(super) standing: Standing,
    /// Whether it was updated since it was last looked at for one to go.
    pub(super) updated_since: bool,
    pub(super) location: Location,
    pub(super) lifetime: Lifetime,
    pub(super) version: Version,
    pub(super) binding: Binding,
    pub(super) objects: ObjectList,
    /// What few clients say.
    pub(super) rare: Option<Box<Rare>>,
    pub(super) registered: Instant,
    pub(super) updated: Instant,
    /// When it ends; the slot of the expiry timer.
    pub(super) expiry: Instant,
    /// How many Observes wait for their answer: each may become an observation.
    pub(super) pending_observes: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    pub(super) sms: Option<Msisdn>,
    /// Unknown parameters of the Register, as they came.
    pub(super) parameters: Parameters,
}

impl Rare {
    /// What it takes, in bytes; nothing if there is nothing to keep.
    pub(super) fn heap(&self) -> usize {
        if self.is_empty() {
            0
        } else {
            size_of::<Self>() + self.parameters.heap()
        }
    }

    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (!self.is_empty()).then(|| Box::new(self))
    }

    fn is_empty(&self) -> bool {
        self.sms.is_none() && self.parameters.is_empty()
    }
}

impl<P> Registration<P> {
    /// The Endpoint Client Name.
    pub fn endpoint_name(&self) -> &str {
        &self.endpoint_name
    }

    /// From where the client registered, and where it is reached.
    pub fn peer(&self) -> &P {
        &self.peer
    }

    /// What the client is reached on.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// Whether the transport proved the client's identity; without that, whoever sends from the
    /// same peer is the client.
    pub fn is_secure(&self) -> bool {
        self.standing == Standing::Proven
    }

    /// Whether the client has shown that it has what is sent to it: it [is
    /// secure](Self::is_secure), or has updated its registration or answered a request since it
    /// registered. If not, whoever sent the Register may have any address.
    pub fn is_confirmed(&self) -> bool {
        self.standing != Standing::Unconfirmed
    }

    /// Where the client updates the registration.
    pub fn location(&self) -> Location {
        self.location
    }

    /// The Lifetime, as the client said it. The server may [keep](Self::expires_at) the registration
    /// for less time: see [`ServerBounds::lifetime`](super::ServerBounds::lifetime).
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// The version of the LwM2M Enabler that the client supports.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The Binding Mode, or what later versions have in its place; U if the client did not say.
    pub fn binding(&self) -> Binding {
        self.binding
    }

    /// The SMS Number (MSISDN), if the client gave one.
    pub fn sms_number(&self) -> Option<Msisdn> {
        self.rare.as_ref()?.sms
    }

    /// The unknown parameters of the Register, as they came; none unless
    /// [`ServerConfig::unknown_parameters`](super::ServerConfig::unknown_parameters) keeps them.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        let rare = self.rare.iter();
        rare.flat_map(|rare| rare.parameters.iter())
    }

    /// The Objects and Object Instances, ascending. An Object without an Object Instance is one
    /// that has none so far, or whose version was told.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectId, Option<InstanceId>)> {
        self.objects.iter()
    }

    /// Whether the client has the Object or Object Instance of this path.
    pub fn has(&self, path: &Path) -> bool {
        self.objects.has(path)
    }

    /// The version of an Object that the client has, as it said: what the Object's own link tells;
    /// else the first of its Object Instances' links that tells one, as in LwM2M 1.2; else 1.0
    /// (TS 6.2.3). The definition that its values are decoded with is in
    /// [`Server::definitions`](super::Server::definitions).
    pub fn object_version(&self, object: ObjectId) -> Option<Version> {
        self.objects.version(object)
    }

    /// Whether the client announced this format for all its Objects (`ct` of the root link,
    /// TS 5.3.1).
    pub fn announces(&self, format: ContentFormat) -> bool {
        self.objects.announces(format)
    }

    /// Where the client's Objects are (TS 8.2.2).
    pub fn alternate_path(&self) -> RootPath<'_> {
        self.objects.alternate_path()
    }

    /// When the client registered.
    pub fn registered_at(&self) -> Instant {
        self.registered
    }

    /// When the client registered or updated last.
    pub fn updated_at(&self) -> Instant {
        self.updated
    }

    /// When the registration ends unless it is updated: the Lifetime, or as much of it as the
    /// [bounds](super::ServerBounds) allow, and the server's [grace](super::ServerConfig::grace),
    /// after the last update.
    pub fn expires_at(&self) -> Instant {
        self.expiry
    }

    /// What it takes beside itself, in bytes.
    pub(super) fn heap(&self) -> usize {
        self.endpoint_name.len() + self.objects.heap() + self.rare_heap()
    }

    /// How many bytes it would take more with these in place of what it has.
    pub(super) fn growth(&self, objects: Option<&ObjectList>, rare: Option<&Rare>) -> usize {
        let (list, others) = (self.objects.heap(), self.rare_heap());
        let list_after = objects.map_or(list, ObjectList::heap);
        let others_after = rare.map_or(others, Rare::heap);
        (list_after + others_after).saturating_sub(list + others)
    }

    /// What few clients say, with what this one says in an Update.
    pub(super) fn rare_with(
        &self,
        unknown: &Given,
        sms: Option<Msisdn>,
    ) -> Result<Rare, RefusalReason> {
        let none = Rare::default();
        let before = self.rare.as_deref().unwrap_or(&none);
        Ok(Rare {
            sms: sms.or(before.sms),
            parameters: before.parameters.merged(unknown)?,
        })
    }

    /// Keeps this, and tells what is different from before.
    pub(super) fn set_rare(&mut self, rare: Rare) -> Changes {
        let mut changes = Changes::default();
        let none = Rare::default();
        let before = self.rare.as_deref().unwrap_or(&none);
        changes.parameters = before.parameters != rare.parameters;
        changes.sms_number = before.sms != rare.sms;
        if changes != Changes::default() {
            self.rare = rare.boxed();
        }
        changes
    }

    fn rare_heap(&self) -> usize {
        self.rare.as_deref().map_or(0, Rare::heap)
    }
}

/// Sets what the client gave; tells whether that changed it.
pub(super) fn set<T: PartialEq>(slot: &mut T, given: Option<T>) -> bool {
    match given {
        Some(value) if *slot != value => {
            *slot = value;
            true
        }
        _ => false,
    }
}
