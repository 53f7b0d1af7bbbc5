//! What of a Client outlasts a restart of the device.

use alloc::{string::String, vec::Vec};
use core::{fmt, time::Duration};

use lwm2m_core::Instant;
use lwm2m_objects::ObjectTree;

use super::{
    accounts,
    attributes::AttributesRecord,
    bootstrap::BootstrapRecord,
    calls::Client,
    config::{ClientConfig, ClientError},
    parts::Parts,
    registrations::RegistrationRecord,
    reporting::{ReportingRecord, Seen},
    span::Downtime,
};
#[cfg(feature = "smartcard")]
use crate::smartcard::CardContents;

/// The version of the content. Another one isn't restored.
const VERSION: u16 = 1;

/// The state of a [`Client`] as plain data, to be saved across a restart: its registrations, the attributes that
/// servers have set, observations with what is stored for them, which servers are disabled and what is kept for them,
/// where it is in the Bootstrap Sequence, and when the account of the Bootstrap-Server is purged. See
/// [`Client::snapshot`] and [`Client::restore`].
///
/// With the feature `serde` it serialises, in formats that describe themselves and in those that don't. It has no
/// moments, because the clock may begin anew, and no keys; [`Debug`](fmt::Debug) shows none of its values.
///
#[cfg_attr(feature = "serde", doc = "```")]
#[cfg_attr(not(feature = "serde"), doc = "```ignore")]
/// # use core::time::Duration;
/// # use lwm2m_core::{InstanceId, Instant, ShortServerId};
/// # use lwm2m_objects::{ObjectTree, Store, typed::{Device, Security, Server}};
/// # use lwm2m_statemachine::{Client, ClientConfig};
/// use lwm2m_objects::{Sealed, Snapshot};
/// use lwm2m_statemachine::client::ClientSnapshot;
///
/// # let objects = || {
/// #     let id = ShortServerId::new(101).unwrap();
/// #     let mut tree = ObjectTree::new();
/// #     tree.add(Store::of([(InstanceId::ZERO, Security::no_sec("coap://192.0.2.1", id))]));
/// #     tree.add(Store::of([(InstanceId::ZERO, Server::new(id, 86_400))]));
/// #     tree.add(Store::of([(InstanceId::ZERO, Device::default())]));
/// #     tree
/// # };
/// # let client = Client::new(ClientConfig::new("device", [7; 32]), objects())?;
/// # let now = Instant::ZERO;
/// // Before the device powers down:
/// let state = Sealed((client.tree().snapshot(), client.snapshot(now)));
/// let saved = serde_json::to_string(&state)?;
///
/// // After it has woken, an hour later:
/// # let now = Instant::ZERO;
/// let elapsed = Some(Duration::from_secs(3600));
/// let config = ClientConfig::new("device", [8; 32]); // a fresh seed
/// let mut tree = objects();
/// let mut client = match serde_json::from_str::<Sealed<(Snapshot, ClientSnapshot)>>(&saved) {
///     Ok(Sealed((values, state))) => {
///         tree.restore(&values)?;
///         Client::restore(config, tree, &state, now, elapsed)?
///     }
///     Err(_damaged) => Client::new(config, tree)?,
/// };
/// client.start(now);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClientSnapshot {
    version: u16,
    endpoint: String,
    registrations: Vec<RegistrationRecord>,
    attributes: Vec<AttributesRecord>,
    reporting: ReportingRecord,
    bootstrap: BootstrapRecord,
    #[cfg(feature = "smartcard")]
    card: CardContents,
}

/// A restart of the device.
impl Client {
    /// What of this Client outlasts a restart of the device. It changes nothing, so take one as often as you like:
    /// before the device powers down, or each time that something has happened, to be ready for a power cut.
    ///
    /// Save it together with the values of the Objects, [`ObjectTree::snapshot`]. Both are the state before a bootstrap
    /// that is under way. Not in it is what is under way: requests, downloads, and requests that the application
    /// decides about.
    pub fn snapshot(&self, now: Instant) -> ClientSnapshot {
        self.parts.snapshot(now)
    }

