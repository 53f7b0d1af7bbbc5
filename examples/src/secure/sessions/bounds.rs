//! How much peers can make a server hold, and who has to go when it is too much.
//!
//! A session is of one of four kinds. Each has a bound of its own, and at its bound gives up only its own:
//!
//! | kind | what is known of the peer | beyond the bound there goes |
//! | --- | --- | --- |
//! | unproved | nothing: its address may be forged | any unproved one, by chance: of the same address if that has too many |
//! | proved | it receives at its address, as it has returned a cookie | of the host with the most proved ones, the oldest |
//! | begun here | this end wants it | none: no other is begun |
//! | established | it has a key | of the same identity, the one that is idle for longest; else of all |
//!
//! A handshake with a peer that has a key looks, until its last message, like one with a peer that only returns
//! cookies. So none can be preferred, but each host has to make do with its share: whoever comes from few addresses
//! displaces only itself, however many handshakes it begins. What [`Usage::proved`] counts can be kept from others
//! only from as many hosts as [`Bounds::proved`], anew within each round trip.
//!
//! An address has at most one session of the last three kinds each, since their records can't be told apart. A
//! proved handshake takes the place of the one before, as a client that reboots expects it. No more is
//! lost by that than anybody could take who can send from the address: the messages of such a handshake have no
//! protection. An established session ends when another one of its address is, and is accepted; not before.

use core::time::Duration;

use crate::secure::session::SHORT_MESSAGE;

/// Bounds of what peers can make a server hold. What is said to be so by default is that of [`Bounds::server`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Handshakes of peers that haven't returned a cookie; 1,024 by default. When there are as many, a
    /// new one displaces any of them, by chance.
    ///
    /// Of what a client needs from one round trip of T seconds, forged ClientHellos at a rate of r each
    /// second leave (1 − 1/`unproved`)^(r·T): 37 % of the handshakes if r·T is `unproved`, 14 % if it is
    /// twice as much. A client tries again. It loses nothing if the library can
    /// [go on](crate::secure::session::DtlsStack::accept_again) without the handshake.
    pub unproved: usize,
    /// Of them, those of one address; 8 by default, and at least 1. When there are as many, a new one
    /// displaces any of them.
    pub unproved_per_address: usize,
    /// What the displacement by chance begins with. It has to come from the operating system's randomness, anew at
    /// each start ([`fresh_number`](crate::seed::fresh_number)): then nobody can foresee whom it hits.
    pub seed: u64,
    /// How long such a handshake is kept; 10 s by default. It is as long as a client may take to return
    /// the cookie, which over SMS is more.
    pub unproved_for: Duration,
    /// Handshakes of peers that have returned a cookie; 1,024 by default, and at least 1. When there are as many, a
    /// new one displaces the oldest of the [host](super::Sessions::with_hosts) that has the most.
    pub proved: usize,
    /// Handshakes that this end has begun; 256 by default. When there are as many, no other is begun.
    pub begun: usize,
    /// How long a handshake may take in all; 60 s by default. The library may have a shorter bound.
    pub handshake_for: Duration,
    /// Established sessions; 100,000 by default. When there are as many, a new one displaces the one
    /// that is idle for longest.
    pub established: usize,
    /// Established sessions of one identity; 2 by default, and at least 1. When there are as many, a new
    /// one supersedes the one that is idle for longest.
    ///
    /// A client whose address changes, as behind a NAT, leaves a session at each of them. So this also
    /// bounds what one key can take of [`established`](Self::established). Clients that share an
    /// identity share its sessions.
    pub per_identity: usize,
    /// How long an established session may be idle; 30 days by default. A sleeping client comes back to
    /// its session after any time (TS 8.3).
    pub idle: Duration,
    /// The longest datagram, in bytes; 65,507 by default, as UDP over IPv4 has it, and over SMS 140. A longer one isn't
    /// sent.
    pub datagram: usize,
}

impl Bounds {
    /// Those of a server over UDP, with what is said of each field; for `seed` see [`Bounds::seed`].
    pub fn server(seed: u64) -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            unproved: 1024,
            unproved_per_address: 8,
            seed,
            unproved_for: Duration::from_secs(10),
            proved: 1024,
            begun: 256,
            handshake_for: Duration::from_secs(60),
            established: 100_000,
            per_identity: 2,
            idle: DAY.saturating_mul(30),
            datagram: 65_507,
        }
    }

    /// Those of a server's sessions by short messages (TS 7.2.2): a cookie may take 2 minutes to come back, and a
    /// handshake 5 minutes in all; a datagram has [`SHORT_MESSAGE`] bytes at most.
    pub fn sms(seed: u64) -> Self {
        Self {
            datagram: SHORT_MESSAGE,
            unproved_for: Duration::from_secs(120),
            handshake_for: Duration::from_secs(300),
            ..Self::server(seed)
        }
    }

    /// Those of a device with which its Bootstrap-Server may begin a session: 16 handshakes whose peers haven't
    /// returned a cookie, 4 whose peers have, none that the device begins, and 2 sessions, which may be idle for 10
    /// minutes.
    pub fn device(seed: u64) -> Self {
        Self {
            unproved: 16,
            unproved_per_address: 4,
            proved: 4,
            begun: 0,
            established: 2,
            per_identity: 1,
            idle: Duration::from_secs(600),
            ..Self::server(seed)
        }
    }
}

/// How many sessions a server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Handshakes of peers that haven't returned a cookie.
    pub unproved: usize,
    /// Handshakes of peers that have.
    pub proved: usize,
    /// Handshakes that this end has begun.
    pub begun: usize,
    /// Established sessions.
    pub established: usize,
    /// Addresses with a session or a handshake.
    pub addresses: usize,
}
