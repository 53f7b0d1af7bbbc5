//! Block-wise transfer alone: requests, responses and time in, steps out.

use lwm2m_core::{Code, Instant, Method};

use super::*;
use crate::{
    coap::{
        endpoint::{
            body::Resource,
            event::{FailureReason, InvalidSend},
            table::{Chain, Table},
        },
        message::MessageType,
    },
    machine::Channel,
};

const PEER: PeerIndex = PeerIndex(1);
const OTHER: PeerIndex = PeerIndex(2);

/// The size of a block here.
const SIZE: usize = 16;

/// More than ACK_TIMEOUT and its spread: who is silent for so long gives way.
const SILENCE: u64 = 3000;

struct Rig {
    blocks: BlockWise,
    random: Random,
    keys: Table<()>,
}

fn at(milliseconds: u64) -> Instant {
    Instant::from_millis(milliseconds)
}

fn wire(message: MessageBuf) -> WireMessage {
    message.finish(MessageType::Confirmable, 1, Token::EMPTY)
}

fn parse(wire: &WireMessage) -> MessageRef<'_> {
    MessageRef::parse(wire.as_ref()).unwrap()
}

fn block(number: u32, more: bool) -> BlockOption {
    BlockOption::new(number, more, SIZE).unwrap()
}

/// A request with this block of a body.
fn put(number: u32, more: bool, payload: &[u8]) -> WireMessage {
    let mut message = MessageBuf::request(Method::Put);
    message.uri_path("3").unwrap();
    message.block1(block(number, more)).unwrap();
    message.payload(payload);
    wire(message)
}

/// A request for this block of a body.
fn get(number: u32) -> WireMessage {
    let mut message = MessageBuf::request(Method::Get);
    message.uri_path("3").unwrap();
    message.block2(block(number, false)).unwrap();
    wire(message)
}

fn content(payload: &[u8]) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.payload(payload);
    message
}

/// The response with this block of a body.
fn part(number: u32, more: bool, payload: &[u8]) -> WireMessage {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.block2(block(number, more)).unwrap();
    message.payload(payload);
    wire(message)
}

impl Rig {
    fn new(configure: impl Fn(&mut Config)) -> Self {
        let mut config = Config::new([7; 32]);
        config.block_size = SIZE;
        configure(&mut config);
        let mut random = Random::new(config.seed);
        Self {
            blocks: BlockWise::new(&config, &mut random),
            random,
            keys: Table::default(),
        }
    }

    /// A handle of a record or a request.
    fn key(&mut self) -> Key {
        self.keys.insert(PEER, &mut Chain::default(), ())
    }

    fn asking(&mut self, peer: PeerIndex, request: &WireMessage) -> OpenRequest {
        OpenRequest {
            peer,
            record: self.key(),
            context: self.blocks.context(&parse(request), Channel::Udp),
        }
    }

    /// The steps that the last call has left, in their order.
    fn steps(&mut self) -> Steps {
        let mut steps = self.blocks.begin_steps().expect("no step is being done");
        self.blocks.end_steps(Steps::new());
        steps.reverse();
        steps
    }

    /// Has a request taken; tells what becomes of it, and what is to be done before.
    fn receive<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        request: &'d WireMessage,
    ) -> (RequestStep<'d>, Steps) {
        let request = parse(request);
        let step = self.blocks.receive(now, asking, &request, &|_| true);
        (step, self.steps())
    }

    /// A block of a request that is assembled.
    fn put(&mut self, now: Instant, peer: PeerIndex, number: u32) -> (OpenRequest, Steps) {
        let request = put(number, true, &[0; SIZE]);
        let asking = self.asking(peer, &request);
        let (step, steps) = self.receive(now, &asking, &request);
        assert_eq!(code(&step), Code::CONTINUE);
        (asking, steps)
    }

    fn answer(&mut self, now: Instant, asking: &OpenRequest, message: MessageBuf) -> Answer {
        let message = self.blocks.answer(now, asking, message);
        (wire(message), self.steps())
    }

    fn supply(&mut self, source: SourceId, offset: usize, bytes: &[u8], more: bool) -> Supplied {
        let block = SuppliedBlock {
            offset,
            bytes,
            more,
        };
        let result = self.blocks.supply(at(0), source, block);
        (result, self.steps())
    }
}

