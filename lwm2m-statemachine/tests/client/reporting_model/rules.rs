//! What must be notified, and when: the rules of TS 5.1.2, 5.5, 7.3.2.5 and E.2/6.
//!
//! Nothing is remembered from one event to the next but the notifications themselves. Whether one is
//! due is found by looking at all that has happened since the last one.

use lwm2m_core::{Code, Value};

use super::{
    script::{Act, Array, Event, Place, Script},
    world::{Attributes, Content, World},
};

/// Something that a server gets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    /// When, in milliseconds from the beginning.
    pub(super) at: u64,
    /// After how many events.
    pub(super) events: usize,
    pub(super) server: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// The answer to the last event, which is a request.
    Answer { code: Code, content: Content },
    /// A notification.
    Notification {
        token: u8,
        content: Content,
        /// When it became due: it may have been stored since.
        due: u64,
    },
}

/// All that happens in a case.
pub(super) struct History {
    pub(super) events: Vec<Event>,
    /// The codes of the answers to the events.
    codes: Vec<Option<Code>>,
    /// The worlds after 0, 1, 2 … events.
    worlds: Vec<World>,
    confirmable: bool,
    /// When the case ends.
    pub(super) end: u64,
}

/// A server observes a place: after `from` events, until there were `to`.
struct Observation {
    server: usize,
    token: u8,
    place: Place,
    from: usize,
    to: usize,
}

/// A notification of an observation.
struct Notified {
    /// When it became due.
    due: u64,
    /// When it was sent, unless it is stored.
    sent: Option<(u64, usize)>,
    /// Its content is that after so many events.
    events: usize,
    stored: bool,
}

/// How long after a notification it may be rejected, in milliseconds.
const REJECTED_WITHIN: u64 = 10_000;

/// Milliseconds.
fn seconds(period: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "periods are small integers"
    )]
    let seconds = period as u64;
    seconds * 1000
}

impl History {
    pub(super) fn new(script: &Script) -> Self {
        let events = script.events();
        let mut worlds = vec![World::new(script)];
        let mut codes = Vec::new();
        for event in &events {
            let (world, code) = worlds[worlds.len() - 1].after(&event.act);
            worlds.push(world);
            codes.push(code);
        }
        let end = events.last().map_or(0, |last| last.at) + 25_000;
        Self {
            events,
            codes,
            worlds,
            confirmable: script.confirmable,
            end,
        }
    }

    /// When so many events have happened.
    fn time(&self, events: usize) -> u64 {
        match events.checked_sub(1) {
            None => 0,
            Some(last) => self.events.get(last).map_or(self.end, |event| event.at),
        }
    }

    /// Everything that the servers get, in no order.
    pub(super) fn messages(&self) -> Vec<Message> {
        let mut messages = self.answers();
        for observation in self.observations() {
            let notified = self.notified(&observation).into_iter();
            messages.extend(notified.filter_map(|notified| {
                let (at, events) = notified.sent?;
                Some(Message {
                    at,
                    events,
                    server: observation.server,
                    kind: Kind::Notification {
                        token: observation.token,
                        content: self.content(&observation, notified.events),
                        due: notified.due,
                    },
                })
            }));
        }
        messages
    }

    fn answers(&self) -> Vec<Message> {
        let mut answers = Vec::new();
        for (before, event) in self.events.iter().enumerate() {
            let Some(code) = self.codes[before] else {
                continue;
            };
            let (server, content) = match event.act {
                Act::Observe { server, place, .. } | Act::Cancel { server, place, .. }
                    if code == Code::CONTENT =>
                {
                    (server, self.worlds[before + 1].content(server, place))
                }
                Act::Observe { server, .. }
                | Act::Cancel { server, .. }
                | Act::WriteAttributes { server, .. }
                | Act::Write { server, .. }
                | Act::WriteInstance { server, .. }
                | Act::WritePeriod { server, .. } => (server, Content::new()),
                _ => continue,
            };
            answers.push(Message {
                at: event.at,
                events: before + 1,
                server,
                kind: Kind::Answer { code, content },
            });
        }
        answers
    }

