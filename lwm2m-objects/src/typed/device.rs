//! Device (TS E.4).

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use lwm2m_core::{BindingMode, InstanceId, ObjectId, ObjectLink};

use super::{Typed, Values};
use crate::{
    definition::{ObjectDefinition, builtin::DEVICE},
    tree::{Store, TreeView},
};

/// The instance of the Device Object. Fields are in the order of their Resources; those that are
/// `None` aren't instantiated. [`DeviceObject`](crate::DeviceObject) maintains error codes and
/// time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Device {
    /// Human readable name of the manufacturer (Resource 0).
    pub manufacturer: Option<String>,
    /// The model number (Resource 1).
    pub model_number: Option<String>,
    /// The serial number (Resource 2).
    pub serial_number: Option<String>,
    /// The firmware version (Resource 3).
    pub firmware_version: Option<String>,
    /// Whether a server may reset the Device to factory settings (Resource 5).
    pub factory_reset: bool,
    /// The power sources (Resources 6, 7, 8, with the same Resource Instance IDs).
    pub power_sources: Vec<PowerSource>,
    /// The battery level, in percent (Resource 9).
    pub battery_level: Option<u8>,
    /// The free memory, in kilobytes (Resource 10).
    pub memory_free: Option<u32>,
    /// The error codes, at least one: 0 means "no error" (Resource 11).
    pub error_codes: Vec<u8>,
    /// Whether a server may reset the error codes (Resource 12).
    pub reset_error_code: bool,
    /// The current time, in seconds of Unix time (Resource 13).
    pub current_time: Option<i64>,
    /// The UTC offset as in ISO 8601, such as `+02:00` (Resource 14).
    pub utc_offset: Option<String>,
    /// The name in the IANA time zone database, such as `Europe/Paris` (Resource 15).
    pub timezone: Option<String>,
    /// The bindings that the Client supports (Resource 16).
    pub supported_binding: BindingMode,
    /// The manufacturer's name for the class of devices (Resource 17).
    pub device_type: Option<String>,
    /// The hardware version (Resource 18).
    pub hardware_version: Option<String>,
    /// The version of the software above the firmware (Resource 19).
    pub software_version: Option<String>,
    /// The status of the internal battery: 0 normal, 1 charging, 2 charged, 3 damaged, 4 low, 5 not
    /// installed, 6 unknown (Resource 20).
    pub battery_status: Option<u8>,
    /// The total memory, in kilobytes (Resource 21).
    pub memory_total: Option<u32>,
    /// Object Instances that describe an external device, such as the host (Resource 22).
    pub external_devices: Vec<ObjectLink>,
}

/// A power source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PowerSource {
    /// 0 DC, 1 internal battery, 2 external battery, 4 Power over Ethernet, 5 USB, 6 mains,
    /// 7 solar.
    pub kind: u8,
    /// The voltage, in millivolts.
    pub voltage: i32,
    /// The current, in milliamperes.
    pub current: i32,
}

impl Default for Device {
    /// The mandatory Resources only: no error, binding U, Reboot.
    fn default() -> Self {
        Self {
            manufacturer: None,
            model_number: None,
            serial_number: None,
            firmware_version: None,
            factory_reset: false,
            power_sources: Vec::new(),
            battery_level: None,
            memory_free: None,
            error_codes: [0].into(),
            reset_error_code: false,
            current_time: None,
            utc_offset: None,
            timezone: None,
            supported_binding: BindingMode::U,
            device_type: None,
            hardware_version: None,
            software_version: None,
            battery_status: None,
            memory_total: None,
            external_devices: Vec::new(),
        }
    }
}

