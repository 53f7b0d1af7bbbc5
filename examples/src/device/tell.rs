//! The events of the machine, as lines.

use core::fmt;

use lwm2m_core::{Instant, Path, Transport};
use lwm2m_objects::Change;
use lwm2m_statemachine::{Client, ClientEvent, client::DownloadOutcome};
use serde_json::Value as Json;

use super::{directory::Directory, line::Line, show};

/// The lines of an event.
pub(super) fn tell(
    event: &ClientEvent,
    directory: &Directory,
    client: &Client,
    now: Instant,
) -> Vec<Line> {
    registration(event, directory, now)
        .or_else(|| bootstrap(event, directory, now))
        .or_else(|| request(event, directory))
        .or_else(|| asked(event, directory))
        .or_else(|| device(event, now))
        .or_else(|| reporting(event, directory, client))
        .or_else(|| download(event, now))
        // Of an event that a later version of the machine adds, it says what is known. A test finds
        // what has no line of its own.
        .unwrap_or_else(|| vec![Line::new("note").word("message", format_args!("{event:?}"))])
}

/// Connections and registrations.
fn registration(event: &ClientEvent, directory: &Directory, now: Instant) -> Option<Vec<Line>> {
    let about = |kind, account: &_| directory.about(Line::new(kind), *account);
    Some(vec![match event {
        ClientEvent::Connect {
            account,
            transport: Transport::Sms,
            security,
            ..
        } => {
            let number = security.sms.server_number.as_deref();
            about("connecting", account).word("number", number.unwrap_or_default())
        }
        ClientEvent::Connect { account, uri, .. } => about("connecting", account).word("uri", uri),
        ClientEvent::Disconnect { connection } => {
            let line = Line::new("disconnected");
            match directory.account_of(*connection) {
                Some(account) => directory.about(line, account),
                None => line,
            }
        }
        ClientEvent::Registered { account, location } => {
            about("registered", account).word("location", location)
        }
        ClientEvent::RegistrationFailed {
            account,
            reason,
            retry,
        } => {
            let registered = directory.location(*account).is_some();
            let operation = if registered { "update" } else { "register" };
            let line = about("failed", account).word("operation", operation);
            match retry {
                None => line.word("reason", reason),
                Some(at) => trying_again(line, reason, *at, now),
            }
        }
        ClientEvent::Updated { account } => about("updated", account),
        ClientEvent::Deregistered { account } => about("deregistered", account),
        ClientEvent::DeregisterFailed { account, reason } => about("failed", account)
            .word("operation", "deregister")
            .word("reason", reason),
        ClientEvent::Disabled { account, until } => {
            for_how_long(about("disabled", account), Some(*until), now)
        }
        _ => return None,
    }])
}

/// Why something failed, and when it is tried again.
fn trying_again(line: Line, reason: impl fmt::Display, at: Instant, now: Instant) -> Line {
    let seconds = wait(at, now);
    let next = format_args!("{reason}; tries again in {seconds} s");
    line.field("reason", reason.to_string(), next)
        .hidden("retry", seconds)
}

/// Bootstraps.
fn bootstrap(event: &ClientEvent, directory: &Directory, now: Instant) -> Option<Vec<Line>> {
    let about = |kind, account: &_| directory.about(Line::new(kind), *account);
    Some(match event {
        ClientEvent::BootstrapStarted { account, by } => {
            vec![about("bootstrapping", account).word("by", by)]
        }
        ClientEvent::BootstrapInconsistent { account, reason } => {
            vec![about("inconsistent", account).word("reason", reason)]
        }
        ClientEvent::BootstrapFinished { account, changed } => {
            let done = about("bootstrapped", account);
            let changed = changed.iter().map(|path| Line::item("changed").path(*path));
            [done].into_iter().chain(changed).collect()
        }
        ClientEvent::BootstrapFailed {
            account,
            reason,
            retry,
        } => {
            let line = about("failed", account).word("operation", "bootstrap");
            vec![match retry {
                None => line.word("reason", reason),
                Some(at) => trying_again(line, reason, *at, now),
            }]
        }
        // It isn't asked for one.
        ClientEvent::SmartcardAsked => vec![Line::new("smartcard").saying("the device has none")],
        ClientEvent::BootstrapAccountPurged { account } => vec![about("purged", account)],
        _ => return None,
    })
}

