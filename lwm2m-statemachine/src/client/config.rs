//! The configuration of a Client.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use lwm2m_core::{ContentFormat, EndpointName, Msisdn, MsisdnError, ObjectId, ShortServerId};
use lwm2m_linkformat::{RootPath, RootPathError};
use lwm2m_objects::{BUILT_IN, ObjectTree};
use thiserror::Error;

use crate::coap;

/// How a [`Client`](super::Client) behaves. Its accounts and all its Objects are in the tree.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// What the Client tells of itself when it registers.
    pub announced: Announced,
    /// The configuration of the CoAP endpoint, with the seed of all randomness.
    pub coap: coap::Config,
    /// The format of the answer to a Read of a single Resource without Accept (TS 8.1). All other
    /// answers without Accept are in TLV.
    pub single_resource_format: ContentFormat,
    /// How notifications are sent.
    pub notifications: Reliability,
    /// How long to wait between two attempts to register. A server that answers 5.03 may ask for a longer wait, up
    /// to a day: it isn't asked before the Max-Age is over (RFC 7252 §5.9.3.4), even if the lifetime ends meanwhile.
    pub retry: Backoff,
    /// How many observations each server may have, so that none shuts out another. One more Observe is
    /// answered as a Read, without the Observe option (RFC 7641 §4.1).
    pub most_observations: usize,
    /// What is stored for the servers while the Client is offline, or asleep.
    pub storing: Storing,
    /// How the Client is awake and asleep for servers whose binding has Queue Mode (TS 8.3).
    pub queue_mode: QueueMode,
    /// At how many Objects, Object Instances and Resources each server may have attributes (TS 5.4.4).
    /// A Write-Attributes for one more is answered 5.00.
    pub most_attributes: usize,
    /// How requests wait that the application answers.
    pub deferring: Deferring,
    /// How the Client fetches what its Objects need, such as firmware (TS E.6).
    pub downloads: DownloadConfig,
    /// How the Client is bootstrapped (TS 5.2.4).
    pub bootstrap: BootstrapConfig,
}

/// How long to wait between two attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// How long to wait after one failure, less up to a half at random. The wait doubles with each further
    /// failure in a row. After a refusal (4.xx) it is 16 times as long. Default: 5 seconds.
    pub first: Duration,
    /// The longest wait. Default: 1 hour.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            most: Duration::from_secs(3600),
        }
    }
}

/// How a [`Client`](super::Client) is bootstrapped (TS 5.2.4).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BootstrapConfig {
    /// Whether the device has a smartcard: then the Client begins with what that has, which the application reads
    /// ([`SmartcardAsked`](super::ClientEvent::SmartcardAsked)). Default: no.
    pub smartcard: bool,
    /// After how many attempts to register without an answer, or with a 5.xx, a server has failed; 1 at least.
    /// One that refuses the Register (4.xx) has failed at once. When all servers have failed, the Client asks its
    /// Bootstrap-Server. Default: 3.
    pub attempts: u32,
    /// How long to wait between two Bootstrap-Requests.
    pub retry: Backoff,
    /// How many Object Instances all Objects together may have by what a Bootstrap-Server writes. A Write that would
    /// make more is answered 5.00. Default: 256.
    pub most_instances: usize,
    /// How long a bootstrap may take in all, from its first command to its Finish. One that takes longer is rolled
    /// back, even if commands come still: nobody else is served meanwhile. Default: 1 hour.
    pub longest: Duration,
}

impl Default for BootstrapConfig {
    fn default() -> Self {
        Self {
            smartcard: false,
            attempts: 3,
            retry: Backoff::default(),
            most_instances: 256,
            longest: Duration::from_secs(3600),
        }
    }
}

