//! The configuration of an endpoint: parameters, bounds, seed.

use core::{fmt, time::Duration};

use lwm2m_core::Instant;

use crate::coap::option::{OptionNumber, OptionSet};

/// The configuration of an endpoint. [`Debug`](fmt::Debug) does not show the seed.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The seed for message ids, tokens and retransmission jitter. It must be fresh at every start:
    /// a reused seed repeats message ids and tokens, and peers would answer new requests with the
    /// responses to old ones.
    pub seed: [u8; 32],
    /// The parameters of RFC 7252 §4.8.
    pub transmission: TransmissionParameters,
    /// How long the application may take to answer a confirmable request before the endpoint sends
    /// an Empty acknowledgement and the answer becomes a separate response (RFC 7252 §5.2.2). Must
    /// be well below ACK_TIMEOUT. Default: 500 ms.
    pub acknowledgement_delay: Duration,
    /// How long to wait for the response to a request that was acknowledged or is non-confirmable, not
    /// over SMS; [`MAX_TRANSMIT_WAIT`](TransmissionParameters::max_transmit_wait) if `None`.
    pub response_timeout: Option<Duration>,
    /// The preferred block size in bytes: larger bodies are split into blocks of this size, or of a
    /// smaller size if the peer asks for it. Rounded down to 16, 32, 64, 128, 256, 512 or 1024.
    /// Default: 1024.
    pub block_size: usize,
    /// The largest message over SMS in bytes (TS 8.6.2). The block size is chosen so that messages
    /// fit, but is at least 16 bytes. Default: 140, which is one SMS. Use more if the transport
    /// concatenates messages, and less if it needs room for its security (TS 7.2.2.1.6).
    pub sms_size: usize,
    /// MAX_LATENCY over SMS: how long a short message may take to arrive (RFC 7252 §4.8.2). Default: 3
    /// minutes. A request over SMS isn't retransmitted; it waits for its response as long as both may
    /// take, and PROCESSING_DELAY: 362 seconds. So does a confirmable notification for its
    /// acknowledgement. Copies of what arrives over SMS are recognised for MAX_TRANSMIT_SPAN longer, and
    /// for as long no message id is used again to a peer to which anything was sent over SMS.
    pub sms_latency: Duration,
    /// Whether the blocks of requests are passed to the application one by one
    /// ([`Incoming::RequestBlock`](super::Incoming::RequestBlock)). By default requests are
    /// assembled.
    pub stream_requests: bool,
    /// How long a block-wise transfer may be idle before its body is dropped;
    /// [`EXCHANGE_LIFETIME`](TransmissionParameters::exchange_lifetime) if `None`, over SMS with its
    /// [latency](Self::sms_latency).
    pub transfer_lifetime: Option<Duration>,
    /// How long the transfer of a body that the endpoint holds may take from the first block to the
    /// last, however regularly blocks arrive or are requested. Default: 1 hour, which leaves 3.5
    /// seconds for each of 1,024 blocks. After that, the body of an incoming request is dropped, an
    /// outgoing request whose response is being assembled fails with
    /// [`FailureReason::TooSlow`](super::FailureReason::TooSlow), and requests for further blocks
    /// of a served response are passed to the application. Each request for a first block begins a
    /// transfer. A served body whose first block is asked for again and again is therefore kept for
    /// longer, but after that time it gives way to others first. Bodies that are passed to the
    /// application or supplied by it block by block may take any time, because the endpoint doesn't
    /// hold them.
    pub transfer_deadline: Duration,
    /// The critical options that requests may carry; a request with any other is answered 4.02.
    /// Default: all that the crate knows except If-Match and If-None-Match.
    pub understood: OptionSet,
    /// Limits on the state that the endpoint holds.
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
            sms_latency: Duration::from_secs(180),
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

impl Config {
    /// How long a request may take over SMS: MAX_RTT, with the latency of short messages.
    pub(crate) fn sms_round_trip(&self) -> Duration {
        self.over_sms().max_rtt()
    }

    /// EXCHANGE_LIFETIME with the latency of short messages.
    pub(crate) fn sms_exchange_lifetime(&self) -> Duration {
        self.over_sms().exchange_lifetime()
    }

    /// How long as many requests over SMS may take as there are transmissions of one over UDP.
    #[cfg(feature = "client")]
    pub(crate) fn all_over_sms(&self) -> Duration {
        let transmissions = u32::from(self.transmission.retransmissions()).saturating_add(1);
        self.sms_round_trip().saturating_mul(transmissions)
    }

    /// The transmission parameters with the latency of short messages.
    fn over_sms(&self) -> TransmissionParameters {
        TransmissionParameters {
            max_latency: self.sms_latency,
            ..self.transmission
        }
    }
}

