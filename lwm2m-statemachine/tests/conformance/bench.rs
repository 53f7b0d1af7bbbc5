//! A Client whose servers are scripted, in virtual time.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::{ops::Range, time::Duration};

use lwm2m_core::{Code, ContentFormat, InstanceId, Instant, Method, ObjectId, Transport, Value};
use lwm2m_kit::{instance, path};
use lwm2m_objects::{FetchFailure, Object, typed};
use lwm2m_statemachine::{
    AccountId, Client, ClientEvent, ConnectionId, Datagram, Session,
    client::Inbound,
    coap::{BlockOption, MessageBuf, MessageRef, MessageType, Token},
    smartcard::Refreshed,
};

pub(crate) use crate::steps::step;
use crate::{
    message::{Answer, Links, Request, read, write_attributes},
    tlv::Values,
};

/// A host that the Client asks for a connection to.
#[derive(Debug)]
struct Host {
    uri: String,
    connection: Option<ConnectionId>,
    /// Where it lets the Client register.
    location: Vec<String>,
}

/// A request of the Client.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    host: usize,
    connection: ConnectionId,
    wire: Vec<u8>,
}

impl Asked {
    pub(crate) fn message(&self) -> MessageRef<'_> {
        MessageRef::parse(&self.wire).expect("a message")
    }

    /// The URI of the host that it is for.
    fn path(&self) -> String {
        let segments = self.message().uri_path();
        segments.fold(String::new(), |path, segment| path + "/" + segment)
    }

    /// The Uri-Queries, in order.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.message().uri_query().map(String::from).collect()
    }

    /// The value of a query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let queries = self.queries().into_iter();
        let mut named = queries.filter_map(|query| {
            let (at, value) = query.split_once('=')?;
            (at == name).then(|| value.to_owned())
        });
        named.next()
    }

    /// The object list, of which there must be one.
    #[track_caller]
    pub(crate) fn objects(&self) -> Links {
        let format = self.message().content_format();
        assert_eq!(
            format,
            Some(ContentFormat::LINK_FORMAT),
            "of the object list"
        );
        Links::of(self.message().payload())
    }

    /// Nothing but what is named: these queries, and no object list.
    #[track_caller]
    pub(crate) fn expect_only(self, queries: &[&str]) -> Self {
        assert_eq!(self.queries(), queries, "the parameters of the Update");
        assert!(
            self.message().payload().is_empty(),
            "no object list is expected"
        );
        self
    }
}

/// A notification.
#[derive(Clone, Debug)]
pub(crate) struct Notification {
    pub(crate) at: Instant,
    pub(crate) kind: MessageType,
    pub(crate) answer: Answer,
}

/// An observation of a scripted server.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    token: Vec<u8>,
    pub(crate) path: String,
    pub(crate) since: Instant,
    pub(crate) first: Answer,
}

#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    hosts: Vec<Host>,
    /// Which server speaks.
    speaker: usize,
    next_message_id: u16,
    next_token: u32,
    /// What the Client has sent that no step has looked at yet.
    asked: VecDeque<Asked>,
    /// The requests that arrived, and how often each was retransmitted.
    heard: BTreeMap<(ConnectionId, u16), usize>,
    /// The connections that the Client has asked for: URI and security.
    connections: Vec<(String, typed::Security)>,
    answers: BTreeMap<Vec<u8>, Answer>,
    blocks: BTreeMap<Vec<u8>, BlockOption>,
    notified: Vec<(Vec<u8>, Notification)>,
    /// The tokens whose notifications are rejected with a Reset.
    rejected: BTreeSet<Vec<u8>>,
    events: Vec<ClientEvent>,
    /// What the next connections will be.
    session: Session,
    /// Whether the host of the file is silent and out of reach.
    stalled: bool,
    /// Whether there is no such host.
    pub(crate) unresolvable: bool,
}