/// How a [`Client`](super::Client) fetches what its Objects need from CoAP servers, block by block.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DownloadConfig {
    /// The preferred size of a block in bytes, rounded down to 16, 32, 64, 128, 256, 512 or 1024. The
    /// server may choose a smaller one (RFC 7959 §2.4). Default: 1024.
    pub block_size: usize,
    /// The largest body in bytes; a larger one fails with
    /// [`FetchFailure::Storage`](lwm2m_objects::FetchFailure::Storage). Default: 64 MiB.
    pub largest: u64,
    /// How many downloads may run at once, 1 at least; the others wait for them to end. Default: 2.
    pub most: usize,
    /// How long to wait after a connection was lost, or a request was not answered. The wait doubles
    /// with each further failure, until bytes arrive. Half of it is random. Default: 5 seconds.
    pub retry_first: Duration,
    /// The longest such wait. Default: 5 minutes.
    pub retry_most: Duration,
    /// How long a download may be without a new byte. Then it fails with
    /// [`FetchFailure::ConnectionLost`](lwm2m_objects::FetchFailure::ConnectionLost). Default: 1 hour.
    pub silence: Duration,
    /// How long a download may take in all; then it fails in the same way. The time for which the Client
    /// is offline, or others are before it, doesn't count. Default: 24 hours.
    pub within: Duration,
    /// How often a download may begin again because the body has become another one. Then it fails
    /// with [`FetchFailure::Integrity`](lwm2m_objects::FetchFailure::Integrity). Default: 3.
    pub restarts: u8,
}

impl Default for DownloadConfig {
    fn default() -> Self {
        Self {
            block_size: 1024,
            largest: 1 << 26,
            most: 2,
            retry_first: Duration::from_secs(5),
            retry_most: Duration::from_secs(300),
            silence: Duration::from_secs(3600),
            within: Duration::from_secs(86_400),
            restarts: 3,
        }
    }
}

/// What a Client tells of itself when it registers (TS Table 7).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Announced {
    /// The Endpoint Client Name (TS 6.3.1): 1 to 252 bytes.
    pub endpoint_name: String,
    /// Where the Objects are (TS 8.2.2): `/`, or an alternate path such as `/lwm2m`, written like the
    /// target of a link. None of its segments is a number. Servers find the Objects below it alone; the
    /// Bootstrap-Server doesn't use it.
    pub alternate_path: String,
    /// The device's MSISDN: 1 to 15 digits with the country code, without `+` (TS 8.2.4). A server
    /// whose binding has SMS is told.
    pub sms_number: Option<String>,
}

/// What a Client tells of itself, checked.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) endpoint: EndpointName<'static>,
    pub(super) root: Root,
    pub(super) sms: Option<Msisdn>,
}

/// Where the Objects are.
#[derive(Clone, Debug)]
pub(super) struct Root {
    text: String,
    /// As Uri-Path options have them.
    segments: Vec<String>,
}

impl Root {
    pub(super) fn new(text: &str) -> Result<Self, RootPathError> {
        let path = RootPath::new(text)?;
        Ok(Self {
            text: path.as_str().into(),
            segments: path.segments().map(String::from).collect(),
        })
    }

    pub(super) fn path(&self) -> RootPath<'_> {
        // It has been checked.
        RootPath::new(&self.text).unwrap_or_default()
    }

    /// The segments, as Uri-Path options have them.
    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(String::as_str)
    }

    /// What follows it in the path of a request; `None` if the request isn't below it.
    pub(super) fn below<'s, S: Iterator<Item = &'s str>>(&self, mut segments: S) -> Option<S> {
        let mut own = self.segments.iter();
        own.all(|own| segments.next() == Some(own))
            .then_some(segments)
    }
}

/// How notifications are sent (TS 8.2: both ways are allowed).
///
/// CoAP has only these two, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reliability {
    /// Non-confirmable, except that at least one every 24 hours is confirmable (RFC 7641 §4.5), to
    /// show whether the server is still there.
    #[default]
    NonConfirmable,
    /// Every notification is confirmable.
    Confirmable,
}

/// How notifications are stored while the Client is offline (TS E.2, Resource 6). Over a bound, the
/// oldest ones go: [`NotificationsDropped`](super::ClientEvent::NotificationsDropped).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Storing {
    /// How many notifications are stored for each server. What is kept for one that was disabled until it observes the
    /// same again is among them.
    pub most: usize,
    /// How many bytes of payload they may have together.
    pub most_bytes: usize,
    /// Whether what is stored for an observation in JSON is sent as one notification, whose values
    /// have times (TS 6.4.4). Not every server reads those.
    pub batches_json: bool,
}

impl Default for Storing {
    /// 64 notifications and 16 KiB, each notification by itself.
    fn default() -> Self {
        Self {
            most: 64,
            most_bytes: 16 * 1024,
            batches_json: false,
        }
    }
}

