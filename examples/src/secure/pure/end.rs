//! One end of a session.

use core::{fmt, mem, time::Duration};
use std::sync::Arc;

use dimpl::{Dtls, Error, Output as Polled, SecurityError};
use lwm2m_core::Instant;

use super::{
    clock::Clock,
    options::PureOptions,
    server::{self, Asked, Server},
};
use crate::secure::{
    alert::{DECRYPT_ERROR, of_refusal},
    certificate::{self, ExpectedServer, Expiry},
    credentials::ProvenIdentity,
    record::{self, ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE},
    session::{DtlsSession, Output, Refusal, SessionError, StackError},
};

/// Longer than most datagrams.
const USUAL_LENGTH: usize = 2048;
/// What a record can carry (RFC 6347 §4.1, RFC 5246 §6.2.1).
const LONGEST_PAYLOAD: usize = 1 << 14;

/// One end of a session of [`Pure`](super::Pure).
pub struct PureSession {
    /// There is none before a server has a ClientHello, and when the session has failed.
    dtls: Option<Dtls>,
    clock: Clock,
    /// Until the session is established, and what came of that is drained.
    handshake: Option<Box<Handshake>>,
}

struct Handshake {
    role: Role,
    deadline: Option<Instant>,
    is_complete: bool,
    /// What comes out next. The outputs of a handshake are looked at before they leave: the peer's
    /// certificate has to be accepted first.
    outputs: Vec<Held>,
    /// What speaks against success. Nobody has to hold a key to send such a thing, so it waits.
    trouble: Option<SessionError>,
    /// How long trouble may last, and an alert stand alone.
    grace: Duration,
    /// When the trouble ends the handshake.
    give_up: Option<Instant>,
    /// An alert without protection, and when it ends the handshake if that doesn't go on.
    alert: Option<(SessionError, Instant)>,
    /// Whether the peer is told that it isn't accepted.
    tells: bool,
}

enum Held {
    Datagram(Vec<u8>),
    Connected(ProvenIdentity),
    Payload(Vec<u8>),
    Closed,
}

/// Which end it is, and what the other one has to prove.
pub(super) enum Role {
    /// That it has the key, too.
    PskClient { identity: Vec<u8> },
    /// That it is the expected server.
    CertificateClient {
        expected: ExpectedServer,
        expiry: Expiry,
        /// Whether the peer has shown the expected certificate.
        is_shown: bool,
    },
    /// That it is a client that the server knows.
    Server {
        shared: Arc<Server>,
        /// The identity whose key is in use.
        identity: Option<Asked>,
        /// The certificate that the client has shown.
        certificate: Option<Vec<u8>>,
    },
}

impl PureSession {
    pub(super) fn connect(
        now: Instant,
        clock: Clock,
        mut dtls: Dtls,
        role: Role,
        options: &PureOptions,
    ) -> Result<Self, StackError> {
        dtls.set_active(true);
        let mut session = Self::new(clock, Some(dtls), role, options);
        let begun = session.handle_timeout(now);
        begun.map_err(|error| StackError::Library(error.to_string()))?;
        Ok(session)
    }

    pub(super) fn accept(clock: Clock, shared: Arc<Server>) -> Self {
        let options = *shared.options();
        let role = Role::Server {
            shared,
            identity: None,
            certificate: None,
        };
        Self::new(clock, None, role, &options)
    }

    fn new(clock: Clock, dtls: Option<Dtls>, role: Role, options: &PureOptions) -> Self {
        Self {
            dtls,
            clock,
            handshake: Some(Box::new(Handshake {
                role,
                deadline: None,
                is_complete: false,
                outputs: Vec::new(),
                trouble: None,
                grace: options.grace,
                give_up: None,
                alert: None,
                tells: options.tells_refusal,
            })),
        }
    }

    /// Makes the server's end when a ClientHello arrives.
    fn begin(&mut self, now: Instant, datagram: &[u8]) {
        let hello = record::first(datagram).and_then(|record| record.client_hello());
        let role = self.handshake.as_ref().map(|handshake| &handshake.role);
        if let (None, Some(hello), Some(Role::Server { shared, .. })) = (&self.dtls, hello, role) {
            self.dtls = Some(shared.begin(self.clock.moment(now), &hello));
        }
    }

    /// Looks at what came of a call, with the datagram if there was one.
    fn conclude(
        &mut self,
        now: Instant,
        result: Result<(), Error>,
        datagram: &[u8],
    ) -> Result<(), SessionError> {
        let (Some(dtls), Some(handshake)) = (&mut self.dtls, &mut self.handshake) else {
            return result.map_err(|error| session_error(&error));
        };
        handshake.role.bind_identity();
        let judged = match result {
            Ok(()) => {
                handshake.disprove_alert(datagram);
                Ok(())
            }
            Err(error) => handshake.judge(now, &error, datagram),
        };
        let concluded = judged.and_then(|()| handshake.take_outputs(now, self.clock, dtls));
        if let Err(error) = &concluded {
            handshake.end(error);
            self.dtls = None;
        }
        concluded
    }
}

