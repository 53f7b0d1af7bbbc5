//! What a random peer starts by itself.

use core::time::Duration;

use lwm2m_core::{Instant, Method};
use lwm2m_simulation::Address;
use lwm2m_statemachine::{
    Channel,
    coap::{MessageBuf, Overload, RequestId, RequestOptions, SendError},
};

use super::{Habits, Node, OpenRequest, RandomPeer};

impl RandomPeer {
    /// Does something that concerns this peer.
    pub(crate) fn act(&mut self, now: Instant, node: &mut Node, peer: Address) {
        match self.random.below(20) {
            0..=8 => self.ask(now, node, peer),
            9 => self.ping(now, node, peer),
            10 => {
                self.count("burst");
                for _ in 0..2 + self.random.below(5) {
                    self.ask(now, node, peer);
                }
            }
            11..=13 => self.cancel_one(now, node),
            14..=17 => {
                for _ in 0..=self.random.below(3) {
                    self.notify(now, node, false);
                }
            }
            18 if self.random.chance(0.5) => self.notify(now, node, true),
            18 => self.withdraw(now, node, |_| true),
            _ => self.drop_peer(now, node, peer),
        }
    }

    /// Sends a request to this peer, for [`Habits::Bodies`].
    pub(crate) fn exchange(&mut self, now: Instant, node: &mut Node, peer: Address) {
        self.ask(now, node, peer);
    }

    /// Notifies, and sometimes cancels a request, for [`Habits::Bodies`].
    pub(crate) fn go_on(&mut self, now: Instant, node: &mut Node) {
        if self.random.chance(0.1)
            && let Some((&id, newest)) = self.asked.iter().next_back()
            && newest.observing.is_none()
        {
            self.cancel(now, node, id);
        }
        self.notify(now, node, false);
    }

    /// Forgets a peer, as when its connection is closed.
    pub(crate) fn drop_peer(&mut self, now: Instant, node: &mut Node, peer: Address) {
        self.count("peer dropped");
        *self.drops.entry(peer).or_default() += 1;
        node.drop_peer(now, &peer);
    }

    fn options(&mut self, peer: Address) -> RequestOptions {
        let channel = self.channel(peer);
        RequestOptions {
            confirmable: !self
                .random
                .chance(if self.does_everything() { 0.2 } else { 0.1 }),
            channel,
            timeout: (self.does_everything() && self.random.chance(0.2))
                .then(|| Duration::from_secs(5) + self.random.duration(Duration::from_secs(60))),
            ..RequestOptions::default()
        }
    }

    /// Makes a request of some kind.
    fn ask(&mut self, now: Instant, node: &mut Node, peer: Address) {
        let mut options = self.options(peer);
        let kind = match self.habits {
            Habits::Everything => self.random.below(9),
            Habits::Bodies => [2, 3, 5, 6, 7, 7][self.random.below(6) as usize],
        };
        let (method, name) = match kind {
            0..=2 => (Method::Get, "GET"),
            3 | 4 => (Method::Get, "Observe"),
            5 | 6 => (Method::Put, "PUT"),
            7 => (Method::Post, "POST"),
            _ => (Method::Delete, "DELETE"),
        };
        let mut message = MessageBuf::request(method);
        let mut asked = OpenRequest {
            peer,
            number: None,
            effect: method != Method::Get,
            observes: matches!(kind, 3 | 4),
            ping: false,
            observing: None,
        };
        if asked.observes {
            message.observe(0).unwrap();
        }
        let path = ["a", "b", "stream"][self.random.below(3) as usize];
        message.uri_path(path).unwrap();
        let has_body = matches!(method, Method::Put | Method::Post);
        if method == Method::Delete || !has_body && self.random.chance(0.5) {
            let number = self.book.borrow_mut().number();
            asked.number = Some(number);
            message.uri_query(&format!("q={number}")).unwrap();
        }
        let id = if has_body {
            let (number, body) = self.body();
            asked.number = Some(number);
            if body.len() > self.block_size {
                self.count("request in blocks");
            }
            if self.random.chance(0.3) {
                self.count("request from a source");
                let size = self.random.chance(0.5).then_some(body.len() as u32);
                let source = node.bodies().source(size);
                let source_id = source.id();
                self.sources.insert(source_id, body);
                let id = node.request(now, peer, (message, source), options);
                if id.is_err() {
                    self.sources.remove(&source_id);
                }
                id
            } else {
                message.payload(&body);
                node.request(now, peer, message, options)
            }
        } else {
            options.stream = kind == 2 && (self.does_everything() || self.random.chance(0.3));
            node.request(now, peer, message, options)
        };
        self.count(name);
        self.asked(id, asked, options);
    }

    fn asked(
        &mut self,
        id: Result<RequestId, SendError>,
        asked: OpenRequest,
        options: RequestOptions,
    ) -> bool {
        match id {
            Ok(id) => {
                self.count(match (options.channel, options.confirmable) {
                    (Channel::Sms, _) => "request by SMS",
                    (_, true) => "request CON",
                    (_, false) => "request NON",
                });
                let asking = (self.incarnation, id);
                self.book.borrow_mut().requests.asked(asking);
                self.asked.insert(id, asked);
                true
            }
            Err(SendError::Overload(Overload::Messages | Overload::Peers)) => {
                self.count("request over the bounds");
                false
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn ping(&mut self, now: Instant, node: &mut Node, peer: Address) {
        self.count("ping");
        let channel = self.channel(peer);
        let id = node.ping(now, peer, channel);
        let asked = OpenRequest {
            peer,
            number: None,
            effect: false,
            observes: false,
            ping: true,
            observing: None,
        };
        let options = RequestOptions {
            channel,
            ..RequestOptions::default()
        };
        self.asked(id, asked, options);
    }

    /// Cancels an open request, or an observation in one of the two ways.
    fn cancel_one(&mut self, now: Instant, node: &mut Node) {
        let open = self.asked.len() as u64;
        let index = self.random.below(open) as usize;
        let Some((id, asked)) = self
            .asked
            .iter()
            .nth(index)
            .map(|(id, asked)| (*id, *asked))
        else {
            return;
        };
        if asked.observing.is_none() || self.random.chance(0.5) {
            self.cancel(now, node, id);
            return;
        }
        let mut message = MessageBuf::request(Method::Get);
        message.observe(1).unwrap().uri_path("a").unwrap();
        let options = RequestOptions {
            cancels: Some(id),
            ..self.options(asked.peer)
        };
        let cancellation = OpenRequest {
            number: None,
            observes: false,
            observing: None,
            ..asked
        };
        let new = node.request(now, asked.peer, message, options);
        if self.asked(new, cancellation, options) {
            self.count("observation cancelled by Observe: 1");
            self.observation_over(id);
        }
    }

    fn cancel(&mut self, now: Instant, node: &mut Node, id: RequestId) {
        assert!(node.cancel(now, id), "nothing to cancel");
        let observing = self.asked.get(&id).and_then(|asked| asked.observing);
        if observing.is_some() {
            self.count("observation forgotten");
            self.observation_over(id);
        } else {
            self.settled(id, "cancelled");
            self.asked.remove(&id);
        }
    }

    /// Ends all observations.
    pub(crate) fn finish(&mut self, now: Instant, node: &mut Node) {
        let observations: Vec<RequestId> = self
            .asked
            .iter()
            .filter(|(_, asked)| asked.observing.is_some())
            .map(|(id, _)| *id)
            .collect();
        for id in observations {
            self.cancel(now, node, id);
        }
        self.observers.clear();
    }
}
