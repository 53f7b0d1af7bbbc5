//! Short messages of a Client (TS 7.2).

use lwm2m_core::Instant;
use lwm2m_objects::{Typed as _, typed};
use lwm2m_statemachine::{Channel, ConnectionId, Datagram, Session, client::Inbound};

use super::{InboundSmsError, Link, SecureClient};
use crate::secure::{
    credentials::{Account, ClientCredentials, UnusableAccount},
    session::{DtlsStack, StackError},
};

impl<D: DtlsStack> SecureClient<D> {
    /// The Client with sessions by short messages as well. `stack` has the length of datagrams and the timers of
    /// SMS (TS 7.2.2). The Client's [`Config::sms_size`](lwm2m_statemachine::coap::Config::sms_size) has to leave room
    /// for the records, 29 bytes with `TLS_PSK_WITH_AES_128_CCM_8`: then what is longer is sent in blocks. A record of
    /// more than [`SHORT_MESSAGE`](crate::secure::session::SHORT_MESSAGE) bytes isn't sent: see
    /// [`next_unsent`](Self::next_unsent). A handshake that needs one fails at once, with
    /// [`SessionError::TooLong`](crate::secure::session::SessionError::TooLong).
    #[must_use]
    pub fn with_sms(mut self, stack: D) -> Self {
        self.sms = Some(stack);
        self
    }

    /// Makes a connection by short messages, as its account says (TS 7.2). Without security it is up at once, as
    /// a new one; else a handshake begins. A connection that can't be made fails as in [`open`](Self::open).
    ///
    /// Pass in each short message of the server with this connection and [`Channel::Sms`].
    pub fn open_sms(&mut self, now: Instant, connection: ConnectionId, security: &typed::Security) {
        self.now = now;
        match (ClientCredentials::of_sms(security), &mut self.sms) {
            (Ok(credentials), Some(stack)) => {
                let session = stack.connect_for(now, &Account::of_sms(security), &credentials);
                self.begin(now, connection, Channel::Sms, session);
            }
            (Ok(_), None) => {
                let error = StackError::Unsupported("sessions by short messages");
                self.fail(now, connection, error.into());
            }
            (Err(UnusableAccount::NoSec), _) => {
                self.links.insert(connection, Link::Plain);
                self.client.connected(now, connection, Session::New);
            }
            (Err(error), _) => self.fail(now, connection, error.into()),
        }
    }

    /// Takes a short message that has come from a number outside a session, such as one that triggers an Update
    /// (TS 8.4). Returns the connection that it came on: send by SMS what the Client sends there, to this number, until
    /// [`ClientEvent::Disconnect`](lwm2m_statemachine::ClientEvent::Disconnect).
    ///
    /// It counts only from the number of a server (Resource 9 of the Security Object) whose short messages need no
    /// security (Resource 6 is 3, NoSec: TS 7.2, 7.2.2), and only while a registration says that the Client can be
    /// reached by SMS. `number` is the sender's MSISDN, with or without a leading `+`.
    ///
    /// # Errors
    ///
    /// [`InboundSmsError`]: nothing is answered.
    pub fn inbound_sms(
        &mut self,
        now: Instant,
        number: &str,
        message: &[u8],
    ) -> Result<ConnectionId, InboundSmsError> {
        self.now = now;
        if !self.takes_unprotected(number) {
            return Err(InboundSmsError::Unprotected);
        }
        let connection = self.client.inbound(now, Inbound::Sms { number })?;
        match self.links.get(&connection) {
            None => self.adopt(connection),
            Some(Link::Plain) => {}
            Some(Link::Secured { .. }) => return Err(InboundSmsError::Unprotected),
        }
        let mut datagram = Datagram::new(connection, message);
        datagram.channel = Channel::Sms;
        let taken = self.client.handle_datagram(now, datagram);
        self.follow_events();
        taken?;
        Ok(connection)
    }

    /// Whether no account of this number demands security. One that no account has, the Client doesn't know either.
    fn takes_unprotected(&self, number: &str) -> bool {
        let bare = |number: &str| number.strip_prefix('+').unwrap_or(number).to_owned();
        let tree = self.client.tree().settled();
        let accounts = self.client.accounts();
        let of_accounts = accounts
            .filter_map(|account| typed::Security::load(tree, account.id.instance()))
            .filter(|security| {
                let own = security.sms.server_number.as_deref();
                own.is_some_and(|own| bare(own) == bare(number))
            });
        let mut modes = of_accounts.map(|security| ClientCredentials::of_sms(&security));
        modes.all(|keys| keys == Err(UnusableAccount::NoSec))
    }
}