type Answer = (WireMessage, Steps);
type Supplied = (Result<(), SendError>, Steps);

/// The code that a request is answered with at once.
fn code(step: &RequestStep<'_>) -> Code {
    match step {
        RequestStep::Answer(message) | RequestStep::AnswerWithBlock { message, .. } => {
            message.code()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_blocks_of_a_request_are_one_step_each_until_the_body_is_whole() {
    let mut rig = Rig::new(|_| {});
    let (first, steps) = rig.put(at(0), PEER, 0);
    assert!(matches!(steps[..], [Step::HoldPeer(PEER)]), "{steps:?}");
    let (middle, steps) = rig.put(at(1), PEER, 1);
    let arrived = |steps: &Steps, record| match steps[..] {
        [Step::AnswerArrived(other)] => other == record,
        _ => false,
    };
    assert!(arrived(&steps, first.record), "{steps:?}");
    let request = put(2, false, b"end");
    let last = rig.asking(PEER, &request);
    let (step, steps) = rig.receive(at(2), &last, &request);
    assert!(arrived(&steps, middle.record), "{steps:?}");
    let RequestStep::DeliverWhole(body, None) = step else {
        panic!("{step:?}");
    };
    assert_eq!(body.len(), 2 * SIZE + 3);
    let response = MessageBuf::response(Code::CHANGED);
    let (answer, steps) = rig.answer(at(3), &last, response);
    assert_eq!(parse(&answer).block1(), Some(block(2, false)));
    assert!(matches!(steps[..], [Step::LetGoOfPeer(PEER)]), "{steps:?}");
    assert!(rig.blocks.is_empty());
}

#[test]
fn a_block_that_is_missing_is_told_and_changes_nothing() {
    let mut rig = Rig::new(|_| {});
    rig.put(at(0), PEER, 0);
    let request = put(2, true, &[0; SIZE]);
    let asking = rig.asking(PEER, &request);
    let (step, steps) = rig.receive(at(1), &asking, &request);
    assert_eq!(code(&step), Code::REQUEST_ENTITY_INCOMPLETE);
    assert!(steps.is_empty(), "{steps:?}");
    rig.put(at(2), PEER, 1);
}

#[test]
fn a_body_that_is_handed_on_and_begins_again_is_lost_first() {
    let mut rig = Rig::new(|config| config.stream_requests = true);
    let request = put(0, true, &[0; SIZE]);
    let first = rig.asking(PEER, &request);
    let (step, _) = rig.receive(at(0), &first, &request);
    assert!(matches!(step, RequestStep::DeliverBlock { offset: 0, .. }));
    let (_, steps) = rig.answer(at(0), &first, MessageBuf::response(Code::CONTINUE));
    assert!(steps.is_empty(), "{steps:?}");
    let again = rig.asking(PEER, &request);
    let (step, steps) = rig.receive(at(1), &again, &request);
    assert!(matches!(step, RequestStep::DeliverBlock { offset: 0, .. }));
    let [
        Step::TransferLost { reason, .. },
        Step::LetGoOfPeer(PEER),
        Step::SpareRecord(record),
        Step::HoldPeer(PEER),
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
    assert_eq!((reason, record), (FailureReason::Superseded, first.record));
}

#[test]
fn a_silent_body_gives_way_and_its_peer_is_released() {
    let mut rig = Rig::new(|config| config.bounds.receiving.bodies = 1);
    rig.put(at(0), PEER, 0);
    rig.put(at(0), PEER, 1);
    let request = put(0, true, &[0; SIZE]);
    let asking = rig.asking(OTHER, &request);
    let (step, _) = rig.receive(at(1), &asking, &request);
    assert_eq!(code(&step), Code::SERVICE_UNAVAILABLE);
    let (_, steps) = rig.put(at(SILENCE), OTHER, 0);
    let [
        Step::LetGoOfPeer(PEER),
        Step::SpareRecord(_),
        Step::ReleasePeer(PEER),
        Step::HoldPeer(OTHER),
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
}

#[test]
fn what_does_not_come_on_is_given_up_when_it_is_due() {
    let mut rig =
        Rig::new(|config| config.transfer_lifetime = Some(core::time::Duration::from_secs(10)));
    rig.put(at(0), PEER, 0);
    rig.put(at(500), PEER, 1);
    let due = at(10_500);
    assert_eq!(rig.blocks.next_deadline(), Some(due));
    assert_eq!(rig.blocks.peek_due(at(10_499)), None);
    assert_eq!(rig.blocks.peek_due(due), Some(due));
    rig.blocks.handle_due(due);
    let steps = rig.steps();
    let [
        Step::LetGoOfPeer(PEER),
        Step::SpareRecord(_),
        Step::ReleasePeer(PEER),
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
    assert!(rig.blocks.is_empty() && rig.blocks.next_deadline().is_none());
}

#[test]
fn a_body_over_sms_may_be_idle_for_as_long_as_short_messages_take() {
    let exchange_lifetime = [(Channel::Udp, 247_000), (Channel::Sms, 407_000)];
    for (channel, idle) in exchange_lifetime {
        for request in [put(0, true, &[0; SIZE]), get(0)] {
            let mut rig = Rig::new(|_| {});
            let mut asking = rig.asking(PEER, &request);
            asking.context.channel = channel;
            let (step, _) = rig.receive(at(0), &asking, &request);
            if matches!(step, RequestStep::Deliver(_)) {
                rig.answer(at(0), &asking, content(&[5; 200]));
            }
            assert_eq!(rig.blocks.next_deadline(), Some(at(idle)));
        }
    }
}

#[test]
fn a_large_answer_is_kept_until_its_last_block_is_served() {
    let mut rig = Rig::new(|_| {});
    let request = get(0);
    let asking = rig.asking(PEER, &request);
    let (step, _) = rig.receive(at(0), &asking, &request);
    assert!(matches!(step, RequestStep::Deliver(_)));
    let body = [5; 2 * SIZE + 3];
    let (answer, steps) = rig.answer(at(0), &asking, content(&body));
    let first = parse(&answer);
    assert_eq!(
        (first.block2(), first.size2()),
        (Some(block(0, true)), Some(35))
    );
    assert!(matches!(steps[..], [Step::HoldPeer(PEER)]), "{steps:?}");
    for (number, more) in [(1, true), (2, false)] {
        let request = get(number);
        let asking = rig.asking(PEER, &request);
        let (step, steps) = rig.receive(at(1), &asking, &request);
        let message = match step {
            RequestStep::AnswerWithBlock { block, message } if more => {
                assert_eq!(block.number(), number);
                message
            }
            RequestStep::Answer(message) if !more => message,
            other => panic!("{other:?}"),
        };
        let message = wire(message);
        let message = parse(&message);
        assert_eq!(
            (message.block2(), message.etag()),
            (Some(block(number, more)), first.etag())
        );
        assert_eq!(steps.is_empty(), more, "{steps:?}");
    }
    assert!(rig.blocks.is_empty());
}

#[test]
fn those_who_wait_for_a_block_are_answered_when_it_is_supplied() {
    let mut rig = Rig::new(|_| {});
    let request = get(0);
    let asking = rig.asking(PEER, &request);
    let source = rig.blocks.source(None);
    let id = source.id();
    let from = (&content(b""), &source);
    let refused = rig
        .blocks
        .respond_from(at(0), &asking, from, &mut rig.random, &|_| true);
    assert!(matches!(refused, Ok(None)));
    let steps = rig.steps();
    let [
        Step::HoldPeer(PEER),
        Step::WantBlock {
            offset: 0,
            length: SIZE,
            ..
        },
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
    // The same block is not asked for twice.
    let asking = rig.asking(PEER, &get(0));
    rig.blocks.serving.serve(
        at(0),
        &asking,
        &parse(&get(0)),
        &|_| true,
        &mut rig.blocks.steps,
    );
    assert!(rig.steps().is_empty());
    let (result, _) = rig.supply(id, SIZE, &[1; SIZE], true);
    assert_eq!(result, Err(InvalidSend::BlockNotWanted.into()));
    let (result, steps) = rig.supply(id, 0, &[1; SIZE], true);
    assert_eq!(result, Ok(()));
    let [
        Step::Answer { .. },
        Step::Answer { .. },
        Step::ReleasePeer(PEER),
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
    // A later block can be made again.
    let request = get(1);
    let asking = rig.asking(PEER, &request);
    let (step, steps) = rig.receive(at(1), &asking, &request);
    assert!(matches!(step, RequestStep::Wait));
    assert!(
        matches!(steps[..], [Step::WantBlock { offset: SIZE, .. }]),
        "{steps:?}"
    );
    rig.blocks.abort(id, Code::UNAUTHORIZED);
    let steps = rig.steps();
    let [
        Step::LetGoOfPeer(PEER),
        Step::SourceClosed(closed),
        Step::Answer { ref message, .. },
        Step::ReleasePeer(PEER),
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
    assert_eq!((closed, message.code()), (id, Code::UNAUTHORIZED));
    assert!(rig.blocks.is_empty());
}

#[test]
fn a_notification_waits_for_its_first_block_and_leaves_nothing_behind() {
    let mut rig = Rig::new(|_| {});
    let token = Token::new(b"t").unwrap();
    let notify = |rig: &mut Rig, id| {
        let notification = SuppliedNotification {
            notice: Notice {
                id,
                token,
                confirmable: true,
                channel: Channel::Udp,
            },
            resource: None,
            block: block(0, false),
        };
        let source = rig.blocks.source(None);
        let from = (&content(b""), &source);
        assert!(
            rig.blocks
                .notify_from(at(0), PEER, notification, from, &mut rig.random)
        );
        (source.id(), rig.steps())
    };
    let (older, _) = notify(&mut rig, 1);
    let (newer, steps) = notify(&mut rig, 2);
    let [
        Step::HoldPeer(PEER),
        Step::LetGoOfPeer(PEER),
        Step::SourceClosed(closed),
        Step::NotificationFailed { notice, reason, .. },
        Step::WantBlock { source, .. },
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
    assert_eq!((closed, source, notice.id), (older, newer, 1));
    assert_eq!(reason, FailureReason::Superseded);
    assert!(
        rig.blocks
            .awaited_notification(PEER, token)
            .is_some_and(|notice| notice.id == 2)
    );
    let (result, steps) = rig.supply(newer, 0, &[1; SIZE], true);
    assert_eq!(result, Ok(()));
    // What is observed is not known: nobody can ask for the next block.
    let [
        Step::LetGoOfPeer(PEER),
        Step::SourceClosed(_),
        Step::Notify { .. },
        Step::ReleasePeer(PEER),
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
    assert!(rig.blocks.awaited_notification(PEER, token).is_none());
    assert!(rig.blocks.is_empty());
}

#[test]
fn the_source_of_a_notification_goes_on_under_what_is_observed() {
    let mut rig = Rig::new(|_| {});
    let token = Token::new(b"t").unwrap();
    let request = get(1);
    let resource = rig.asking(PEER, &request).context.resource();
    let notification = SuppliedNotification {
        notice: Notice {
            id: 1,
            token,
            confirmable: false,
            channel: Channel::Udp,
        },
        resource: Some(resource),
        block: block(0, false),
    };
    assert_ne!(resource, Resource::NONE);
    let source = rig.blocks.source(None);
    let from = (&content(b""), &source);
    assert!(
        rig.blocks
            .notify_from(at(0), PEER, notification, from, &mut rig.random)
    );
    rig.steps();
    let (_, steps) = rig.supply(source.id(), 0, &[1; SIZE], true);
    assert!(
        matches!(steps[..], [Step::Notify { .. }, Step::ReleasePeer(PEER)]),
        "{steps:?}"
    );
    let asking = rig.asking(PEER, &request);
    let (step, _) = rig.receive(at(1), &asking, &request);
    assert!(matches!(step, RequestStep::Wait));
    let (_, steps) = rig.supply(source.id(), SIZE, b"end", false);
    let [
        Step::LetGoOfPeer(PEER),
        Step::SourceClosed(_),
        Step::Answer { .. },
        Step::ReleasePeer(PEER),
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
    assert!(rig.blocks.is_empty());
}

const MODE: TransferMode = TransferMode {
    channel: Channel::Udp,
    is_streamed: false,
};

#[test]
fn uploads_to_one_resource_take_turns() {
    let mut rig = Rig::new(|_| {});
    let upload = |rig: &mut Rig| {
        let mut message = MessageBuf::request(Method::Put);
        message.uri_path("3").unwrap();
        message.payload(&[1; 2 * SIZE]);
        let upload = rig.blocks.upload(MODE, message, None).unwrap();
        let of = SentRequest {
            peer: PEER,
            request: rig.key(),
        };
        rig.blocks.begin_upload(at(0), of, upload);
        (of, rig.steps())
    };
    let (first, steps) = upload(&mut rig);
    assert!(matches!(steps[..], [Step::SendBlock { .. }]), "{steps:?}");
    let (second, steps) = upload(&mut rig);
    assert!(steps.is_empty(), "{steps:?}");
    let under_way = rig.key();
    rig.blocks.block_sent(first, under_way);
    assert!(rig.blocks.end_transfer(at(1), first).is_some());
    let steps = rig.steps();
    let [
        Step::EndBlockRequest(ended),
        Step::SendBlock { request, .. },
    ] = steps[..]
    else {
        panic!("{steps:?}");
    };
    assert_eq!((ended, request), (under_way, second.request));
    assert!(rig.blocks.end_transfer(at(1), first).is_none());
    rig.blocks.end_transfer(at(1), second);
    assert!(rig.blocks.is_empty());
}

#[test]
fn a_response_in_blocks_is_put_together_or_gives_way() {
    let mut rig = Rig::new(|config| {
        config.bounds.body = 3 * SIZE;
        config.bounds.responses.bytes_per_peer = 3 * SIZE;
        config.bounds.responses.bytes = 3 * SIZE;
    });
    let begin = |rig: &mut Rig, now, peer| {
        let of = SentRequest {
            peer,
            request: rig.key(),
        };
        let from = (MODE, get(0));
        let response = part(0, true, &[1; SIZE]);
        let step = rig.blocks.begin_download(now, of, from, &parse(&response));
        assert!(matches!(step, ResponseStep::Wait));
        (of, rig.steps())
    };
    let (first, steps) = begin(&mut rig, at(0), PEER);
    assert!(matches!(steps[..], [Step::SendBlock { .. }]), "{steps:?}");
    let response = part(1, true, &[1; SIZE]);
    rig.blocks.block_answered(at(0), first, &parse(&response));
    rig.steps();
    let (second, _) = begin(&mut rig, at(1), OTHER);
    // There is no room for more of this one until the other has been silent for long enough.
    let response = part(1, false, b"end");
    let response = parse(&response);
    let mut usage = Usage::default();
    rig.blocks.add_usage(&mut usage);
    assert_eq!((usage.response_bytes, usage.timers), (3 * SIZE, 2));
    let step = rig.blocks.block_answered(at(SILENCE), second, &response);
    let steps = rig.steps();
    let [Step::TransferFailed { request, reason }] = steps[..] else {
        panic!("{steps:?}");
    };
    assert_eq!((request, reason), (first.request, FailureReason::NoRoom));
    let ResponseStep::DeliverWhole {
        body: Some(body), ..
    } = step
    else {
        panic!("{step:?}");
    };
    assert_eq!(body.len(), SIZE + 3);
    for of in [first, second] {
        assert!(rig.blocks.end_transfer(at(SILENCE), of).is_some());
    }
    assert!(rig.blocks.is_empty());
}

#[test]
fn a_peer_that_goes_takes_all_its_bodies_along() {
    let mut rig = Rig::new(|_| {});
    rig.put(at(0), PEER, 0);
    rig.put(at(0), OTHER, 0);
    let asking = rig.asking(PEER, &get(0));
    rig.answer(at(0), &asking, content(&[5; 2 * SIZE]));
    rig.blocks.forget_peer(PEER);
    let steps = rig.steps();
    let gone = steps
        .iter()
        .filter(|step| matches!(step, Step::LetGoOfPeer(PEER)));
    assert_eq!((gone.count(), steps.len()), (2, 3), "{steps:?}");
    rig.blocks.forget_peer(OTHER);
    assert!(rig.blocks.is_empty());
}
