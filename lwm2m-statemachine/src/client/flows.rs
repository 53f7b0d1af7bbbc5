//! Reboot and Factory Reset (TS E.4, Resources 4 and 5), from the consent of the application to the
//! moment when it acts.
//!
//! ```text
//! Reboot         Answering ─ quiet ─> connections end ─> Reboot
//! Factory Reset  Answering ─ quiet ─> De-register ─ all have left ─> erase ─> FactoryReset ─> start
//! ```

use core::time::Duration;

use lwm2m_core::{InstanceId, Instant, ObjectId, Path};

use super::timers::{Timer, Timers};
use crate::coap::TransmissionParameters;

/// The Reboot or Factory Reset that is under way.
#[derive(Debug)]
pub(super) struct Flows {
    running: Option<Running>,
    /// The deadline that the timer queue has.
    armed: Option<Instant>,
    /// How long an answer may be repeated after it has been sent.
    linger: Duration,
    /// How long to wait for what is under way.
    most: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Reboot,
    FactoryReset,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    flow: Flow,
    /// Whether the Client is leaving its servers.
    is_leaving: bool,
    began: Instant,
}

impl Flow {
    /// The flow that follows the Execute of a Resource.
    pub(super) const fn of(path: Path) -> Option<Self> {
        match path {
            Path::Resource(ObjectId::DEVICE, InstanceId::ZERO, resource) => match resource.get() {
                4 => Some(Self::Reboot),
                5 => Some(Self::FactoryReset),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Flows {
    pub(super) fn new(transmission: &TransmissionParameters) -> Self {
        let percent = transmission.ack_random_percent.max(100);
        Self {
            running: None,
            armed: None,
            linger: transmission.ack_timeout.saturating_mul(percent) / 100,
            most: transmission.max_transmit_wait(),
        }
    }

    /// A flow begins; its answer is queued. A Factory Reset takes the place of a Reboot.
    pub(super) fn begin(&mut self, now: Instant, flow: Flow, timers: &mut Timers) {
        match &mut self.running {
            Some(running) if flow == Flow::FactoryReset => running.flow = flow,
            Some(_) => {}
            None => {
                self.running = Some(Running {
                    flow,
                    is_leaving: false,
                    began: now,
                });
                self.arm(timers, Some(now + self.linger));
            }
        }
    }

    /// The time to leave, unless something is still being sent. Returns the flow if it is.
    pub(super) fn due(
        &mut self,
        now: Instant,
        is_sending: bool,
        timers: &mut Timers,
    ) -> Option<Flow> {
        self.armed = None;
        let running = self.running.as_mut()?;
        if is_sending && now < running.began + self.most {
            self.arm(timers, Some(now + self.linger));
            return None;
        }
        running.is_leaving = true;
        Some(running.flow)
    }

    /// Whether a flow is under way.
    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the Client is leaving its servers.
    pub(super) fn is_leaving(&self) -> bool {
        self.running.is_some_and(|running| running.is_leaving)
    }

    /// The flow has come to its end.
    pub(super) const fn end(&mut self) -> Option<Flow> {
        match self.running.take() {
            Some(running) => Some(running.flow),
            None => None,
        }
    }

    fn arm(&mut self, timers: &mut Timers, deadline: Option<Instant>) {
        timers.set(Timer::Flow, &mut self.armed, deadline);
    }
}
