//! The core of topic broadcast under any history.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libp2p_identity::{Keypair, PeerId};
use machine::{Effect, Effects, Input, Instant, JobError, JobId, Machine, Undelivered};
use topics::{
    Batch, Command, Config, Core, Done, Entry, Event, Job, Judgement, Message, MessageId, Rules,
    StreamId, Topic,
};
use wire::Frame;

use super::chunk;

const SECOND: Duration = Duration::from_secs(1);
const WINDOW: u64 = 139_776;

fn peer(n: u8) -> PeerId {
    Keypair::ed25519_from_bytes([n; 32]).expect("32 bytes").public().to_peer_id()
}

/// A core, and whatever it waits for.
struct Runner {
    core: Core,
    now: Instant,
    jobs: Vec<(JobId, Job)>,
    /// What it handed to the application and wants judged.
    arrived: Vec<(Topic, MessageId)>,
    said: Vec<(PeerId, Message)>,
}

impl Runner {
    fn new() -> Self {
        let config = Config {
            topics_max: 2,
            publishers_max: 2,
            streams_max: 3,
            window_min: WINDOW,
            window_max: WINDOW,
            pool_bytes_max: 0,
            publisher_rate: 65_536,
            announce_delay: SECOND / 50,
            repair_after: SECOND / 2,
            stall_timeout: 2 * SECOND,
            judge_timeout: SECOND,
            forget_after: 3 * SECOND,
        };
        let core = Core::new(config.check().expect("within bounds"), peer(9));
        let (jobs, arrived, said) = (Vec::new(), Vec::new(), Vec::new());
        Self { core, now: Instant::START, jobs, arrived, said }
    }

    fn input(&mut self, input: Input<Core>) {
        self.core.handle(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(effect) = self.core.poll_effect() {
            count += 1;
            match effect {
                Effect::Start { id, job } => self.jobs.push((id, job)),
                Effect::Send { peer, message } => {
                    let mut out = BytesMut::new();
                    message.encode(&mut out);
                    assert!(out.len() <= Message::MAX, "what we say fits a frame");
                    assert_eq!(Message::decode(out.freeze()).as_ref(), Ok(&message));
                    self.said.push((peer, message));
                }
                Effect::Emit(Event::Arrived { topic, id, .. }) => self.arrived.push((topic, id)),
                Effect::Report { .. } | Effect::Close { .. } | Effect::Emit(_) => {}
            }
        }
        assert!(count <= Effects::<Core>::LIMIT);
        assert!(self.core.bytes() <= 16 * WINDOW, "{} bytes", self.core.bytes());
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.core.tick(self.now);
        self.drain();
        assert!(self.core.next_deadline().is_none_or(|due| due > self.now), "L4");
    }

    fn end_job(&mut self, well: bool) {
        let Some((id, job)) = self.jobs.pop() else { return };
        let outcome = match job {
            _ if !well => Err(JobError::Lost),
            Job::Sign { .. } => Ok(Done::Signed(Bytes::from_static(&[1; 64]))),
            Job::Check { batches } => {
                let good = |batch: &Batch| batch.signature.first() != Some(&0);
                Ok(Done::Checked(batches.iter().map(good).collect()))
            }
        };
        self.input(Input::Done { id, outcome });
    }

    /// Everybody leaves and time passes: nothing is left of anybody.
    fn settle(&mut self, peers: &[PeerId]) {
        for &peer in peers {
            self.input(Input::Left { peer });
        }
        for _ in 0..10 {
            while !self.jobs.is_empty() {
                self.end_job(false);
            }
            self.wait(2 * SECOND);
        }
        assert_eq!(self.core.per_peer_entries(), 0, "L3");
    }
}

fn topic(n: u8) -> Topic {
    Topic::new(["a", "b", "c"][usize::from(n % 3)]).expect("short")
}

/// A message about the stream of one of four publishers, at one of few positions.
fn word(kind: u8, at: u8, who: u8) -> Message {
    let (topic, stream) = (topic(at), StreamId { publisher: peer(who % 4 + 1), epoch: 1 });
    let entry = |len: u8| Entry::Payload(vec![len; usize::from(len)].into());
    let start = u64::from(at >> 4) * (256 + 64 + 200);
    match kind % 4 {
        0 => Message::Have { topic, stream, oldest: 0, have: start },
        1 => {
            Message::Want { topic, stream, attempt: u64::from(at), from: 0, until: start + 10_000 }
        }
        2 => Message::Decline { topic, stream },
        _ => {
            let signature = Bytes::copy_from_slice(&[u8::from(at != 7); 64]);
            Message::Batch(Batch { topic, stream, start, signature, entries: [entry(200)].into() })
        }
    }
}

/// The core of topic broadcast under any history.
pub(crate) fn core(mut data: &[u8]) {
    let peers = [1, 2, 3].map(peer);
    let mut runner = Runner::new();
    while let [step, at, rest @ ..] = data {
        let (step, at) = (*step, *at);
        data = rest;
        let peer = peers[usize::from(step >> 4) % peers.len()];
        let topic = topic(at);
        match step % 16 {
            0 => runner.input(Input::Joined { peer, name: Core::NAMES[0] }),
            1 => runner.input(Input::Left { peer }),
            2 => {
                let rules = Rules { judged: at & 0x10 == 0, ..Rules::default() };
                runner.input(Input::Command(Command::Subscribe { topic, rules }));
            }
            3 => runner.input(Input::Command(Command::Unsubscribe { topic })),
            4 | 5 => {
                let (tag, payload) = (u64::from(at), vec![at; usize::from(at) * 100].into());
                runner.input(Input::Command(Command::Publish { topic, tag, payload }));
            }
            6 => runner.input(Input::Received { peer, message: Message::Subscribe(topic) }),
            7..=10 => {
                runner.input(Input::Received { peer, message: word(step, at, step >> 4) });
            }
            11 => {
                let Some((topic, id)) = runner.arrived.pop() else { continue };
                let each = [Judgement::Accept, Judgement::Ignore, Judgement::Reject];
                let judgement = each[usize::from(at) % each.len()];
                runner.input(Input::Command(Command::Judge { topic, id, judgement }));
            }
            12 => {
                let Some((peer, message)) = runner.said.pop() else { continue };
                let cause = Undelivered::OutboxFull;
                runner.input(Input::Undelivered { peer, message, cause });
            }
            13 => {
                if let Ok(message) = Message::decode(chunk(&mut data)) {
                    runner.input(Input::Received { peer, message });
                }
            }
            14 => runner.end_job(at & 0x10 == 0),
            _ => runner.wait(Duration::from_millis(u64::from(at) * 20)),
        }
    }
    runner.settle(&peers);
}
