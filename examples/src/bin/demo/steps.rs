//! What happens in the demo, step by step.

use lwm2m_core::{
    Arguments, AttributesUpdate, Change, ContentFormat, InstanceId, ObjectId, Path, Value,
    WriteMode, codec::Content,
};
use lwm2m_examples::device::Command;
use lwm2m_statemachine::server::{ObservationId, Outcome, ServerEvent};

use crate::{
    DRAIN, Step, rights,
    stage::{DemoServer, ENDPOINT, LIFETIME, Stage, integer, string},
};

const ACCESS_CONTROL: Path = Path::of(&[2]).unwrap();
const DEVICE: Path = Path::of(&[3]).unwrap();
const DEVICE_INSTANCE: Path = Path::of(&[3, 0]).unwrap();
const MANUFACTURER: Path = Path::of(&[3, 0, 0]).unwrap();
const REBOOT: Path = Path::of(&[3, 0, 4]).unwrap();
const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();
const UTC_OFFSET: Path = Path::of(&[3, 0, 14]).unwrap();
const NETWORK: Path = Path::of(&[4, 0]).unwrap();
const SIGNAL_STRENGTH: Path = Path::of(&[4, 0, 2]).unwrap();
const THERMOSTAT: ObjectId = ObjectId::new(26241);
/// The set point of the room of server 102.
const SET_POINT: Path = Path::of(&[26241, 1, 2]).unwrap();
/// By how much the battery has to drain until each server is notified, in percent.
const STEPS: [(DemoServer, f64); 2] = [(DemoServer::First, 3.0), (DemoServer::Second, 1.0)];

