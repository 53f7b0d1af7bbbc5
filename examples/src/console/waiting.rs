//! What waits for clients in Queue Mode (TS 8.3).

use std::io::{self, Write};

use lwm2m_core::Instant;
use lwm2m_statemachine::server::{OperationId, Presence, Registration, RegistrationId, Server};

use super::{CommandError, Console, Peer, shown};

/// Says of a client whether it is awake.
pub(super) fn tell_presence(
    server: &Server<Peer>,
    registration: RegistrationId,
    state: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    match server.registration(registration) {
        Some(client) => writeln!(out, "{state} {}", shown(client.endpoint_name())),
        None => Ok(()),
    }
}

impl Console {
    /// Says that an operation waits, if it does.
    pub(super) fn tell_whether_it_waits(
        &self,
        server: &Server<Peer>,
        operation: OperationId,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut queued = server.queued(operation.registration());
        let waits = queued.any(|queued| queued.operation == operation && !queued.is_under_way);
        match self.operations.get(&operation).filter(|_| waits) {
            Some((subject, name)) => {
                let (endpoint, path) = (shown(&subject.endpoint), subject.path);
                writeln!(
                    out,
                    "waiting {endpoint} {name} {path} operation={operation}"
                )
            }
            None => Ok(()),
        }
    }

    /// Lists whether a client in Queue Mode is awake, and what waits for it.
    pub(super) fn list_waiting(
        &self,
        now: Instant,
        server: &Server<Peer>,
        (id, client): (RegistrationId, &Registration<Peer>),
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match server.presence(id) {
            None | Some(Presence::Always) => return Ok(()),
            Some(Presence::Awake { .. }) => tell_presence(server, id, "awake", out)?,
            Some(Presence::Asleep) => tell_presence(server, id, "asleep", out)?,
        }
        for queued in server.queued(id).filter(|queued| !queued.is_under_way) {
            let asked = self.operations.get(&queued.operation);
            let name = asked.map_or("operation", |(_, name)| *name);
            let left = queued.deadline.saturating_duration_since(now).as_secs();
            let (endpoint, path) = (shown(client.endpoint_name()), queued.path);
            let operation = queued.operation;
            writeln!(
                out,
                "waiting {endpoint} {name} {path} operation={operation} {left}s"
            )?;
        }
        Ok(())
    }

    /// Cancels the operation of this number.
    pub(super) fn withdraw(
        &self,
        now: Instant,
        server: &mut Server<Peer>,
        number: u64,
    ) -> Result<(), CommandError> {
        let wanted = number.to_string();
        let mut known = self.operations.keys();
        let operation = known.find(|known| known.to_string() == wanted);
        let operation = operation.ok_or(CommandError::NoOperation(number))?;
        let cancelled = server.waiting().cancel(now, *operation);
        cancelled.map_err(CommandError::Call)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use lwm2m_core::Method;
    use lwm2m_statemachine::{
        Datagram,
        coap::{MessageBuf, MessageType, Token},
        server::ServerConfig,
    };

    use super::*;

    /// A console at a server, in virtual time.
    struct World {
        console: Console,
        server: Server<Peer>,
        now: Instant,
    }

    impl World {
        fn receive(&mut self, message_id: u16, path: [&str; 2], queries: &[&str]) {
            let mut message = MessageBuf::request(Method::Post);
            for segment in path.into_iter().filter(|segment| !segment.is_empty()) {
                message.uri_path(segment).unwrap();
            }
            for query in queries {
                message.uri_query(query).unwrap();
            }
            message.payload(b"</1/0>,</3/0>");
            let wire = message.finish(MessageType::Confirmable, message_id, Token::EMPTY);
            let address = "192.0.2.1:40000".parse().unwrap();
            let datagram = Datagram::new(Peer::Plain(address), wire.as_ref());
            self.server.handle_datagram(self.now, datagram).unwrap();
        }

        /// What the console says of everything that has happened.
        fn told(&mut self) -> String {
            let mut out = Vec::new();
            while let Some(event) = self.server.poll_event() {
                self.console.tell(&self.server, event, &mut out).unwrap();
            }
            while self.server.poll_transmit().is_some() {}
            String::from_utf8(out).unwrap()
        }

        fn obey(&mut self, line: &str) -> String {
            let mut out = Vec::new();
            let command = line.parse().unwrap();
            let flow = self
                .console
                .obey(self.now, &mut self.server, command, &mut out);
            assert!(flow.unwrap().is_continue());
            String::from_utf8(out).unwrap() + &self.told()
        }
    }

    #[test]
    fn the_console_tells_who_is_awake_and_what_waits() {
        let mut world = World {
            console: Console::default(),
            server: Server::new(ServerConfig::new([7; 32])),
            now: Instant::ZERO,
        };
        let queries = ["ep=me", "lt=86400", "lwm2m=1.0", "b=UQ"];
        world.receive(1, ["rd", ""], &queries);
        let told = world.told();
        let (registered, awake) = told.split_once('\n').unwrap();
        assert!(registered.contains(" binding=UQ "), "{registered}");
        assert_eq!(awake, "awake me\n");
        assert!(world.obey("list").ends_with("\nawake me\n"));
        world.now += Duration::from_secs(91);
        world.server.handle_timeout(world.now);
        assert_eq!(world.told(), "asleep me\n");

        assert_eq!(
            world.obey("read me /3/0"),
            "waiting me read /3/0 operation=0\n"
        );
        assert_eq!(
            world.obey("exec me /3/0/4"),
            "waiting me exec /3/0/4 operation=1\n"
        );
        world.now += Duration::from_secs(10);
        let listed = world.obey("list");
        assert!(
            listed.ends_with(
                "\nasleep me\n\
                 waiting me read /3/0 operation=0 86390s\n\
                 waiting me exec /3/0/4 operation=1 86390s\n"
            ),
            "{listed}"
        );
        assert_eq!(
            world.obey("withdraw 1"),
            "failed me exec /3/0/4 withdrawn\n"
        );
        assert_eq!(world.obey("withdraw 1"), "error no operation 1 waits\n");

        let location = world.server.registrations().next().unwrap().1.location();
        let location = location.to_string();
        let token = location.trim_start_matches("/rd/");
        world.receive(2, ["rd", token], &[]);
        assert!(world.told().ends_with("\nawake me\n"));
        assert!(!world.obey("list").contains("waiting"));
    }
}
