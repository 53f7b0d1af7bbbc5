//! Whatever the network does, each bootstrap has one outcome, and a success means that the client did
//! all that it was told, in order.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use lwm2m_core::{Code, Instant};
use lwm2m_statemachine::{
    BootstrapId, BootstrapServerConfig, Datagram,
    bootstrap_server::{BootstrapFailure, PauseReason},
    coap::{MessageBuf, MessageType},
};
use proptest::{collection::vec, prelude::*};

use crate::support::{Event, Request, Sent, World, plan, success};

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    /// After so many seconds.
    Late(u8),
}

/// What the client answers to a command.
#[derive(Clone, Copy, Debug)]
enum Whim {
    Obeys,
    Separately,
    AcknowledgesOnly,
    Refuses,
    Rejects,
    WantsJson,
    StartsAnew,
    Leaves,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        2 => Just(Fate::Lost),
        2 => Just(Fate::Twice),
        2 => (0_u8..120).prop_map(Fate::Late),
    ]
}

fn whim() -> impl Strategy<Value = Whim> {
    prop_oneof![
        20 => Just(Whim::Obeys),
        5 => Just(Whim::Separately),
        1 => Just(Whim::AcknowledgesOnly),
        1 => Just(Whim::Refuses),
        1 => Just(Whim::Rejects),
        1 => Just(Whim::WantsJson),
        1 => Just(Whim::StartsAnew),
        1 => Just(Whim::Leaves),
    ]
}

/// A client with a network between, and what the application has heard.
struct Scene {
    world: World,
    fates: Vec<Fate>,
    whims: Vec<Whim>,
    step: usize,
    /// Datagrams to the machine, by time.
    flying: BTreeMap<(Instant, usize), Vec<u8>>,
    /// Commands to the client, by time.
    coming: BTreeMap<(Instant, usize), Sent>,
    /// The message ids that the client has seen, with its answers.
    seen: BTreeMap<u16, Vec<Vec<u8>>>,
    serial: usize,
    living: BTreeSet<BootstrapId>,
    /// What the client was told in this bootstrap, without repetitions.
    told: Vec<String>,
    /// How often the client has asked again in this round.
    started_anew: usize,
    finished: usize,
}

impl Scene {
    fn new(fates: Vec<Fate>, whims: Vec<Whim>) -> Self {
        Self {
            world: World::with(|config: &mut BootstrapServerConfig| {
                config.plan_time = Duration::from_secs(30);
            }),
            fates,
            whims,
            step: 0,
            flying: BTreeMap::new(),
            coming: BTreeMap::new(),
            seen: BTreeMap::new(),
            serial: 0,
            living: BTreeSet::new(),
            told: Vec::new(),
            started_anew: 0,
            finished: 0,
        }
    }

    /// When copies of the next datagram arrive.
    fn arrivals(&mut self) -> Vec<(Instant, usize)> {
        self.step += 1;
        let fate = self.fates[self.step % self.fates.len()];
        let now = self.world.now;
        let delays: &[u64] = match fate {
            Fate::Arrives => &[0],
            Fate::Lost => &[],
            Fate::Twice => &[0, 3],
            Fate::Late(seconds) => &[u64::from(seconds)],
        };
        let at = delays.iter().map(|delay| {
            self.serial += 1;
            (now + Duration::from_secs(*delay), self.serial)
        });
        at.collect()
    }

    fn send(&mut self, bytes: &[u8]) {
        for at in self.arrivals() {
            self.flying.insert(at, bytes.to_vec());
        }
    }

    fn request(&mut self) {
        self.told.clear();
        let wire = self.world.datagram(&Request::default());
        self.send(&wire);
    }

    /// Does what is due at both ends, and what follows from it.
    fn settle(&mut self) {
        loop {
            let now = self.world.now;
            for sent in self.world.sent() {
                for at in self.arrivals() {
                    self.coming.insert(at, sent.clone());
                }
            }
            self.hear();
            if let Some(entry) = self.flying.first_entry()
                && entry.key().0 <= now
            {
                let bytes = entry.remove();
                let datagram = Datagram::new(1, &bytes);
                let _ = self.world.machine.handle_datagram(now, datagram);
            } else if let Some(entry) = self.coming.first_entry()
                && entry.key().0 <= now
            {
                let command = entry.remove();
                self.client(&command);
            } else if self
                .world
                .machine
                .poll_timeout()
                .is_some_and(|at| at <= now)
            {
                self.world.machine.handle_timeout(now);
            } else {
                return;
            }
        }
    }

