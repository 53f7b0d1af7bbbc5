//! What a server changes in the tree: Write, Create and Delete (TS 5.4.3, 5.4.6, 5.4.7). Each is one
//! transaction, which commits whole or not at all.

use alloc::{boxed::Box, vec::Vec};

use lwm2m_core::{
    Code, ContentFormat, ObjectId, Operation, Path, ShortServerId, WriteMode, codec::Scope,
};
use lwm2m_objects::{Change, CheckedChanges, ObjectTree, Transaction, access};

use super::{
    super::{
        event::{AccountId, ClientEvent},
        refusal::Refusal,
    },
    bindings::UsableBindings,
};
use crate::{
    coap::{MessageBuf, MessageRef, OptionNumber},
    downlink::payload,
};

/// A request for a change that has been admitted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ChangeRequest<B> {
    pub(super) operation: Operation,
    pub(super) path: Path,
    pub(super) server: ShortServerId,
    mode: Option<WriteMode>,
    format: Option<ContentFormat>,
    body: B,
}

/// What it will change.
pub(super) struct Prepared {
    pub(super) changes: CheckedChanges,
    answer: MessageBuf,
}

/// What it has changed.
pub(super) struct Commit {
    pub(super) answer: MessageBuf,
    /// The changes, with those that follow from them in access control.
    pub(super) changes: Vec<Change>,
    /// The paths that now read differently.
    pub(super) differences: Vec<Path>,
}

impl<'b> ChangeRequest<&'b [u8]> {
    pub(super) fn of(
        operation: Operation,
        path: Path,
        server: ShortServerId,
        request: &MessageRef<'_>,
        body: &'b [u8],
    ) -> Self {
        Self {
            operation,
            path,
            server,
            mode: request.code().method().and_then(WriteMode::of),
            format: request.content_format(),
            body,
        }
    }

    /// The same, to be kept until the application has decided.
    pub(super) fn into_owned(self) -> ChangeRequest<Box<[u8]>> {
        ChangeRequest {
            operation: self.operation,
            path: self.path,
            server: self.server,
            mode: self.mode,
            format: self.format,
            body: self.body.into(),
        }
    }
}

impl<B: AsRef<[u8]>> ChangeRequest<B> {
    /// Makes the changes.
    pub(super) fn commit(
        &self,
        tree: &mut ObjectTree,
        bindings: UsableBindings,
    ) -> Result<Commit, Refusal> {
        let Prepared { changes, answer } = self.prepare(tree, bindings)?;
        let differences = tree.commit(&changes)?;
        Ok(Commit {
            answer,
            changes: changes.into_changes(),
            differences,
        })
    }

    /// Checks the payload against the tree.
    pub(super) fn prepare(
        &self,
        tree: &ObjectTree,
        bindings: UsableBindings,
    ) -> Result<Prepared, Refusal> {
        let prepared = match self.operation {
            Operation::Create => self.create(tree),
            Operation::Delete => self.delete(tree),
            _ => self.write(tree),
        }?;
        if !bindings.fit(tree, &prepared.changes.iter()) {
            return Err(Refusal::Malformed);
        }
        Ok(prepared)
    }

    /// Write (TS 5.4.3): the decoder pushes into the transaction.
    fn write(&self, tree: &ObjectTree) -> Result<Prepared, Refusal> {
        let mode = self.mode.ok_or(Refusal::NotSupported)?;
        let mut transaction = tree.write(self.path, mode)?;
        self.decode(tree, Scope::write(self.path), &mut transaction)?;
        Ok(Prepared {
            changes: transaction.finish()?,
            answer: MessageBuf::response(Code::CHANGED),
        })
    }

    /// Create (TS 5.4.6): new Object Instances, each with an Access Control Object Instance of which the
    /// server is the owner. The answer tells an identifier that the Client has chosen (TS 8.2.5).
    fn create(&self, tree: &ObjectTree) -> Result<Prepared, Refusal> {
        let object = self.path.object().ok_or(Refusal::NotSupported)?;
        let mut transaction = tree.create(object)?;
        self.decode(tree, Scope::create(object), &mut transaction)?;
        let assigned = transaction.assigned();
        for change in access::created(tree, self.server, transaction.changes())? {
            transaction.change(change)?;
        }
        let mut answer = MessageBuf::response(Code::CREATED);
        if let Some(assigned) = assigned {
            locate(&mut answer, Path::Instance(object, assigned))?;
        }
        Ok(Prepared {
            changes: transaction.finish()?,
            answer,
        })
    }

    /// Delete (TS 5.4.7), together with the Access Control Object Instance (TS 7.3.1.2.2).
    fn delete(&self, tree: &ObjectTree) -> Result<Prepared, Refusal> {
        let mut transaction = tree.transaction();
        transaction.delete(self.path)?;
        if let Path::Instance(object, instance) = self.path {
            for change in access::deleted(tree, object, instance) {
                transaction.change(change)?;
            }
        }
        Ok(Prepared {
            changes: transaction.finish()?,
            answer: MessageBuf::response(Code::DELETED),
        })
    }

    fn decode(
        &self,
        tree: &ObjectTree,
        scope: Scope,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), Refusal> {
        let format = self.format.ok_or(Refusal::Malformed)?;
        let body = self.body.as_ref();
        Ok(payload::decode(format, body, scope, tree, transaction)?)
    }

    /// What the application is told of a commit.
    pub(super) fn event(&self, account: AccountId, changes: Vec<Change>) -> ClientEvent {
        let path = self.path;
        match self.operation {
            Operation::Create => ClientEvent::Created {
                account,
                instances: created(&changes),
            },
            Operation::Delete => ClientEvent::Deleted { account, path },
            _ => ClientEvent::Written { account, changes },
        }
    }
}

/// The new Object Instances that a server has asked for.
fn created(changes: &[Change]) -> Vec<Path> {
    let created = changes.iter().filter_map(|change| match change {
        Change::Create { path } => Some(*path),
        _ => None,
    });
    let theirs = |path: &Path| path.object() != Some(ObjectId::ACCESS_CONTROL);
    created.filter(theirs).collect()
}

fn locate(answer: &mut MessageBuf, path: Path) -> Result<(), Refusal> {
    for segment in path.segments() {
        answer.display(OptionNumber::LOCATION_PATH, &segment)?;
    }
    Ok(())
}
