//! A pretended software component: packages are counted and discarded, and an installation takes a
//! second.

use core::time::Duration;
use std::{
    io,
    sync::mpsc::{self, Receiver},
};

use lwm2m_core::{InstanceId, Instant};
use lwm2m_objects::{
    Answer,
    software::{DownloadError, Event, Numbering, SoftwareManagementObject},
    typed,
};

use super::invalid;

/// How long an installation takes: long enough for a server to see the state.
const PLAYED: Duration = Duration::from_secs(1);

/// What the Object was asked to do, and what there is to do next.
#[derive(Debug)]
pub(super) struct Component {
    asked: Receiver<Task>,
    next: Option<(Instant, Step)>,
}

#[derive(Debug)]
enum Task {
    Tell(&'static str),
    Install,
    Discard,
}

/// What the Object is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Print this.
    Tell(&'static str),
    /// The installation has ended.
    Installed,
}

impl Component {
    /// The Software Management Object with one component, and its application.
    pub(super) fn object() -> io::Result<(SoftwareManagementObject, Self)> {
        let (ask, asked) = mpsc::channel();
        let application = move |_, event: Event<'_>| -> Answer<DownloadError> {
            let (asked, answer) = match event {
                Event::Block { .. } => return Answer::Done,
                // The Client fetches by CoAP; there is no other protocol here.
                Event::Fetch { .. } => return Answer::Failed(DownloadError::InvalidUri),
                Event::Verify => (Task::Tell("delivered"), Answer::Done),
                Event::Install => (Task::Install, Answer::Later),
                Event::Uninstall => (Task::Tell("uninstalled"), Answer::Done),
                Event::PrepareUpdate => (Task::Tell("prepared for an update"), Answer::Done),
                Event::Activate => (Task::Tell("activated"), Answer::Done),
                Event::Deactivate => (Task::Tell("deactivated"), Answer::Done),
                Event::Discard => (Task::Discard, Answer::Done),
            };
            // After a restart there is another Object.
            let _ = ask.send(asked);
            answer
        };
        let component = typed::SoftwareManagement {
            update_supported_objects: Some(true),
            ..typed::SoftwareManagement::new("heating-schedule", "1.0")
        };
        let object = SoftwareManagementObject::new(Numbering::Registered, application)
            .with(InstanceId::ZERO, component)
            .map_err(invalid)?;
        Ok((object, Self { asked, next: None }))
    }

    /// The next thing to do, if one is due.
    pub(super) fn step(&mut self, now: Instant) -> Option<Step> {
        if let Ok(asked) = self.asked.try_recv() {
            let (next, told) = match asked {
                Task::Install => (Some((now + PLAYED, Step::Installed)), "installing"),
                Task::Discard => (None, "discarded"),
                Task::Tell(told) => (None, told),
            };
            self.next = next;
            return Some(Step::Tell(told));
        }
        let (_, step) = self.next.take_if(|(at, _)| *at <= now)?;
        Some(step)
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.map(|(at, _)| at)
    }
}
