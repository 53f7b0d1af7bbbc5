//! What an endpoint is told once: parameters, bounds, seed.

use core::{fmt, time::Duration};

use lwm2m_core::Instant;

use crate::coap::option::{OptionNumber, OptionSet};

/// How an endpoint behaves, and how much it holds. [`Debug`](fmt::Debug) does not show the seed.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where message ids, tokens and the randomness of retransmission come from. To be fresh for
    /// every start: a seed used again repeats message ids and tokens, and peers would answer new
    /// requests with what they answered to old ones.
    pub seed: [u8; 32],
    /// The parameters of RFC 7252 §4.8.
    pub transmission: TransmissionParameters,
    /// How long the application may take to answer a confirmable request before it is
    /// acknowledged on its own and the answer has to be sent separately (RFC 7252 §5.2.2). Well
    /// below ACK_TIMEOUT; 500 ms.
    pub acknowledgement_delay: Duration,
    /// How long a request that was acknowledged, or is non-confirmable, waits for its response;
    /// [`MAX_TRANSMIT_WAIT`](TransmissionParameters::max_transmit_wait) if `None`.
    pub response_timeout: Option<Duration>,
    /// The preferred size of blocks in bytes: a larger body is split into them, and smaller ones
    /// are used if the peer wants them. Taken down to 16, 32, 64, 128, 256, 512 or 1024; 1024.
    pub block_size: usize,
    /// The largest message over SMS in bytes (TS 8.6.2): blocks are so large that theirs fit, of
    /// 16 bytes at least. 140, which is one SMS; more where the transport concatenates, less where
    /// it needs room for its security (TS 7.2.2.1.6).
    pub sms_size: usize,
    /// Whether the blocks of requests are handed on one by one
    /// ([`Incoming::RequestBlock`](super::Incoming::RequestBlock)), so that the application decides
    /// what becomes of them; by default they are assembled.
    pub stream_requests: bool,
    /// How long a body that comes or goes in blocks is kept while nothing is heard of it;
    /// [`EXCHANGE_LIFETIME`](TransmissionParameters::exchange_lifetime) if `None`.
    pub transfer_lifetime: Option<Duration>,
    /// How long a body that is held here may take from its first block to its last, however
    /// regularly its blocks come or are asked for; 1 hour, in which 1,024 blocks have 3.5 seconds
    /// each. A request is forgotten then, the request for a response fails with
    /// [`FailureReason::TooSlow`](super::FailureReason::TooSlow), and for a response that is served
    /// the application is asked again. What is handed on block by block, and what the application
    /// supplies, may take any time: nothing of it is held.
    pub transfer_deadline: Duration,
    /// The critical options that requests may carry; others are answered 4.02. All that the
    /// crate knows, but If-Match and If-None-Match.
    pub understood: OptionSet,
    /// How much is held at most.
    pub bounds: Bounds,
}

impl Config {
    /// The default parameters and bounds, with this seed.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            transmission: TransmissionParameters::DEFAULT,
            acknowledgement_delay: Duration::from_millis(500),
            response_timeout: None,
            block_size: 1024,
            sms_size: 140,
            stream_requests: false,
            transfer_lifetime: None,
            transfer_deadline: Duration::from_secs(3600),
            understood: OptionSet::NONE
                .with(OptionNumber::URI_HOST)
                .with(OptionNumber::URI_PORT)
                .with(OptionNumber::URI_PATH)
                .with(OptionNumber::URI_QUERY)
                .with(OptionNumber::ACCEPT)
                .with(OptionNumber::BLOCK2)
                .with(OptionNumber::BLOCK1),
            bounds: Bounds::DEFAULT,
        }
    }
}