/// Requests of servers.
fn request(event: &ClientEvent, directory: &Directory) -> Option<Vec<Line>> {
    let about = |kind, account: &_| directory.about(Line::new(kind), *account);
    Some(match event {
        ClientEvent::Written { account, changes } => written(changes, |kind| about(kind, account)),
        ClientEvent::Created { account, instances } => {
            let created = instances.iter();
            created
                .map(|path| about("created", account).path(*path))
                .collect()
        }
        ClientEvent::Deleted { account, path } => vec![about("deleted", account).path(*path)],
        ClientEvent::Execute {
            account,
            path,
            arguments,
        } => {
            let line = about("executed", account).path(*path);
            vec![line.word("arguments", arguments)]
        }
        _ => return None,
    })
}

/// What becomes of the device.
fn device(event: &ClientEvent, now: Instant) -> Option<Vec<Line>> {
    Some(match event {
        // The program tells when it has rebooted.
        ClientEvent::Reboot => Vec::new(),
        ClientEvent::FactoryReset { restored: Ok(()) } => {
            vec![Line::new("reset").saying("to the state of the factory")]
        }
        ClientEvent::FactoryReset {
            restored: Err(error),
        } => vec![Line::new("reset").word("reason", error)],
        ClientEvent::MaySleep { until } => vec![for_how_long(Line::new("idle"), *until, now)],
        _ => return None,
    })
}

/// Adds for how long the device sleeps, or may sleep.
pub(super) fn for_how_long(line: Line, until: Option<Instant>, now: Instant) -> Line {
    let Some(until) = until else {
        let shown = "until there is something to do";
        return line.field("seconds", Json::Null, shown);
    };
    let seconds = wait(until, now);
    line.field("seconds", seconds, format_args!("for {seconds} s"))
}

/// Requests that wait for a command.
fn asked(event: &ClientEvent, directory: &Directory) -> Option<Vec<Line>> {
    let number = |line: Line, request| match directory.number(request) {
        Some(number) => line.field("request", number, format_args!("request={number}")),
        None => line,
    };
    let begin = |account, operation: &str| {
        directory
            .about(Line::new("asked"), account)
            .word("operation", operation)
    };
    Some(vec![match event {
        ClientEvent::ExecuteAsked {
            request,
            account,
            path,
            arguments,
        } => {
            let line = begin(*account, "execute").path(*path);
            number(line.word("arguments", arguments), *request)
        }
        ClientEvent::ReadAsked {
            request,
            account,
            path,
        } => number(begin(*account, "read").path(*path), *request),
        ClientEvent::ChangeAsked {
            request,
            account,
            operation,
            path,
            ..
        } => {
            let operation = operation.name().to_lowercase();
            number(begin(*account, &operation).path(*path), *request)
        }
        ClientEvent::DeferredEnded { request, reason } => {
            number(Line::new("expired"), *request).word("reason", reason)
        }
        _ => return None,
    }])
}

/// Attributes and observations.
fn reporting(event: &ClientEvent, directory: &Directory, client: &Client) -> Option<Vec<Line>> {
    let about = |kind, account: &_| directory.about(Line::new(kind), *account);
    Some(vec![match event {
        ClientEvent::AttributesWritten { account, path } => {
            let line = about("attributes", account).path(*path);
            show::with_attributes(line, &directory.attributes(client, *account, *path))
        }
        ClientEvent::Observed { account, path } => about("observed", account).path(*path),
        ClientEvent::ObservationEnded { account, path } => about("unobserved", account).path(*path),
        ClientEvent::NotificationsDropped { account, dropped } => {
            let shown = format_args!("{dropped} of the stored notifications");
            about("dropped", account).field("dropped", *dropped, shown)
        }
        _ => return None,
    }])
}

