//! The Objects of the device.

use std::io;

use lwm2m_core::{InstanceId, ObjectId, ObjectLink, Path, ShortServerId, Value};
use lwm2m_objects::{
    ObjectTree, Snapshot, Store, access, ddf, example,
    firmware::{FirmwareUpdateObject, State},
    typed,
};

use super::{Settings, firmware::Played};

/// The Short Server ID of the one server of the device.
const SERVER: ShortServerId = example::SERVER_1;
const FIRMWARE_VERSION: Path = Path::of(&[3, 0, 3]).unwrap();
/// What the device knows of Object 3442; a server may be given the same file.
const TEST_OBJECT: &[u8] = include_bytes!("../../objects/3442.xml");

/// The Objects of a device that starts for the first time: those of the example client of TS
/// Appendix F, with one account only, of the server that the settings name, and Object 3442.
pub(super) fn new(settings: &Settings) -> io::Result<(ObjectTree, Played)> {
    let mut tree = example::client();
    let leaving = access::unbootstrapped(&tree, example::SERVER_2);
    tree.change(leaving).map_err(invalid)?;
    let security = typed::Security::no_sec(settings.server_uri.as_str(), SERVER);
    let server = typed::Server {
        default_minimum_period: Some(0),
        default_maximum_period: Some(6000),
        ..typed::Server::new(SERVER, settings.lifetime)
    };
    let device = typed::Device {
        timezone: Some("Europe/Paris".into()),
        ..typed::Device::example()
    };
    let (firmware, played) = Played::object().map_err(invalid)?;
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, server)]));
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    tree.add(firmware);
    tree.add(test_object()?);
    Ok((tree, played))
}

/// The Objects of a device that starts again: with all their values, and with the new firmware if
/// one was being installed.
pub(super) fn restarted(settings: &Settings, saved: &Snapshot) -> io::Result<(ObjectTree, Played)> {
    let (mut tree, played) = new(settings)?;
    tree.restore(saved).map_err(invalid)?;
    let firmware: Option<&mut FirmwareUpdateObject> = tree.object_as_mut(ObjectId::FIRMWARE_UPDATE);
    if let Some(firmware) = firmware
        && firmware.machine().state() == State::Updating
    {
        firmware.updated().map_err(invalid)?;
        if let Some(Value::String(version)) = tree.get(FIRMWARE_VERSION) {
            tree.set(FIRMWARE_VERSION, next_version(&version))
                .map_err(invalid)?;
        }
    }
    Ok((tree, played))
}

/// The version whose last number is greater by one.
fn next_version(version: &str) -> String {
    let last = version.rfind('.').map_or(0, |dot| dot + 1);
    let (kept, number) = version.split_at(last);
    match number.parse::<u32>() {
        Ok(number) => format!("{kept}{}", number.saturating_add(1)),
        Err(_) => format!("{version}.1"),
    }
}

/// An Object with a Resource of each data type.
#[expect(
    clippy::approx_constant,
    reason = "what Object 3442 has at first, not the ratio of a circle"
)]
fn test_object() -> io::Result<Store> {
    let definitions = ddf::read(TEST_OBJECT).map_err(invalid)?;
    let definition = definitions.into_iter().next();
    let definition = definition.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let device = ObjectLink {
        object: 3,
        instance: 0,
    };
    Store::from_definition(definition)
        .map_err(invalid)?
        .with(InstanceId::ZERO, 110, "initial value")
        .with(InstanceId::ZERO, 120, 1024)
        .with(InstanceId::ZERO, 130, 3.14159)
        .with(InstanceId::ZERO, 140, true)
        .with(
            InstanceId::ZERO,
            150,
            &[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef][..],
        )
        .with(InstanceId::ZERO, 160, Value::Time(946_684_800))
        .with(InstanceId::ZERO, 170, device)
        .checked()
        .map_err(invalid)
}

pub(super) fn invalid(error: impl core::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_up() {
        for (version, next) in [("1.0", "1.1"), ("1.9", "1.10"), ("3", "4"), ("a", "a.1")] {
            assert_eq!(next_version(version), next);
        }
    }
}