impl fmt::Debug for Config {
    /// Without the seed: it is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("transmission", &self.transmission)
            .field("acknowledgement_delay", &self.acknowledgement_delay)
            .field("response_timeout", &self.response_timeout)
            .field("block_size", &self.block_size)
            .field("sms_size", &self.sms_size)
            .field("stream_requests", &self.stream_requests)
            .field("transfer_lifetime", &self.transfer_lifetime)
            .field("transfer_deadline", &self.transfer_deadline)
            .field("understood", &self.understood)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

/// What every message needs, worked out once; durations in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    pub(super) exchange_lifetime: u64,
    pub(super) non_lifetime: u64,
    /// How long after the first time a message may be sent again (RFC 7252 §4.2).
    pub(super) max_transmit_span: u64,
    pub(super) acknowledgement_delay: u64,
    pub(super) response_timeout: u64,
    pub(super) leisure: u64,
    pub(super) ack_timeout: u64,
    /// By how much the first wait for an acknowledgement may be longer than ACK_TIMEOUT.
    pub(super) ack_spread: u64,
    /// How many messages to one peer may be outstanding, at least 1.
    pub(super) nstart: u16,
    /// How often a confirmable message is retransmitted.
    pub(super) retransmissions: u8,
    probing_rate: u64,
}

impl Spans {
    pub(super) fn new(config: &Config) -> Self {
        let parameters = &config.transmission;
        Self {
            exchange_lifetime: millis(parameters.exchange_lifetime()),
            non_lifetime: millis(parameters.non_lifetime()),
            max_transmit_span: millis(parameters.max_transmit_span()),
            acknowledgement_delay: millis(config.acknowledgement_delay),
            response_timeout: millis(
                config
                    .response_timeout
                    .unwrap_or_else(|| parameters.max_transmit_wait()),
            ),
            nstart: parameters.nstart.max(1),
            retransmissions: parameters.retransmissions(),
            probing_rate: parameters.probing_rate.max(1).into(),
            leisure: millis(parameters.default_leisure),
            ack_timeout: millis(parameters.ack_timeout),
            ack_spread: millis(
                parameters
                    .longest_ack_timeout()
                    .saturating_sub(parameters.ack_timeout),
            ),
        }
    }

    /// How long a request of so many bytes without response is outstanding (RFC 7252 §4.7).
    pub(super) fn probing(&self, bytes: usize) -> u64 {
        u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .saturating_mul(1000)
            .div_ceil(self.probing_rate)
    }
}

/// Full milliseconds, rounded up.
pub(super) fn millis(duration: Duration) -> u64 {
    let end = Instant::ZERO + duration;
    end.as_millis()
}

/// The moment so many milliseconds after `now`.
pub(super) fn after(now: Instant, millis: u64) -> Instant {
    Instant::from_millis(now.as_millis().saturating_add(millis))
}