/// How a Client comes into being and registers.
impl Bench {
    /// A Client that has been started and has its connections. The hosts are in the order in which it
    /// asked for them.
    pub(crate) fn started(client: Client) -> Self {
        let mut bench = Self {
            client,
            now: Instant::from_secs(1000),
            hosts: Vec::new(),
            speaker: 0,
            next_message_id: 0x7000,
            next_token: 0,
            asked: VecDeque::new(),
            heard: BTreeMap::new(),
            connections: Vec::new(),
            answers: BTreeMap::new(),
            blocks: BTreeMap::new(),
            notified: Vec::new(),
            rejected: BTreeSet::new(),
            events: Vec::new(),
            session: Session::New,
            stalled: false,
            unresolvable: false,
        };
        bench.start();
        bench
    }

    /// The Client starts.
    pub(crate) fn start(&mut self) {
        self.client.start(self.now);
        self.collect();
    }

    /// From now on this server speaks: 1 is the first one.
    pub(crate) fn server(&mut self, number: usize) -> &mut Self {
        self.speaker = number - 1;
        self
    }

    /// Waits for the Register of every server, and accepts it.
    #[track_caller]
    pub(crate) fn accept_registers(&mut self) {
        for _ in 0..self.hosts.len() {
            let register = self.expect_asked(Method::Post, "/rd");
            self.accept_register(&register);
        }
    }

    /// 2.01 with a location.
    pub(crate) fn accept_register(&mut self, register: &Asked) {
        let mut answer = MessageBuf::response(Code::CREATED);
        for segment in self.hosts[register.host].location.clone() {
            answer.location_path(&segment).expect("a segment");
        }
        self.respond(register, answer);
    }

    /// The connections that the Client has asked for, by URI, and how they are secured.
    pub(crate) fn asked_connections(&self) -> &[(String, typed::Security)] {
        &self.connections
    }

    /// The name of the connection to the server that speaks.
    #[track_caller]
    pub(crate) fn connection(&self) -> ConnectionId {
        let connection = self.hosts[self.speaker].connection;
        connection.expect("a connection to the server")
    }
}

/// What the Client asks of the servers.
impl Bench {
    /// The next request of the Client is a Register.
    #[track_caller]
    pub(crate) fn expect_register(&mut self) -> Asked {
        self.expect_asked(Method::Post, "/rd")
    }

    /// The next request of the Client is an Update, which is accepted.
    #[track_caller]
    pub(crate) fn expect_update(&mut self) -> Asked {
        self.settle();
        let host = self.asked.front().map_or(self.speaker, |asked| asked.host);
        let location = self.location(host);
        let update = self.expect_asked(Method::Post, &location);
        self.respond(&update, MessageBuf::response(Code::CHANGED));
        update
    }

    /// The next request of the Client is a De-register, which is accepted.
    #[track_caller]
    pub(crate) fn expect_deregister(&mut self) -> Asked {
        self.settle();
        let location = self.location(self.asked.front().map_or(self.speaker, |asked| asked.host));
        let deregister = self.expect_asked(Method::Delete, &location);
        self.respond(&deregister, MessageBuf::response(Code::DELETED));
        deregister
    }

    /// The next request of the Client, a Register, an Update or a De-register, is accepted; the URI of its
    /// host.
    #[track_caller]
    pub(crate) fn accept_any(&mut self) -> String {
        self.settle();
        let asked = self.asked.front().cloned();
        let asked = asked.expect("expected a request of the Client, it sends nothing");
        let uri = self.uri_of(&asked);
        match (asked.message().code().method(), &*asked.path()) {
            (Some(Method::Post), "/rd") => {
                let register = self.expect_register();
                self.accept_register(&register);
            }
            (Some(Method::Post), _) => drop(self.expect_update()),
            _ => drop(self.expect_deregister()),
        }
        uri
    }

    fn location(&self, host: usize) -> String {
        let segments = self.hosts[host].location.iter();
        segments.fold(String::new(), |path, segment| path + "/" + segment)
    }

    /// The next request of the Client, by method and path; confirmable, as all are (TS 8.2).
    #[track_caller]
    pub(crate) fn expect_asked(&mut self, method: Method, path: &str) -> Asked {
        self.settle();
        let Some(asked) = self.asked.pop_front() else {
            panic!("expected {method:?} {path} of the Client, it sends nothing");
        };
        let message = asked.message();
        assert_eq!(
            (message.code().method(), asked.path()),
            (Some(method), path.into()),
            "the next request of the Client"
        );
        assert_eq!(message.kind(), MessageType::Confirmable, "of a request");
        asked
    }