/// How [deferred](super::DeferredRequests::defer) requests wait for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Deferring {
    /// How long one waits; then the Client answers 5.00. At most one second less than NON_LIFETIME, which is 145
    /// seconds by default (RFC 7252 §4.8.2): a non-confirmable request isn't remembered for longer. Default: 60
    /// seconds.
    pub answer_within: Duration,
    /// How many of each server may wait, so that none shuts out another. One more is answered 5.03. Default: 8.
    pub most: usize,
}

impl Default for Deferring {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(60),
            most: 8,
        }
    }
}

/// How a [`Client`](super::Client) is awake and asleep in Queue Mode (TS 8.3), which a server chooses by the
/// binding of its account (UQ, SQ, UQS; TS 5.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct QueueMode {
    /// How long the Client stays awake for a server after the last message from it or to it. `None`, which is the
    /// default, is MAX_TRANSMIT_WAIT of the [transmission
    /// parameters](crate::coap::Config::transmission): 93 seconds (RFC 7252 §4.8.2). A server counts on that, so
    /// choose another one only together with it.
    pub awake: Option<Duration>,
    /// Whether the Client wakes when a notification becomes due. If not, that is stored, or waits (TS E.2, Resource
    /// 6), until the Client wakes for another reason. Default: yes.
    pub wakes_to_notify: bool,
}

impl Default for QueueMode {
    fn default() -> Self {
        Self {
            awake: None,
            wakes_to_notify: true,
        }
    }
}

impl ClientConfig {
    /// The defaults, for an Endpoint Client Name and a seed. Use a fresh seed at every start: a
    /// repeated one repeats message ids and tokens.
    pub fn new(endpoint_name: impl Into<String>, seed: [u8; 32]) -> Self {
        Self {
            announced: Announced {
                endpoint_name: endpoint_name.into(),
                alternate_path: "/".into(),
                sms_number: None,
            },
            coap: coap::Config::new(seed),
            single_resource_format: ContentFormat::TLV,
            notifications: Reliability::default(),
            retry: Backoff::default(),
            most_observations: 64,
            storing: Storing::default(),
            queue_mode: QueueMode::default(),
            most_attributes: 64,
            deferring: Deferring::default(),
            downloads: DownloadConfig::default(),
            bootstrap: BootstrapConfig::default(),
        }
    }
}

/// Why no Client can be made with a configuration and a tree. The caller is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The Endpoint Client Name is empty, or too long for a Uri-Query option of 255 bytes.
    #[error("expected an endpoint client name of 1 to 252 bytes")]
    EndpointName,
    /// Two Security or two Server Object Instances have the same Short Server ID (TS 5.2.2). That of a
    /// Bootstrap-Server's Security Object Instance doesn't count.
    #[error("Short Server ID {0} is there twice")]
    DuplicateServer(ShortServerId),
    /// The tree lacks a mandatory Object (TS Appendix E): Security, Server or Device.
    #[error("expected the mandatory Object {id} ({name}) in the tree")]
    MissingObject {
        /// Which one.
        id: ObjectId,
        /// What it is called.
        name: &'static str,
    },
    /// [`ClientConfig::single_resource_format`] can't carry every single Resource.
    #[error("expected text or TLV as the format of single Resources")]
    SingleResourceFormat,
    /// [`Announced::alternate_path`] can't be one.
    #[error("{0}")]
    AlternatePath(#[from] RootPathError),
    /// [`Announced::sms_number`] is none.
    #[error("{0}")]
    SmsNumber(#[from] MsisdnError),
}

impl ClientConfig {
    /// Checks what can be checked without a tree.
    pub(super) fn check(&self) -> Result<Identity, ClientError> {
        let announced = &self.announced;
        let endpoint = EndpointName::new(announced.endpoint_name.clone());
        let endpoint = endpoint.map_err(|_| ClientError::EndpointName)?;
        let formats = [ContentFormat::TEXT, ContentFormat::TLV];
        if !formats.contains(&self.single_resource_format) {
            return Err(ClientError::SingleResourceFormat);
        }
        let sms = announced.sms_number.as_deref().map(str::parse);
        Ok(Identity {
            endpoint,
            root: Root::new(&announced.alternate_path)?,
            sms: sms.transpose()?,
        })
    }
}

/// Checks that the tree has all mandatory Objects, with or without Object Instances.
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