/// What peers can make an endpoint hold.
///
/// Without security anybody can send requests under any address. What strangers fill that way
/// makes room for those the endpoint deals with, and answers take nothing of what requests and
/// notifications to the same peer need, message ids included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Peers known at a time. For one too many, a stranger is forgotten: one to whom nothing was
    /// sent but answers, and none of whose messages would do harm if it were taken for a new one.
    /// If there is none, a confirmable request of it is answered 5.03, and other messages of it
    /// are ignored.
    pub peers: usize,
    /// Messages remembered so that none is processed twice, of all peers together. Over the bound,
    /// those whose repetition does no harm are forgotten first: responses, and requests that only
    /// read, were refused or [are repeatable](super::Responder::repeatable); then new confirmable
    /// requests are answered 5.03, and new non-confirmable ones ignored.
    pub records: usize,
    /// The same of one peer.
    pub records_per_peer: usize,
    /// Answers that are kept in case that their requests come again. Over the bound, the oldest
    /// answers to requests whose repetition does no harm go first, with their records. Then the oldest
    /// of the others go, whose requests are only acknowledged when they come again. A larger answer is
    /// not kept at all. 256 MiB, and 64 KiB of one peer, by default.
    pub answers: ByteBounds,
    /// Requests to one peer that are not answered yet, observations included.
    pub requests_per_peer: usize,
    /// Confirmable notifications to one peer that are not acknowledged yet; and as many separate
    /// responses.
    pub transmissions_per_peer: usize,
    /// Non-confirmable notifications to one peer that are remembered for a Reset, and as many
    /// non-confirmable first answers to requests to observe; the oldest go first.
    pub notifications_per_peer: usize,
    /// The largest body that is put together from blocks, in bytes. A larger request is answered
    /// 4.13, a larger response is none. What is handed on block by block may be of any size.
    pub body: usize,
    /// The same of a request, if that is less: anybody may send one, while a response is asked for.
    /// 1 MiB by default, as for responses; a `Server` takes 64 KiB.
    pub request_body: usize,
    /// Bodies of requests that are coming in blocks. For one too many, or too many bytes, one of
    /// another peer is forgotten: one that did not come on for 3 seconds (ACK_TIMEOUT and its spread)
    /// or of which there is only the first block, else one of a peer that holds more than twice as
    /// much. Over the bounds of one peer, one of its own is forgotten that did not come on for 3
    /// seconds, or else one of which there is only the first block. If there is none, the request is
    /// answered 5.03: so a few peers that begin large bodies do not keep out the others.
    ///
    /// By default 65,536 bodies and 64 MiB; of one peer 16 bodies and 2 MiB, two of the largest. One
    /// body has room in the share of a peer in any case.
    pub receiving: BodyBounds,
    /// Bodies of responses that are put together from blocks. Over the bound, the largest one of
    /// another peer goes, chosen as for [`receiving`](Self::receiving): its request fails with
    /// [`FailureReason::NoRoom`](super::FailureReason::NoRoom). If there is none, or over the bound of
    /// one peer, it is the one that needs room that fails.
    ///
    /// 64 MiB by default, and 4 MiB of one peer, four of the largest bodies, so that it takes many
    /// peers to fill what there is. One body has room in the share of a peer in any case.
    pub responses: ByteBounds,
    /// Bodies of responses that are kept while they are asked for block by block. Over the bounds,
    /// those that are being read go last: those of which a later block than the first was asked for
    /// in the last 3 seconds (ACK_TIMEOUT and its spread). Of the others, the one that was not asked
    /// for the longest time goes, or its bytes; over the bounds of one peer, one of its own. The
    /// application is asked for it again. A body that is larger than the share of its peer is kept,
    /// but no other one of that peer beside.
    ///
    /// By default 65,536 bodies and 64 MiB; of one peer 64 bodies and 4 MiB.
    pub serving: BodyBounds,
}

/// How many bytes are held at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteBounds {
    /// Of all peers together.
    pub bytes: usize,
    /// Of one peer.
    pub bytes_per_peer: usize,
}

/// How many bodies are held at most, and how many bytes they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyBounds {
    /// Bodies of all peers together.
    pub bodies: usize,
    /// Bodies of one peer.
    pub bodies_per_peer: usize,
    /// The bytes of all peers together.
    pub bytes: usize,
    /// The bytes of one peer.
    pub bytes_per_peer: usize,
}

impl Bounds {
    /// Room for a million peers; 512 records with 64 KiB of answers, 256 requests and notifications
    /// for each of them, 256 MiB of answers to all of them; bodies of 1 MiB; 16 requests from each
    /// peer, two of the largest of them; four of the largest responses from and to each peer, and
    /// 64 that are served; 64 MiB of each kind in all.
    pub const DEFAULT: Self = Self {
        peers: 1 << 22,
        records: 1 << 22,
        records_per_peer: 512,
        answers: ByteBounds {
            bytes: 1 << 28,
            bytes_per_peer: 1 << 16,
        },
        requests_per_peer: 256,
        transmissions_per_peer: 256,
        notifications_per_peer: 256,
        body: 1 << 20,
        request_body: 1 << 20,
        receiving: BodyBounds {
            bodies: 1 << 16,
            bodies_per_peer: 16,
            bytes: 1 << 26,
            bytes_per_peer: 1 << 21,
        },
        responses: ByteBounds {
            bytes: 1 << 26,
            bytes_per_peer: 1 << 22,
        },
        serving: BodyBounds {
            bodies: 1 << 16,
            bodies_per_peer: 64,
            bytes: 1 << 26,
            bytes_per_peer: 1 << 22,
        },
    };
}

