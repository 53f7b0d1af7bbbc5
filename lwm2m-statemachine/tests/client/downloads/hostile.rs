//! File servers that answer as they like.

use super::*;

/// The rig, some blocks into a download.
fn begun(blocks: usize) -> Rig {
    let mut rig = Rig::new();
    rig.write_uri(URI);
    rig.connect();
    rig.serve(blocks);
    rig
}

/// A block of 64 bytes without an ETag.
fn plain_block(number: u32, more: bool, size: usize, bytes: &[u8]) -> MessageBuf {
    let mut response = MessageBuf::response(Code::CONTENT);
    let block = BlockOption::new(number, more, size).unwrap();
    response.block2(block).unwrap().payload(bytes);
    response
}

/// The file server sends a response of its own.
fn separate(rig: &mut Rig, request: &Sent, response: MessageBuf, id: u16) {
    let token = request.message().token();
    let wire = response.finish(MessageType::Confirmable, id, token);
    let datagram = Datagram::new(request.to, wire.as_ref());
    let _ = rig.bench.client.handle_datagram(rig.bench.now, datagram);
    rig.note_events();
}

/// RFC 7959 §2.4: after a loss, a block that doesn't tell is not taken for one of the same image.
#[test]
fn a_server_with_an_etag_in_the_first_block_alone_is_asked_for_it_after_a_loss() {
    for changes in [false, true] {
        let mut rig = begun(1);
        rig.etag = None;
        rig.serve(4);
        rig.lose_until_it_pauses();
        if changes {
            rig.image = image(1000, 99);
        }
        rig.pass(Duration::from_secs(6));
        for _ in 0..100 {
            let Some(request) = rig.request() else { break };
            let is_first = request.message().block2().unwrap().number() == 0;
            let etag: &[u8] = if changes { b"two" } else { b"one" };
            rig.etag = is_first.then_some(etag);
            let response = rig.block(&request);
            rig.answer(&request, response);
        }
        rig.expect_complete();
    }
}

#[test]
fn an_observe_option_in_a_block_begins_no_observation() {
    let mut rig = begun(0);
    for _ in 0..100 {
        let Some(request) = rig.request() else { break };
        let asked = request.message().block2().unwrap();
        let start = asked.offset();
        let end = rig.image.len().min(start + 64);
        let more = end < rig.image.len();
        let mut response = MessageBuf::response(Code::CONTENT);
        response.etag(b"one").unwrap();
        response.uint(OptionNumber::OBSERVE, 7).unwrap();
        let block = BlockOption::new(asked.number(), more, 64).unwrap();
        response.block2(block).unwrap();
        response.payload(&rig.image[start..end]);
        rig.answer(&request, response);
    }
    rig.expect_complete();
}

#[test]
fn blocks_that_are_longer_or_shorter_than_they_say_fail() {
    for (more, length) in [(true, 63), (true, 65), (false, 65), (true, 0)] {
        let mut rig = begun(1);
        let request = rig.request().unwrap();
        let bytes = vec![1; length];
        rig.answer(&request, plain_block(1, more, 64, &bytes));
        rig.expect_failed(5, FetchFailure::Integrity);
    }
}

#[test]
fn larger_blocks_than_asked_for_are_taken_at_the_beginning() {
    let mut rig = begun(0);
    let request = rig.request().unwrap();
    let bytes = rig.image[..512].to_vec();
    rig.answer(&request, plain_block(0, true, 512, &bytes));
    for number in 8..16 {
        let request = rig.request().unwrap();
        let start = 64 * number as usize;
        let bytes = rig.image[start..(start + 64).min(1000)].to_vec();
        rig.asked.push(request.message().block2().unwrap().number());
        rig.answer(&request, plain_block(number, number < 15, 64, &bytes));
    }
    assert_eq!(rig.asked, (8..16).collect::<Vec<u32>>());
    rig.expect_complete();
}

