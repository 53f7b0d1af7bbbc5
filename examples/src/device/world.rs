//! The simulated world of the device: a battery that drains and is charged, a walk in a circle, a
//! radio signal that comes and goes, rooms that are heated.
//!
//! All of it follows from the number of the measurement, so that two runs are the same.

use core::time::Duration;

use lwm2m_core::{Instant, ObjectId, Path, Value};
use lwm2m_objects::{LocationObject, typed};
use lwm2m_statemachine::Client;

use super::{
    settings::Pace,
    thermostat::{THERMOSTAT, Thermostats},
};

const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();
const MEMORY_FREE: Path = Path::of(&[3, 0, 10]).unwrap();
pub(super) const CURRENT_TIME: Path = Path::of(&[3, 0, 13]).unwrap();
const BATTERY_STATUS: Path = Path::of(&[3, 0, 20]).unwrap();
const SIGNAL_STRENGTH: Path = Path::of(&[4, 0, 2]).unwrap();
const LINK_QUALITY: Path = Path::of(&[4, 0, 3]).unwrap();

/// Of Battery Status (TS E.4): the battery is used.
const NORMAL: i64 = 0;
/// It is being charged.
const CHARGING: i64 = 1;
/// It is nearly empty.
const LOW: i64 = 4;

/// The centre of the walk, in degrees of WGS 84.
const CENTRE: (f64, f64) = (48.8466, 2.3371);
/// The radius of the walk, in degrees: some 200 m.
const RADIUS: f64 = 0.002;
/// How many measurements it takes to walk around.
const ROUND: f64 = 60.0;

/// When what is simulated changes next.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    pace: Pace,
    next_drain: Instant,
    next_step: Instant,
    steps: u32,
}

impl World {
    pub(super) fn new(now: Instant, pace: Pace) -> Self {
        Self {
            pace,
            next_drain: now + pace.drain,
            next_step: now + pace.step,
            steps: 0,
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Instant {
        self.next_drain.min(self.next_step)
    }

    /// Does what is due.
    pub(super) fn play(&mut self, now: Instant, client: &mut Client) {
        if self.next_drain <= now {
            self.next_drain = later(self.next_drain, now, self.pace.drain);
            drain(now, client);
        }
        if self.next_step <= now {
            self.next_step = later(self.next_step, now, self.pace.step);
            self.steps = self.steps.wrapping_add(1);
            measure(self.steps, now, client);
        }
    }
}

/// The next time, without those that were missed.
fn later(due: Instant, now: Instant, every: Duration) -> Instant {
    (due + every).max(now)
}

/// The battery loses a percent, or gains five while it is charged.
fn drain(now: Instant, client: &mut Client) {
    let charging = integer(client, BATTERY_STATUS) == Some(CHARGING);
    let Some(level) = integer(client, BATTERY_LEVEL) else {
        return;
    };
    let level = if charging { level + 5 } else { level - 1 };
    let level = level.clamp(0, 100);
    let status = match level {
        100 => NORMAL,
        _ if charging => CHARGING,
        0..=5 => CHARGING,
        6..=15 => LOW,
        _ => NORMAL,
    };
    set(now, client, BATTERY_LEVEL, level);
    set(now, client, BATTERY_STATUS, status);
}

/// The measurement of this number.
fn measure(number: u32, now: Instant, client: &mut Client) {
    let angle = f64::from(number) * core::f64::consts::TAU / ROUND;
    // Between -95 and -65 dBm.
    #[expect(clippy::cast_possible_truncation, reason = "a small number")]
    let signal = (-80.0 + 15.0 * (angle * 3.0).cos()).round() as i64;
    set(now, client, SIGNAL_STRENGTH, signal);
    set(now, client, LINK_QUALITY, (signal + 95) / 10);
    set(
        now,
        client,
        MEMORY_FREE,
        40_000 - i64::from(number % 7) * 128,
    );
    let time = match client.tree().get(CURRENT_TIME) {
        Some(Value::Time(time)) => time,
        _ => 0,
    };
    let location = location(angle, time);
    client.object(now, ObjectId::LOCATION, |object: &mut LocationObject| {
        object.moved(location);
    });
    client.object(now, THERMOSTAT, Thermostats::step);
}

/// Where the device is at this angle of its walk.
pub(super) fn location(angle: f64, time: i64) -> typed::Location {
    // To a metre or so.
    let rounded = |degrees: f64| (degrees * 1e5).round() / 1e5;
    typed::Location {
        altitude: Some((60.0 + 5.0 * angle.sin()).round()),
        radius: Some(8.0),
        speed: Some(1.4),
        ..typed::Location::new(
            rounded(CENTRE.0 + RADIUS * angle.sin()),
            rounded(CENTRE.1 + RADIUS * angle.cos()),
            time,
        )
    }
}

fn integer(client: &Client, path: Path) -> Option<i64> {
    match client.tree().get(path) {
        Some(Value::Integer(number)) => Some(number),
        _ => None,
    }
}

/// Sets a value that the device has. It is of the same type as the one before.
fn set(now: Instant, client: &mut Client, path: Path, value: i64) {
    if integer(client, path).is_some_and(|before| before != value) {
        let _ = client.set(now, path, value);
    }
}
