//! A Client of several servers, which don't affect each other.

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, InstanceId, Instant, ObjectId};
use lwm2m_objects::{
    ObjectTree, Store,
    typed::{self, AccessControl, AclTarget},
};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session,
    coap::{MessageBuf, MessageRef, MessageType, Token},
};

use crate::{
    observe::observe,
    support::{created, path, server_id},
};

/// Two servers, and the test as both of them.
pub(crate) struct Two {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    pub(crate) connections: [ConnectionId; 2],
    message_id: u16,
}

/// The rights of two servers on an Object Instance (TS 7.3).
pub(crate) fn access(object: u16, instance: u16, rights: [AccessRights; 2]) -> AccessControl {
    let target = AclTarget::Instance(ObjectId::new(object), InstanceId::new(instance).unwrap());
    AccessControl {
        target,
        acl: vec![(101, rights[0]), (102, rights[1])],
        owner: 101,
    }
}

/// The Access Control Object with these instances.
pub(crate) fn access_control(controls: impl IntoIterator<Item = AccessControl>) -> Store {
    let ids = (0..).filter_map(InstanceId::new);
    Store::of(ids.zip(controls))
}

impl Two {
    /// Registered with both, which may read the Device.
    fn registered(servers: [typed::Server; 2]) -> Self {
        Self::with(servers, |tree| {
            tree.add(access_control([access(3, 0, [AccessRights::READ; 2])]));
        })
    }

    /// Registered with both, with more in the tree.
    pub(crate) fn with(servers: [typed::Server; 2], add: impl FnOnce(&mut ObjectTree)) -> Self {
        Self::with_config(ClientConfig::new("two", [1; 32]), servers, add)
    }

    pub(crate) fn with_config(
        config: ClientConfig,
        servers: [typed::Server; 2],
        add: impl FnOnce(&mut ObjectTree),
    ) -> Self {
        let instance = |id| InstanceId::new(id).unwrap();
        let [one, two] = servers;
        let mut tree = ObjectTree::new();
        tree.add(Store::of([
            (
                instance(0),
                typed::Security::no_sec("coap://one", one.short_server_id),
            ),
            (
                instance(1),
                typed::Security::no_sec("coap://two", two.short_server_id),
            ),
        ]));
        tree.add(Store::of([(instance(0), one), (instance(1), two)]));
        tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
        add(&mut tree);
        let mut client = Client::new(config, tree).unwrap();
        let now = Instant::from_secs(1000);
        client.start(now);
        let connections = [(); 2].map(|()| match client.poll_event() {
            Some(ClientEvent::Connect { connection, .. }) => connection,
            other => panic!("{other:?}"),
        });
        let mut two = Self {
            client,
            now,
            connections,
            message_id: 0,
        };
        for (server, connection) in connections.into_iter().enumerate() {
            two.client.connected(now, connection, Session::New);
            let register = two.sent().remove(0);
            assert_eq!(register.0, server);
            let register = MessageRef::parse(&register.1).unwrap();
            let created = created().finish(
                MessageType::Acknowledgement,
                register.message_id(),
                register.token(),
            );
            two.datagram(server, created.as_ref());
        }
        while two.client.poll_event().is_some() {}
        two
    }

    pub(crate) fn datagram(&mut self, server: usize, bytes: &[u8]) {
        let datagram = Datagram::new(self.connections[server], bytes);
        self.client.handle_datagram(self.now, datagram).unwrap();
    }

    /// The datagrams to send, with the server of each.
    pub(crate) fn sent(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some(transmit) = self.client.poll_transmit() {
            let server = self.connections.iter().position(|to| *to == transmit.to);
            all.push((server.unwrap(), transmit.payload.to_vec()));
        }
        all
    }

    /// Sends a request with the token that both servers use, and takes the answer out.
    fn request(&mut self, server: usize, request: MessageBuf) {
        assert_eq!(self.code(server, request), Code::CONTENT);
    }

    /// The code of the answer to a request with the token that both servers use.
    pub(crate) fn code(&mut self, server: usize, request: MessageBuf) -> Code {
        let answer = self.answer(server, request);
        MessageRef::parse(&answer).unwrap().code()
    }