    /// All observations, with their beginnings and ends (TS 5.5.1, 5.5.3, 8.2.6).
    fn observations(&self) -> Vec<Observation> {
        let mut all: Vec<Observation> = Vec::new();
        for (before, event) in self.events.iter().enumerate() {
            let now = before + 1;
            let ends: Vec<usize> = match event.act {
                // An Observe with the same token takes its place, even if it is refused
                // (RFC 7641 §4.1, §4.2).
                Act::Observe { server, token, .. } => open(&all, server, Some(token)).collect(),
                // The one with this token; without one, all at the path and below.
                Act::Cancel {
                    server,
                    token,
                    place,
                } => {
                    let mut ends: Vec<usize> = open(&all, server, Some(token)).collect();
                    if ends.is_empty() {
                        let below = open(&all, server, None);
                        ends = below.filter(|at| place.contains(all[*at].place)).collect();
                    }
                    ends
                }
                // A Reset ends the observation whose notification it rejects.
                Act::Reset { server, token } => {
                    let rejects = |at: &usize| self.is_rejected(&all[*at], now);
                    open(&all, server, Some(token)).filter(rejects).collect()
                }
                _ => continue,
            };
            for at in ends {
                all[at].to = now;
            }
            if let (
                Act::Observe {
                    server,
                    token,
                    place,
                },
                Some(Code::CONTENT),
            ) = (&event.act, self.codes[before])
            {
                all.push(Observation {
                    server: *server,
                    token: *token,
                    place: *place,
                    from: now,
                    to: usize::MAX,
                });
            }
        }
        all
    }

    /// Whether the last notification before this event can be rejected: it is recent, and it wasn't
    /// acknowledged. Those that were stored are confirmable, too.
    fn is_rejected(&self, observation: &Observation, event: usize) -> bool {
        let notified = self.notified(observation).into_iter();
        let mut before = notified.filter_map(|notified| {
            let (at, _) = notified.sent.filter(|(_, events)| *events < event)?;
            Some((at, notified.stored))
        });
        before.next_back().is_some_and(|(at, stored)| {
            let recent = self.time(event) <= at + REJECTED_WITHIN;
            recent && !stored && !self.confirmable
        })
    }

    fn content(&self, observation: &Observation, events: usize) -> Content {
        self.worlds[events].content(observation.server, observation.place)
    }

    /// The notifications of an observation, in order.
    fn notified(&self, observation: &Observation) -> Vec<Notified> {
        let server = observation.server;
        let mut all: Vec<Notified> = Vec::new();
        for events in observation.from..self.worlds.len().min(observation.to) {
            let (begin, world) = (self.time(events), &self.worlds[events]);
            // What is stored is sent after the Update, oldest first (TS E.2/6, 8.3), unless the server
            // may no longer read it (TS 7.3.2.5). Then there was no notification.
            if world.reached[server] {
                let may_read = |place: &Place| world.may_read(server, *place);
                all.retain(|kept| {
                    let content = self.content(observation, kept.events);
                    kept.sent.is_some() || content.keys().all(may_read)
                });
                for kept in &mut all {
                    kept.sent.get_or_insert((begin, events));
                }
            }
            // What is due at the time of the next event comes before it.
            let until = self.time(events + 1);
            while let Some(due) = self.due(observation, &all, events) {
                let due = due.max(begin);
                if due > until {
                    break;
                }
                let reached = world.reached[server];
                // "If false, the LwM2M Client discards": nothing is kept, and what there is to tell
                // is told on return (TS E.2/6).
                if !reached && !world.storing[server] {
                    break;
                }
                all.push(Notified {
                    due,
                    sent: reached.then_some((due, events)),
                    events,
                    stored: !reached,
                });
            }
        }
        all
    }