impl fmt::Debug for Config {
    /// Omits the seed, which is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("transmission", &self.transmission)
            .field("acknowledgement_delay", &self.acknowledgement_delay)
            .field("response_timeout", &self.response_timeout)
            .field("block_size", &self.block_size)
            .field("sms_size", &self.sms_size)
            .field("sms_latency", &self.sms_latency)
            .field("stream_requests", &self.stream_requests)
            .field("transfer_lifetime", &self.transfer_lifetime)
            .field("transfer_deadline", &self.transfer_deadline)
            .field("understood", &self.understood)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

/// Values derived from the configuration that every message needs; durations in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    pub(super) exchange_lifetime: u64,
    pub(super) non_lifetime: u64,
    pub(super) sms: SmsSpans,
    /// How long after its first transmission a message may be retransmitted (RFC 7252 §4.2).
    pub(super) max_transmit_span: u64,
    pub(super) acknowledgement_delay: u64,
    pub(super) response_timeout: u64,
    pub(super) leisure: u64,
    pub(super) ack_timeout: u64,
    /// By how much the initial timeout may exceed ACK_TIMEOUT.
    pub(super) ack_spread: u64,
    /// How many messages to one peer may be outstanding, at least 1.
    pub(super) nstart: u16,
    /// How often a confirmable message is retransmitted.
    pub(super) retransmissions: u8,
    probing_rate: u64,
}

/// What takes longer over SMS, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct SmsSpans {
    /// EXCHANGE_LIFETIME: how long a message that came is remembered, and the ids of those that were sent.
    pub(super) lifetime: u64,
    /// How long a response to a request, or an acknowledgement, may take.
    pub(super) round_trip: u64,
}

impl Spans {
    pub(super) fn new(config: &Config) -> Self {
        let parameters = &config.transmission;
        Self {
            exchange_lifetime: millis(parameters.exchange_lifetime()),
            non_lifetime: millis(parameters.non_lifetime()),
            sms: SmsSpans {
                lifetime: millis(config.sms_exchange_lifetime()),
                round_trip: millis(config.sms_round_trip()),
            },
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

    /// How long an unanswered request of this many bytes is outstanding (RFC 7252 §4.7).
    pub(super) fn probing(&self, bytes: usize) -> u64 {
        u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .saturating_mul(1000)
            .div_ceil(self.probing_rate)
    }
}

/// Whole milliseconds, rounded up.
pub(super) fn millis(duration: Duration) -> u64 {
    let end = Instant::ZERO + duration;
    end.as_millis()
}

/// The time this many milliseconds after `now`.
pub(super) fn after(now: Instant, millis: u64) -> Instant {
    Instant::from_millis(now.as_millis().saturating_add(millis))
}

/// Limits on the state that peers can make an endpoint hold.
///
/// Without security anyone can send requests from forged addresses. State held for unknown senders
/// is evicted in favour of peers the endpoint communicates with. Answers to a peer don't use up the
/// resources reserved for requests and notifications to it, message ids included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// The maximum number of peers. When it is exceeded, a stranger is evicted: a peer that was
    /// sent nothing but answers, and none of whose messages would do harm if it were processed
    /// again. If there is no such peer, confirmable requests from a new peer are answered 5.03 and
    /// its other messages are ignored.
    pub peers: usize,
    /// Records for detecting duplicate messages, for all peers together. When the limit is
    /// exceeded, records of messages that are harmless to process again are evicted first:
    /// responses, and requests that only read, were refused or [are
    /// repeatable](super::Responder::repeatable). If there are none, new confirmable requests are
    /// answered 5.03 and new non-confirmable ones are ignored.
    pub records: usize,
    /// The same for one peer.
    pub records_per_peer: usize,
    /// Answers kept for retransmitted requests. When the limit is exceeded, the oldest answers to
    /// requests that are harmless to process again are evicted first, with their records. Then the
    /// oldest of the other answers are evicted; their requests are only acknowledged when they are
    /// retransmitted. An answer larger than the limit isn't kept at all. Default: 256 MiB, and 64
    /// KiB per peer.
    pub answers: ByteBounds,
    /// Unanswered requests to one peer, observations included.
    pub requests_per_peer: usize,
    /// Unacknowledged confirmable notifications to one peer; the same number of separate responses
    /// is allowed in addition.
    pub transmissions_per_peer: usize,
    /// Non-confirmable notifications to one peer that are remembered so that a Reset can be
    /// matched; the same number of non-confirmable first responses to observe requests is
    /// remembered in addition. The oldest are dropped first.
    pub notifications_per_peer: usize,
    /// The largest body that is assembled from blocks, in bytes. A larger request is answered 4.13;
    /// a request with a larger response fails. Bodies passed to the application block by block may
    /// have any size.
    pub body: usize,
    /// The same for requests, if lower: anyone may send a request, whereas a response was asked
    /// for. Default: 1 MiB, as for responses; a `Server` uses 64 KiB.
    pub request_body: usize,
    /// Request bodies being received in blocks. When a limit is exceeded, a body of another peer is
    /// evicted: one that made no progress for 3 seconds (ACK_TIMEOUT × ACK_RANDOM_FACTOR) or of
    /// which only the first block has arrived, otherwise one of a peer that holds more than twice
    /// as much. When the limits of one peer are exceeded, one of its own bodies is evicted: one
    /// that made no progress for 3 seconds, otherwise one of which only the first block has
    /// arrived. If there is none, the request is answered 5.03. A few peers that start large
    /// transfers therefore cannot lock out the others.
    ///
    /// Default: 65,536 bodies and 64 MiB; per peer 16 bodies and 2 MiB, enough for two bodies of
    /// maximum size. The share of a peer always has room for one body.
    pub receiving: BodyBounds,
    /// Response bodies being assembled from blocks. When the limit is exceeded, the largest body of
    /// another peer is evicted, chosen as for [`receiving`](Self::receiving): its request fails
    /// with [`FailureReason::NoRoom`](super::FailureReason::NoRoom). If there is none, or if the
    /// limit of one peer is exceeded, the request that needs room fails instead.
    ///
    /// Default: 64 MiB, and 4 MiB per peer, enough for four bodies of maximum size, so that a few
    /// peers cannot use up the total. The share of a peer always has room for one body.
    pub responses: ByteBounds,
    /// Response bodies kept while clients request them block by block. When a limit is exceeded,
    /// bodies that are being read are evicted last: those of which a block after the first was
    /// requested in the last 3 seconds (ACK_TIMEOUT × ACK_RANDOM_FACTOR). Of the others, the least
    /// recently requested body, or its bytes, is evicted; when the limits of one peer are exceeded,
    /// it is one of its own. Further requests for it are passed to the application. A body larger
    /// than the share of its peer is kept, but then no other body of that peer.
    ///
    /// Default: 65,536 bodies and 64 MiB; per peer 64 bodies and 4 MiB.
    pub serving: BodyBounds,
}

/// Limits on bytes held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteBounds {
    /// For all peers together.
    pub bytes: usize,
    /// For one peer.
    pub bytes_per_peer: usize,
}