impl Default for Bounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The transmission parameters, and what is derived from them (RFC 7252 §4.8). The names are those
/// of the RFC.
///
/// ```
/// use core::time::Duration;
/// use lwm2m_statemachine::coap::TransmissionParameters;
///
/// let parameters = TransmissionParameters::default();
/// assert_eq!(parameters.max_transmit_span(), Duration::from_secs(45));
/// assert_eq!(parameters.max_transmit_wait(), Duration::from_secs(93));
/// assert_eq!(parameters.exchange_lifetime(), Duration::from_secs(247));
/// assert_eq!(parameters.non_lifetime(), Duration::from_secs(145));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmissionParameters {
    /// ACK_TIMEOUT: the shortest wait for the first acknowledgement; 2 s.
    pub ack_timeout: Duration,
    /// ACK_RANDOM_FACTOR in percent, at least 100: the longest wait for the first acknowledgement
    /// is this much of ACK_TIMEOUT; 150.
    pub ack_random_percent: u32,
    /// MAX_RETRANSMIT: how often a confirmable message is sent again; 4, at most 20.
    pub max_retransmit: u8,
    /// NSTART: how many messages to one peer may be outstanding at a time, at least 1; more are
    /// queued; 1. Those are confirmable ones that wait for their acknowledgement, and
    /// non-confirmable requests that wait for their response.
    pub nstart: u16,
    /// PROBING_RATE in bytes per second, at least 1: a non-confirmable request without response is
    /// outstanding for as many seconds as it has bytes, divided by this; 1.
    pub probing_rate: u32,
    /// DEFAULT_LEISURE: within which time a multicast request is answered; 5 s.
    pub default_leisure: Duration,
    /// MAX_LATENCY: how long a datagram may be under way; 100 s.
    pub max_latency: Duration,
}

impl TransmissionParameters {
    /// The values of RFC 7252 §4.8.
    pub const DEFAULT: Self = Self {
        ack_timeout: Duration::from_secs(2),
        ack_random_percent: 150,
        max_retransmit: 4,
        nstart: 1,
        probing_rate: 1,
        default_leisure: Duration::from_secs(5),
        max_latency: Duration::from_secs(100),
    };

    /// MAX_TRANSMIT_SPAN: from the first to the last time that a confirmable message is sent.
    pub fn max_transmit_span(&self) -> Duration {
        self.backoff(self.retransmissions())
    }

    /// MAX_TRANSMIT_WAIT: from the first time that a confirmable message is sent to when its
    /// sender gives up.
    pub fn max_transmit_wait(&self) -> Duration {
        self.backoff(self.retransmissions().saturating_add(1))
    }

    /// PROCESSING_DELAY: how long a node takes to acknowledge.
    pub fn processing_delay(&self) -> Duration {
        self.ack_timeout
    }

    /// MAX_RTT: the longest round trip.
    pub fn max_rtt(&self) -> Duration {
        self.max_latency
            .saturating_mul(2)
            .saturating_add(self.processing_delay())
    }

    /// EXCHANGE_LIFETIME: from when a confirmable message is first sent to when its message id may
    /// be used again; not before its acknowledgement is given up.
    pub fn exchange_lifetime(&self) -> Duration {
        self.max_transmit_span()
            .saturating_add(self.max_rtt())
            .max(self.max_transmit_wait())
    }

    /// NON_LIFETIME: the same for a non-confirmable message.
    pub fn non_lifetime(&self) -> Duration {
        self.max_transmit_span().saturating_add(self.max_latency)
    }

    /// The longest that the first wait for an acknowledgement may be.
    pub(super) fn longest_ack_timeout(&self) -> Duration {
        self.ack_timeout
            .saturating_mul(self.ack_random_percent.max(100))
            / 100
    }

    /// MAX_RETRANSMIT within its range: beyond it, only durations no one waits for.
    pub(super) fn retransmissions(&self) -> u8 {
        self.max_retransmit.min(20)
    }

    /// The sum of this many waits, each twice the one before.
    fn backoff(&self, waits: u8) -> Duration {
        let factor = (1_u32 << waits.min(31)) - 1;
        self.longest_ack_timeout().saturating_mul(factor)
    }
}

impl Default for TransmissionParameters {
    fn default() -> Self {
        Self::DEFAULT
    }
}
