//! What a record has to be for its client to be restored: anything else is damage.

use alloc::vec::Vec;

use lwm2m_core::{Method, Operation, Path};

use super::{
    record::{CancelledRecord, HeldRecord, Record, VERSION},
    registrar::RecordError,
};
use crate::{
    coap::{MessageBuf, MessageRef, SavedObservation},
    downlink::PendingCall,
};

/// No server gives out as many.
const MOST_SERIALS: u64 = 1 << 62;

/// The messages of the operations in a record, of those that are held, if all of the record is sound.
pub(super) fn messages<P>(record: &Record<P>) -> Result<Vec<Option<MessageBuf>>, RecordError> {
    if record.version != VERSION {
        return Err(RecordError::Version(record.version));
    }
    let Record {
        observations,
        operations,
        serials,
        ..
    } = record;
    let observed = observations.iter().map(|one| one.serial);
    let asked = operations.iter().map(|one| one.serial);
    let are_in_order =
        are_below(observed, serials.observations) && are_below(asked, serials.operations);
    let are_whole = observations.iter().all(|one| {
        let saved = one.saved.as_ref();
        saved.is_none_or(|saved| is_observe(saved, &one.path))
    });
    if !are_in_order || !are_whole {
        return Err(RecordError::Damaged);
    }
    let messages = operations.iter().map(|operation| {
        let Some(held) = operation.held.as_deref() else {
            return Ok(None);
        };
        let is_here = held.called_for.index == record.registration.id.index;
        let message = message(&operation.call, held).filter(|_| is_here);
        message.map(Some).ok_or(RecordError::Damaged)
    });
    messages.collect()
}

/// Whether serial numbers ascend, and are below the next one.
fn are_below(serials: impl Iterator<Item = u64>, next: u64) -> bool {
    let mut first = 0;
    let ascend = serials.into_iter().all(|serial| {
        let is_behind = serial >= first;
        first = serial.saturating_add(1);
        is_behind
    });
    ascend && first <= next && next <= MOST_SERIALS
}

/// The message of an operation that is held, if it is one of such a call.
fn message(call: &PendingCall, held: &HeldRecord) -> Option<MessageBuf> {
    let message = MessageRef::parse(&held.message).ok()?;
    let is_meant = is_of(call, &message)
        && match &held.cancels {
            Some(CancelledRecord::Saved(saved)) => is_observe(saved, &call.path),
            Some(CancelledRecord::Observed(_)) | None => true,
        };
    let may_cancel = call.operation == Operation::CancelObservation || held.cancels.is_none();
    let copy = MessageBuf::copy_of(&message).ok()?;
    (is_meant && may_cancel).then_some(copy)
}

/// Whether a message is the request of a call (TS Table 25). Whether it may be repeated depends on that.
fn is_of(call: &PendingCall, message: &MessageRef<'_>) -> bool {
    use Method::{Delete, Get, Post, Put};
    let Some(method) = message.code().method() else {
        return false;
    };
    let (methods, observe): (&[Method], Option<u32>) = match call.operation {
        Operation::Read | Operation::Discover => (&[Get], None),
        Operation::Observe => (&[Get], Some(0)),
        Operation::CancelObservation => (&[Get], Some(1)),
        Operation::Write => (&[Put, Post], None),
        Operation::WriteAttributes => (&[Put], None),
        Operation::Execute | Operation::Create => (&[Post], None),
        Operation::Delete => (&[Delete], None),
        _ => return false,
    };
    methods.contains(&method)
        && message.observe() == observe
        && call.operation.may_target(&call.path)
        && leads_to(message, &call.path)
}

fn is_observe(saved: &SavedObservation<()>, path: &Path) -> bool {
    let message = MessageRef::parse(&saved.request);
    message.is_ok_and(|message| {
        let is_get = message.code().method() == Some(Method::Get);
        is_get && message.observe() == Some(0) && leads_to(&message, path)
    })
}

/// Whether the path of a request ends with this one; before it is the client's alternate path.
fn leads_to(message: &MessageRef<'_>, path: &Path) -> bool {
    let (asked, wanted) = (message.uri_path().count(), path.segments().count());
    let Some(before) = asked.checked_sub(wanted) else {
        return false;
    };
    let mut digits = itoa::Buffer::new();
    let mut both = message.uri_path().skip(before).zip(path.segments());
    both.all(|(segment, id)| segment == digits.format(id))
}