    /// The answer to a request with the token that both servers use.
    pub(crate) fn answer(&mut self, server: usize, request: MessageBuf) -> Vec<u8> {
        self.answer_to(server, b"t", request)
    }

    /// The answer to a request with this token.
    pub(crate) fn answer_to(
        &mut self,
        server: usize,
        token: &[u8],
        request: MessageBuf,
    ) -> Vec<u8> {
        let answer = self.told(server, token, request).remove(0);
        assert_eq!(answer.0, server);
        answer.1
    }

    /// The datagrams that follow from a request with this token, the answer first.
    pub(crate) fn told(
        &mut self,
        server: usize,
        token: &[u8],
        request: MessageBuf,
    ) -> Vec<(usize, Vec<u8>)> {
        self.message_id += 1;
        let token = Token::new(token).unwrap();
        let wire = request.finish(MessageType::Confirmable, self.message_id, token);
        self.datagram(server, wire.as_ref());
        self.sent()
    }

    /// Time passes after a possible change of the Battery Level; returns the notified servers.
    pub(crate) fn notified(&mut self, level: Option<i64>, time: Duration) -> Vec<usize> {
        if let Some(level) = level {
            self.client.set(self.now, path("/3/0/9"), level).unwrap();
        }
        let end = self.now + time;
        let mut notified = Vec::new();
        loop {
            notified.extend(self.sent().into_iter().map(|(server, bytes)| {
                let message = MessageRef::parse(&bytes).unwrap();
                assert_eq!(
                    (message.code(), message.token().as_bytes()),
                    (Code::CONTENT, &b"t"[..])
                );
                server
            }));
            match self.client.poll_timeout().filter(|due| *due <= end) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
            self.client.handle_timeout(self.now);
        }
        self.now = end;
        notified
    }
}

#[test]
fn servers_with_one_token_on_one_path_share_no_observation_and_no_periods() {
    let second = typed::Server {
        default_minimum_period: Some(10),
        default_maximum_period: Some(60),
        ..typed::Server::new(server_id(102), 86_400)
    };
    let mut two = Two::registered([typed::Server::new(server_id(101), 86_400), second]);
    two.request(0, observe(0, "/3/0/9"));
    two.request(1, observe(0, "/3/0/9"));
    // The Minimum Period of the second server delays only its own notifications.
    assert_eq!(two.notified(Some(9), Duration::from_millis(9_999)), [0]);
    assert_eq!(two.notified(None, Duration::from_millis(1)), [1]);
    // Its Maximum Period notifies it without a change, and no other server.
    assert_eq!(two.notified(None, Duration::from_secs(60)), [1]);
    // The first server cancels its own observation.
    two.request(0, observe(1, "/3/0/9"));
    assert_eq!(two.notified(Some(8), Duration::from_secs(10)), [1]);
    two.request(1, observe(1, "/3/0/9"));
    assert_eq!(two.notified(Some(7), Duration::from_secs(600)), [0; 0]);
}

#[test]
fn a_cancel_of_one_server_ends_no_observation_of_another() {
    let mut two = Two::registered([101, 102].map(|id| typed::Server::new(server_id(id), 86_400)));
    two.request(0, observe(0, "/3/0/9"));
    // The second server observes nothing: the token belongs to the first one's observation.
    two.request(1, observe(1, "/3"));
    assert_eq!(two.notified(Some(8), Duration::ZERO), [0]);
}

/// A bound on observations that one server has reached is none for another.
#[test]
fn each_server_has_room_for_as_many_observations() {
    let mut two = Two::registered([101, 102].map(|id| typed::Server::new(server_id(id), 86_400)));
    let most = ClientConfig::new("two", [1; 32]).most_observations;
    for server in 0..2 {
        for token in 0..=most {
            let token = u32::try_from(token).unwrap().to_be_bytes();
            let answer = two.answer_to(server, &token, observe(0, "/3/0/9"));
            let answer = MessageRef::parse(&answer).unwrap();
            assert_eq!(answer.code(), Code::CONTENT);
            let last = token == u32::try_from(most).unwrap().to_be_bytes();
            assert_eq!(answer.observe().is_none(), last, "{server}");
        }
    }
    assert_eq!(two.client.reporting().observations().count(), 2 * most);
}
