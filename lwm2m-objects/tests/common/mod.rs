//! What the tests share: Objects of a tree by their type, and changes by their paths.

#![allow(dead_code, reason = "each test takes what it needs")]

extern crate alloc;

use alloc::sync::Arc;
use std::sync::Mutex;

use lwm2m_core::{ObjectId, Value};
use lwm2m_kit::path;
use lwm2m_objects::{
    Change, ConnectivityStatisticsObject, DeviceObject, ObjectTree, firmware::FirmwareUpdateObject,
    software::SoftwareManagementObject,
};

/// What an Object asked for, in words.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// What it has asked for since the last look.
pub(crate) fn asked(log: &Log) -> Vec<String> {
    core::mem::take(&mut log.lock().unwrap())
}

pub(crate) fn device(tree: &mut ObjectTree) -> &mut DeviceObject {
    tree.object_as_mut(ObjectId::DEVICE).unwrap()
}

pub(crate) fn statistics(tree: &mut ObjectTree) -> &mut ConnectivityStatisticsObject {
    tree.object_as_mut(ObjectId::CONNECTIVITY_STATISTICS)
        .unwrap()
}

pub(crate) fn firmware(tree: &mut ObjectTree) -> &mut FirmwareUpdateObject {
    tree.object_as_mut(ObjectId::FIRMWARE_UPDATE).unwrap()
}

pub(crate) fn software(tree: &mut ObjectTree) -> &mut SoftwareManagementObject {
    tree.object_as_mut(ObjectId::SOFTWARE_MANAGEMENT).unwrap()
}

pub(crate) fn set(at: &str, value: impl Into<Value>) -> Change {
    Change::Set {
        path: path(at),
        value: value.into(),
    }
}

pub(crate) fn create(at: &str) -> Change {
    Change::Create { path: path(at) }
}

pub(crate) fn delete(at: &str) -> Change {
    Change::Delete { path: path(at) }
}