/// Plays all steps.
pub(crate) fn play(stage: &mut Stage) -> Vec<(&'static str, Step)> {
    type Play = fn(&mut Stage) -> Step;
    let steps: [(&'static str, Play); 15] = [
        ("The bootstrap-server names both servers", bootstrap),
        ("Register with both servers", register),
        ("102 reads /2: who may do what", read_rights),
        ("101 discovers /3", discover),
        ("101 reads /3/0 as TLV", read_instance),
        ("102 reads /3/0/0 as text", read_text),
        ("101 reads /4/0 as JSON", read_json),
        ("101 writes /3/0/14", write),
        ("102 may not write it", write_refused),
        ("102 may not reboot the device", reboot_refused),
        (
            "102 writes the set point of its room, 101 may not",
            set_point,
        ),
        ("101 creates a room, reads it alone, deletes it", create),
        ("Both observe /3/0/9, each with its own attributes", observe),
        ("101 reboots the device", reboot),
        ("De-register from both servers", deregister),
    ];
    let mut played = Vec::new();
    for (name, play) in steps {
        stage.note(&format!("\n{name}"));
        played.push((name, play(stage)));
    }
    played
}

fn bootstrap(stage: &mut Stage) -> Step {
    stage.wait_for_bootstrap()
}

fn register(stage: &mut Stage) -> Step {
    let first = stage.wait_for_registration(DemoServer::First)?;
    let second = stage.wait_for_registration(DemoServer::Second)?;
    Ok(format!(
        "{ENDPOINT} is at {first} and at {second}, for {LIFETIME} s"
    ))
}

/// Every server may read the Access Control Object (TS 7.3.1.2).
fn read_rights(stage: &mut Stage) -> Step {
    let content = stage.read(DemoServer::Second, ACCESS_CONTROL, ContentFormat::TLV)?;
    let table = rights::table(&content);
    stage.note("\n  R read, W write, E execute, D delete, C create");
    for line in &table {
        stage.note(line);
    }
    // Without its heading.
    let targets = table.len().saturating_sub(1);
    Ok(format!("of {targets} targets, as in the table above"))
}

fn discover(stage: &mut Stage) -> Step {
    let outcome = stage.operate(DemoServer::First, |server, now, client| {
        server.discover(now, client, DEVICE)
    })?;
    match outcome {
        Outcome::Links(links)
            if [DEVICE_INSTANCE, BATTERY_LEVEL]
                .iter()
                .all(|path| links.iter().any(|link| link.path == *path)) =>
        {
            Ok(format!("{} links", links.len()))
        }
        other => Err(format!("{other:?}")),
    }
}

fn read_instance(stage: &mut Stage) -> Step {
    let content = stage.read(DemoServer::First, DEVICE_INSTANCE, ContentFormat::TLV)?;
    let manufacturer = string(&content, MANUFACTURER)?;
    Ok(format!(
        "{} values, made by {manufacturer}",
        content.values().count()
    ))
}

fn read_text(stage: &mut Stage) -> Step {
    let content = stage.read(DemoServer::Second, MANUFACTURER, ContentFormat::TEXT)?;
    string(&content, MANUFACTURER)
}

fn read_json(stage: &mut Stage) -> Step {
    let content = stage.read(DemoServer::First, NETWORK, ContentFormat::JSON)?;
    let strength = integer(&content, SIGNAL_STRENGTH)?;
    Ok(format!("the signal strength is {strength} dBm"))
}

fn write(stage: &mut Stage) -> Step {
    let content = Content::from_iter([(UTC_OFFSET, Value::from("+01:00"))]);
    let outcome = stage.operate(DemoServer::First, |server, now, client| {
        let (replace, text) = (WriteMode::Replace, Some(ContentFormat::TEXT));
        server.write(now, client, UTC_OFFSET, replace, text, &content)
    })?;
    match outcome {
        Outcome::Changed => stage.wait_for_report("written 101 /3/0/14 = \"+01:00\""),
        other => Err(format!("{other:?}")),
    }
}

fn write_refused(stage: &mut Stage) -> Step {
    let content = Content::from_iter([(UTC_OFFSET, Value::from("+02:00"))]);
    stage.refused(DemoServer::Second, |server, now, client| {
        server.write(now, client, UTC_OFFSET, WriteMode::Replace, None, &content)
    })
}

fn reboot_refused(stage: &mut Stage) -> Step {
    stage.refused(DemoServer::Second, |server, now, client| {
        server.execute(now, client, REBOOT, &Arguments::NONE)
    })
}

fn set_point(stage: &mut Stage) -> Step {
    let content = Content::from_iter([(SET_POINT, Value::from(21.5))]);
    let outcome = stage.operate(DemoServer::Second, |server, now, client| {
        server.write(now, client, SET_POINT, WriteMode::Replace, None, &content)
    })?;
    let Outcome::Changed = outcome else {
        return Err(format!("{outcome:?}"));
    };
    let written = stage.wait_for_report("written 102 /26241/1/2 = 21.5")?;
    let refused = stage.refused(DemoServer::First, |server, now, client| {
        server.write(now, client, SET_POINT, WriteMode::Replace, None, &content)
    })?;
    Ok(format!("{written}; {refused}"))
}

fn create(stage: &mut Stage) -> Step {
    let room = |resource| Path::Resource(THERMOSTAT, InstanceId::ZERO, resource);
    let content = Content::from_iter([
        (room(0.into()), Value::from("Hall")),
        (room(2.into()), Value::from(18.5)),
    ]);
    let outcome = stage.operate(DemoServer::First, |server, now, client| {
        server.create(now, client, THERMOSTAT, None, None, &content)
    })?;
    let Outcome::Created {
        location: Some(location),
    } = outcome
    else {
        return Err(format!("{outcome:?}"));
    };
    let values = stage.read(DemoServer::First, location, ContentFormat::TLV)?;
    let values = values.values().count();
    let refused = stage.refused(DemoServer::Second, |server, now, client| {
        server.read(now, client, location, None)
    })?;
    let outcome = stage.operate(DemoServer::First, |server, now, client| {
        server.delete(now, client, location)
    })?;
    match outcome {
        Outcome::Deleted => Ok(format!("{location} had {values} values; {refused}")),
        other => Err(format!("{other:?}")),
    }
}

/// Server 101 is notified of each third percent, server 102 of each one.
fn observe(stage: &mut Stage) -> Step {
    for (who, step) in STEPS {
        let update = AttributesUpdate {
            st: Change::Set(step),
            ..AttributesUpdate::default()
        };
        let outcome = stage.operate(who, |server, now, client| {
            server.write_attributes(now, client, BATTERY_LEVEL, &update)
        })?;
        let Outcome::Changed = outcome else {
            return Err(format!("{outcome:?}"));
        };
    }
    let (of_first, first) = begin(stage, DemoServer::First)?;
    let (of_second, second) = begin(stage, DemoServer::Second)?;
    let (mut by_three, mut by_one) = (vec![first], vec![second]);
    for (who, observation, count, levels) in [
        (DemoServer::First, of_first, 2, &mut by_three),
        (DemoServer::Second, of_second, 5, &mut by_one),
    ] {
        for _ in 0..count {
            levels.push(notified(stage, who, observation)?);
        }
    }
    let falls_by = |levels: &[i64], least: i64, most: i64| {
        let mut pairs = levels.windows(2);
        pairs.all(|pair| (least..=most).contains(&(pair[0] - pair[1])))
    };
    if !falls_by(&by_three, 3, 4) || !falls_by(&by_one, 1, 2) {
        return Err(format!("not by their attributes: {by_three:?}, {by_one:?}"));
    }
    for (who, observation) in [
        (DemoServer::First, of_first),
        (DemoServer::Second, of_second),
    ] {
        let outcome = stage.operate(who, |server, now, _| {
            server.cancel_observation(now, observation)
        })?;
        let Outcome::Content(_) = outcome else {
            return Err(format!("{outcome:?}"));
        };
    }
    // Long enough for the battery to drain further, which is no longer notified.
    let before = stage.take_notifications();
    let after = stage.wait_at_most(2 * DRAIN, DemoServer::Second, |event| match event {
        ServerEvent::Notification { .. } => Ok(()),
        other => Err(other),
    })?;
    match after {
        Some(()) => Err(format!(
            "a notification after the end, and {before} before it"
        )),
        None => Ok(format!(
            "101: {by_three:?} %, 102: {by_one:?} %, then silence"
        )),
    }
}

/// Begins an observation of the battery.
fn begin(stage: &mut Stage, who: DemoServer) -> Result<(ObservationId, i64), String> {
    let outcome = stage.operate(who, |server, now, client| {
        server.observe(now, client, BATTERY_LEVEL, None)
    })?;
    let Outcome::Observing {
        observation,
        content,
    } = outcome
    else {
        return Err(format!("{outcome:?}"));
    };
    let content = content.map_err(|error| error.to_string())?;
    Ok((observation, integer(&content, BATTERY_LEVEL)?))
}

/// Waits for the next notification.
fn notified(stage: &mut Stage, who: DemoServer, observation: ObservationId) -> Result<i64, String> {
    let content = stage.wait_for(who, "a notification", |event| match event {
        ServerEvent::Notification {
            observation: of,
            content,
            ..
        } if of == observation => Ok(content),
        other => Err(other),
    })?;
    let content = content.map_err(|error| error.to_string())?;
    integer(&content, BATTERY_LEVEL)
}

fn reboot(stage: &mut Stage) -> Step {
    let outcome = stage.operate(DemoServer::First, |server, now, client| {
        server.execute(now, client, REBOOT, &Arguments::NONE)
    })?;
    let Outcome::Changed = outcome else {
        return Err(format!("{outcome:?}"));
    };
    stage.wait_for_report("executed 101 /3/0/4")?;
    let mut locations = Vec::new();
    for who in DemoServer::BOTH {
        let old = stage.wait_for(
            who,
            "the end of the old registration",
            |event| match event {
                ServerEvent::Replaced { registration, .. } => Ok(registration),
                other => Err(other),
            },
        )?;
        if stage.server(who).registration(old).is_some() {
            return Err("the old registration is still there".into());
        }
        locations.push(stage.wait_for_registration(who)?);
    }
    Ok(format!(
        "it has started again, and is at {}",
        locations.join(" and at ")
    ))
}

fn deregister(stage: &mut Stage) -> Step {
    stage.command(Command::Deregister)?;
    for who in DemoServer::BOTH {
        stage.wait_for(who, "a De-register", |event| match event {
            ServerEvent::Deregistered { .. } => Ok(()),
            other => Err(other),
        })?;
        stage.wait_for_report(&format!("deregistered {}", who.id()))?;
        let left = stage.server(who).registrations().count();
        if left != 0 {
            return Err(format!("{left} registrations are left"));
        }
    }
    Ok(format!("{ENDPOINT} has left"))
}
