//! One end of a session.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use lwm2m_core::Instant;
use openssl::ssl::{Error, ErrorCode, ShutdownState, Ssl, SslStream, SslVerifyMode};
use openssl::x509::X509VerifyResult;

use super::certificate::{Expected, names};
use super::context::suite_of;
use super::cookie::{Baker, Taste};
use super::kept::{Facts, OfAccount, OfAccounts};
use super::wire::{Sieve, Sifted, Wire};
use super::{POLL, library, words};
use crate::secure::alert::DECRYPT_ERROR;
use crate::secure::credentials::ProvenIdentity;
use crate::secure::record;
use crate::secure::session::{DtlsSession, Output, Refusal, SessionError, StackError};

/// The longest fragment of a record (RFC 5246 §6.2.1).
const LONGEST_PAYLOAD: usize = 1 << 14;

/// What a handshake begins with.
pub(super) struct Start {
    pub(super) ssl: Ssl,
    pub(super) facts: Arc<Facts>,
    pub(super) now: Instant,
    pub(super) patience: Duration,
    pub(super) grace: Duration,
    /// Whether a server tells by an alert that it can't read the client's last message.
    pub(super) tells: bool,
}

/// Which end of the session this is.
pub(super) enum Role {
    Client {
        account: Arc<OfAccount>,
        kept: OfAccounts,
    },
    Server(Baker),
}

enum Phase {
    Handshake(Handshake),
    Open,
    Over,
}

struct Handshake {
    /// The end of all patience.
    deadline: Instant,
    /// When OpenSSL is asked next whether it has to retransmit.
    poll: Instant,
    /// How long an alert may stand alone, and how long another message is waited for after one that can't be read.
    grace: Duration,
    /// Whether a sealed record has come.
    is_sealed: bool,
    /// Until when a server waits for another last message, since it couldn't read the one that came.
    unreadable: Option<Instant>,
    /// An alert without protection, and until when something else from the peer disproves it.
    alert: Option<(u8, Instant)>,
}

impl Handshake {
    /// Why it is over, if it is.
    fn end(&self, now: Instant) -> Option<SessionError> {
        let alert = self
            .alert
            .filter(|&(_, until)| now >= until.min(self.deadline));
        match alert {
            Some((alert, _)) => Some(SessionError::Alert(alert)),
            None if self.unreadable.is_some_and(|until| now >= until) => {
                Some(SessionError::Unreadable)
            }
            None => (now >= self.deadline).then_some(SessionError::Timeout),
        }
    }

    fn next(&self) -> Instant {
        let alert = self.alert.map_or(Instant::MAX, |(_, until)| until);
        let unreadable = self.unreadable.unwrap_or(Instant::MAX);
        self.deadline.min(self.poll).min(alert).min(unreadable)
    }
}

enum Event {
    Datagram(Vec<u8>),
    Connected(ProvenIdentity, bool),
    Payload(Vec<u8>),
    Closed,
}

/// One end of a session of OpenSSL.
///
/// What is said of time and of hostile datagrams [at the module](super) is said of it.
pub struct SystemSession {
    tls: SslStream<Wire>,
    role: Role,
    facts: Arc<Facts>,
    expected: Option<Arc<Expected>>,
    phase: Phase,
    sieve: Sieve,
    events: VecDeque<Event>,
    /// How long a payload may be, by the datagrams up to now.
    room: usize,
    tells: bool,
}

impl fmt::Debug for SystemSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemSession")
            .field("state", &self.tls.ssl().state_string_long())
            .finish_non_exhaustive()
    }
}

