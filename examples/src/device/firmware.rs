//! A pretended firmware update: packages are counted and discarded, and an installation takes a
//! second.

use core::time::Duration;
use std::sync::mpsc::{self, Receiver};

use lwm2m_core::Instant;
use lwm2m_objects::{
    Answer, WriteError,
    firmware::{DownloadError, Event, FirmwareUpdateObject, Protocol},
    typed,
};

/// How long an installation takes: long enough for a server to see the state.
const PLAYED: Duration = Duration::from_secs(1);

/// What the Object was asked to do, and the result.
#[derive(Debug)]
pub(super) struct Played {
    asked: Receiver<Task>,
    next: Option<(Instant, Step)>,
}

#[derive(Debug)]
enum Task {
    /// All bytes of a package have arrived.
    Verify(u64),
    Update,
    Discard,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Print this.
    Tell(String),
    /// Restart with the new firmware.
    Restart,
}

impl Played {
    /// The Firmware Update Object (TS E.6) and its application.
    pub(super) fn object() -> Result<(FirmwareUpdateObject, Self), WriteError> {
        let (ask, asked) = mpsc::channel();
        let mut received = 0;
        let config = typed::FirmwareUpdate {
            protocols: [Protocol::Coap].into(),
            ..typed::FirmwareUpdate::default()
        };
        let object = FirmwareUpdateObject::new(config, move |event| {
            let (asked, answer) = match event {
                Event::Block { offset, bytes } => {
                    received = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
                    return Answer::Done;
                }
                Event::Verify => (Task::Verify(received), Answer::Done),
                // The Client fetches by CoAP; there is no other protocol here.
                Event::Fetch { .. } => return Answer::Failed(DownloadError::Protocol),
                Event::Update => (Task::Update, Answer::Later),
                Event::Discard => (Task::Discard, Answer::Done),
            };
            // After a restart there is another Object.
            let _ = ask.send(asked);
            answer
        })?;
        let played = Self { asked, next: None };
        Ok((object, played))
    }

    /// The next thing to do, if one is due.
    pub(super) fn step(&mut self, now: Instant) -> Option<Step> {
        if let Ok(asked) = self.asked.try_recv() {
            let at = now + PLAYED;
            let (next, told) = match asked {
                Task::Verify(bytes) => (None, format!("downloaded {bytes} bytes")),
                Task::Update => (Some((at, Step::Restart)), "updating".to_owned()),
                Task::Discard => (None, "discarded".to_owned()),
            };
            self.next = next;
            return Some(Step::Tell(told));
        }
        let (_, step) = self.next.take_if(|(at, _)| *at <= now)?;
        Some(step)
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.as_ref().map(|(at, _)| *at)
    }
}