/// Downloads.
fn download(event: &ClientEvent, now: Instant) -> Option<Vec<Line>> {
    let begin =
        |state: &'static str, path: &Path| Line::new("download").path(*path).word("state", state);
    Some(vec![match event {
        ClientEvent::ConnectForDownload { path, uri, .. } => {
            begin("connecting", path).word("uri", uri)
        }
        ClientEvent::DownloadStarted { path, announced } => {
            let line = begin("started", path);
            match announced {
                Some(bytes) => line.field("announced", *bytes, format_args!("{bytes} bytes")),
                None => line.hidden("announced", Json::Null),
            }
        }
        ClientEvent::DownloadInterrupted {
            path,
            received,
            retry,
        } => {
            let seconds = wait(*retry, now);
            let shown = format_args!("after {received} bytes; goes on in {seconds} s");
            begin("interrupted", path)
                .field("received", *received, shown)
                .hidden("retry", seconds)
        }
        ClientEvent::DownloadEnded { path, outcome } => match outcome {
            DownloadOutcome::Complete { bytes } => {
                let shown = format_args!("{bytes} bytes");
                begin("complete", path).field("received", *bytes, shown)
            }
            DownloadOutcome::Failed(failure) => begin("failed", path).word("reason", failure),
            DownloadOutcome::Refused => begin("refused", path),
            DownloadOutcome::Stopped => begin("stopped", path),
            other => begin("ended", path).word("reason", format_args!("{other:?}")),
        },
        _ => return None,
    }])
}

/// Until then, in full seconds.
fn wait(until: Instant, now: Instant) -> u64 {
    let wait = until.saturating_duration_since(now).as_millis();
    u64::try_from(wait.div_ceil(1000)).unwrap_or(u64::MAX)
}

/// What a server has written. A Resource that is cleared and then filled has one line for each
/// value.
fn written(changes: &[Change], begin: impl Fn(&'static str) -> Line) -> Vec<Line> {
    let filled = |path: &Path| {
        let mut others = changes.iter();
        others.any(|other| matches!(other, Change::Set { path: set, .. } if path.contains(set)))
    };
    let lines = changes.iter().filter_map(|change| {
        let kind = match change {
            Change::Set { path, value } => {
                return Some(begin("written").value(*path, value));
            }
            Change::Clear { path } if filled(path) => return None,
            Change::Clear { .. } => "emptied",
            Change::Remove { .. } => "removed",
            Change::Create { .. } => "created",
            Change::Delete { .. } => "deleted",
        };
        Some(begin(kind).path(change.path()))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outside of its crate, a `match` of this enumeration can't be exhaustive.
    #[test]
    fn every_event_of_the_machine_has_a_line_of_its_own() {
        const EVENTS: &str = include_str!("../../../lwm2m-statemachine/src/client/event.rs");
        const LINES: &str = include_str!("tell.rs");
        let (_, variants) = EVENTS.split_once("pub enum ClientEvent {\n").unwrap();
        let (variants, _) = variants.split_once("\n}\n").unwrap();
        let names = variants.lines().filter_map(|line| {
            let line = line.strip_prefix("    ")?;
            let name = line.split([' ', '(', ',']).next()?;
            name.starts_with(|c: char| c.is_ascii_uppercase())
                .then_some(name)
        });
        let names: Vec<_> = names.collect();
        assert!(names.len() >= 14, "{names:?}");
        let (lines, _) = LINES.split_once("#[cfg(test)]").unwrap();
        for name in names {
            let arm = |end| lines.contains(&format!("ClientEvent::{name}{end}"));
            assert!(arm(" ") || arm("("), "{name} has no line");
        }
    }

    #[test]
    fn what_is_written_and_what_goes_are_told_apart() {
        let path = |text: &str| text.parse::<Path>().unwrap();
        let set = |at: &str, value: i64| Change::Set {
            path: path(at),
            value: value.into(),
        };
        let (emptied, removed) = (path("/3/0/6"), path("/1/0/2"));
        for (changes, lines) in [
            (vec![set("/1/0/1", 60)], vec!["written /1/0/1 = 60"]),
            (
                vec![Change::Remove { path: removed }],
                vec!["removed /1/0/2"],
            ),
            (
                vec![Change::Clear { path: emptied }],
                vec!["emptied /3/0/6"],
            ),
            (
                vec![Change::Clear { path: emptied }, set("/3/0/6/1", 5)],
                vec!["written /3/0/6/1 = 5"],
            ),
        ] {
            let told = written(&changes, Line::new);
            let told: Vec<_> = told.iter().map(ToString::to_string).collect();
            assert_eq!(told, lines);
        }
    }
}