impl SystemSession {
    pub(super) fn begin(
        start: Start,
        role: Role,
        expected: Option<Expected>,
    ) -> Result<Self, StackError> {
        let Start {
            mut ssl,
            facts,
            now,
            patience,
            grace,
            tells,
        } = start;
        let expected = expected.map(Arc::new);
        if let Some(expected) = &expected {
            verify(&mut ssl, &facts, expected);
        }
        match role {
            Role::Client { .. } => ssl.set_connect_state(),
            Role::Server(_) => ssl.set_accept_state(),
        }
        let mut session = Self {
            tls: SslStream::new(ssl, Wire::default()).map_err(library)?,
            role,
            facts,
            expected,
            phase: Phase::Handshake(Handshake {
                deadline: now + patience,
                poll: now + POLL,
                grace,
                is_sealed: false,
                unreadable: None,
                alert: None,
            }),
            sieve: Sieve::default(),
            events: VecDeque::new(),
            room: 0,
            tells,
        };
        // The ClientHello of a client; a server does nothing yet.
        let begun = session.shake(now);
        begun.map_err(|error| StackError::Library(error.to_string()))?;
        Ok(session)
    }

    /// A step of the handshake with a datagram of the peer. If it goes on, an alert before was not the
    /// peer's.
    fn answer(&mut self, now: Instant) -> Result<(), SessionError> {
        let before = (self.tls.ssl().state_string_long(), self.events.len());
        self.shake(now)?;
        let after = (self.tls.ssl().state_string_long(), self.events.len());
        if let Phase::Handshake(handshake) = &mut self.phase
            && before != after
        {
            handshake.alert = None;
        }
        self.judge_last(now);
        Ok(())
    }

    /// A server that has a sealed record and waits for the client's Finished couldn't read that: OpenSSL drops it
    /// without a word. Anybody can send such a record, so the client has a while to send another one.
    fn judge_last(&mut self, now: Instant) {
        /// What OpenSSL calls its state once the ChangeCipherSpec of the peer has come.
        const WAITS_FOR_FINISHED: &str = "SSLv3/TLS read change cipher spec";
        let waits = self.tls.ssl().state_string_long() == WAITS_FOR_FINISHED;
        if let (Role::Server(_), Phase::Handshake(handshake)) = (&self.role, &mut self.phase)
            && waits
            && handshake.is_sealed
        {
            let until = now + handshake.grace;
            handshake.unreadable.get_or_insert(until);
        }
    }

    /// A step of the handshake: as far as the datagrams reach.
    fn shake(&mut self, now: Instant) -> Result<(), SessionError> {
        let step = self.tls.do_handshake();
        self.collect();
        match step {
            Ok(()) => {
                self.connected()?;
                self.read()
            }
            Err(error) if error.code() == ErrorCode::WANT_READ => {
                if let Phase::Handshake(handshake) = &mut self.phase {
                    handshake.poll = now + POLL;
                }
                Ok(())
            }
            Err(error) => Err(self.fail(&error)),
        }
    }

    fn connected(&mut self) -> Result<(), SessionError> {
        let peer = match self.peer() {
            Ok(peer) => peer,
            Err(refusal) => {
                self.close_notify();
                self.end();
                return Err(SessionError::Refused(refusal));
            }
        };
        let ssl = self.tls.ssl();
        let resumed = ssl.session_reused();
        if let Some(suite) = ssl.current_cipher().and_then(|own| suite_of(own.name())) {
            self.sieve.expect(suite);
        }
        if let (Role::Client { account, kept }, Some(session)) = (&self.role, ssl.session()) {
            kept.keep(account, session.to_owned());
        }
        self.phase = Phase::Open;
        self.events.push_back(Event::Connected(peer, resumed));
        Ok(())
    }

    /// What the peer has proved. A resumed session has its certificate and its PSK identity from the
    /// full handshake.
    fn peer(&self) -> Result<ProvenIdentity, Refusal> {
        let ssl = self.tls.ssl();
        if let Some(certificate) = ssl.peer_certificate() {
            let expected = self.expected.as_ref().ok_or(Refusal::OtherCertificate)?;
            // The callback isn't called when a session resumes; a certificate may have expired.
            expected.check(&certificate)?;
            return Ok(ProvenIdentity::Certificate(names(&certificate).into_all()));
        }
        let identity = ssl.psk_identity().ok_or(Refusal::NoCertificate)?;
        Ok(ProvenIdentity::Psk(identity.to_vec()))
    }