impl DtlsSession for PureSession {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), SessionError> {
        self.begin(now, datagram);
        let moment = self.clock.moment(now);
        let Some(dtls) = &mut self.dtls else {
            return Ok(());
        };
        let result = dtls.handle_timeout(moment);
        let result = result.and_then(|()| dtls.handle_packet(datagram));
        self.conclude(now, result, datagram)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        let moment = self.clock.moment(now);
        let Some(dtls) = &mut self.dtls else {
            return Ok(());
        };
        if let Some(handshake) = &mut self.handshake
            && let Some(error) = handshake.overdue(now)
        {
            handshake.end(&error);
            self.dtls = None;
            return Err(error);
        }
        let result = dtls.handle_timeout(moment);
        self.conclude(now, result, &[])
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // An established session has no timers.
        let handshake = self.handshake.as_ref()?;
        let alert = handshake.alert.as_ref().map(|(_, until)| *until);
        let deadlines = [handshake.deadline, handshake.give_up, alert];
        deadlines.into_iter().flatten().min()
    }

    fn send(&mut self, now: Instant, payload: &[u8]) -> Result<(), SessionError> {
        let established = self.handshake.as_ref().is_none_or(|it| it.is_complete);
        let dtls = self.dtls.as_mut().filter(|_| established);
        let dtls = dtls.ok_or(SessionError::NotEstablished)?;
        if payload.len() > LONGEST_PAYLOAD {
            return Err(SessionError::TooLong);
        }
        let sent = dtls.send_application_data(payload);
        self.conclude(now, sent.map(drop), &[])
    }

    fn close(&mut self, now: Instant) {
        if let Some(dtls) = &mut self.dtls {
            // What it says matters no more.
            let _ = dtls.close();
            let _ = self.conclude(now, Ok(()), &[]);
        }
    }

    fn drain(&mut self, sink: &mut dyn FnMut(Output<'_>)) {
        if let Some(handshake) = &mut self.handshake {
            for held in mem::take(&mut handshake.outputs) {
                sink(held.as_output());
            }
            if !handshake.is_complete {
                return;
            }
            self.handshake = None;
        }
        if let Some(dtls) = &mut self.dtls {
            poll(dtls, |polled| {
                match polled {
                    Polled::Packet(bytes) => sink(Output::Datagram(bytes)),
                    Polled::ApplicationData(bytes) => sink(Output::Payload(bytes)),
                    Polled::CloseNotify => sink(Output::Closed),
                    _ => {}
                }
                Ok(())
            })
            .unwrap_or_default();
        }
    }
}

impl fmt::Debug for PureSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PureSession")
            .field("established", &self.handshake.is_none())
            .finish_non_exhaustive()
    }
}

impl Handshake {
    /// What an error means. One that anybody can cause without a key ends nothing at once, however often
    /// it comes: after an unprotected alert the handshake has a while to go on, and after anything else to be
    /// complete. A genuine peer goes on meanwhile.
    fn judge(&mut self, now: Instant, error: &Error, datagram: &[u8]) -> Result<(), SessionError> {
        let unprotected =
            |record: record::Record<'_>| record.content_type == ALERT && record.epoch == 0;
        let error = self.role.session_error(error);
        match error {
            SessionError::Timeout => Err(self.reason().unwrap_or(error)),
            SessionError::Alert(_) if record::records(datagram).any(unprotected) => {
                let until = now + self.grace;
                self.alert.get_or_insert((error, until));
                Ok(())
            }
            SessionError::Alert(_) | SessionError::Incompatible(_) => Err(error),
            _ => {
                if self.give_up.is_none() {
                    self.trouble = Some(error);
                    self.give_up = Some(now + self.grace);
                }
                Ok(())
            }
        }
    }

    /// A peer that sends an alert says nothing after it. So one that goes on didn't send it.
    fn disprove_alert(&mut self, datagram: &[u8]) {
        let goes_on = |record: record::Record<'_>| {
            matches!(record.content_type, HANDSHAKE | CHANGE_CIPHER_SPEC)
        };
        if record::records(datagram).any(goes_on) {
            self.alert = None;
        }
    }

    /// Why the handshake is over, if it has been in trouble for too long.
    fn overdue(&mut self, now: Instant) -> Option<SessionError> {
        let alert = self.alert.as_ref().map(|(_, until)| *until);
        let mut ends = [self.give_up, alert].into_iter().flatten();
        ends.any(|at| at <= now).then(|| self.reason()).flatten()
    }

    /// The handshake is over. Nothing of it leaves any more, but the reason, if the peer is told it.
    fn end(&mut self, why: &SessionError) {
        self.outputs.clear();
        let alert = match why {
            SessionError::Unreadable => DECRYPT_ERROR,
            SessionError::Refused(refusal) => of_refusal(*refusal),
            _ => return,
        };
        if self.tells {
            let alert = record::fatal_alert(alert);
            self.outputs.push(Held::Datagram(alert));
        }
    }

    /// Why the handshake fails, as far as that is known. An unknown identity fails as late as a wrong
    /// key: nobody can tell from outside which identities there are.
    fn reason(&mut self) -> Option<SessionError> {
        if self.role.is_unknown() {
            return Some(SessionError::Refused(Refusal::UnknownIdentity));
        }
        let alert = self.alert.take().map(|(alert, _)| alert);
        self.trouble.take().or(alert)
    }

    fn take_outputs(
        &mut self,
        now: Instant,
        clock: Clock,
        dtls: &mut Dtls,
    ) -> Result<(), SessionError> {
        let next = poll(dtls, |polled| {
            match polled {
                Polled::Packet(bytes) => self.outputs.push(Held::Datagram(bytes.to_vec())),
                Polled::ApplicationData(bytes) => self.outputs.push(Held::Payload(bytes.to_vec())),
                Polled::CloseNotify => self.outputs.push(Held::Closed),
                Polled::PeerCert(certificate) => self.role.show(now, certificate)?,
                Polled::Connected => {
                    let peer = self.role.proven()?;
                    self.outputs.push(Held::Connected(peer));
                    self.is_complete = true;
                }
                _ => {}
            }
            Ok(())
        });
        self.deadline = next
            .map_err(SessionError::Refused)?
            .map(|at| clock.instant(at));
        Ok(())
    }
}

