//! A device that sleeps: its radio is off while its servers believe so (TS 8.3). Its sensors go on.

use lwm2m_statemachine::ClientEvent;

use super::{
    line::Line,
    program::{Print, Program},
    settings::Rest,
    tell,
};

/// Whether the device is asleep.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sleep {
    is_asleep: bool,
}

impl Program<'_> {
    /// Turns the radio off if an event allows that. Returns whether it does.
    pub(super) fn falls_asleep(&mut self, event: &ClientEvent, print: Print<'_>) -> bool {
        let ClientEvent::MaySleep { until } = event else {
            return false;
        };
        // What was done since it was told so may have woken it.
        if self.settings.sleep.rest == Rest::Idle || !self.driver.machine.client.may_sleep() {
            return false;
        }
        self.sleep.is_asleep = true;
        self.driver.turn_deaf();
        let line = Line::new("asleep");
        print(tell::for_how_long(line, *until, self.driver.now()));
        true
    }

    /// Looks whether something has woken the device.
    pub(super) fn look_awake(&mut self, print: Print<'_>) {
        if !self.sleep.is_asleep {
            return;
        }
        if !self.driver.machine.client.may_sleep() {
            self.driver.hear();
        }
        if !self.driver.is_deaf() {
            self.sleep.is_asleep = false;
            print(Line::new("awake"));
        }
    }
}