    /// What has come over the established session.
    fn read(&mut self) -> Result<(), SessionError> {
        let mut buffer = vec![0; self.room];
        loop {
            let read = self.tls.ssl_read(&mut buffer);
            self.collect();
            match read {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    let payload = buffer.get(..length).unwrap_or_default().to_vec();
                    self.events.push_back(Event::Payload(payload));
                }
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    // The answer of RFC 5246 §7.2.1.
                    self.close_notify();
                    self.events.push_back(Event::Closed);
                    return Ok(());
                }
                Err(error) if self.is_broken() => return Err(self.fail(&error)),
                // Anything else is over with the record that it was about.
                Err(_) if !self.tls.get_ref().is_read() => {}
                Err(_) => return Ok(()),
            }
        }
    }

    /// Whether OpenSSL has given this session up.
    fn is_broken(&self) -> bool {
        self.tls.ssl().state_string() == "SSLERR"
    }

    fn close_notify(&mut self) {
        // It can fail, as a datagram can be lost.
        let _ = self.tls.shutdown();
        self.collect();
        self.phase = Phase::Over;
    }

    /// Ends it without a word; OpenSSL has said why, if it had to.
    fn end(&mut self) {
        self.phase = Phase::Over;
        if let Role::Client { account, kept } = &self.role {
            kept.forget(account);
        }
    }

    fn fail(&mut self, error: &Error) -> SessionError {
        self.end();
        match self.facts.refusal() {
            Some(refusal) => SessionError::Refused(refusal),
            None => failure(error),
        }
    }

    /// Takes the datagrams that OpenSSL has written.
    fn collect(&mut self) {
        let written = self.tls.get_mut().take_written();
        self.events.extend(written.into_iter().map(Event::Datagram));
    }
}

impl DtlsSession for SystemSession {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), SessionError> {
        if let (Role::Server(baker), Phase::Handshake(_)) = (&self.role, &self.phase) {
            match baker.taste(datagram) {
                Taste::Asks(cookie) | Taste::Returns(cookie) => self.facts.use_cookie(cookie),
                Taste::Wrong => return Ok(()),
                Taste::None => {}
            }
        }
        let Sifted { records, alert } = self.sieve.sift(datagram);
        if let Phase::Handshake(handshake) = &mut self.phase {
            handshake.is_sealed |= record::records(&records).any(|record| record.epoch > 0);
        }
        if !records.is_empty() && !matches!(self.phase, Phase::Over) {
            self.room = room_for(self.room, records.len());
            self.tls.get_mut().push(records);
            if matches!(self.phase, Phase::Open) {
                return self.read();
            }
            self.answer(now)?;
        }
        if let (Phase::Handshake(handshake), Some(alert)) = (&mut self.phase, alert) {
            let until = now + handshake.grace;
            handshake.alert.get_or_insert((alert, until));
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        let Phase::Handshake(handshake) = &self.phase else {
            return Ok(());
        };
        if let Some(error) = handshake.end(now) {
            self.end();
            if self.tells && error == SessionError::Unreadable {
                let alert = record::fatal_alert(DECRYPT_ERROR);
                self.events.push_back(Event::Datagram(alert));
            }
            let refusal = self.facts.refusal();
            return Err(refusal.map_or(error, SessionError::Refused));
        }
        if now < handshake.poll {
            return Ok(());
        }
        self.shake(now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Handshake(handshake) => Some(handshake.next()),
            Phase::Open | Phase::Over => None,
        }
    }