/// Hands all outputs to `take`, then returns when the library wants to be called again.
fn poll(
    dtls: &mut Dtls,
    mut take: impl FnMut(Polled<'_>) -> Result<(), Refusal>,
) -> Result<Option<std::time::Instant>, Refusal> {
    let mut usual = [0; USUAL_LENGTH];
    let mut longer = Vec::new();
    loop {
        let buffer = if longer.is_empty() {
            &mut usual[..]
        } else {
            &mut longer[..]
        };
        match dtls.poll_output(buffer) {
            Polled::Timeout(at) => return Ok(Some(at)),
            Polled::BufferTooSmall { needed } => longer = vec![0; needed],
            polled => take(polled)?,
        }
    }
}

impl Role {
    /// Binds the identity whose key the library has just asked for to this session.
    fn bind_identity(&mut self) {
        if let Self::Server { identity, .. } = self
            && let Some(asked) = server::take_asked()
        {
            *identity = Some(asked);
        }
    }

    /// Whether nobody has the identity that the client has shown.
    const fn is_unknown(&self) -> bool {
        let Self::Server { identity, .. } = self else {
            return false;
        };
        matches!(identity, Some(Asked { known: false, .. }))
    }

    /// What an error means. A server that misses something in a ClientHello has checked its cookie
    /// before; a client may have got a forged ServerHello.
    fn session_error(&self, error: &Error) -> SessionError {
        match error {
            Error::SecurityError(
                SecurityError::ExtendedMasterSecretNotNegotiated
                | SecurityError::NoMutuallyAcceptableCipherSuite,
            ) if matches!(self, Self::Server { .. }) => {
                SessionError::Incompatible(error.to_string())
            }
            // Of a client, the first message under a key is the last one of its handshake.
            Error::CryptoError(_) if matches!(self, Self::Server { .. }) => {
                SessionError::Unreadable
            }
            error => session_error(error),
        }
    }

    /// The peer has shown its certificate. Whether it has the key isn't known yet.
    fn show(&mut self, now: Instant, shown: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::CertificateClient {
                expected,
                expiry,
                is_shown,
            } => {
                expected.check(now, shown, *expiry)?;
                *is_shown = true;
                Ok(())
            }
            Self::Server { certificate, .. } => {
                *certificate = Some(shown.to_vec());
                Ok(())
            }
            Self::PskClient { .. } => Ok(()),
        }
    }

    /// Who the peer is, now that it has proved to have the key.
    fn proven(&mut self) -> Result<ProvenIdentity, Refusal> {
        match self {
            Self::PskClient { identity } => Ok(ProvenIdentity::Psk(mem::take(identity))),
            Self::CertificateClient {
                expected,
                is_shown: true,
                ..
            } => {
                let names = certificate::names(&expected.certificate)?;
                Ok(ProvenIdentity::Certificate(names.into_all()))
            }
            Self::Server {
                shared,
                identity,
                certificate,
            } => match (identity.take(), certificate) {
                (Some(asked), None) if asked.known => Ok(ProvenIdentity::Psk(asked.identity)),
                (Some(_), None) => Err(Refusal::UnknownIdentity),
                (None, Some(certificate)) => shared.accept(certificate),
                _ => Err(Refusal::NoCertificate),
            },
            Self::CertificateClient { .. } => Err(Refusal::NoCertificate),
        }
    }
}

impl Held {
    fn as_output(&self) -> Output<'_> {
        match self {
            Self::Datagram(bytes) => Output::Datagram(bytes),
            Self::Connected(peer) => Output::Connected {
                peer,
                resumed: false,
            },
            Self::Payload(bytes) => Output::Payload(bytes),
            Self::Closed => Output::Closed,
        }
    }
}

fn session_error(error: &Error) -> SessionError {
    match error {
        Error::Timeout(_) => SessionError::Timeout,
        Error::SecurityError(SecurityError::FatalAlert { description }) => {
            SessionError::Alert(*description)
        }
        error => SessionError::Library(error.to_string()),
    }
}
