//! Whether a server is disabled, and until when (TS E.2, Resources 4 and 5).

use core::time::Duration;

use lwm2m_core::{InstanceId, Instant, ObjectId, Path, ResourceId, Value};
use lwm2m_objects::ObjectTree;

use super::super::span::{Downtime, Span};

/// Of the Server Object (TS E.2).
const DISABLE_TIMEOUT: ResourceId = ResourceId::new(5);

/// How long a server is disabled that has no Disable Timeout (TS E.2).
const ONE_DAY: Duration = Duration::from_secs(86_400);

/// No Disable Timeout is longer than what a server can write in 32 bits.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

/// Whether a server is disabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Disabled {
    #[default]
    No,
    /// The Client leaves it. When it has, the server is disabled for this long.
    Leaving(Duration),
    Until(Instant),
}

impl Disabled {
    /// After a restart, if so much was left of the period. If nobody knows for how long nothing ran, all of that is
    /// still left: too early is worse than too late. A damaged period isn't one.
    pub(super) fn restored(left: Option<Span>, downtime: Downtime) -> Self {
        let left = left.filter(|left| left.as_duration() <= LONGEST);
        let until = left.map(|left| downtime.until_at_latest(left));
        let until = until.filter(|until| *until > downtime.now);
        until.map_or(Self::No, Self::Until)
    }

    pub(super) const fn is_on(self) -> bool {
        !matches!(self, Self::No)
    }

    /// The Client has left the server. If it is to be disabled, returns until when.
    pub(super) fn left(&mut self, now: Instant) -> Option<Instant> {
        let Self::Leaving(period) = *self else {
            return None;
        };
        let until = now + period;
        *self = Self::Until(until);
        // A period of zero is over now.
        self.pass(now);
        Some(until)
    }

    /// Time has passed.
    pub(super) fn pass(&mut self, now: Instant) {
        if self.until().is_some_and(|until| until <= now) {
            *self = Self::No;
        }
    }

    pub(super) const fn until(self) -> Option<Instant> {
        match self {
            Self::Until(until) => Some(until),
            Self::No | Self::Leaving(_) => None,
        }
    }

    /// For how long from `now` on, not counting what leaving the server takes.
    pub(super) fn remaining(self, now: Instant) -> Option<Duration> {
        match self {
            Self::Leaving(period) => Some(period),
            Self::Until(until) if now < until => Some(until.saturating_duration_since(now)),
            Self::No | Self::Until(_) => None,
        }
    }
}

/// For how long Disable disables the server of this Server Object Instance. A negative period, which an Object of the
/// application's may have, isn't one.
pub(super) fn timeout(tree: &ObjectTree, server_instance: InstanceId) -> Duration {
    let timeout = Path::Resource(ObjectId::SERVER, server_instance, DISABLE_TIMEOUT);
    match tree.get(timeout) {
        Some(Value::Integer(seconds)) => {
            u64::try_from(seconds).map_or(ONE_DAY, Duration::from_secs)
        }
        _ => ONE_DAY,
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_core::ShortServerId;
    use lwm2m_objects::{Store, typed::Server};

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    #[test]
    fn the_period_begins_when_the_server_has_been_left() {
        let period = Duration::from_secs(60);
        let mut disabled = Disabled::Leaving(period);
        disabled.pass(at(1000));
        assert_eq!(disabled.remaining(at(1000)), Some(period));
        assert_eq!(disabled.left(at(1000)), Some(at(1060)));
        assert_eq!(disabled.left(at(1001)), None);
        assert_eq!(disabled.remaining(at(1059)), Some(Duration::from_secs(1)));
        disabled.pass(at(1059));
        assert!(disabled.is_on());
        assert_eq!(disabled.remaining(at(1060)), None);
        disabled.pass(at(1060));
        assert_eq!(disabled, Disabled::No);
    }

    #[test]
    fn a_period_of_zero_is_over_at_once() {
        let mut disabled = Disabled::Leaving(Duration::ZERO);
        assert!(disabled.is_on());
        assert_eq!(disabled.left(at(5)), Some(at(5)));
        assert!(!disabled.is_on());
    }

    #[test]
    fn without_a_timeout_it_is_a_day() {
        let mut tree = ObjectTree::new();
        let without = Server::new(ShortServerId::new(101).unwrap(), 300);
        let with = Server {
            disable_timeout: Some(60),
            ..without.clone()
        };
        tree.add(Store::of([(InstanceId::ZERO, without)]));
        assert_eq!(timeout(&tree, InstanceId::ZERO), ONE_DAY);
        tree.add(Store::of([(InstanceId::ZERO, with)]));
        for seconds in [0, 1, u32::MAX] {
            let at = "/1/0/5".parse().unwrap();
            tree.set(at, i64::from(seconds)).unwrap();
            let expected = Duration::from_secs(seconds.into());
            assert_eq!(timeout(&tree, InstanceId::ZERO), expected);
        }
    }
}