    fn send(&mut self, _: Instant, payload: &[u8]) -> Result<(), SessionError> {
        if !matches!(self.phase, Phase::Open) {
            return Err(SessionError::NotEstablished);
        }
        if payload.len() > LONGEST_PAYLOAD {
            return Err(SessionError::TooLong);
        }
        let sent = self.tls.ssl_write(payload);
        self.collect();
        match sent {
            Ok(_) => Ok(()),
            Err(error) if self.is_broken() => Err(self.fail(&error)),
            Err(error) => Err(failure(&error)),
        }
    }

    fn close(&mut self, _: Instant) {
        match self.phase {
            Phase::Open => self.close_notify(),
            Phase::Handshake(_) => self.phase = Phase::Over,
            Phase::Over => {}
        }
    }

    fn drain(&mut self, sink: &mut dyn FnMut(Output<'_>)) {
        for event in self.events.drain(..) {
            sink(match &event {
                Event::Datagram(datagram) => Output::Datagram(datagram),
                Event::Connected(peer, resumed) => Output::Connected {
                    peer,
                    resumed: *resumed,
                },
                Event::Payload(payload) => Output::Payload(payload),
                Event::Closed => Output::Closed,
            });
        }
    }
}

/// OpenSSL takes a session that is dropped without a close_notify for a broken one, and wouldn't
/// resume it. But a Client that sleeps drops it just so.
impl Drop for SystemSession {
    fn drop(&mut self) {
        if matches!(self.phase, Phase::Open) {
            self.tls
                .set_shutdown(ShutdownState::SENT | ShutdownState::RECEIVED);
        }
    }
}

/// The room for payloads after a datagram of this length: no payload is longer than its datagram, or than
/// a record can be. Anybody can send a datagram that is longer.
fn room_for(before: usize, datagram: usize) -> usize {
    before.max(datagram).min(LONGEST_PAYLOAD)
}

/// The chain of a certificate proves nothing here (TS 7.1.9): the certificate itself is looked at.
fn verify(ssl: &mut Ssl, facts: &Arc<Facts>, expected: &Arc<Expected>) {
    let (facts, expected) = (Arc::clone(facts), Arc::clone(expected));
    let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    ssl.set_verify_callback(mode, move |_, chain| {
        if chain.error_depth() != 0 {
            return true;
        }
        let shown = chain.current_cert().ok_or(Refusal::Malformed);
        match shown.and_then(|shown| expected.check(shown)) {
            Ok(()) => {
                chain.set_error(X509VerifyResult::OK);
                true
            }
            Err(refusal) => {
                facts.refuse(refusal);
                chain.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
                false
            }
        }
    });
}

/// What OpenSSL's errors mean here, by their codes.
fn failure(error: &Error) -> SessionError {
    /// `SSL_AD_REASON_OFFSET`: the reason of an alert of the peer is this and its number.
    const ALERTS: i32 = 1_000;
    /// `SSL_R_NO_SHARED_CIPHER`: the cookie is checked before.
    const NO_SHARED_CIPHER: i32 = 193;
    /// `SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE`.
    const NO_CERTIFICATE: i32 = 199;
    let Some(errors) = error.ssl_error() else {
        return SessionError::Library(error.to_string());
    };
    let code = errors
        .errors()
        .first()
        .map_or(0, openssl::error::Error::reason_code);
    if let Some(alert) = code
        .checked_sub(ALERTS)
        .and_then(|code| u8::try_from(code).ok())
    {
        return SessionError::Alert(alert);
    }
    if code == NO_SHARED_CIPHER {
        return SessionError::Incompatible(words(errors));
    }
    if code == NO_CERTIFICATE {
        return SessionError::Refused(Refusal::NoCertificate);
    }
    SessionError::Library(words(errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_for_payloads_grows_to_a_record_and_no_further() {
        assert_eq!(room_for(0, 100), 100);
        assert_eq!(room_for(100, 30), 100);
        assert_eq!(room_for(100, 65_507), LONGEST_PAYLOAD);
    }
}