    /// The Client asks nothing.
    #[track_caller]
    pub(crate) fn expect_nothing_asked(&mut self) {
        self.settle();
        if let Some(asked) = self.asked.front() {
            panic!(
                "expected no request of the Client, got {:?}",
                asked.message()
            );
        }
    }

    /// Whether a request of the Client is there.
    pub(crate) fn is_asked(&mut self) -> bool {
        self.settle();
        !self.asked.is_empty()
    }

    /// The URI of the host that a request of the Client is for.
    pub(crate) fn uri_of(&self, asked: &Asked) -> String {
        self.hosts[asked.host].uri.clone()
    }

    /// How often a request of the Client has been retransmitted so far.
    pub(crate) fn retransmissions(&self, asked: &Asked) -> usize {
        let heard = self
            .heard
            .get(&(asked.connection, asked.message().message_id()));
        heard.copied().unwrap_or_default()
    }

    /// Answers a request of the Client.
    pub(crate) fn respond(&mut self, asked: &Asked, answer: MessageBuf) {
        let message = asked.message();
        let wire = answer.finish(
            MessageType::Acknowledgement,
            message.message_id(),
            message.token(),
        );
        self.deliver(asked.connection, wire.as_ref());
    }
}

/// What the server that speaks asks of the Client.
impl Bench {
    /// Sends a request; the answer, whole.
    #[track_caller]
    pub(crate) fn request(&mut self, request: &Request) -> Answer {
        let token = self.token();
        self.request_as(&token, request)
    }

    /// Sends a request with this token.
    #[track_caller]
    pub(crate) fn request_as(&mut self, token: &[u8], request: &Request) -> Answer {
        let mut message = request.head();
        if !request.payload.is_empty() {
            message.payload(&request.payload);
        }
        self.send(token, message);
        let mut answer = self.answered(token);
        // The rest of an answer in blocks.
        while let Some(block) = self.blocks.remove(token).filter(|block| block.more()) {
            let mut rest = request.clone();
            rest.payload.clear();
            let mut message = rest.head();
            let next = block.offset() / block.size() + 1;
            message
                .block2(self::block(next, false, block.size()))
                .expect("one option");
            self.send(token, message);
            let more = self.answered(token);
            answer.payload.extend(more.payload);
        }
        answer
    }

    /// Sends a request whose answer comes later, if at all; its token.
    pub(crate) fn ask(&mut self, request: &Request) -> Vec<u8> {
        let token = self.token();
        let mut message = request.head();
        if !request.payload.is_empty() {
            message.payload(&request.payload);
        }
        self.send(&token, message);
        token
    }

    /// The answer to a request with this token has come.
    #[track_caller]
    pub(crate) fn answered(&mut self, token: &[u8]) -> Answer {
        let answer = self.answers.remove(token);
        answer.expect("expected an answer, the Client sends none")
    }

    /// The Client doesn't answer a request.
    #[track_caller]
    pub(crate) fn expect_silence(&mut self, request: &Request) {
        let token = self.ask(request);
        let answer = self.answers.remove(&token);
        assert!(answer.is_none(), "expected silence, got {answer:?}");
    }

    /// Sends a request twice, as a network may; both answers.
    #[track_caller]
    pub(crate) fn request_twice(&mut self, request: &Request) -> (Answer, Answer) {
        let token = self.token();
        let first = self.request_as(&token, request);
        self.next_message_id -= 1;
        (first, self.request_as(&token, request))
    }

    /// Sends the payload of a request in blocks; the codes of the answers.
    #[track_caller]
    pub(crate) fn push(&mut self, request: &Request, size: usize) -> Vec<Code> {
        let blocks = request.payload.len().div_ceil(size);
        self.push_blocks(request, size, 0..blocks)
    }

