//! The steps of a plan in one piece of memory.
//!
//! A [`Plan`] is many small allocations: its steps, their values, the text and the octets of each. A
//! machine that has thousands of bootstraps under way would have to look for all of them when the turn
//! of a client comes. So it keeps the steps packed, and unpacks one when it is sent.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use lwm2m_core::{ContentFormat, Path, codec::Content};

use super::plan::{Plan, Step};

/// More bytes than a plan with an account and a key has.
const USUAL: usize = 512;

/// The steps of a plan, and which of them is being carried out.
#[derive(Default)]
pub(super) struct PackedSteps {
    bytes: Box<[u8]>,
    /// Where the step that is being carried out begins.
    current: usize,
    /// Where the one after it begins.
    next: usize,
}

impl PackedSteps {
    /// How many bytes they are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The next step, which from now on is the one that is carried out. After the last one there is
    /// none.
    pub(super) fn advance(&mut self) -> Option<Step> {
        self.current = self.next;
        let mut rest = self.bytes.get(self.current..)?;
        let step = unpack(&mut rest)?;
        self.next = self.bytes.len().saturating_sub(rest.len());
        Some(step)
    }

    /// The step that is being carried out.
    pub(super) fn current(&self) -> Option<Step> {
        unpack(&mut self.bytes.get(self.current..)?)
    }
}

impl Plan {
    /// What the plan takes in a machine until it is carried out, in bytes.
    pub fn bytes(&self) -> usize {
        PackedSteps::from(self).len()
    }
}

impl From<&Plan> for PackedSteps {
    fn from(plan: &Plan) -> Self {
        // One allocation of the right size, next to what else is new, rather than one that has grown.
        let mut bytes = Vec::with_capacity(USUAL);
        for step in plan.steps() {
            pack(&mut bytes, step);
        }
        Self {
            bytes: Box::from(bytes.as_slice()),
            current: 0,
            next: 0,
        }
    }
}

impl fmt::Debug for PackedSteps {
    /// Without the bytes: some are keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedSteps").finish_non_exhaustive()
    }
}

/// The kinds of steps: the first byte of each.
mod kind {
    pub(super) const DISCOVER: u8 = 0;
    pub(super) const TRY_DISCOVER: u8 = 1;
    pub(super) const DELETE: u8 = 2;
    pub(super) const TRY_DELETE: u8 = 3;
    pub(super) const WRITE: u8 = 4;
    pub(super) const WRITE_IN: u8 = 5;
    pub(super) const FINISH: u8 = 6;
}

fn pack(bytes: &mut Vec<u8>, step: &Step) {
    bytes.push(match step {
        Step::Discover(_) => kind::DISCOVER,
        Step::TryDiscover(_) => kind::TRY_DISCOVER,
        Step::Delete(_) => kind::DELETE,
        Step::TryDelete(_) => kind::TRY_DELETE,
        Step::Write { format: None, .. } => kind::WRITE,
        Step::Write { .. } => kind::WRITE_IN,
        Step::Finish => kind::FINISH,
    });
    if let Some(path) = step.path() {
        bytes.push(u8::try_from(path.depth()).unwrap_or(0));
        for id in path.segments() {
            bytes.extend(id.to_le_bytes());
        }
    }
    if let Some(format) = step.format() {
        bytes.extend(format.number().to_le_bytes());
    }
    if let Step::Write { content, .. } = step {
        content.pack(bytes);
    }
}

fn unpack(bytes: &mut &[u8]) -> Option<Step> {
    let (kind, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(match *kind {
        kind::DISCOVER => Step::Discover(take_path(bytes)?),
        kind::TRY_DISCOVER => Step::TryDiscover(take_path(bytes)?),
        kind::DELETE => Step::Delete(take_path(bytes)?),
        kind::TRY_DELETE => Step::TryDelete(take_path(bytes)?),
        kind::FINISH => Step::Finish,
        kind => {
            let path = take_path(bytes)?;
            let format = match kind {
                kind::WRITE_IN => Some(ContentFormat::new(take_number(bytes)?)),
                _ => None,
            };
            let content = Content::unpack(bytes)?;
            Step::Write {
                path,
                content,
                format,
            }
        }
    })
}

fn take_path(bytes: &mut &[u8]) -> Option<Path> {
    let (depth, rest) = bytes.split_first()?;
    *bytes = rest;
    let mut ids = [0; 4];
    let ids = ids.get_mut(..usize::from(*depth))?;
    for id in ids.iter_mut() {
        *id = take_number(bytes)?;
    }
    Path::of(ids)
}

fn take_number(bytes: &mut &[u8]) -> Option<u16> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u16::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use lwm2m_core::Value;

    use super::*;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    fn plan() -> Plan {
        let key = path("/0/1/5");
        let content = Content::from_iter([(key, Value::Opaque([7; 200].into()))]);
        Plan::new()
            .discover(path("/"))
            .try_discover(path("/0"))
            .delete(path("/0/1"))
            .try_delete(path("/1"))
            .write(key, content.clone())
            .write_in(ContentFormat::JSON, key, content)
            .write(path("/2"), Content::new())
            .finish()
    }

    #[test]
    fn each_step_comes_back_in_its_turn() {
        let plan = plan();
        let mut packed = PackedSteps::from(&plan);
        for step in plan.steps() {
            assert_eq!(packed.advance().as_ref(), Some(step));
            assert_eq!(packed.current().as_ref(), Some(step));
        }
        for _ in 0..2 {
            assert_eq!(packed.advance(), None);
            assert_eq!(packed.current(), None);
        }
    }

    #[test]
    fn without_steps_there_is_nothing() {
        let mut packed = PackedSteps::default();
        assert_eq!((packed.advance(), packed.len()), (None, 0));
    }

    #[test]
    fn what_is_not_packed_gives_no_step() {
        let whole = PackedSteps::from(&plan()).bytes;
        for end in 0..whole.len() {
            let mut cut = whole.get(..end).unwrap();
            while unpack(&mut cut).is_some() {}
        }
    }
}
