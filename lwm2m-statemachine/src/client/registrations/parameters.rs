//! What a Client tells its servers: the messages of Register and Update (TS 5.3.1, 5.3.2, 8.2.4).

use alloc::collections::BTreeSet;
use core::time::Duration;

use bytes::Bytes;
use lwm2m_core::{
    BindingMode, ContentFormat, InstanceId, Lifetime, Method, Msisdn, ObjectId, ParameterQuery,
    RegisterParameters, UpdateParameters, Version,
};
use lwm2m_linkformat::{RegistrationLink, RegistrationLinks};
use lwm2m_objects::{ObjectTree, Typed as _, typed::Server};

use super::{
    super::{config::Identity, discover::object_list},
    location::Location,
};
use crate::{
    coap::{MessageBuf, OptionError},
    machine::Channel,
};

/// Room for all of a Register but the object list.
const CAPACITY: usize = 96;

/// The parameters of a Register, and of an Update when they have changed (TS Tables 7, 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) lifetime: Lifetime,
    pub(super) binding: BindingMode,
    /// Where the Client can be reached by SMS, if the binding has that.
    pub(super) sms: Option<Msisdn>,
    /// The object list, in link-format.
    pub(super) objects: Bytes,
}

/// The object list, which is the same for all servers. It is made once, if any of them needs it.
#[derive(Debug, Default)]
pub(in super::super) struct ObjectList(Option<Bytes>);

impl ObjectList {
    fn get(&mut self, tree: &ObjectTree, identity: &Identity) -> Bytes {
        let make = || object_list(tree, identity.root.path()).into();
        self.0.get_or_insert_with(make).clone()
    }
}

/// Which parameters an Update tells (TS Table 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each parameter")]
pub(super) struct Told {
    lifetime: bool,
    binding: bool,
    sms: bool,
    objects: bool,
}

impl Told {
    /// Those by which the server decides for how long, when and where the Client is reached.
    pub(super) const REACH: Self = Self {
        lifetime: true,
        binding: true,
        sms: true,
        objects: false,
    };

    /// These and others.
    pub(super) const fn with(self, other: Self) -> Self {
        Self {
            lifetime: self.lifetime || other.lifetime,
            binding: self.binding || other.binding,
            sms: self.sms || other.sms,
            objects: self.objects || other.objects,
        }
    }
}

impl Parameters {
    /// The parameters for the server of this Server Object Instance; `None` if that is unusable.
    pub(super) fn of(
        tree: &ObjectTree,
        server_instance: InstanceId,
        identity: &Identity,
        list: &mut ObjectList,
    ) -> Option<Self> {
        let server = Server::load(tree, server_instance)?;
        Some(Self {
            lifetime: Lifetime::from_secs(server.lifetime)?,
            binding: server.binding,
            sms: identity.sms.filter(|_| server.binding.has_sms()),
            objects: list.get(tree, identity),
        })
    }

    /// `POST /rd` with all of it.
    pub(super) fn register(&self, identity: &Identity) -> Result<MessageBuf, OptionError> {
        let capacity = CAPACITY.saturating_add(self.objects.len());
        let mut message = MessageBuf::request_with_capacity(Method::Post, capacity);
        message
            .uri_path("rd")?
            .content_format(ContentFormat::LINK_FORMAT)?;
        let parameters = RegisterParameters {
            endpoint: identity.endpoint.clone(),
            lifetime: self.lifetime,
            version: Version::INITIAL,
            binding: self.binding.into(),
            sms: self.sms,
        };
        queries(&mut message, parameters.queries())?;
        message.payload(&self.objects);
        Ok(message)
    }

    /// Which of them differ from those that the server knows.
    pub(super) fn differences(&self, known: &Self) -> Told {
        Told {
            lifetime: known.lifetime != self.lifetime,
            binding: known.binding != self.binding,
            sms: known.sms != self.sms,
            objects: known.objects != self.objects,
        }
    }

    /// Whether a server that knows others hears of these by an Update. Of Objects that are `held` it doesn't.
    pub(super) fn are_news(&self, known: &Self, held: &BTreeSet<ObjectId>) -> bool {
        let mut told = self.differences(known);
        if told.objects && !held.is_empty() {
            let listed = |list| told_links(list, held);
            told.objects = !listed(&self.objects).eq(listed(&known.objects));
        }
        told != Told::default()
    }

    /// `POST /{location}` with these parameters only.
    pub(super) fn update(
        &self,
        told: Told,
        location: &Location,
    ) -> Result<MessageBuf, OptionError> {
        let mut message = location.request(Method::Post)?;
        let objects = told.objects.then_some(&self.objects);
        if objects.is_some() {
            message.content_format(ContentFormat::LINK_FORMAT)?;
        }
        let parameters = UpdateParameters {
            lifetime: told.lifetime.then_some(self.lifetime),
            binding: told.binding.then(|| self.binding.into()),
            // That it's gone, the binding tells.
            sms: self.sms.filter(|_| told.sms),
        };
        queries(&mut message, parameters.queries())?;
        if let Some(objects) = objects {
            message.payload(objects);
        }
        Ok(message)
    }

    /// The lifetime of the registration.
    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime.as_duration()
    }

    /// Whether the Client can be reached by SMS.
    pub(super) const fn has_sms(&self) -> bool {
        self.binding.has_sms()
    }

    /// Whether the server queues its requests while the Client is asleep (TS 8.3).
    pub(super) const fn queues(&self) -> bool {
        self.binding.queues_udp() || self.binding.queues_sms()
    }

    /// The channel on which the server expects the Client.
    pub(super) const fn channel(&self) -> Channel {
        channel_of(self.binding)
    }

    /// How long after the server learned of these parameters the next Update is due: early enough
    /// that it and all its retransmissions, which take this long, fit into the lifetime, and never
    /// before half of it.
    pub(super) fn update_after(&self, takes: Duration) -> Duration {
        let lifetime = self.lifetime.as_duration();
        lifetime.saturating_sub(takes.min(lifetime / 2))
    }
}

/// The Objects and Object Instances of an object list but those of Objects that are held. What the root's link says
/// follows from the Objects.
fn told_links<'l>(
    list: &'l [u8],
    held: &BTreeSet<ObjectId>,
) -> impl Iterator<Item = RegistrationLink<'l>> {
    let links = RegistrationLinks::new(list).map_while(Result::ok);
    links.filter(|link| match link {
        RegistrationLink::Root { .. } => false,
        RegistrationLink::Object { object, .. } | RegistrationLink::Instance { object, .. } => {
            !held.contains(object)
        }
    })
}

/// The channel that a binding says the server uses (TS Table 8). With both, the Client itself begins on
/// UDP: what comes over SMS is only answered there.
pub(super) const fn channel_of(binding: BindingMode) -> Channel {
    if binding.has_udp() {
        Channel::Udp
    } else {
        Channel::Sms
    }
}

fn queries<'q>(
    message: &mut MessageBuf,
    mut queries: impl Iterator<Item = ParameterQuery<'q>>,
) -> Result<(), OptionError> {
    queries.try_for_each(|query| message.uri_query_display(&query).map(drop))
}
