//! What a Client tells its servers: the messages of Register and Update (TS 5.3.1, 5.3.2, 8.2.4).

use alloc::vec::Vec;
use core::time::Duration;

use lwm2m_core::{
    BindingMode, ContentFormat, InstanceId, Lifetime, Method, Msisdn, ParameterQuery,
    RegisterParameters, UpdateParameters, Version,
};
use lwm2m_objects::{ObjectTree, Typed as _, typed::Server};

use super::{
    super::{config::Identity, discover::object_list},
    location::Location,
};
use crate::coap::{MessageBuf, OptionError};

/// Room for all of a Register but the object list.
const CAPACITY: usize = 96;

/// The parameters of a Register, and of an Update when they have changed (TS Tables 7, 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    lifetime: Lifetime,
    binding: BindingMode,
    /// Where the Client can be reached by SMS, if the binding has that.
    sms: Option<Msisdn>,
    /// The object list, in link-format.
    objects: Vec<u8>,
}

impl Parameters {
    /// The parameters for the server of this Server Object Instance; `None` if that is unusable.
    pub(super) fn of(
        tree: &ObjectTree,
        server_instance: InstanceId,
        identity: &Identity,
    ) -> Option<Self> {
        let server = Server::load(tree, server_instance)?;
        Some(Self {
            lifetime: Lifetime::from_secs(server.lifetime)?,
            binding: server.binding,
            sms: identity.sms.filter(|_| server.binding.has_sms()),
            objects: object_list(tree, identity.root.path()),
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

    /// `POST /{location}` with only the parameters that differ from `known`.
    pub(super) fn update(
        &self,
        known: &Self,
        location: &Location,
    ) -> Result<MessageBuf, OptionError> {
        let mut message = location.request(Method::Post)?;
        let objects = (known.objects != self.objects).then_some(&self.objects);
        if objects.is_some() {
            message.content_format(ContentFormat::LINK_FORMAT)?;
        }
        let parameters = UpdateParameters {
            lifetime: (known.lifetime != self.lifetime).then_some(self.lifetime),
            binding: (known.binding != self.binding).then(|| self.binding.into()),
            // That it's gone, the binding tells.
            sms: self.sms.filter(|sms| known.sms != Some(*sms)),
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

    /// How long after the server learned of these parameters the next Update is due: early enough
    /// that all its retransmissions fit into the lifetime, and never before half of it.
    pub(super) fn update_after(&self, max_transmit_wait: Duration) -> Duration {
        let lifetime = self.lifetime.as_duration();
        lifetime.saturating_sub(max_transmit_wait.min(lifetime / 2))
    }
}

fn queries<'q>(
    message: &mut MessageBuf,
    mut queries: impl Iterator<Item = ParameterQuery<'q>>,
) -> Result<(), OptionError> {
    queries.try_for_each(|query| message.uri_query_display(&query).map(drop))
}
