//! Firmware Update (TS E.6) and Software Management (Object 9) as Objects of a tree.

extern crate alloc;

#[path = "../common/mod.rs"]
mod common;
mod fetched;
mod firmware;
mod software;

use lwm2m_core::{Arguments, InstanceId, Value, WriteMode, codec::Content};
use lwm2m_kit::path;
use lwm2m_objects::{
    ExecuteError, Execution, ObjectTree, Piece, WriteError, software::Numbering, typed,
};

use common::{Log, asked};

use self::{firmware::with_firmware, software::with_software};

fn execute(tree: &mut ObjectTree, at: &str, arguments: &str) -> Result<Execution, ExecuteError> {
    tree.execute(path(at), &Arguments::parse(arguments.as_bytes()).unwrap())
}

fn content(values: &[(&str, Value)]) -> Content {
    let values = values.iter().map(|(at, value)| (path(at), value.clone()));
    values.collect()
}

/// A server writes one Resource, or an instance of several.
fn write(tree: &mut ObjectTree, at: &str, values: &[(&str, Value)]) -> Result<(), WriteError> {
    let mut transaction = tree.write(path(at), WriteMode::PartialUpdate)?;
    content(values).push(&mut transaction)?;
    let changes = transaction.finish()?;
    tree.commit(&changes).map(drop)
}

fn package(tree: &mut ObjectTree, at: &str, bytes: &[u8]) -> Result<(), WriteError> {
    write(tree, at, &[(at, Value::from(bytes))])
}

fn uri(tree: &mut ObjectTree, at: &str, uri: &str) -> Result<(), WriteError> {
    write(tree, at, &[(at, Value::from(uri))])
}

fn stream(tree: &mut ObjectTree, at: &str, blocks: &[&[u8]]) -> Result<(), WriteError> {
    tree.stream(path(at), Piece::Begin)?;
    for block in blocks {
        tree.stream(path(at), Piece::Bytes(block))?;
    }
    tree.stream(path(at), Piece::End)
}

fn integer(tree: &ObjectTree, at: &str) -> i64 {
    match tree.get(path(at)) {
        Some(Value::Integer(number)) => number,
        other => panic!("{at}: {other:?}"),
    }
}

fn changed(tree: &mut ObjectTree) -> Vec<String> {
    let mut changed: Vec<_> = core::iter::from_fn(|| tree.poll_changed())
        .map(|path| path.to_string())
        .collect();
    changed.sort();
    changed
}

fn two() -> InstanceId {
    InstanceId::new(2).unwrap()
}

/// No event is about no bytes, and a package has not begun before its first one.
#[test]
fn pieces_without_bytes_are_nothing() {
    let (firmware, software) = (
        with_firmware(typed::FirmwareUpdate::default()),
        with_software(Numbering::Registered),
    );
    for ((mut tree, log), package, state, block) in [
        (firmware, "/5/0/0", "/5/0/3", "0:x"),
        (software, "/9/0/2", "/9/0/7", "0 0:x"),
    ] {
        let at = path(package);
        tree.stream(at, Piece::Begin).unwrap();
        tree.stream(at, Piece::Bytes(b"")).unwrap();
        assert_eq!(integer(&tree, state), 0);
        assert_eq!(asked(&log), [""; 0]);
        tree.stream(at, Piece::Bytes(b"x")).unwrap();
        tree.stream(at, Piece::Bytes(b"")).unwrap();
        assert_eq!(integer(&tree, state), 1);
        assert_eq!(asked(&log), [block]);
    }
}