    /// A Client that goes on where another one was when the snapshot was taken, after a restart of the device.
    ///
    /// `now` is the clock of now, which may have begun anew. `elapsed` is how long ago the snapshot was taken, if the
    /// device knows that (from a clock with a battery, or because it has set the alarm that wakes it). Rather say
    /// `None` than less than it was: then all registrations are over, and the Client registers anew.
    ///
    /// Restore the tree before, and [start](Self::start) the Client after. It asks for connections. Where one continues
    /// the one before ([`Session::Resumed`](super::Session::Resumed)), the registration goes on with an Update. Else
    /// the Client registers anew. For a server in Queue Mode for which it was asleep it sleeps on (TS 8.3), and asks for
    /// the connection when there is something to tell. So a device that is woken early may sleep again until the same
    /// moment ([`MaySleep`](super::ClientEvent::MaySleep)); save anew when it wakes by itself and runs on.
    ///
    /// What doesn't fit isn't restored: a snapshot of another version or Endpoint Client Name, an account that isn't
    /// what it was, what is damaged, and what is over the bounds of the configuration. That ends in a Register. So it
    /// does if the device ran on after the snapshot, and its server knows the registration no more. Use
    /// [`Sealed`](lwm2m_objects::Sealed) against damage that can't be seen.
    ///
    /// Tree and snapshot need not be of one moment. If the tree is newer, the Client tells what has changed since, as
    /// with any other change. If it is older, servers may know values that are newer than those that the Client reads;
    /// they hear of the older ones with the next notification. What was stored when the snapshot was taken is sent, also
    /// if it was sent since.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new). No snapshot is an error.
    pub fn restore(
        config: ClientConfig,
        tree: ObjectTree,
        snapshot: &ClientSnapshot,
        now: Instant,
        elapsed: Option<Duration>,
    ) -> Result<Self, ClientError> {
        let endpoint = config.announced.endpoint_name.clone();
        let mut client = Self::new(config, tree)?;
        if snapshot.version == VERSION && snapshot.endpoint == endpoint {
            client.parts.restore(snapshot, Downtime { now, elapsed });
        }
        Ok(client)
    }
}

/// Each part has its own record.
impl Parts {
    fn snapshot(&self, now: Instant) -> ClientSnapshot {
        ClientSnapshot {
            version: VERSION,
            endpoint: self.bootstrap.endpoint().into(),
            registrations: self.registrations.record(&self.tree, now),
            attributes: self.attributes.record(),
            reporting: self.reporting.record(&Seen {
                now,
                tree: &self.tree,
                attributes: &self.attributes,
                registrations: &self.registrations,
                endpoint: &self.endpoint,
                root: self.requests.root(),
            }),
            bootstrap: self.bootstrap.record(&self.tree, now),
            #[cfg(feature = "smartcard")]
            card: self.registrations.card().contents().clone(),
        }
    }

    fn restore(&mut self, snapshot: &ClientSnapshot, downtime: Downtime) {
        let now = downtime.now;
        #[cfg(feature = "smartcard")]
        self.registrations
            .card_mut()
            .set_contents(snapshot.card.clone());
        let tree = &self.tree;
        let has_account = |server| accounts::has_account(tree, server);
        self.attributes
            .restore(tree, has_account, &snapshot.attributes);
        let mut known = Vec::new();
        self.register(now, |registrations, context| {
            known = registrations.restore(context, &snapshot.registrations, downtime);
        });
        let root = self.requests.root().clone();
        self.report(now, |reporting, context| {
            reporting.restore(context, &snapshot.reporting, (&root, &known), downtime);
        });
        self.bootstrap(now, |bootstrap, context| {
            bootstrap.restore(context, &snapshot.bootstrap, downtime);
        });
    }
}

impl fmt::Debug for ClientSnapshot {
    /// Values may be secrets, and locations let others speak for the Client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSnapshot")
            .field("registrations", &self.registrations.len())
            .field("attributes", &self.attributes.len())
            .field("observations", &self.reporting.len())
            .finish_non_exhaustive()
    }
}
