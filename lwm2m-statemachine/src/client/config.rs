//! What a Client is made with.

use alloc::string::String;
use core::time::Duration;

use lwm2m_core::{ContentFormat, EndpointName, ObjectId, ShortServerId};
use lwm2m_objects::{BUILT_IN, ObjectTree};
use thiserror::Error;

use crate::coap;

/// How a [`Client`](super::Client) behaves. What it *is*, its accounts included, is in the tree.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The Endpoint Client Name (TS 6.3.1): 1 to 252 bytes.
    pub endpoint_name: String,
    /// The CoAP endpoint's configuration, the seed of all randomness with it.
    pub coap: coap::Config,
    /// The format of an answer to a Read without Accept (TS 8.1), of a single Resource only; all
    /// else is TLV.
    pub single_resource_format: ContentFormat,
    /// How notifications are sent.
    pub notifications: Reliability,
    /// How long to wait after a first failed registration; it doubles with each further one.
    pub retry_first: Duration,
    /// How long to wait at most between two attempts.
    pub retry_most: Duration,
    /// How many observations there may be in all; one more Observe is answered as a
    /// Read, without the Observe option (RFC 7641 §4.1).
    pub most_observations: usize,
    /// How long the application has to answer a request that it [defers](super::Client::defer). After
    /// that the Client answers 5.00. No longer than a request is remembered counts: NON_LIFETIME,
    /// 145 seconds by default (RFC 7252 §4.8.2).
    pub answer_within: Duration,
    /// How many requests may wait for the application in all; one more is answered 5.03.
    pub most_deferred: usize,
}

/// How notifications are sent (TS 8.2: both ways are allowed).
///
/// CoAP has these two, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reliability {
    /// Non-confirmable, and a confirmable one at least every 24 hours (RFC 7641 §4.5), so that a
    /// server that is gone is noticed.
    #[default]
    NonConfirmable,
    /// Every notification is confirmable.
    Confirmable,
}

impl ClientConfig {
    /// The defaults, for an Endpoint Client Name and a seed. The seed is fresh at every start: a
    /// repeated one repeats message ids and tokens.
    pub fn new(endpoint_name: impl Into<String>, seed: [u8; 32]) -> Self {
        Self {
            endpoint_name: endpoint_name.into(),
            coap: coap::Config::new(seed),
            single_resource_format: ContentFormat::TLV,
            notifications: Reliability::default(),
            retry_first: Duration::from_secs(5),
            retry_most: Duration::from_secs(3600),
            most_observations: 64,
            answer_within: Duration::from_secs(60),
            most_deferred: 8,
        }
    }
}

/// A configuration or a tree that no Client can be made with: the application is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The Endpoint Client Name is empty, or too long for a Uri-Query of 255 bytes.
    #[error("expected an endpoint client name of 1 to 252 bytes")]
    EndpointName,
    /// Two Security or two Server Object Instances claim the same Short Server ID (TS 5.2.2). The
    /// Security Object Instance of a Bootstrap-Server claims none.
    #[error("Short Server ID {0} is there twice")]
    DuplicateServer(ShortServerId),
    /// The tree has not all of the Objects that are mandatory (TS Appendix E): Security, Server and
    /// Device.
    #[error("expected the mandatory Object {id} ({name}) in the tree")]
    MissingObject {
        /// Which one.
        id: ObjectId,
        /// What it is called.
        name: &'static str,
    },
    /// [`ClientConfig::single_resource_format`] cannot carry every single Resource.
    #[error("expected text or TLV as the format of single Resources")]
    SingleResourceFormat,
}

impl ClientConfig {
    /// Checks what can be checked without a tree.
    pub(super) fn check(&self) -> Result<EndpointName<'static>, ClientError> {
        let name = EndpointName::new(self.endpoint_name.clone());
        let name = name.map_err(|_| ClientError::EndpointName)?;
        let formats = [ContentFormat::TEXT, ContentFormat::TLV];
        if !formats.contains(&self.single_resource_format) {
            return Err(ClientError::SingleResourceFormat);
        }
        Ok(name)
    }
}

/// Whether the Objects that every Client has are there, though perhaps without Object Instances.
pub(super) fn check_objects(tree: &ObjectTree) -> Result<(), ClientError> {
    let mut mandatory = BUILT_IN.iter().filter(|object| object.mandatory);
    match mandatory.find(|object| tree.object(object.id).is_none()) {
        Some(missing) => Err(ClientError::MissingObject {
            id: missing.id,
            name: &missing.name,
        }),
        None => Ok(()),
    }
}
