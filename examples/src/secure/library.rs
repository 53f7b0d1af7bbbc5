//! The DTLS library of the programs: whichever they are built with.

use core::{fmt, str::FromStr, time::Duration};

use lwm2m_core::Instant;

use super::{
    credentials::{Account, ClientCredentials, Expiry, ServerCredentials, Validity},
    names::Names,
    session::{
        DtlsSession, DtlsStack, NoSession, NoStack, Output, Refusal, SessionError, StackError,
    },
};

/// How long a handshake of a program may take. A foreign server with another key says nothing, and a person
/// waits for what is wrong.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// How long a handshake of a program goes on after what speaks against it: twice the time after which a flight is sent
/// again. So a server tells a wrong key after 2 s, and a client takes its word after 2 s more.
pub const GRACE: Duration = Duration::from_secs(2);

/// Which library to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LibraryName {
    /// `dimpl`.
    #[cfg(feature = "dtls")]
    Dimpl,
    /// The system's OpenSSL.
    #[cfg(feature = "dtls-openssl")]
    OpenSsl,
}

impl LibraryName {
    /// Those that the program is built with, the default first.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "dtls")]
        Self::Dimpl,
        #[cfg(feature = "dtls-openssl")]
        Self::OpenSsl,
    ];
}

impl fmt::Display for LibraryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = &f;
        match *self {
            #[cfg(feature = "dtls")]
            Self::Dimpl => f.write_str("dimpl"),
            #[cfg(feature = "dtls-openssl")]
            Self::OpenSsl => f.write_str("openssl"),
        }
    }
}

impl FromStr for LibraryName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.iter().copied();
        all.find(|name| name.to_string() == text).ok_or_else(|| {
            let names: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
            match names[..] {
                [] => "this program is built without DTLS".to_owned(),
                _ => format!("expected one of: {}", names.join(", ")),
            }
        })
    }
}

/// A DTLS library.
pub enum Library {
    /// None: no session can be made.
    None(NoStack),
    /// `dimpl`.
    #[cfg(feature = "dtls")]
    Dimpl(super::pure::Pure),
    /// The system's OpenSSL.
    #[cfg(feature = "dtls-openssl")]
    OpenSsl(super::system::System),
}

/// A session of a [`Library`].
#[derive(Debug)]
pub enum LibrarySession {
    /// None.
    None(NoSession),
    /// Of `dimpl`.
    #[cfg(feature = "dtls")]
    Dimpl(Box<super::pure::PureSession>),
    /// Of OpenSSL.
    #[cfg(feature = "dtls-openssl")]
    OpenSsl(Box<super::system::SystemSession>),
}

/// Calls the same function of whichever it is.
macro_rules! whichever {
    ($type:ident, $which:expr, $inner:ident => $call:expr) => {
        match $which {
            $type::None($inner) => $call,
            #[cfg(feature = "dtls")]
            $type::Dimpl($inner) => $call,
            #[cfg(feature = "dtls-openssl")]
            $type::OpenSsl($inner) => $call,
        }
    };
}

/// Calls the same function of whichever library it is, and makes its session one of these.
macro_rules! session_of {
    ($which:expr, $library:ident => $call:expr) => {
        match $which {
            Library::None($library) => $call.map(LibrarySession::None),
            #[cfg(feature = "dtls")]
            Library::Dimpl($library) => {
                $call.map(|session| LibrarySession::Dimpl(Box::new(session)))
            }
            #[cfg(feature = "dtls-openssl")]
            Library::OpenSsl($library) => {
                $call.map(|session| LibrarySession::OpenSsl(Box::new(session)))
            }
        }
    };
}

impl Library {
    /// The library for a client program.
    pub fn client(name: Option<LibraryName>, expiry: Expiry) -> Result<Self, StackError> {
        let _ = expiry;
        match name.or(LibraryName::ALL.first().copied()) {
            None => Ok(Self::None(NoStack)),
            #[cfg(feature = "dtls")]
            Some(LibraryName::Dimpl) => Ok(Self::Dimpl(super::pure::Pure::client(dimpl(expiry)))),
            #[cfg(feature = "dtls-openssl")]
            Some(LibraryName::OpenSsl) => {
                super::system::System::new(openssl(expiry)).map(Self::OpenSsl)
            }
        }
    }

