//! What a client is to be told: a plan of steps, as data.

use alloc::vec::{self, Vec};
use core::fmt;

use lwm2m_core::{
    Code, ContentFormat, Operation, Path,
    codec::{Content, TypeLookup},
};
use thiserror::Error;

use crate::downlink::{Command, InvalidCall};

/// What a client is to be told, step by step (TS 5.2.7). [`plans`](super::plans) has ready ones.
///
/// A plan that ends with [`Finish`](Step::Finish) ends the bootstrap. After the last step of another
/// one the machine [pauses](super::BootstrapServerEvent::Paused) for more steps, which may depend on
/// what a Discover found.
///
/// [`Debug`](fmt::Debug) shows the operations and their paths, but no values, as some are keys.
///
/// ```
/// use lwm2m_core::{Path, codec::Content};
/// use lwm2m_statemachine::bootstrap_server::Plan;
///
/// let hold_off: Path = "/0/1/11".parse()?;
/// let plan = Plan::new()
///     .delete("/1".parse()?)
///     .write(hold_off, Content::from_iter([(hold_off, 30)]))
///     .finish();
/// assert_eq!(format!("{plan:?}"), "[Delete /1, Write /0/1/11 (1 value), Bootstrap-Finish]");
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Plan {
    steps: Vec<Step>,
}

/// One command to a client.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Bootstrap-Discover of `/` or of an Object (TS 5.2.7.3). Its answer is an
    /// [event](super::BootstrapServerEvent::Discovered).
    Discover(Path),
    /// The same, and an answer that is of no use is no failure but an
    /// [event](super::BootstrapServerEvent::NotDiscovered): old clients have no Bootstrap-Discover.
    TryDiscover(Path),
    /// Bootstrap-Delete of `/`, an Object or an Object Instance (TS 5.2.7.5).
    Delete(Path),
    /// The same, and a refusal with 4.00, 4.04 or 4.05 is no failure. TS 5.2.7.5 lets a client refuse
    /// to delete an Object other than 0 as a whole, which others accept. The TS has 4.00 alone;
    /// deployed clients also have the codes of the other Delete (TS 8.2.5).
    TryDelete(Path),
    /// Bootstrap-Write of an Object, an Object Instance or a Resource (TS 5.2.7.4).
    Write {
        /// What is written.
        path: Path,
        /// Values at and below the path.
        content: Content,
        /// The format: TLV, JSON, or text or opaque for a single Resource. Without one it is TLV, or
        /// JSON once the client has refused TLV. If the client answers 4.15, the same values are sent
        /// in the other format.
        format: Option<ContentFormat>,
    },
    /// Bootstrap-Finish (TS 5.2.7.2), always the last step.
    Finish,
}

/// What is wrong with a plan. The mistake is the application's; the same plan fails again.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum InvalidPlan {
    /// It has no steps.
    #[error("the plan has no steps")]
    Empty,
    /// A step follows the Bootstrap-Finish; steps count from 0.
    #[error("step {0} of the plan is behind the Bootstrap-Finish")]
    BehindFinish(usize),
    /// No request can be made of a step.
    #[error("step {step} of the plan: {error}")]
    Step {
        /// Which step, from 0.
        step: usize,
        /// Why not.
        error: InvalidCall,
    },
    /// The plan takes more memory than
    /// [`BootstrapBounds::plan_bytes_each`](super::BootstrapBounds::plan_bytes_each) allows.
    #[error("the plan takes {bytes} bytes, more than {limit}")]
    TooLarge {
        /// What it takes, in bytes.
        bytes: usize,
        /// What the bounds allow, in bytes.
        limit: usize,
    },
}

impl Plan {
    /// A plan without steps.
    pub const fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds a Discover of `/` or of an Object.
    #[must_use]
    pub fn discover(self, path: Path) -> Self {
        self.step(Step::Discover(path))
    }

    /// Adds a Discover that the client may refuse.
    #[must_use]
    pub fn try_discover(self, path: Path) -> Self {
        self.step(Step::TryDiscover(path))
    }

    /// Adds a Delete of `/`, an Object or an Object Instance.
    #[must_use]
    pub fn delete(self, path: Path) -> Self {
        self.step(Step::Delete(path))
    }

    /// Adds a Delete that the client may refuse.
    #[must_use]
    pub fn try_delete(self, path: Path) -> Self {
        self.step(Step::TryDelete(path))
    }

    /// Adds a Write in the default format. `content` has values at and below the path.
    #[must_use]
    pub fn write(self, path: Path, content: Content) -> Self {
        self.step(Step::Write {
            path,
            content,
            format: None,
        })
    }

    /// Adds a Write in this format.
    #[must_use]
    pub fn write_in(self, format: ContentFormat, path: Path, content: Content) -> Self {
        self.step(Step::Write {
            path,
            content,
            format: Some(format),
        })
    }

    /// Adds the Bootstrap-Finish.
    #[must_use]
    pub fn finish(self) -> Self {
        self.step(Step::Finish)
    }