impl Device {
    /// The Device of the example client in the specification (TS Appendix F, Table 40).
    pub fn example() -> Self {
        Self {
            manufacturer: Some("Open Mobile Alliance".into()),
            model_number: Some("Lightweight M2M Client".into()),
            serial_number: Some("345000123".into()),
            firmware_version: Some("1.0".into()),
            power_sources: [
                PowerSource {
                    kind: 1,
                    voltage: 3800,
                    current: 125,
                },
                PowerSource {
                    kind: 5,
                    voltage: 5000,
                    current: 900,
                },
            ]
            .into(),
            battery_level: Some(100),
            memory_free: Some(15),
            current_time: Some(1_367_491_215),
            utc_offset: Some("+02:00".into()),
            ..Self::default()
        }
    }
}

impl Typed for Device {
    const DEFINITION: &'static ObjectDefinition = &DEVICE;

    fn store(self, store: Store, instance: InstanceId) -> Store {
        let power = |of: fn(&PowerSource) -> i64| -> Vec<_> {
            (0..=u16::MAX)
                .zip(self.power_sources.iter().map(of))
                .collect()
        };
        let mut store = store
            .with_instance(instance)
            .with_some(instance, 0, self.manufacturer)
            .with_some(instance, 1, self.model_number)
            .with_some(instance, 2, self.serial_number)
            .with_some(instance, 3, self.firmware_version)
            .with_instances(instance, 6, power(|source| source.kind.into()))
            .with_instances(instance, 7, power(|source| source.voltage.into()))
            .with_instances(instance, 8, power(|source| source.current.into()))
            .with_some(instance, 9, self.battery_level.map(i64::from))
            .with_some(instance, 10, self.memory_free.map(i64::from))
            .with_instances(
                instance,
                11,
                (0..=u16::MAX).zip(self.error_codes.into_iter().map(i64::from)),
            )
            .with_some(instance, 13, self.current_time)
            .with_some(instance, 14, self.utc_offset)
            .with_some(instance, 15, self.timezone)
            .with(instance, 16, self.supported_binding.to_string())
            .with_some(instance, 17, self.device_type)
            .with_some(instance, 18, self.hardware_version)
            .with_some(instance, 19, self.software_version)
            .with_some(instance, 20, self.battery_status.map(i64::from))
            .with_some(instance, 21, self.memory_total.map(i64::from))
            .with_instances(instance, 22, (0..=u16::MAX).zip(self.external_devices));
        if self.factory_reset {
            store = store.with_executable(instance, 5);
        }
        if self.reset_error_code {
            store = store.with_executable(instance, 12);
        }
        store
    }

    fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Option<Self> {
        let values = Values::new(tree.into(), ObjectId::DEVICE, instance)?;
        let paired = |numbers: &[(_, i64)], id| {
            let found = numbers.iter().find(|(other, _)| *other == id);
            found
                .and_then(|(_, number)| i32::try_from(*number).ok())
                .unwrap_or_default()
        };
        let (voltages, currents) = (values.numbers(7), values.numbers(8));
        let sources = values.numbers(6).into_iter().filter_map(|(id, kind)| {
            Some(PowerSource {
                kind: u8::try_from(kind).ok()?,
                voltage: paired(&voltages, id),
                current: paired(&currents, id),
            })
        });
        Some(Self {
            manufacturer: values.string(0),
            model_number: values.string(1),
            serial_number: values.string(2),
            firmware_version: values.string(3),
            factory_reset: values.has(5),
            power_sources: sources.collect(),
            battery_level: values.number(9),
            memory_free: values.number(10),
            error_codes: values
                .numbers(11)
                .into_iter()
                .filter_map(|(_, code)| u8::try_from(code).ok())
                .collect(),
            reset_error_code: values.has(12),
            current_time: values.number(13),
            utc_offset: values.string(14),
            timezone: values.string(15),
            supported_binding: values.string(16)?.parse().ok()?,
            device_type: values.string(17),
            hardware_version: values.string(18),
            software_version: values.string(19),
            battery_status: values.number(20),
            memory_total: values.number(21),
            external_devices: values.links(22),
        })
    }
}
