//! What a server changes in the tree: Write, Create and Delete (TS 5.4.3, 5.4.6, 5.4.7). Each is one
//! transaction, which commits whole or not at all.

use alloc::vec::Vec;

use lwm2m_core::{Code, ObjectId, Path, ShortServerId, WriteMode, codec::Scope};
use lwm2m_objects::{Change, CheckedChanges, ObjectTree, Transaction, access};

use super::super::refusal::Refusal;
use crate::{
    coap::{MessageBuf, MessageRef, OptionNumber},
    downlink::payload,
};

/// What a server has changed.
pub(super) struct Commit {
    pub(super) answer: MessageBuf,
    /// The changes, with those that follow from them in access control.
    pub(super) changes: Vec<Change>,
    /// The paths that now read differently.
    pub(super) differences: Vec<Path>,
}

impl Commit {
    /// The new Object Instances that the server asked for.
    pub(super) fn created(&self) -> Vec<Path> {
        let created = self.changes.iter().filter_map(|change| match change {
            Change::Create { path } => Some(*path),
            _ => None,
        });
        let theirs = |path: &Path| path.object() != Some(ObjectId::ACCESS_CONTROL);
        created.filter(theirs).collect()
    }
}

/// Write (TS 5.4.3): the decoder pushes into the transaction.
pub(super) fn write(
    tree: &mut ObjectTree,
    path: Path,
    request: &MessageRef<'_>,
    body: &[u8],
) -> Result<Commit, Refusal> {
    let mode = request.code().method().and_then(WriteMode::of);
    let mut transaction = tree.write(path, mode.ok_or(Refusal::NotSupported)?)?;
    decode(tree, Scope::write(path), request, body, &mut transaction)?;
    let changes = transaction.finish()?;
    commit(tree, changes, MessageBuf::response(Code::CHANGED))
}

/// Create (TS 5.4.6): new Object Instances, each with an Access Control Object Instance of which the
/// server is the owner. The answer tells an identifier that the Client has chosen (TS 8.2.5).
pub(super) fn create(
    tree: &mut ObjectTree,
    server: ShortServerId,
    path: Path,
    request: &MessageRef<'_>,
    body: &[u8],
) -> Result<Commit, Refusal> {
    let object = path.object().ok_or(Refusal::NotSupported)?;
    let mut transaction = tree.create(object)?;
    decode(tree, Scope::create(object), request, body, &mut transaction)?;
    let assigned = transaction.assigned();
    for change in access::created(tree, server, transaction.changes())? {
        transaction.change(change)?;
    }
    let changes = transaction.finish()?;
    let mut answer = MessageBuf::response(Code::CREATED);
    if let Some(assigned) = assigned {
        locate(&mut answer, Path::Instance(object, assigned))?;
    }
    commit(tree, changes, answer)
}

/// Delete (TS 5.4.7), together with the Access Control Object Instance (TS 7.3.1.2.2).
pub(super) fn delete(tree: &mut ObjectTree, path: Path) -> Result<Commit, Refusal> {
    let mut transaction = tree.transaction();
    transaction.delete(path)?;
    if let Path::Instance(object, instance) = path {
        for change in access::deleted(tree, object, instance) {
            transaction.change(change)?;
        }
    }
    let changes = transaction.finish()?;
    commit(tree, changes, MessageBuf::response(Code::DELETED))
}

fn decode(
    tree: &ObjectTree,
    scope: Scope,
    request: &MessageRef<'_>,
    body: &[u8],
    transaction: &mut Transaction<'_>,
) -> Result<(), Refusal> {
    let format = request.content_format().ok_or(Refusal::Malformed)?;
    Ok(payload::decode(format, body, scope, tree, transaction)?)
}

fn commit(
    tree: &mut ObjectTree,
    changes: CheckedChanges,
    answer: MessageBuf,
) -> Result<Commit, Refusal> {
    let differences = tree.commit(&changes)?;
    Ok(Commit {
        answer,
        changes: changes.into_changes(),
        differences,
    })
}

fn locate(answer: &mut MessageBuf, path: Path) -> Result<(), Refusal> {
    for segment in path.segments() {
        answer.display(OptionNumber::LOCATION_PATH, &segment)?;
    }
    Ok(())
}
