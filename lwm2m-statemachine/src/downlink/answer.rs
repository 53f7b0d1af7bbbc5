//! What an answer to a call means (TS 8.5, Table 27).

use alloc::vec::Vec;

use lwm2m_core::{
    ContentFormat, Operation, Path,
    codec::{Content, Limited, Scope, TypeLookup},
};
use lwm2m_linkformat::{DiscoverLinks, RootPath};

use super::{
    outcome::{AnswerError, DiscoveredLink, Outcome, link_format},
    payload,
};
use crate::coap::MessageRef;

/// What is remembered of a call until its answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct PendingCall {
    pub(crate) operation: Operation,
    pub(crate) path: Path,
    /// The format that was asked for.
    pub(crate) accept: Option<ContentFormat>,
}

impl PendingCall {
    /// What the answer means, if keeping it takes at most `limit` bytes. Whether the client took up an
    /// Observe is for the caller to know; its values are [`Content`](Outcome::Content).
    pub(crate) fn outcome<O>(
        &self,
        response: &MessageRef<'_>,
        body: &[u8],
        root: RootPath<'_>,
        types: &impl TypeLookup,
        limit: usize,
    ) -> Outcome<O> {
        let code = response.code();
        if !code.is_success() {
            return Outcome::Refused { code };
        }
        if code != self.operation.success() {
            return Outcome::Unexpected { code };
        }
        let result = match self.operation {
            Operation::Discover => links(response, body, root, limit).map(Outcome::Links),
            Operation::Create => {
                created(response, self.path, root).map(|location| Outcome::Created { location })
            }
            Operation::Delete => Ok(Outcome::Deleted),
            Operation::Write | Operation::WriteAttributes | Operation::Execute => {
                Ok(Outcome::Changed)
            }
            // Read, Observe and Cancel Observation; there are no other calls.
            _ => content(response, body, self.path, types, limit).map(Outcome::Content),
        };
        result.unwrap_or_else(Outcome::Undecodable)
    }
}

/// The length of a small value in TLV, in bytes.
const VALUE: usize = 6;

/// For how many values a list has room from the start, at most.
const ENTRIES_AT_ONCE: usize = 16;

/// The values of an answer or notification, if keeping them takes at most `limit` bytes. Without a
/// Content-Format it is text.
pub(crate) fn content(
    response: &MessageRef<'_>,
    body: &[u8],
    path: Path,
    types: &impl TypeLookup,
    limit: usize,
) -> Result<Content, AnswerError> {
    let format = response.content_format().unwrap_or(ContentFormat::TEXT);
    let entries = (body.len() / VALUE).min(ENTRIES_AT_ONCE);
    let mut content = Content::with_capacity(entries);
    let mut limited = Limited::new(&mut content, limit);
    payload::decode(format, body, Scope::answer(path), types, &mut limited)?;
    Ok(content)
}

/// The links of the answer to a Discover, if keeping them takes at most `limit` bytes; a growing
/// vector has room for twice what it holds. Without a Content-Format it is read as link-format.
fn links(
    response: &MessageRef<'_>,
    body: &[u8],
    root: RootPath<'_>,
    limit: usize,
) -> Result<Vec<DiscoveredLink>, AnswerError> {
    link_format(response)?;
    let most = limit / (2 * size_of::<DiscoveredLink>());
    DiscoverLinks::new(body, root)
        .enumerate()
        .map(|(index, link)| {
            let link = link.map_err(AnswerError::Links)?;
            if index >= most {
                return Err(AnswerError::TooLarge { limit });
            }
            Ok(DiscoveredLink {
                path: link.path,
                dimension: link.dimension,
                version: link.version,
                attributes: link.attributes,
            })
        })
        .collect()
}

/// The Object Instance that a Create made, if the client names it. Its path may begin with the
/// client's alternate path or leave it out.
fn created(
    response: &MessageRef<'_>,
    object: Path,
    root: RootPath<'_>,
) -> Result<Option<Path>, AnswerError> {
    if response.location_path().next().is_none() {
        return Ok(None);
    }
    let prefixed = root
        .segments()
        .zip(response.location_path())
        .all(|(expected, found)| expected == found);
    let skip = if prefixed { root.segments().count() } else { 0 };
    match Path::from_segments(response.location_path().skip(skip)) {
        Ok(path @ Path::Instance(..)) if object.contains(&path) => Ok(Some(path)),
        _ => Err(AnswerError::Location),
    }
}