    /// Sends these blocks of the payload of a request, up to the first that isn't answered 2.31.
    #[track_caller]
    pub(crate) fn push_blocks(
        &mut self,
        request: &Request,
        size: usize,
        numbers: Range<usize>,
    ) -> Vec<Code> {
        let blocks: Vec<&[u8]> = request.payload.chunks(size).collect();
        let mut codes = Vec::new();
        for number in numbers {
            let token = self.token();
            let mut message = request.head();
            message
                .block1(block(number, number + 1 < blocks.len(), size))
                .expect("one option");
            message.payload(blocks[number]);
            self.send(&token, message);
            codes.push(self.answered(&token).code);
            if codes.last() != Some(&Code::CONTINUE) {
                break;
            }
        }
        codes
    }

    /// Reads an Object Instance in TLV.
    #[track_caller]
    pub(crate) fn values(&mut self, path: &str) -> Values {
        self.request(&read(path).accept(ContentFormat::TLV))
            .values()
    }

    /// Reads a Resource as text.
    #[track_caller]
    pub(crate) fn text(&mut self, path: &str) -> String {
        self.request(&read(path).accept(ContentFormat::TEXT))
            .into_text()
    }

    /// Reads a Resource that is an Integer.
    #[track_caller]
    pub(crate) fn integer(&mut self, path: &str) -> i64 {
        let text = self.text(path);
        text.parse().expect("an Integer as text")
    }

    /// Write-Attributes is accepted.
    #[track_caller]
    pub(crate) fn set_attributes(&mut self, target: &str) {
        self.request(&write_attributes(target))
            .expect(Code::CHANGED);
    }

    fn token(&mut self) -> Vec<u8> {
        self.next_token += 1;
        self.next_token.to_be_bytes().to_vec()
    }

    fn send(&mut self, token: &[u8], message: MessageBuf) {
        self.next_message_id += 1;
        let token = Token::new(token).expect("at most 8 bytes");
        let wire = message.finish(MessageType::Confirmable, self.next_message_id, token);
        self.deliver(self.connection(), wire.as_ref());
    }

    fn deliver(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let datagram = Datagram::new(connection, bytes);
        let _ = self.client.handle_datagram(self.now, datagram);
        self.collect();
    }
}

/// Observations.
impl Bench {
    /// Observes: 2.05 with the Observe option and the current value (TS 5.5.1).
    #[track_caller]
    pub(crate) fn observe(&mut self, path: &str) -> Observation {
        let token = self.token();
        let first = self
            .request_as(&token, &read(path).observe(0))
            .expect(Code::CONTENT);
        assert!(
            first.observe.is_some(),
            "the Observe option is in the answer"
        );
        Observation {
            token,
            path: path.into(),
            since: self.now,
            first,
        }
    }

    /// Cancels with Observe 1: 2.05 without the Observe option (TS 5.5.3).
    #[track_caller]
    pub(crate) fn cancel(&mut self, observation: &Observation) -> Answer {
        let request = read(&observation.path).observe(1);
        self.cancelled(&observation.token.clone(), &request)
    }

    /// Cancels on a path with a token of its own.
    #[track_caller]
    pub(crate) fn cancel_path(&mut self, path: &str) -> Answer {
        let token = self.token();
        self.cancelled(&token, &read(path).observe(1))
    }

    #[track_caller]
    fn cancelled(&mut self, token: &[u8], request: &Request) -> Answer {
        let answer = self.request_as(token, request).expect(Code::CONTENT);
        assert_eq!(
            answer.observe, None,
            "no Observe option is in the answer to a Cancel"
        );
        answer
    }

    /// The last notification of an observation, which has ended it: it has no Observe option.
    #[track_caller]
    pub(crate) fn ended(&mut self, observation: &Observation) -> Answer {
        self.settle();
        self.answered(&observation.token.clone())
    }

    /// From now on notifications of this observation are answered with a Reset.
    pub(crate) fn reject(&mut self, observation: &Observation) {
        self.rejected.insert(observation.token.clone());
    }

    /// The notifications of an observation that have come, oldest first.
    pub(crate) fn notifications(&mut self, observation: &Observation) -> Vec<Notification> {
        self.settle();
        let all = core::mem::take(&mut self.notified);
        let (of, others) = all
            .into_iter()
            .partition(|(token, _)| *token == observation.token);
        self.notified = others;
        let of: Vec<_> = of;
        of.into_iter()
            .map(|(_, notification)| notification)
            .collect()
    }

