//! A device that sleeps: its radio is off while its servers believe so (TS 8.3). Its sensors go on.

use lwm2m_statemachine::ClientEvent;

use super::{
    line::Line,
    program::{Print, Program},
    settings::Rest,
    tell,
};

impl Program<'_> {
    /// Saves the state of the device and turns it off, or its radio, if an event allows that. Returns whether there is
    /// nothing left to tell of the event.
    pub(super) fn falls_asleep(&mut self, event: &ClientEvent, print: Print<'_>) -> bool {
        let ClientEvent::MaySleep { until } = event else {
            return false;
        };
        // What was done since it was told so may have woken it.
        if !self.driver.machine.client.may_sleep() {
            return true;
        }
        let saved = self.save();
        if let Err(error) = &saved {
            print(Line::new("error").word("message", error));
        }
        let kind = match self.settings.sleep.rest {
            Rest::Idle => return false,
            Rest::PowerOff if saved.is_ok() => {
                self.is_off = true;
                "off"
            }
            // Without its power it would forget what couldn't be saved.
            Rest::PowerOff | Rest::Sleep => {
                self.is_asleep = true;
                self.driver.turn_deaf();
                "asleep"
            }
        };
        let line = Line::new(kind);
        print(tell::for_how_long(line, *until, self.driver.now()));
        true
    }

    /// Looks whether something has woken the device.
    pub(super) fn look_awake(&mut self, print: Print<'_>) {
        if !self.is_asleep {
            return;
        }
        if !self.driver.machine.client.may_sleep() {
            self.driver.hear();
        }
        if !self.driver.is_deaf() {
            self.is_asleep = false;
            print(Line::new("awake"));
        }
    }
}