    /// When the next notification is due if no more happens: when the first of the Resources that
    /// may be read (TS 7.3.2.5) is.
    fn due(&self, observation: &Observation, sent: &[Notified], events: usize) -> Option<u64> {
        let server = observation.server;
        // "Each time a Resource notification is sent, the […] timers […] are restarted."
        let restarted = sent.last().map_or_else(
            || self.time(observation.from),
            |last| last.sent.map_or(last.due, |(at, _)| at),
        );
        let world = &self.worlds[events];
        let due = world
            .readable(server, observation.place)
            .flat_map(|resource| {
                let attributes = world.effective(server, resource);
                let pmin = attributes.pmin.unwrap_or(0.0);
                // A pmax of 0, or below an inherited pmin, is none.
                let pmax = attributes.pmax.filter(|pmax| *pmax > 0.0 && *pmax >= pmin);
                let counted = self.counts(observation, sent, events, resource);
                [counted.then_some(pmin), pmax]
            });
        due.flatten()
            .map(|period| restarted + seconds(period))
            .min()
    }

    /// Whether there is something to tell of a Resource since it was sent last.
    fn counts(
        &self,
        observation: &Observation,
        sent: &[Notified],
        events: usize,
        resource: Place,
    ) -> bool {
        let server = observation.server;
        let seen = |events: usize| {
            let world = &self.worlds[events];
            let may_read = world.may_read(server, resource);
            may_read.then(|| world.values(resource))
        };
        // The first answer, and what was notified since.
        let first = [observation.from];
        let mut sent = first.into_iter().chain(sent.iter().map(|sent| sent.events));
        let is_in_last = sent.clone().next_back().and_then(seen).is_some();
        let since = sent.rfind(|events| seen(*events).is_some());
        let told = since.and_then(seen);
        let since = since.unwrap_or(observation.from);
        (since + 1..=events).any(|now| {
            let attributes = self.worlds[now].effective(server, resource);
            let values = |events: usize| self.worlds[events].values(resource);
            // A change that the server may not read is told when it may, if any change is.
            if attributes.is_unconditional() && values(now - 1) != values(now) {
                return true;
            }
            // All else is about successive values that the server may read.
            let Some(after) = seen(now) else {
                return false;
            };
            let before = (observation.from..now).rev().find_map(seen);
            if attributes.is_unconditional() {
                // What was not in the last notification is news.
                return !is_in_last || before != Some(after);
            }
            after.iter().any(|(id, after)| {
                let number_in = |array: Option<&Array>| array?.get(id).and_then(number);
                number(after).is_some_and(|after| {
                    attributes.counts(after, number_in(before), number_in(told))
                })
            })
        })
    }
}

/// The open observations of a server; of one token, if it is given.
fn open(all: &[Observation], server: usize, token: Option<u8>) -> impl Iterator<Item = usize> {
    let all = all.iter().enumerate();
    let of = all.filter(move |(_, observation)| {
        observation.server == server
            && observation.to == usize::MAX
            && token.is_none_or(|token| observation.token == token)
    });
    of.map(|(at, _)| at)
}

fn number(value: &Value) -> Option<f64> {
    match *value {
        #[expect(clippy::cast_precision_loss, reason = "values are small")]
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    }
}

impl Attributes {
    /// Without gt, lt and st, any change counts; with one of them, only what they say (TS 5.1.2).
    fn is_unconditional(&self) -> bool {
        (self.gt, self.lt, self.st) == (None, None, None)
    }

    /// Whether a number counts, after the number before it and the one that the server was told.
    fn counts(&self, now: f64, before: Option<f64>, told: Option<f64>) -> bool {
        // "Each time the Observed Resource value crosses": in either direction, and being equal is
        // having crossed.
        let crossed = |threshold: Option<f64>| match (threshold, before) {
            (Some(threshold), Some(before)) => {
                before < threshold && threshold <= now || before > threshold && threshold >= now
            }
            _ => false,
        };
        // "The value variation since the last notification […] is greater or equal". Without a
        // variation there is none.
        let stepped = match (self.st, told) {
            (Some(step), Some(told)) => {
                let variation = (now - told).abs();
                variation > 0.0 && variation >= step
            }
            _ => false,
        };
        crossed(self.gt) || crossed(self.lt) || stepped
    }
}
