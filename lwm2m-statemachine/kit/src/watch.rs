//! What a Client may send, and when.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use lwm2m_core::{Code, CodeKind, Instant};
use lwm2m_statemachine::coap::{MessageRef, MessageType, Token};

/// A second opinion on what a Client sends to its servers, from nothing but its datagrams and what it
/// tells. Servers are numbers; all of them keep registrations below `/rd`.
///
/// - It answers and notifies only servers that it is registered with (TS 5.4, 5.5). A server that
///   uses a message id twice may get the old answer again.
/// - Once the lifetime is over it sends nothing before the next Register (TS 5.3), a De-register
///   neither.
/// - The Observe numbers of an observation grow (RFC 7641 §3.4).
#[derive(Debug, Default)]
pub struct Watch {
    servers: BTreeMap<usize, Known>,
    /// The newest Observe number of each observation.
    numbers: BTreeMap<(usize, Token), u32>,
    /// The messages that carried one: they may be sent again.
    carried: BTreeSet<(usize, Token, u16, u32)>,
    /// The answers that came with an acknowledgement.
    answers: BTreeSet<(usize, Vec<u8>)>,
    /// What was sent and is to be judged.
    sent: Vec<Sending>,
}

#[derive(Debug)]
struct Sending {
    now: Instant,
    server: usize,
    registered: bool,
    datagram: Vec<u8>,
}

/// What is known of a server.
#[derive(Debug, Default)]
struct Known {
    asked: Option<Asked>,
    /// Until when the registration lives.
    lives_until: Option<Instant>,
    lifetime: u64,
}

/// The Register or Update that was sent last.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// When it was sent first.
    at: Instant,
    /// The lifetime that it tells, in seconds.
    lifetime: Option<u64>,
    token: Token,
}

impl Watch {
    /// The server has accepted the Register or the Update that was sent last.
    pub fn accepted(&mut self, server: usize) {
        let known = self.servers.entry(server).or_default();
        if let Some(asked) = known.asked {
            known.lifetime = asked.lifetime.unwrap_or(known.lifetime);
            known.lives_until = Some(asked.at + Duration::from_secs(known.lifetime));
        }
    }

    /// The Client sends this. `registered` says whether it was registered with the server before the
    /// call that made it send, or is now.
    pub fn sends(&mut self, now: Instant, server: usize, registered: bool, datagram: &[u8]) {
        self.sent.push(Sending {
            now,
            server,
            registered,
            datagram: datagram.to_vec(),
        });
    }

    /// Judges what was sent since the last time. All that the Client told meanwhile is taken: what it
    /// sends may follow from it.
    ///
    /// # Panics
    ///
    /// If something must not have been sent.
    pub fn judge(&mut self) {
        for sending in core::mem::take(&mut self.sent) {
            self.judge_one(&sending);
        }
    }

    fn judge_one(&mut self, sending: &Sending) {
        let Sending { now, server, .. } = *sending;
        let message = MessageRef::parse(&sending.datagram).expect("the Client sends messages");
        match message.code().kind() {
            CodeKind::Request => self.requests(now, server, &message),
            CodeKind::Response => {
                let is_answer = message.kind() == MessageType::Acknowledgement;
                let answer = (server, sending.datagram.clone());
                if is_answer && !self.answers.insert(answer) {
                    return;
                }
                let (code, id) = (message.code(), message.message_id());
                assert!(
                    sending.registered,
                    "{code} {id:04x} to a server without a registration"
                );
                self.check_life(now, server, "an answer or a notification");
                if let Some(number) = message.observe() {
                    self.check_number(server, &message, number);
                }
            }
            _ => {
                let is_empty = matches!(
                    message.kind(),
                    MessageType::Acknowledgement | MessageType::Reset
                );
                assert!(is_empty, "an empty message that answers nothing");
            }
        }
    }

    fn requests(&mut self, now: Instant, server: usize, message: &MessageRef<'_>) {
        let is_register = message.code() == Code::POST && message.uri_path().eq(["rd"]);
        let is_update = message.code() == Code::POST && !is_register;
        if message.uri_path().next() == Some("rd") {
            if is_update {
                self.check_life(now, server, "an Update");
            } else if message.code() == Code::DELETE {
                self.check_life(now, server, "a De-register");
            }
        }
        let is_first = message.block1().is_none_or(|block| block.number() == 0);
        let known = self.servers.entry(server).or_default();
        let is_new = known
            .asked
            .is_none_or(|asked| asked.token != message.token());
        if message.code() == Code::POST && is_first && is_new {
            let mut queries = message.uri_query();
            let lifetime = queries.find_map(|query| query.strip_prefix("lt=")?.parse().ok());
            known.asked = Some(Asked {
                at: now,
                lifetime,
                token: message.token(),
            });
        }
    }

    fn check_life(&self, now: Instant, server: usize, what: &str) {
        let known = self.servers.get(&server);
        if let Some(end) = known.and_then(|known| known.lives_until) {
            assert!(
                now <= end,
                "{what} after the lifetime, which was over at {end}"
            );
        }
    }

    fn check_number(&mut self, server: usize, message: &MessageRef<'_>, number: u32) {
        let token = message.token();
        let is_new = self
            .carried
            .insert((server, token, message.message_id(), number));
        if is_new && let Some(last) = self.numbers.insert((server, token), number) {
            let distance = number.wrapping_sub(last) & 0x00ff_ffff;
            let grows = (1..1 << 23).contains(&distance);
            assert!(grows, "Observe {number} after {last}");
        }
    }
}
