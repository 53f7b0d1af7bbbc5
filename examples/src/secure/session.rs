//! What is asked of a DTLS library.
//!
//! A library is a [`DtlsStack`]; one end of one of its sessions is a [`DtlsSession`]. Both are sans
//! I/O: datagrams and time go in, [`Output`]s come out. Whether the time of the session follows the
//! time that is passed in, the library's own documentation says.

use lwm2m_core::Instant;
use thiserror::Error;

use super::{
    alert,
    credentials::{Account, ClientCredentials, ProvenIdentity, ServerCredentials, Validity},
    names::Names,
};

/// What a short message carries, in bytes. With DTLS they aren't concatenated (TS 7.2.2.1.2).
pub const SHORT_MESSAGE: usize = 140;

/// A DTLS library.
pub trait DtlsStack {
    /// One end of a session.
    type Session: DtlsSession;

    /// Begins a session as the DTLS client, with these keys. The ClientHello is the first output.
    fn connect(
        &mut self,
        now: Instant,
        credentials: &ClientCredentials,
    ) -> Result<Self::Session, StackError>;

    /// Begins a session as [`connect`](Self::connect) does, for an account. A library that resumes sessions
    /// goes on with a session of the same account and keys.
    fn connect_for(
        &mut self,
        now: Instant,
        account: &Account,
        credentials: &ClientCredentials,
    ) -> Result<Self::Session, StackError> {
        let _ = account;
        self.connect(now, credentials)
    }

    /// Takes the keys of a server for sessions that are accepted from now on, instead of those before. Sessions
    /// and handshakes of before keep theirs.
    fn serve(&mut self, credentials: &ServerCredentials) -> Result<(), StackError>;

    /// The names in an X.509 certificate in DER.
    fn names(certificate: &[u8]) -> Result<Names, Refusal>;

    /// When an X.509 certificate in DER is valid.
    fn validity(certificate: &[u8]) -> Result<Validity, Refusal>;

    /// Waits for a ClientHello as the DTLS server, with the keys of the server.
    fn accept(&mut self, now: Instant) -> Result<Self::Session, StackError>;

    /// Waits as [`accept`](Self::accept) does, for the peer at one address. `peer` is a number of it, which
    /// a cookie may depend on (RFC 6347 §4.2.1).
    fn accept_from(&mut self, now: Instant, peer: u64) -> Result<Self::Session, StackError> {
        let _ = peer;
        self.accept(now)
    }

    /// Makes a handshake anew that was given up before the cookie came back. The next datagram is `hello`,
    /// the ClientHello with the cookie. There is none if the library keeps the secret of a cookie in its
    /// session, or has made no such cookie for this peer.
    fn accept_again(&mut self, now: Instant, peer: u64, hello: &[u8]) -> Option<Self::Session> {
        let _ = (now, peer, hello);
        None
    }
}