    /// There is exactly one notification: it came that long after the first answer, or after another
    /// moment, and says 2.05 with the Observe option.
    #[track_caller]
    pub(crate) fn expect_notified(
        &mut self,
        observation: &Observation,
        after: (Instant, u64),
    ) -> Answer {
        let mut all = self.notifications(observation);
        let times: Vec<_> = all.iter().map(|one| one.at).collect();
        let (since, seconds) = after;
        let due = since + Duration::from_secs(seconds);
        assert_eq!(times, [due], "when {} is notified", observation.path);
        let notification = all.remove(0);
        assert!(
            matches!(
                notification.kind,
                MessageType::NonConfirmable | MessageType::Confirmable
            ),
            "a notification is a message of its own"
        );
        assert!(
            notification.answer.observe.is_some(),
            "a notification has the Observe option"
        );
        notification.answer.expect(Code::CONTENT)
    }

    /// There is no notification of any observation.
    #[track_caller]
    pub(crate) fn expect_quiet(&mut self) {
        self.settle();
        assert!(
            self.notified.is_empty(),
            "expected no notification, got {:?}",
            self.notified
        );
    }
}

/// A host with a file, which the Client fetches.
impl Bench {
    /// Serves the file in blocks for as long as the Client asks for more.
    #[track_caller]
    pub(crate) fn serve_file(&mut self, file: &[u8], size: usize) {
        let blocks = file.len().div_ceil(size);
        assert_ne!(
            self.serve_blocks(file, size, blocks),
            0,
            "the Client asks for the file"
        );
    }

    /// Serves this many blocks of the file, or fewer if the Client asks for no more; how many.
    #[track_caller]
    pub(crate) fn serve_blocks(&mut self, file: &[u8], size: usize, most: usize) -> usize {
        for served in 0..most {
            if !self.is_asked() {
                return served;
            }
            let asked = self.expect_asked(Method::Get, "/package");
            let wanted = asked.message().block2();
            let offset = wanted.map_or(0, BlockOption::offset);
            let size = wanted.map_or(size, |block| block.size().min(size));
            let rest = &file[offset..];
            let payload = &rest[..size.min(rest.len())];
            let mut answer = MessageBuf::response(Code::CONTENT);
            let more = payload.len() < rest.len();
            answer.etag(b"1").expect("one option");
            answer
                .block2(block(offset / size, more, size))
                .expect("one option");
            answer.payload(payload);
            self.respond(&asked, answer);
        }
        most
    }

    /// The host of the file is silent from now on, and can't be reached again.
    pub(crate) fn stall(&mut self) {
        self.asked.clear();
        self.stalled = true;
    }

    /// The connection to the host of the file is lost, and can't be made again.
    #[track_caller]
    pub(crate) fn cut(&mut self, uri: &str) {
        self.stall();
        let host = self.hosts.iter().find(|host| host.uri == uri);
        let connection = host.and_then(|host| host.connection);
        let connection = connection.expect("a connection to the host of the file");
        self.client.disconnected(self.now, connection);
        self.collect();
    }
}

/// Bootstrap-Servers.
impl Bench {
    /// From now on the host at this URI speaks.
    pub(crate) fn host_at(&mut self, uri: &str) -> &mut Self {
        self.host(uri);
        let at = self.hosts.iter().position(|host| host.uri == uri);
        self.speaker = at.expect("a host");
        self
    }

    /// The Bootstrap-Server of this Security Object Instance makes a session, and speaks from now on (TS
    /// 5.2.3.4). Whether the Client takes it.
    pub(crate) fn bootstrap_server_connects(&mut self, account: u16, uri: &str) -> bool {
        let account = AccountId::new(instance(account));
        let taken = self.client.inbound(self.now, Inbound::Account(account));
        if let Ok(connection) = taken {
            self.host_at(uri);
            self.hosts[self.speaker].connection = Some(connection);
        }
        self.collect();
        taken.is_ok()
    }

