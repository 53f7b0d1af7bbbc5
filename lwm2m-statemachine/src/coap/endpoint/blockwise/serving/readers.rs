//! How bodies come to be kept, and how their readers come and go.

use lwm2m_core::Instant;

use super::{
    super::step::{Step, Steps},
    bodies::ServedBodies,
    body::{Content, ServedBody, ServingEnd, tell_released},
};
use crate::coap::endpoint::{body::Resource, keys::BodyKey};

impl ServedBodies {
    /// Keeps a body, in place of an older one with its key. Returns whether there was room.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        key: BodyKey,
        mut body: ServedBody,
        steps: &mut Steps,
    ) -> bool {
        let same = self.bodies.get_mut(&key);
        let same = same.filter(|kept| kept.etag == body.etag);
        // The blocks of an equal body are as good.
        body.watched = same.and_then(|same| same.watched.take());
        self.forget(key, ServingEnd::Replaced, steps);
        if !self.make_room(now, key.peer, body.content.held(), steps) {
            tell_released(key.peer, body.watched, ServingEnd::NoRoom, steps);
            return false;
        }
        steps.push(Step::HoldPeer(key.peer));
        let is_read = body.is_read;
        self.insert(key, body);
        self.prolong(now, key, is_read);
        true
    }

    /// Another transfer of a body begins, if it is this one and in memory; returns whether it is. `later`:
    /// not with the first block.
    pub(super) fn share(&mut self, now: Instant, key: BodyKey, etag: &[u8], later: bool) -> bool {
        let kept = self.bodies.get_mut(&key);
        let same =
            kept.filter(|kept| kept.etag == etag && matches!(kept.content, Content::Bytes(_)));
        let Some(body) = same else {
            return false;
        };
        body.readers = body.readers.saturating_add(1);
        // Each transfer has its time. If no block is asked for, the body goes much earlier.
        body.begun = now;
        self.prolong(now, key, later);
        true
    }

    /// Whether a body is kept. If so, a step tells its end.
    pub(super) fn watch(&mut self, key: BodyKey, resource: Resource) -> bool {
        let kept = self.bodies.get_mut(&key);
        let kept = kept.filter(|body| !matches!(body.content, Content::Gone));
        kept.is_some_and(|body| {
            body.watched = Some(resource);
            true
        })
    }

    /// The last block of a body was served to one of its readers.
    pub(super) fn read_to_end(&mut self, now: Instant, key: BodyKey, steps: &mut Steps) {
        if let Some(body) = self.bodies.get_mut(&key) {
            // Who watches it waits for one reader, not for all.
            tell_released(key.peer, body.watched.take(), ServingEnd::Served, steps);
        }
        self.leave(now, key, ServingEnd::Served, steps);
    }

    /// A reader of a body, who watched it, reads no more of it.
    pub(super) fn abandon(&mut self, now: Instant, key: BodyKey, steps: &mut Steps) {
        if let Some(body) = self.bodies.get_mut(&key) {
            body.watched = None;
        }
        self.leave(now, key, ServingEnd::Unwanted, steps);
    }

    /// A body has one reader less, and goes with the last one. Who has begun again or has given up counts as
    /// another reader, as requests for blocks don't tell. So the others are waited for only until they would
    /// have repeated a request, unless they ask for a block.
    fn leave(&mut self, now: Instant, key: BodyKey, end: ServingEnd, steps: &mut Steps) {
        let Some(body) = self.bodies.get_mut(&key) else {
            return;
        };
        body.readers = body.readers.saturating_sub(1);
        if body.readers == 0 {
            return self.forget(key, end, steps);
        }
        let soon = self.times.repetition(now);
        let deadline = body.deadline.map_or(soon, |deadline| deadline.min(soon));
        self.timers.set(key, &mut body.deadline, Some(deadline));
    }

    /// The last transfer of a body didn't begin. Returns whether there are others.
    pub(super) fn unshare(&mut self, key: BodyKey) -> bool {
        let shared = self.bodies.get_mut(&key).filter(|body| body.readers > 1);
        shared.is_some_and(|body| {
            body.readers = body.readers.saturating_sub(1);
            true
        })
    }

    /// Gives a body another key, in place of an older one with that key.
    pub(super) fn rename(&mut self, now: Instant, from: BodyKey, to: BodyKey, steps: &mut Steps) {
        self.forget(to, ServingEnd::Replaced, steps);
        if let Some(body) = self.remove(from) {
            self.insert(to, body);
            self.prolong(now, to, false);
        }
    }
}