/// One end of a DTLS session.
///
/// After each call, [`drain`](Self::drain) it, then ask for [`poll_timeout`](Self::poll_timeout).
pub trait DtlsSession {
    /// Takes a datagram of the peer. What isn't a valid record is ignored; an error ends the
    /// session.
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), SessionError>;

    /// Does what is due at `now`: retransmissions, and the end of a handshake that takes too long.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError>;

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Seals a datagram for the peer. Before [`Output::Connected`] it is an error.
    fn send(&mut self, now: Instant, payload: &[u8]) -> Result<(), SessionError>;

    /// Says goodbye with a close_notify (RFC 5246 §7.2.1).
    fn close(&mut self, now: Instant);

    /// Hands out, in order, what came of the calls before.
    fn drain(&mut self, sink: &mut dyn FnMut(Output<'_>));
}

/// What comes out of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// A datagram for the peer.
    Datagram(&'a [u8]),
    /// The handshake is complete: who the peer is, and what the session continues.
    Connected {
        /// What the peer has proved.
        peer: &'a ProvenIdentity,
        /// Whether an earlier session was resumed (RFC 5246 §7.3).
        resumed: bool,
    },
    /// What the peer has sent.
    Payload(&'a [u8]),
    /// The peer has said goodbye.
    Closed,
}

/// Why a session can't begin. The caller is at fault: the material of the account, or the
/// configuration of the server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StackError {
    /// The library can't do this.
    #[error("this DTLS library has no {0}")]
    Unsupported(&'static str),
    /// A key or a certificate can't be read.
    #[error("the {what} can't be read: {reason}")]
    Malformed {
        /// Which one, such as `private key`.
        what: &'static str,
        /// What the library says.
        reason: String,
    },
    /// Another error of the library.
    #[error("the DTLS library: {0}")]
    Library(String),
}

/// Why a session has ended, or its handshake has failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The peer didn't finish its handshake in time. A server that doesn't know the identity, or has
    /// another key, often says nothing.
    #[error("the handshake was not finished in time; is the identity known, and the key the same?")]
    Timeout,
    /// The peer has refused the handshake or ended the session with an alert (RFC 5246 §7.2).
    #[error("the peer sent alert {0}{meaning}", meaning = alert::meaning(*.0))]
    Alert(u8),
    /// The peer's last message of the handshake can't be read, and no other one came in time. That it has another key
    /// is the most likely reason.
    #[error("the handshake can't be finished: the peer's last message is under another key")]
    Unreadable,
    /// What the peer has proved isn't accepted here.
    #[error("{0}")]
    Refused(Refusal),
    /// A client offers nothing that this server can do: no common cipher suite, or no extended master
    /// secret (RFC 7627) where the library needs it. It has returned its cookie before.
    #[error("the client offers too little: {0}")]
    Incompatible(String),
    /// The handshake isn't complete.
    #[error("the session isn't established")]
    NotEstablished,
    /// The datagram doesn't fit into a record, or its record not into a short message.
    #[error("the datagram is too long for a record or a short message")]
    TooLong,
    /// A failure that the library reports in its own words: a wrong key, most often.
    #[error("the handshake failed: {0}")]
    Library(String),
}

/// Why the proof of a peer isn't accepted (TS 7.1.5 to 7.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody here has this PSK identity.
    #[error("the identity is unknown")]
    UnknownIdentity,
    /// The public key isn't the expected one.
    #[error("the public key isn't the expected one")]
    OtherKey,
    /// The certificate isn't the expected one.
    #[error("the certificate isn't the expected one")]
    OtherCertificate,
    /// The certificate has another name than the host.
    #[error("the certificate doesn't name the server")]
    OtherName,
    /// The certificate has expired.
    #[error("the certificate has expired")]
    Expired,
    /// The certificate isn't valid yet: most often, the clock is behind, as that of a device that has just started.
    #[error("the certificate isn't valid yet; is the clock right?")]
    NotYetValid,
    /// The peer has shown no certificate.
    #[error("the peer has shown no certificate")]
    NoCertificate,
    /// The certificate can't be read.
    #[error("the certificate can't be read")]
    Malformed,
}

/// What a build without a DTLS library says.
const NO_LIBRARY: StackError = StackError::Unsupported("DTLS; build with the feature `dtls`");

/// No DTLS library: for a build without one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStack;

/// A session that can't exist.
#[derive(Clone, Copy, Debug)]
pub enum NoSession {}

impl DtlsStack for NoStack {
    type Session = NoSession;

    fn connect(&mut self, _: Instant, _: &ClientCredentials) -> Result<NoSession, StackError> {
        Err(NO_LIBRARY)
    }

    fn serve(&mut self, _: &ServerCredentials) -> Result<(), StackError> {
        Err(NO_LIBRARY)
    }

    fn names(_: &[u8]) -> Result<Names, Refusal> {
        Err(Refusal::Malformed)
    }

    fn validity(_: &[u8]) -> Result<Validity, Refusal> {
        Err(Refusal::Malformed)
    }

    fn accept(&mut self, _: Instant) -> Result<NoSession, StackError> {
        Err(NO_LIBRARY)
    }
}

impl DtlsSession for NoSession {
    fn handle_datagram(&mut self, _: Instant, _: &[u8]) -> Result<(), SessionError> {
        match *self {}
    }

    fn handle_timeout(&mut self, _: Instant) -> Result<(), SessionError> {
        match *self {}
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match *self {}
    }

    fn send(&mut self, _: Instant, _: &[u8]) -> Result<(), SessionError> {
        match *self {}
    }

    fn close(&mut self, _: Instant) {
        match *self {}
    }

    fn drain(&mut self, _: &mut dyn FnMut(Output<'_>)) {
        match *self {}
    }
}