#[test]
fn a_last_block_may_be_empty() {
    let mut rig = begun(0);
    rig.image = image(128, 0);
    for number in 0..3 {
        let request = rig.request().unwrap();
        let start = 64 * number as usize;
        let bytes = rig.image[start..(start + 64).min(128)].to_vec();
        rig.answer(&request, plain_block(number, number < 2, 64, &bytes));
    }
    rig.expect_complete();
}

#[test]
fn a_body_without_an_end_fails_at_the_limit() {
    let mut config = config();
    config.downloads.largest = 6400;
    let mut rig = Rig::with(config, tree(typed::Server::new(server_id(101), 86_400)));
    rig.write_uri(URI);
    rig.connect();
    for number in 0..101 {
        let request = rig.request().unwrap();
        rig.answer(&request, plain_block(number, true, 64, &[1; 64]));
    }
    rig.expect_failed(2, FetchFailure::Storage);
}

/// RFC 8516: 4.29 says how long to wait.
#[test]
fn too_many_requests_are_waited_out() {
    let mut rig = begun(3);
    let request = rig.request().unwrap();
    let mut busy = MessageBuf::response(Code::new(4, 29));
    busy.max_age(100).unwrap();
    rig.answer(&request, busy);
    rig.pass(Duration::from_secs(99));
    assert!(rig.request().is_none());
    rig.pass(Duration::from_secs(1));
    rig.serve(100);
    rig.expect_complete();
}

/// An acknowledgement and no answer is silence; an answer that comes too late changes nothing.
#[test]
fn an_answer_that_comes_too_late_changes_nothing() {
    let mut rig = begun(3);
    let late = rig.request().unwrap();
    let message = late.message();
    let empty = MessageBuf::new(Code::EMPTY).finish(
        MessageType::Acknowledgement,
        message.message_id(),
        Token::EMPTY,
    );
    let datagram = Datagram::new(late.to, empty.as_ref());
    rig.bench
        .client
        .handle_datagram(rig.bench.now, datagram)
        .unwrap();
    rig.lose_until_it_pauses();
    let mut other = rig.block(&late);
    other.payload(&[9; 64]);
    separate(&mut rig, &late, other, 77);
    lwm2m_kit::sent(&mut rig.bench.client);
    rig.pass(Duration::from_secs(6));
    let request = rig.request().unwrap();
    let mut other = rig.block(&late);
    other.payload(&[9; 64]);
    separate(&mut rig, &late, other, 78);
    let sent = lwm2m_kit::sent(&mut rig.bench.client);
    assert!(sent.iter().all(|sent| sent.kind() == MessageType::Reset));
    let response = rig.block(&request);
    rig.answer(&request, response);
    rig.serve(100);
    rig.expect_complete();
}

#[test]
fn separate_answers_and_their_copies_are_taken_once() {
    let mut rig = begun(0);
    for id in 0..100 {
        let all = lwm2m_kit::sent(&mut rig.bench.client);
        let Some(request) = all.into_iter().find(|sent| sent.code() == Code::GET) else {
            break;
        };
        for _ in 0..3 {
            let response = rig.block(&request);
            separate(&mut rig, &request, response, id);
        }
    }
    rig.expect_complete();
}

#[test]
fn a_server_that_resets_every_request_is_given_up() {
    let mut config = config();
    config.downloads.silence = Duration::from_secs(600);
    let mut rig = Rig::with(config, tree(typed::Server::new(server_id(101), 86_400)));
    rig.write_uri(URI);
    rig.connect();
    rig.serve(2);
    let begun = rig.bench.now;
    let mut requests = 0;
    while rig.state() == (1, 0) {
        for sent in lwm2m_kit::sent(&mut rig.bench.client) {
            requests += 1;
            let id = sent.message().message_id();
            let wire = MessageBuf::new(Code::EMPTY).finish(MessageType::Reset, id, Token::EMPTY);
            let datagram = Datagram::new(sent.to, wire.as_ref());
            rig.bench
                .client
                .handle_datagram(rig.bench.now, datagram)
                .unwrap();
        }
        rig.bench.now = rig.bench.client.poll_timeout().unwrap();
        rig.bench.client.handle_timeout(rig.bench.now);
        rig.note_events();
    }
    assert!(requests < 12, "{requests}");
    assert_eq!(rig.bench.now, begun + Duration::from_secs(600));
    rig.expect_failed(4, FetchFailure::ConnectionLost);
}

