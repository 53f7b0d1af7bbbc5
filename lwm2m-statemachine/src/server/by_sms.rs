//! Operations over SMS (TS 5.3.1.1, 8.4).
//!
//! A client that has registered over SMS is reached there, as any client is where it has registered. This is for
//! one that has registered over UDP and whose binding has SMS as well: the server chooses for each request.

use lwm2m_core::{
    Arguments, AttributesUpdate, ContentFormat, InstanceId, Instant, ObjectId, Path, WriteMode,
    codec::Content,
};

use super::{
    calls::CallError,
    id::{OperationId, RegistrationId},
    operations::Way,
    parts::Server,
    queue::Presence,
    triggers,
};
use crate::{downlink::Call, machine::Peer};

/// The operations on one client over SMS: see [`Server::by_sms`].
///
/// Each call is like that of the [`Server`] with this name, and fails with [`CallError::NoSms`] unless the
/// binding of the client has SMS. Nothing is retransmitted (TS 8.6.2), and an answer may take as long as
/// [`Config::sms_latency`](crate::coap::Config::sms_latency) says. What is observed is notified over the
/// transport of the binding, so Observe has no call here.
///
/// Nothing [waits](Server::queued) here for a client with UQS to be awake: it is reached over SMS at any time (TS
/// Table 8), and may be [woken](super::Waiting::set_trigger) when something waits. An answer over SMS doesn't say that
/// it is awake over UDP; the Update after a trigger does. With SQ a client sleeps over SMS as well: what is asked here
/// waits, and then goes where the client has registered.
#[derive(Debug)]
pub struct BySms<'s, P> {
    server: &'s mut Server<P>,
    registration: RegistrationId,
    peer: P,
}

impl<P: Peer> Server<P> {
    /// Sends requests to a client over SMS, for which `peer` is the name of its
    /// [number](super::Registration::sms_number). The application knows which number that name has; pass in what
    /// comes from the number with the same name, and with [`Channel::Sms`](crate::Channel::Sms).
    ///
    /// ```
    /// # use lwm2m_core::{InstanceId, Instant};
    /// # use lwm2m_statemachine::{RegistrationId, Server, server::CallError};
    /// /// Has a client send an Update, such as one that sleeps and whose binding is UQS (TS 8.4).
    /// fn wake(
    ///     server: &mut Server<String>,
    ///     now: Instant,
    ///     registration: RegistrationId,
    /// ) -> Result<(), CallError> {
    ///     let client = server.registration(registration);
    ///     let number = client.and_then(|client| client.sms_number());
    ///     let number = number.ok_or(CallError::NoSms)?;
    ///     let mut by_sms = server.by_sms(registration, number.as_str().into());
    ///     by_sms.trigger_update(now, InstanceId::ZERO)?;
    ///     Ok(())
    /// }
    /// ```
    pub const fn by_sms(&mut self, registration: RegistrationId, peer: P) -> BySms<'_, P> {
        BySms {
            server: self,
            registration,
            peer,
        }
    }
}

impl<P: Peer> BySms<'_, P> {
    /// Executes the Registration Update Trigger of a Server Object Instance: the client answers over SMS, and
    /// sends an Update over UDP (TS 8.4). [`Registration::server_instance`](super::Registration::server_instance)
    /// is the one of this server, if the client lists a single one.
    ///
    /// [`Waiting::set_trigger`](super::Waiting::set_trigger) has the server do that by itself when an operation
    /// waits. It doesn't in a sleep in which this was called, unless that has ended without an answer.
    pub fn trigger_update(
        &mut self,
        now: Instant,
        server_instance: InstanceId,
    ) -> Result<OperationId, CallError> {
        let path = triggers::path(server_instance);
        let operation = self.execute(now, path, &Arguments::NONE)?;
        if self.server.presence(self.registration) == Some(Presence::Asleep) {
            let woken = self.registration;
            self.server
                .triggers
                .was_sent_by_application(woken, operation);
        }
        Ok(operation)
    }

    /// Reads (TS 5.4.1); see [`Server::read`].
    pub fn read(
        &mut self,
        now: Instant,
        path: Path,
        format: Option<ContentFormat>,
    ) -> Result<OperationId, CallError> {
        self.call(now, &Call::Read(path, format))
    }

    /// Discovers (TS 5.4.2); see [`Server::discover`].
    pub fn discover(&mut self, now: Instant, path: Path) -> Result<OperationId, CallError> {
        self.call(now, &Call::Discover(path))
    }

    /// Writes (TS 5.4.3); see [`Server::write`].
    pub fn write(
        &mut self,
        now: Instant,
        path: Path,
        mode: WriteMode,
        format: Option<ContentFormat>,
        content: &Content,
    ) -> Result<OperationId, CallError> {
        self.call(now, &Call::Write(path, mode, format, content))
    }

    /// Sets and unsets attributes (TS 5.4.4); see [`Server::write_attributes`].
    pub fn write_attributes(
        &mut self,
        now: Instant,
        path: Path,
        update: &AttributesUpdate,
    ) -> Result<OperationId, CallError> {
        self.call(now, &Call::WriteAttributes(path, update))
    }

    /// Executes (TS 5.4.5); see [`Server::execute`].
    pub fn execute(
        &mut self,
        now: Instant,
        path: Path,
        arguments: &Arguments<'_>,
    ) -> Result<OperationId, CallError> {
        self.call(now, &Call::Execute(path, *arguments))
    }

    /// Creates an Object Instance (TS 5.4.6); see [`Server::create`].
    pub fn create(
        &mut self,
        now: Instant,
        object: ObjectId,
        instance: Option<InstanceId>,
        format: Option<ContentFormat>,
        content: &Content,
    ) -> Result<OperationId, CallError> {
        self.call(now, &Call::Create(object, instance, format, content))
    }

    /// Deletes (TS 5.4.7); see [`Server::delete`].
    pub fn delete(&mut self, now: Instant, path: Path) -> Result<OperationId, CallError> {
        self.call(now, &Call::Delete(path))
    }

    fn call(&mut self, now: Instant, call: &Call<'_>) -> Result<OperationId, CallError> {
        let way = Way::Sms(&self.peer);
        self.server.call(now, self.registration, call, way)
    }
}
