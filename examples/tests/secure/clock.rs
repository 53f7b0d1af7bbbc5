//! The time that sessions of a device are told, with a library that notes it.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use lwm2m_core::Instant;
use lwm2m_examples::secure::{
    client::SecureClient,
    credentials::{ClientCredentials, Expiry, ProvenIdentity, ServerCredentials, Validity},
    listening::{ClientWay, ListeningClient},
    names::Names,
    session::{DtlsSession, DtlsStack, Output, Refusal, SessionError, StackError},
    sessions::Bounds,
};
use lwm2m_statemachine::{ClientEvent, Datagram, Machine as _};

use crate::world::{ACCOUNT, Sizes, client, known_psk};

/// A library without secrets, which notes when something is sent.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<Instant>>>);

/// A session that is established from its start.
struct NotingSession {
    noting: Noting,
    is_told: bool,
    sent: Vec<Vec<u8>>,
}

impl DtlsStack for Noting {
    type Session = NotingSession;

    fn connect(&mut self, _: Instant, _: &ClientCredentials) -> Result<NotingSession, StackError> {
        Ok(NotingSession {
            noting: self.clone(),
            is_told: false,
            sent: Vec::new(),
        })
    }

    fn serve(&mut self, _: &ServerCredentials) -> Result<(), StackError> {
        Ok(())
    }

    fn names(_: &[u8]) -> Result<Names, Refusal> {
        Err(Refusal::Malformed)
    }

    fn validity(_: &[u8]) -> Result<Validity, Refusal> {
        Err(Refusal::Malformed)
    }

    fn accept(&mut self, _: Instant) -> Result<NotingSession, StackError> {
        Err(StackError::Unsupported("sessions of others"))
    }
}

impl DtlsSession for NotingSession {
    fn handle_datagram(&mut self, _: Instant, _: &[u8]) -> Result<(), SessionError> {
        Ok(())
    }

    fn handle_timeout(&mut self, _: Instant) -> Result<(), SessionError> {
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn send(&mut self, now: Instant, payload: &[u8]) -> Result<(), SessionError> {
        self.noting.0.lock().unwrap().push(now);
        self.sent.push(payload.to_vec());
        Ok(())
    }

    fn close(&mut self, _: Instant) {}

    fn drain(&mut self, sink: &mut dyn FnMut(Output<'_>)) {
        if !self.is_told {
            self.is_told = true;
            let peer = &ProvenIdentity::Psk(b"device".to_vec());
            let resumed = false;
            sink(Output::Connected { peer, resumed });
        }
        for datagram in self.sent.drain(..) {
            sink(Output::Datagram(&datagram));
        }
    }
}

#[test]
fn what_comes_from_others_moves_the_time_of_the_device_s_own_sessions() {
    let noting = Noting::default();
    let secure = SecureClient::new(
        client("device", known_psk(), Sizes::default()),
        noting.clone(),
    );
    let mut device =
        ListeningClient::new(secure, noting.clone(), Bounds::device(1), Expiry::Accept);
    let mut now = Instant::from_secs(1);
    device.secure.client.start(now);
    let Some(ClientEvent::Connect {
        connection,
        security,
        ..
    }) = device.poll_event()
    else {
        panic!("no connection is asked for");
    };
    device.secure.open(now, connection, &security, "server");
    assert!(device.poll_transmit().is_some(), "the Register");
    // Nobody answers it: it is sent again.
    let due = device.poll_timeout().unwrap();
    now = due + Duration::from_secs(1);
    device.secure.client.handle_timeout(now);
    let stray = Datagram::new(ClientWay::Inbound(7_u8), b"stray");
    assert!(device.handle_datagram(now, stray).is_err());
    assert!(device.poll_transmit().is_some(), "the Register again");
    assert!(device.secure.client.account(ACCOUNT).is_some());
    let sent = noting.0.lock().unwrap().clone();
    assert_eq!(sent, [Instant::from_secs(1), now]);
}