    /// The next request of the Client is a Bootstrap-Request (TS 5.2.7.1), whose host speaks from now on.
    #[track_caller]
    pub(crate) fn expect_bootstrap_request(&mut self) -> Asked {
        let asked = self.expect_asked(Method::Post, "/bs");
        assert!(asked.message().payload().is_empty());
        self.speaker = asked.host;
        asked
    }

    /// The same, which is accepted.
    #[track_caller]
    pub(crate) fn accept_bootstrap_request(&mut self) {
        let asked = self.expect_bootstrap_request();
        self.respond(&asked, MessageBuf::response(Code::CHANGED));
    }

    /// The application asks for a bootstrap.
    #[track_caller]
    pub(crate) fn client_bootstraps(&mut self) {
        let begun = self.client.bootstrapping().begin(self.now);
        begun.expect("there is an account of a Bootstrap-Server");
        self.collect();
    }
}

/// The application and the clock.
impl Bench {
    /// The application has looked at the smartcard, which has this bootstrap file; what becomes of it.
    #[track_caller]
    pub(crate) fn card_has(&mut self, file: Option<&[u8]>) -> Refreshed {
        let refreshed = self.client.smartcard(self.now, file);
        self.collect();
        refreshed.expect("no bootstrap is under way")
    }

    /// The same, and nothing of it is refused.
    #[track_caller]
    pub(crate) fn good_card_has(&mut self, file: Option<&[u8]>) {
        assert_eq!(self.card_has(file).refused, None);
    }

    /// The application asks for an Update of the first server's registration.
    pub(crate) fn client_updates(&mut self) {
        let account = AccountId::new(InstanceId::ZERO);
        self.client.update(self.now, account);
        self.collect();
    }

    /// The application is asked whether it agrees to an Execute, and answers.
    #[track_caller]
    pub(crate) fn consent(&mut self, answer: Result<(), Code>) {
        let asked = self.events().into_iter().find_map(|event| match event {
            ClientEvent::ExecuteAsked { request, .. } => Some(request),
            _ => None,
        });
        let asked = asked.expect("the application is asked");
        let sent = self
            .client
            .deferred()
            .answer_execute(self.now, asked, answer);
        sent.expect("it is waited for");
        self.collect();
    }

    /// The device goes offline.
    pub(crate) fn go_offline(&mut self) {
        self.client.go_offline(self.now);
        self.collect();
    }

    /// The device is online again.
    pub(crate) fn go_online(&mut self) {
        self.client.go_online(self.now);
        self.collect();
    }

    /// The connection to the server that speaks is lost; it comes back new or with the same session.
    pub(crate) fn lose_connection(&mut self, session: Session) {
        self.session = session;
        self.client.disconnected(self.now, self.connection());
        self.collect();
        self.pass_until_asked(3600);
    }

    /// The device has another address.
    pub(crate) fn change_address(&mut self) {
        self.client.address_changed(self.now, self.connection());
        self.collect();
    }

    /// The application sets a value.
    #[track_caller]
    pub(crate) fn set(&mut self, at: &str, value: impl Into<Value>) {
        let set = self.client.set(self.now, path(at), value);
        set.unwrap_or_else(|error| panic!("the application sets {at}: {error}"));
        self.collect();
    }

    /// The application calls one of its Objects.
    #[track_caller]
    pub(crate) fn object<T: Object, R>(&mut self, id: u16, act: impl FnOnce(&mut T) -> R) -> R {
        let result = self.client.object(self.now, ObjectId::new(id), act);
        self.collect();
        result.expect("an Object of this type")
    }

    /// What the Client has told the application since the last call.
    pub(crate) fn events(&mut self) -> Vec<ClientEvent> {
        self.settle();
        core::mem::take(&mut self.events)
    }

    /// Seconds pass, and the Client is called at its deadlines.
    pub(crate) fn pass(&mut self, seconds: u64) {
        self.pass_for(Duration::from_secs(seconds));
    }

    pub(crate) fn pass_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    /// Time passes until the Client asks something, but not longer than that.
    pub(crate) fn pass_until_asked(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while !self.is_asked() {
            let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            self.collect();
        }
    }

    /// What is due now is done.
    fn settle(&mut self) {
        self.collect();
        self.pass_for(Duration::ZERO);
    }
}

