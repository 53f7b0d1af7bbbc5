//! What happens to the datagrams between two nodes, one way.

use core::time::Duration;

use lwm2m_statemachine::Channel;

use crate::Random;

/// MAX_LATENCY of RFC 7252 §4.8.2, on which the lifetimes of exchanges depend: the longest time
/// that a datagram is in flight, unless the [`Link`] says otherwise.
pub const MAX_LATENCY: Duration = Duration::from_secs(100);

/// One direction between two nodes. Probabilities are from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The shortest latency.
    pub latency: Duration,
    /// What is added to it. More than the time between two datagrams reorders them.
    pub jitter: Jitter,
    /// How likely a datagram gets lost.
    pub loss: f64,
    /// How likely a datagram arrives twice, each copy with a latency of its own.
    pub duplication: f64,
    /// How likely a datagram is delayed, so that later ones overtake it.
    pub reordering: f64,
    /// The longest such delay.
    pub detour: Duration,
    /// The longest latency of any copy, whatever the other fields say.
    pub max_latency: Duration,
    /// The longest datagram, in bytes, that gets through.
    pub mtu: usize,
    /// Whether the link is cut for now. What is in flight already arrives.
    pub partitioned: bool,
    /// The channel that the receiver is told.
    pub channel: Channel,
}

/// How the latency of a link is distributed above its shortest. Only integers are used, so that a
/// seed means the same on every computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Evenly, from zero to this.
    Even(Duration),
    /// With a long tail: half of the copies take longer than this, a quarter longer than twice
    /// this, an eighth longer than three times this.
    HalfLife(Duration),
    /// As measured: quantiles at even distances, the first of them the shortest and the last the
    /// longest. In between, evenly.
    Quantiles(Vec<Duration>),
}

impl Jitter {
    fn draw(&self, random: &mut Random) -> Duration {
        match self {
            Self::Even(longest) => random.duration(*longest),
            Self::HalfLife(half) => {
                let halvings = random.number().leading_zeros();
                half.saturating_mul(halvings)
                    .saturating_add(random.duration(*half))
            }
            Self::Quantiles(quantiles) => {
                let intervals = quantiles.len().saturating_sub(1);
                let interval = random.below(intervals as u64);
                let interval = usize::try_from(interval).unwrap_or_default();
                match quantiles.get(interval..) {
                    Some([from, to, ..]) => *from + random.duration(to.saturating_sub(*from)),
                    Some([only]) => *only,
                    _ => Duration::ZERO,
                }
            }
        }
    }
}

impl Default for Link {
    /// A perfect link of 10 ms.
    fn default() -> Self {
        Self::new(Duration::from_millis(10))
    }
}

impl Link {
    /// A link with this latency and no fault.
    pub const fn new(latency: Duration) -> Self {
        Self {
            latency,
            jitter: Jitter::Even(Duration::ZERO),
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            detour: Duration::ZERO,
            max_latency: MAX_LATENCY,
            mtu: usize::MAX,
            partitioned: false,
            channel: Channel::Udp,
        }
    }

    /// The link with this much jitter, evenly distributed.
    #[must_use]
    pub fn jittering(self, jitter: Duration) -> Self {
        self.distributed(Jitter::Even(jitter))
    }

    /// The link with this distribution of its latency.
    #[must_use]
    pub fn distributed(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The link with this probability of loss.
    #[must_use]
    pub const fn losing(mut self, loss: f64) -> Self {
        self.loss = loss;
        self
    }

    /// The link with this probability of duplication.
    #[must_use]
    pub const fn duplicating(mut self, duplication: f64) -> Self {
        self.duplication = duplication;
        self
    }

    /// The link with this probability that a datagram is delayed by up to `detour`.
    #[must_use]
    pub const fn reordering(mut self, reordering: f64, detour: Duration) -> Self {
        self.reordering = reordering;
        self.detour = detour;
        self
    }

    /// The link with this MTU, in bytes of the datagram's payload.
    #[must_use]
    pub const fn with_mtu(mut self, mtu: usize) -> Self {
        self.mtu = mtu;
        self
    }

    /// The link as one of this channel.
    #[must_use]
    pub const fn over(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// Draws the latency of the next copy.
    pub(crate) fn draw_latency(&self, random: &mut Random) -> Duration {
        let mut latency = self.latency.saturating_add(self.jitter.draw(random));
        if random.chance(self.reordering) {
            latency = latency.saturating_add(random.duration(self.detour));
        }
        latency.min(self.max_latency)
    }
}