/// Limits on the number of bodies held and on their bytes.
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
    /// Sized for a million peers. Each peer may have 512 records with 64 KiB of answers, 256
    /// requests and 256 notifications; answers take at most 256 MiB in total. Bodies may have 1
    /// MiB. Each peer may have 16 request bodies in progress (2 MiB), response bodies of 4 MiB in
    /// each direction, and 64 served bodies; each kind of body takes at most 64 MiB in total.
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

/// The transmission parameters and the values derived from them (RFC 7252 §4.8), with the names of
/// the RFC.
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
    /// ACK_TIMEOUT: the minimum initial timeout for an acknowledgement. Default: 2 s.
    pub ack_timeout: Duration,
    /// ACK_RANDOM_FACTOR in percent, at least 100: the maximum initial timeout as a percentage of
    /// ACK_TIMEOUT. Default: 150.
    pub ack_random_percent: u32,
    /// MAX_RETRANSMIT: the maximum number of retransmissions of a confirmable message, at most 20.
    /// Default: 4.
    pub max_retransmit: u8,
    /// NSTART: how many messages to one peer may be outstanding at a time, at least 1; further
    /// messages are queued. Default: 1. Confirmable messages that wait for their acknowledgement
    /// and non-confirmable requests that wait for their response are outstanding.
    pub nstart: u16,
    /// PROBING_RATE in bytes per second, at least 1: an unanswered non-confirmable request is
    /// outstanding for its size divided by this rate. Default: 1.
    pub probing_rate: u32,
    /// DEFAULT_LEISURE: the period within which a multicast request is answered. Default: 5 s.
    pub default_leisure: Duration,
    /// MAX_LATENCY: the maximum time a datagram takes to arrive. Default: 100 s.
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

    /// MAX_TRANSMIT_SPAN: the time from the first transmission of a confirmable message to its last
    /// retransmission.
    pub fn max_transmit_span(&self) -> Duration {
        self.backoff(self.retransmissions())
    }

    /// MAX_TRANSMIT_WAIT: the time from the first transmission of a confirmable message until its
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

    /// EXCHANGE_LIFETIME: the time from the first transmission of a confirmable message until its
    /// message id may be reused; at least MAX_TRANSMIT_WAIT.
    pub fn exchange_lifetime(&self) -> Duration {
        self.max_transmit_span()
            .saturating_add(self.max_rtt())
            .max(self.max_transmit_wait())
    }

    /// NON_LIFETIME: the same for a non-confirmable message.
    pub fn non_lifetime(&self) -> Duration {
        self.max_transmit_span().saturating_add(self.max_latency)
    }

    /// The maximum initial timeout for an acknowledgement.
    pub(crate) fn longest_ack_timeout(&self) -> Duration {
        self.ack_timeout
            .saturating_mul(self.ack_random_percent.max(100))
            / 100
    }

    /// MAX_RETRANSMIT limited to its range; beyond it, the durations would be absurdly long.
    pub(super) fn retransmissions(&self) -> u8 {
        self.max_retransmit.min(20)
    }

    /// The sum of this many timeouts, each twice the previous one.
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