/// A file server that answers at random.
struct Adversary {
    random: u64,
}

impl Adversary {
    /// A number below this.
    fn random(&mut self, most: u16) -> u16 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        u16::try_from(self.random % u64::from(most)).unwrap()
    }

    fn code(&mut self, class: u8) -> Code {
        Code::new(class, u8::try_from(self.random(32)).unwrap())
    }

    /// What it answers, if it does.
    fn response(&mut self, request: &Sent) -> Option<MessageBuf> {
        let asked = request.message().block2().unwrap();
        Some(match self.random(40) {
            0 => MessageBuf::response(self.code(4)),
            1 => {
                let mut busy = MessageBuf::response(self.code(5));
                let seconds = u32::from(self.random(1000)).pow(3);
                busy.max_age(seconds).unwrap();
                busy
            }
            2 => MessageBuf::response(self.code(2)),
            3 => {
                let size = 16 << self.random(7);
                plain_block(self.random(50).into(), true, size, &[1; 64])
            }
            4 => return None,
            _ => {
                let more = self.random(300) > 0;
                plain_block(asked.number(), more, asked.size(), &vec![1; asked.size()])
            }
        })
    }

    /// Acts on a request.
    fn act(&mut self, rig: &mut Rig, request: &Sent) {
        let message = request.message();
        let now = rig.bench.now;
        match self.random(30) {
            0 => rig.bench.client.disconnected(now, request.to),
            1 => {
                let reset = MessageBuf::new(Code::EMPTY);
                let wire = reset.finish(MessageType::Reset, message.message_id(), Token::EMPTY);
                let datagram = Datagram::new(request.to, wire.as_ref());
                let _ = rig.bench.client.handle_datagram(now, datagram);
            }
            kind => {
                let Some(response) = self.response(request) else {
                    return;
                };
                let (kind, id) = if kind < 8 {
                    (MessageType::Confirmable, self.random(u16::MAX))
                } else {
                    (MessageType::Acknowledgement, message.message_id())
                };
                let wire = response.finish(kind, id, message.token());
                let datagram = Datagram::new(request.to, wire.as_ref());
                let _ = rig.bench.client.handle_datagram(now, datagram);
            }
        }
        rig.note_events();
    }
}

/// Whatever a file server answers, the download ends in time and leaves nothing.
#[test]
fn a_download_ends_whatever_is_answered() {
    for seed in 1..=300_u64 {
        let mut config = config();
        config.downloads.largest = 20_000;
        config.downloads.within = Duration::from_secs(7200);
        let mut rig = Rig::with(config, tree(typed::Server::new(server_id(101), 86_400)));
        let mut idle = rig.bench.client.usage();
        idle.coap.peers = 0;
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut server = Adversary { random };
        rig.write_uri(URI);
        let begun = rig.bench.now;
        while rig.bench.client.downloads().all().count() > 0 {
            if rig.asked_connection().is_some() {
                rig.connect();
            }
            for request in lwm2m_kit::sent(&mut rig.bench.client) {
                if request.code() == Code::GET && Some(request.to) == rig.connection {
                    server.act(&mut rig, &request);
                }
            }
            if rig.bench.client.downloads().all().count() > 0 && server.random(3) == 0 {
                let due = rig.bench.client.poll_timeout().unwrap();
                rig.bench.now = rig.bench.now.max(due);
                rig.bench.client.handle_timeout(rig.bench.now);
                rig.note_events();
            }
        }
        let end = begun + Duration::from_secs(7200);
        assert!(rig.bench.now <= end, "seed {seed}");
        assert!(matches!(rig.state().0, 0 | 2), "seed {seed}");
        rig.expect_over();
        lwm2m_kit::sent(&mut rig.bench.client);
        rig.pass(Duration::from_secs(600));
        lwm2m_kit::sent(&mut rig.bench.client);
        rig.bench.events();
        assert_eq!(rig.bench.client.usage(), idle, "seed {seed}");
    }
}
