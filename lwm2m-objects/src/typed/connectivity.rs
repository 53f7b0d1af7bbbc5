//! Connectivity Monitoring (TS E.5) and Connectivity Statistics (TS E.8).

use alloc::{string::String, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, ResourceId, ValueRef};

use super::{Typed, Values};
use crate::{
    definition::{
        ObjectDefinition, builtin::CONNECTIVITY_MONITORING, builtin::CONNECTIVITY_STATISTICS,
    },
    tree::{Store, TreeView},
};

/// The instance of the Connectivity Monitoring Object. The values of a multiple Resource get Resource
/// Instance IDs from 0 on. `None` and empty optional lists are not instantiated.
///
/// Bearers: 0 GSM, 1 TD-SCDMA, 2 WCDMA, 3 CDMA2000, 4 `WiMAX`, 5 LTE-TDD, 6 LTE-FDD, 21 WLAN,
/// 22 Bluetooth, 23 IEEE 802.15.4, 41 Ethernet, 42 DSL, 43 PLC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConnectivityMonitoring {
    /// The bearer in use (Resource 0).
    pub network_bearer: u8,
    /// The bearers that could be used (Resource 1).
    pub available_network_bearers: Vec<u8>,
    /// The strength of the radio signal, in dBm (Resource 2).
    pub radio_signal_strength: i32,
    /// The link quality, in a unit of the bearer (Resource 3).
    pub link_quality: Option<i32>,
    /// The IP addresses (Resource 4).
    pub ip_addresses: Vec<String>,
    /// The next hop of each address (Resource 5).
    pub router_ip_addresses: Vec<String>,
    /// The link utilization, in percent (Resource 6).
    pub link_utilization: Option<u8>,
    /// Access Point Names (Resource 7).
    pub apns: Vec<String>,
    /// The serving cell (Resource 8).
    pub cell_id: Option<u32>,
    /// Serving Mobile Network Code, 0 to 999 (Resource 9).
    pub smnc: Option<u16>,
    /// Serving Mobile Country Code, 0 to 999 (Resource 10).
    pub smcc: Option<u16>,
}

impl Typed for ConnectivityMonitoring {
    const DEFINITION: &'static ObjectDefinition = &CONNECTIVITY_MONITORING;

    fn store(self, store: Store, instance: InstanceId) -> Store {
        let bearers = self.available_network_bearers.into_iter().map(i64::from);
        store
            .with(instance, 0, i64::from(self.network_bearer))
            .with_instances(instance, 1, (0..=u16::MAX).zip(bearers))
            .with(instance, 2, i64::from(self.radio_signal_strength))
            .with_some(instance, 3, self.link_quality.map(i64::from))
            .with_instances(instance, 4, (0..=u16::MAX).zip(self.ip_addresses))
            .with_instances(instance, 5, (0..=u16::MAX).zip(self.router_ip_addresses))
            .with_some(instance, 6, self.link_utilization.map(i64::from))
            .with_instances(instance, 7, (0..=u16::MAX).zip(self.apns))
            .with_some(instance, 8, self.cell_id.map(i64::from))
            .with_some(instance, 9, self.smnc.map(i64::from))
            .with_some(instance, 10, self.smcc.map(i64::from))
    }

    fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Option<Self> {
        let values = Values::new(tree.into(), ObjectId::CONNECTIVITY_MONITORING, instance)?;
        let bearers = values.numbers(1).into_iter();
        Some(Self {
            network_bearer: values.number(0)?,
            available_network_bearers: bearers
                .filter_map(|(_, bearer)| u8::try_from(bearer).ok())
                .collect(),
            radio_signal_strength: values.number(2)?,
            link_quality: values.number(3),
            ip_addresses: values.strings(4),
            router_ip_addresses: values.strings(5),
            link_utilization: values.number(6),
            apns: values.strings(7),
            cell_id: values.number(8),
            smnc: values.number(9),
            smcc: values.number(10),
        })
    }
}

/// The instance of the Connectivity Statistics Object. Fields that are `None` aren't instantiated.
/// The counting is done by [`ConnectivityStatisticsObject`](crate::ConnectivityStatisticsObject).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConnectivityStatistics {
    /// SMS that were sent (Resource 0).
    pub sms_tx_counter: Option<u64>,
    /// SMS that were received (Resource 1).
    pub sms_rx_counter: Option<u64>,
    /// Data sent, in units of 1024 bytes (Resource 2).
    pub tx_data: Option<u64>,
    /// Data received, in units of 1024 bytes (Resource 3).
    pub rx_data: Option<u64>,
    /// The longest message, in bytes (Resource 4).
    pub max_message_size: Option<u64>,
    /// The average size of a message, in bytes (Resource 5).
    pub average_message_size: Option<u64>,
    /// How long to collect after a Start, in seconds; 0 means until Stop (Resource 8).
    pub collection_period: Option<u32>,
}

impl ConnectivityStatistics {
    /// All Resources, with the value 0: collecting goes on until Stop.
    pub const ALL: Self = Self {
        sms_tx_counter: Some(0),
        sms_rx_counter: Some(0),
        tx_data: Some(0),
        rx_data: Some(0),
        max_message_size: Some(0),
        average_message_size: Some(0),
        collection_period: Some(0),
    };

    /// The counters, Resources 0 to 5.
    pub(crate) const fn counters(&self) -> [Option<u64>; 6] {
        [
            self.sms_tx_counter,
            self.sms_rx_counter,
            self.tx_data,
            self.rx_data,
            self.max_message_size,
            self.average_message_size,
        ]
    }
}

impl Typed for ConnectivityStatistics {
    const DEFINITION: &'static ObjectDefinition = &CONNECTIVITY_STATISTICS;

    fn store(self, store: Store, instance: InstanceId) -> Store {
        let counters = (0..=u16::MAX).zip(self.counters());
        let store = counters.fold(store.with_instance(instance), |store, (id, count)| {
            let count = count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
            store.with_some(instance, id, count)
        });
        store.with_some(instance, 8, self.collection_period.map(i64::from))
    }

    /// Times have 32 bits.
    fn accepts(resource: ResourceId, value: &ValueRef<'_>) -> bool {
        match (resource.get(), value) {
            (8, ValueRef::Integer(seconds)) => u32::try_from(*seconds).is_ok(),
            _ => true,
        }
    }

    fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Option<Self> {
        let values = Values::new(tree.into(), ObjectId::CONNECTIVITY_STATISTICS, instance)?;
        Some(Self {
            sms_tx_counter: values.number(0),
            sms_rx_counter: values.number(1),
            tx_data: values.number(2),
            rx_data: values.number(3),
            max_message_size: values.number(4),
            average_message_size: values.number(5),
            collection_period: values.number(8),
        })
    }
}