    /// The application.
    fn hear(&mut self) {
        for event in self.world.events() {
            match event {
                Event::Requested { bootstrap, .. } => {
                    assert!(self.living.insert(bootstrap), "requested twice");
                    let now = self.world.now;
                    // Now and then it has no plan.
                    if !self.step.is_multiple_of(11) {
                        self.world.machine.start(now, bootstrap, &plan()).unwrap();
                    }
                }
                Event::Ended {
                    bootstrap, outcome, ..
                } => {
                    assert!(
                        self.living.remove(&bootstrap),
                        "{outcome:?} of what has ended"
                    );
                    if outcome.is_ok() {
                        self.finished += 1;
                        let all = ["/0", "/1", "/0/1", "/1/0", "/bs"];
                        // A client that starts anew, and whose request is on its way, takes the steps
                        // of before for those of now.
                        if self.started_anew == 0 {
                            assert_eq!(self.told, all, "finished");
                        }
                    }
                    assert_ne!(outcome, Err(BootstrapFailure::Aborted));
                }
                Event::Paused { reason, .. } => assert_eq!(reason, PauseReason::StepsDone),
                event => panic!("{event:?}"),
            }
        }
    }

    /// The client, which knows repetitions by their message id.
    fn client(&mut self, sent: &Sent) {
        if sent.kind() != MessageType::Confirmable {
            return;
        }
        let id = sent.message().message_id();
        if let Some(answers) = self.seen.get(&id).cloned() {
            for answer in &answers {
                self.send(answer);
            }
            return;
        }
        let token = sent.message().token();
        let acknowledge = |response: MessageBuf| {
            response
                .finish(MessageType::Acknowledgement, id, token)
                .as_ref()
                .to_vec()
        };
        let [high, low] = id.to_be_bytes();
        let empty = vec![0x60, 0, high, low];
        if sent.code().method().is_none() {
            self.seen.insert(id, vec![empty.clone()]);
            return self.send(&empty);
        }
        self.step += 1;
        let whim = self.whims[self.step % self.whims.len()];
        let answers = match whim {
            Whim::Separately => {
                let separate = success(sent).finish(MessageType::NonConfirmable, !id, token);
                vec![empty, separate.as_ref().to_vec()]
            }
            Whim::AcknowledgesOnly => vec![empty],
            Whim::Refuses => vec![acknowledge(MessageBuf::response(Code::FORBIDDEN))],
            Whim::Rejects => vec![vec![0x70, 0, high, low]],
            Whim::WantsJson if sent.message().content_format().is_some() => {
                vec![acknowledge(MessageBuf::response(
                    Code::UNSUPPORTED_CONTENT_FORMAT,
                ))]
            }
            Whim::Obeys | Whim::WantsJson => vec![acknowledge(success(sent))],
            Whim::StartsAnew => {
                self.started_anew += 1;
                if self.started_anew < 4 {
                    return self.request();
                }
                vec![acknowledge(success(sent))]
            }
            Whim::Leaves => {
                let now = self.world.now;
                return self.world.machine.peer_gone(now, &1);
            }
        };
        let obeyed = matches!(whim, Whim::Obeys | Whim::Separately)
            || matches!(whim, Whim::WantsJson) && sent.message().content_format().is_none();
        if obeyed {
            self.told.push(sent.path());
        }
        self.seen.insert(id, answers.clone());
        for answer in &answers {
            self.send(answer);
        }
    }

    /// Lets time pass until nothing happens any more.
    fn run(&mut self) {
        for _ in 0..3 {
            self.started_anew = 0;
            self.request();
            for _ in 0..10_000 {
                self.settle();
                let next = [
                    self.flying.keys().next().map(|key| key.0),
                    self.coming.keys().next().map(|key| key.0),
                    self.world.machine.poll_timeout(),
                ];
                match next.into_iter().flatten().min() {
                    Some(at) => self.world.now = self.world.now.max(at),
                    None => break,
                }
            }
            assert!(self.living.is_empty(), "{:?} never ended", self.living);
            assert_eq!(self.world.machine.poll_timeout(), None);
        }
        let usage = self.world.machine.usage();
        assert_eq!(
            (usage.waiting, usage.under_way, usage.plan_bytes),
            (0, 0, 0)
        );
        assert_eq!(usage.coap.peers, 0);
        let stats = self.world.machine.stats();
        assert_eq!(stats.requested, stats.finished + stats.failed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_bootstrap_has_one_outcome(
        fates in vec(fate(), 1..60),
        whims in vec(whim(), 1..20),
    ) {
        let mut scene = Scene::new(fates, whims);
        scene.run();
    }
}

#[test]
fn without_losses_each_of_them_is_finished() {
    let mut scene = Scene::new(vec![Fate::Arrives], vec![Whim::Obeys]);
    scene.run();
    assert_eq!(scene.finished, 3);
}