/// What the Client sends and tells.
impl Bench {
    fn collect(&mut self) {
        loop {
            let sent = lwm2m_kit::sent(&mut self.client);
            let events = lwm2m_kit::events(&mut self.client);
            if sent.is_empty() && events.is_empty() {
                return;
            }
            for sent in sent {
                self.hear(sent.to, &sent.bytes);
            }
            for event in events {
                self.told(event);
            }
        }
    }

    fn hear(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let message = MessageRef::parse(bytes).expect("the Client sends CoAP messages");
        if message.code() == Code::EMPTY {
            return;
        }
        if message.code().method().is_some() {
            let hosts = self.hosts.iter();
            let host = hosts
                .enumerate()
                .find(|(_, host)| host.connection == Some(connection));
            let (host, _) = host.expect("the Client sends on a connection that it asked for");
            let is_get = message.code().method() == Some(Method::Get);
            if self.stalled && is_get {
                return;
            }
            if let Some(retransmissions) = self.heard.get_mut(&(connection, message.message_id())) {
                *retransmissions += 1;
                return;
            }
            self.heard.insert((connection, message.message_id()), 0);
            self.asked.push_back(Asked {
                at: self.now,
                host,
                connection,
                wire: bytes.to_vec(),
            });
            return;
        }
        self.hear_response(connection, &message);
    }

    fn hear_response(&mut self, connection: ConnectionId, message: &MessageRef<'_>) {
        let token = message.token().as_bytes().to_vec();
        let answer = Answer::of(message);
        let kind = message.kind();
        let piggybacked = kind == MessageType::Acknowledgement;
        let rejected = !piggybacked && self.rejected.contains(&token);
        if piggybacked || answer.observe.is_none() {
            if let Some(block) = message.block2() {
                self.blocks.insert(token.clone(), block);
            }
            self.answers.insert(token, answer);
        } else {
            let at = self.now;
            let notification = Notification { at, kind, answer };
            self.notified.push((token, notification));
        }
        let reply = match kind {
            _ if rejected => MessageType::Reset,
            MessageType::Confirmable => MessageType::Acknowledgement,
            _ => return,
        };
        let reply = MessageBuf::new(Code::EMPTY).finish(reply, message.message_id(), Token::EMPTY);
        let datagram = Datagram::new(connection, reply.as_ref());
        let _ = self.client.handle_datagram(self.now, datagram);
    }

    fn told(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Connect {
                connection,
                transport,
                mut uri,
                security,
                ..
            } => {
                if transport == Transport::Sms {
                    let number = security.sms.server_number.as_deref();
                    uri = format!("sms:{}", number.expect("a number"));
                }
                self.connections.push((uri.clone(), security));
                self.connect(connection, &uri);
            }
            ClientEvent::ConnectForDownload { path, .. } if self.unresolvable => {
                let invalid = FetchFailure::InvalidUri;
                assert!(self.client.downloads().give_up(self.now, path, invalid));
            }
            ClientEvent::ConnectForDownload {
                connection, uri, ..
            } => {
                self.connect(connection, &uri);
                if self.stalled {
                    self.client.disconnected(self.now, connection);
                }
            }
            event => self.events.push(event),
        }
    }

    fn connect(&mut self, connection: ConnectionId, uri: &str) {
        let host = self.host(uri);
        host.connection = Some(connection);
        self.client.connected(self.now, connection, self.session);
    }

    /// The host at this URI; a new one, if the Client hasn't asked for it before.
    fn host(&mut self, uri: &str) -> &mut Host {
        let known = self.hosts.iter().position(|host| host.uri == uri);
        let at = known.unwrap_or_else(|| {
            let number = self.hosts.len() + 1;
            self.hosts.push(Host {
                uri: uri.into(),
                connection: None,
                location: vec!["rd".into(), format!("5a3f{number}")],
            });
            number - 1
        });
        &mut self.hosts[at]
    }
}

impl Drop for Bench {
    /// What the Client asked must have been expected by a step.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.expect_nothing_asked();
        }
    }
}

fn block(number: usize, more: bool, size: usize) -> BlockOption {
    let number = u32::try_from(number).expect("a block number");
    BlockOption::new(number, more, size).expect("a block")
}