    /// The steps in their order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Checks that requests can be made of all steps, in each format that may be needed first.
    pub(super) fn check(&self, types: &impl TypeLookup) -> Result<(), InvalidPlan> {
        if self.steps.is_empty() {
            return Err(InvalidPlan::Empty);
        }
        let mut finished = false;
        for (index, step) in self.steps.iter().enumerate() {
            if finished {
                return Err(InvalidPlan::BehindFinish(index));
            }
            finished = matches!(step, Step::Finish);
            let format = step.format().unwrap_or(ContentFormat::TLV);
            step.command(format)
                .message(types)
                .map_err(|error| InvalidPlan::Step { step: index, error })?;
        }
        Ok(())
    }
}

impl FromIterator<Step> for Plan {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self {
            steps: steps.into_iter().collect(),
        }
    }
}

impl Extend<Step> for Plan {
    fn extend<I: IntoIterator<Item = Step>>(&mut self, steps: I) {
        self.steps.extend(steps);
    }
}

impl IntoIterator for Plan {
    type Item = Step;
    type IntoIter = vec::IntoIter<Step>;

    fn into_iter(self) -> Self::IntoIter {
        self.steps.into_iter()
    }
}

impl Step {
    /// The operation.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Discover(_) | Self::TryDiscover(_) => Operation::BootstrapDiscover,
            Self::Delete(_) | Self::TryDelete(_) => Operation::BootstrapDelete,
            Self::Write { .. } => Operation::BootstrapWrite,
            Self::Finish => Operation::BootstrapFinish,
        }
    }

    /// The path; Bootstrap-Finish has none in the resource tree.
    pub const fn path(&self) -> Option<Path> {
        match self {
            Self::Discover(path)
            | Self::TryDiscover(path)
            | Self::Delete(path)
            | Self::TryDelete(path)
            | Self::Write { path, .. } => Some(*path),
            Self::Finish => None,
        }
    }

    /// The format that was chosen for a Write.
    pub(super) const fn format(&self) -> Option<ContentFormat> {
        match self {
            Self::Write { format, .. } => *format,
            _ => None,
        }
    }

    /// What is sent; the format is that of a Write.
    pub(super) const fn command(&self, format: ContentFormat) -> Command<'_> {
        match self {
            Self::Discover(path) | Self::TryDiscover(path) => Command::Discover(*path),
            Self::Delete(path) | Self::TryDelete(path) => Command::Delete(*path),
            Self::Write { path, content, .. } => Command::Write(*path, format, content),
            Self::Finish => Command::Finish,
        }
    }

    /// The step without its values.
    pub(super) const fn head(&self) -> StepHead {
        StepHead {
            operation: self.operation(),
            path: self.path(),
            optional: matches!(self, Self::TryDiscover(_) | Self::TryDelete(_)),
        }
    }
}

/// A step without its values, to know what its answer means.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepHead {
    pub(super) operation: Operation,
    /// Bootstrap-Finish has none in the resource tree.
    pub(super) path: Option<Path>,
    /// Whether the client may refuse it.
    optional: bool,
}

impl StepHead {
    /// Whether a bootstrap goes on after this answer, which isn't that of success.
    pub(super) const fn may_be_refused_with(&self, code: Code) -> bool {
        matches!(self.operation, Operation::BootstrapDelete)
            && self.optional
            && matches!(
                code,
                Code::BAD_REQUEST | Code::NOT_FOUND | Code::METHOD_NOT_ALLOWED
            )
    }

    /// The path of a Discover whose answer may be of no use.
    pub(super) const fn optional_discover(&self) -> Option<Path> {
        match self.operation {
            Operation::BootstrapDiscover if self.optional => self.path,
            _ => None,
        }
    }
}

/// The formats of a Write that a client has answered 4.15 to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RefusedFormats {
    tlv: bool,
    json: bool,
}

impl RefusedFormats {
    /// The client has refused this format. Returns the one to try next, if there is one.
    pub(super) const fn other(&mut self, refused: ContentFormat) -> Option<ContentFormat> {
        match refused {
            ContentFormat::TLV => self.tlv = true,
            ContentFormat::JSON => self.json = true,
            _ => {}
        }
        match (self.tlv, self.json) {
            (false, _) => Some(ContentFormat::TLV),
            (true, false) => Some(ContentFormat::JSON),
            (true, true) => None,
        }
    }

    /// The format of a Write that asks for none.
    pub(super) const fn preferred(self) -> ContentFormat {
        if self.tlv && !self.json {
            ContentFormat::JSON
        } else {
            ContentFormat::TLV
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.steps).finish()
    }
}

impl fmt::Debug for Step {
    /// Without values: some are keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation().name())?;
        if let Some(path) = self.path() {
            write!(f, " {path}")?;
        }
        match self {
            Self::Write { content, .. } => {
                let values = content.values().count();
                write!(f, " ({values} value{})", if values == 1 { "" } else { "s" })
            }
            Self::TryDiscover(_) | Self::TryDelete(_) => f.write_str(" (may be refused)"),
            _ => Ok(()),
        }
    }
}