    /// The library for a server program.
    pub fn server(
        name: Option<LibraryName>,
        credentials: &ServerCredentials,
    ) -> Result<Self, StackError> {
        let _ = credentials;
        match name.or(LibraryName::ALL.first().copied()) {
            None => Err(StackError::Unsupported(
                "DTLS; build with the feature `dtls`",
            )),
            #[cfg(feature = "dtls")]
            Some(LibraryName::Dimpl) => {
                super::pure::Pure::server(dimpl(Expiry::Accept), credentials).map(Self::Dimpl)
            }
            #[cfg(feature = "dtls-openssl")]
            Some(LibraryName::OpenSsl) => {
                super::system::System::with_server(openssl(Expiry::Accept), credentials)
                    .map(Self::OpenSsl)
            }
        }
    }
}

#[cfg(feature = "dtls")]
fn dimpl(expiry: Expiry) -> super::pure::PureOptions {
    super::pure::PureOptions {
        handshake_within: HANDSHAKE_WITHIN,
        grace: GRACE,
        tells_refusal: true,
        expiry,
        ..super::pure::PureOptions::default()
    }
}

#[cfg(feature = "dtls-openssl")]
fn openssl(expiry: Expiry) -> super::system::Settings {
    super::system::Settings {
        handshake: HANDSHAKE_WITHIN,
        grace: GRACE,
        expiry,
        ..super::system::Settings::default()
    }
}

impl DtlsStack for Library {
    type Session = LibrarySession;

    fn connect(
        &mut self,
        now: Instant,
        credentials: &ClientCredentials,
    ) -> Result<LibrarySession, StackError> {
        self.connect_for(now, &Account::default(), credentials)
    }

    fn connect_for(
        &mut self,
        now: Instant,
        account: &Account,
        credentials: &ClientCredentials,
    ) -> Result<LibrarySession, StackError> {
        session_of!(self, library => library.connect_for(now, account, credentials))
    }

    fn serve(&mut self, credentials: &ServerCredentials) -> Result<(), StackError> {
        whichever!(Self, self, library => library.serve(credentials))
    }

    /// Both libraries find the same.
    fn names(certificate: &[u8]) -> Result<Names, Refusal> {
        #[cfg(feature = "dtls")]
        return super::pure::Pure::names(certificate);
        #[cfg(all(feature = "dtls-openssl", not(feature = "dtls")))]
        return super::system::System::names(certificate);
        #[cfg(not(any(feature = "dtls", feature = "dtls-openssl")))]
        NoStack::names(certificate)
    }

    /// Both libraries find the same.
    fn validity(certificate: &[u8]) -> Result<Validity, Refusal> {
        #[cfg(feature = "dtls")]
        return super::pure::Pure::validity(certificate);
        #[cfg(all(feature = "dtls-openssl", not(feature = "dtls")))]
        return super::system::System::validity(certificate);
        #[cfg(not(any(feature = "dtls", feature = "dtls-openssl")))]
        NoStack::validity(certificate)
    }

    fn accept(&mut self, now: Instant) -> Result<LibrarySession, StackError> {
        session_of!(self, library => library.accept(now))
    }

    fn accept_from(&mut self, now: Instant, peer: u64) -> Result<LibrarySession, StackError> {
        session_of!(self, library => library.accept_from(now, peer))
    }

    fn accept_again(&mut self, now: Instant, peer: u64, hello: &[u8]) -> Option<LibrarySession> {
        session_of!(self, library => library.accept_again(now, peer, hello))
    }
}

impl DtlsSession for LibrarySession {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), SessionError> {
        whichever!(Self, self, session => session.handle_datagram(now, datagram))
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        whichever!(Self, self, session => session.handle_timeout(now))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        whichever!(Self, self, session => session.poll_timeout())
    }

    fn send(&mut self, now: Instant, payload: &[u8]) -> Result<(), SessionError> {
        whichever!(Self, self, session => session.send(now, payload))
    }

    fn close(&mut self, now: Instant) {
        whichever!(Self, self, session => session.close(now));
    }

    fn drain(&mut self, sink: &mut dyn FnMut(Output<'_>)) {
        whichever!(Self, self, session => session.drain(sink));
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None(_) => "None",
            #[cfg(feature = "dtls")]
            Self::Dimpl(_) => "Dimpl",
            #[cfg(feature = "dtls-openssl")]
            Self::OpenSsl(_) => "OpenSsl",
        })
    }
}
