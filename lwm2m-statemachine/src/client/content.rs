//! The content of the tree for a server: the answer to a Read, and notifications.

use alloc::vec::Vec;

use lwm2m_core::{AccessRights, Code, ContentFormat, ShortServerId, codec::Scope};
use lwm2m_objects::{ObjectTree, ReadError, Target, access};

use super::refusal::Refusal;
use crate::{
    coap::{MessageBuf, OptionError},
    downlink::payload::Encoder,
};

/// Room for the options and the values of most answers.
const CAPACITY: usize = 160;
/// The same for a single Resource. With so little spare room the endpoint keeps the message as it is,
/// without moving it to a smaller buffer.
const CAPACITY_OF_ONE: usize = 48;

/// A 2.05 with what a server may read at a path (TS 5.4.1): the tree pushes into the encoder, and
/// the encoder writes into the message. For an Object, these are the Object Instances that the
/// server may read, possibly none (TS 7.3.2.4). The right to read an Object Instance or a Resource
/// has already been checked.
///
/// With a sequence number it is a notification, or the first answer to an Observe.
pub(super) fn content(
    tree: &ObjectTree,
    server: ShortServerId,
    target: &Target<'_>,
    format: ContentFormat,
    observe: Option<u32>,
) -> Result<MessageBuf, Refusal> {
    let resource = target.resource();
    let is_one = resource.is_some_and(|resource| !resource.is_multiple());
    let capacity = if is_one { CAPACITY_OF_ONE } else { CAPACITY };
    let mut answer = MessageBuf::response_with_capacity(Code::CONTENT, capacity);
    if let Some(sequence) = observe {
        answer.observe(sequence)?;
    }
    answer.content_format(format)?;
    write_content(tree, server, target, format, answer.payload_mut())?;
    Ok(answer)
}

/// The payload of [`content`].
pub(super) fn write_content(
    tree: &ObjectTree,
    server: ShortServerId,
    target: &Target<'_>,
    format: ContentFormat,
    payload: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let path = target.path();
    let encoder = Encoder::new(format, payload, Scope::answer(path));
    let mut encoder = encoder.map_err(|_| Refusal::NotAcceptable)?;
    let may_read = |instance| {
        path.object().is_some_and(|object| {
            access::rights(tree, server, object, instance).contains(AccessRights::READ)
        })
    };
    target.read(may_read, &mut encoder)?;
    encoder.finish().map_err(ReadError::from)?;
    Ok(())
}

/// A notification whose payload was made before.
pub(super) fn notification(
    format: ContentFormat,
    sequence: u32,
    payload: &[u8],
) -> Result<MessageBuf, OptionError> {
    // Room for the options, and for the marker before the payload.
    let capacity = payload.len().saturating_add(CAPACITY_OF_ONE);
    let mut message = MessageBuf::response_with_capacity(Code::CONTENT, capacity);
    message.observe(sequence)?;
    message.content_format(format)?;
    message.payload(payload);
    Ok(message)
}
