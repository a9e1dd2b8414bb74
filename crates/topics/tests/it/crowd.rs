//! A simulated network of cores, and what its applications hear.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use machine::PeerId;
use meshwork_topics::{
    Batch, Command, Config, Core, Done, Event, Job, Message, PublishError, Rules, Topic,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simnet::{Net, Setup, Weather, peer};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MILLI: Duration = Duration::from_millis(1);

/// A signature in the simulator: holds unless it begins with a zero.
pub(crate) fn signature(good: bool) -> Bytes {
    vec![u8::from(good); 64].into()
}

pub(crate) fn topic() -> Topic {
    Topic::new("news").unwrap()
}

/// What is published: who, and the how-manieth.
pub(crate) fn payload(node: usize, number: usize, len: usize) -> Bytes {
    let mut payload = format!("{node}/{number}/").into_bytes();
    payload.resize(len.max(payload.len()), b'.');
    payload.into()
}

/// A network in which everybody is subscribed to one topic.
pub(crate) struct Crowd {
    pub(crate) net: Net<Core>,
    /// What each node has heard, by publisher, in order.
    heard: Vec<BTreeMap<PeerId, Vec<Bytes>>>,
    /// Messages that each publisher has still to publish.
    left: Vec<Vec<Bytes>>,
    pub(crate) accepted: Vec<Vec<Bytes>>,
    pub(crate) busy: usize,
    pub(crate) missed: usize,
    pub(crate) slow: Vec<(usize, PeerId)>,
    /// Messages whose judgement is put into the hands of this.
    pub(crate) judge: Option<Judge>,
}

type Judge = Rc<RefCell<dyn FnMut(usize, &Bytes) -> Option<meshwork_topics::Judgement>>>;

/// Answers jobs as a worker would, in a few milliseconds.
pub(crate) fn work(job: &Job) -> Done {
    match job {
        Job::Sign { .. } => Done::Signed(signature(true)),
        Job::Check { batches } => {
            Done::Checked(batches.iter().map(|batch: &Batch| batch.signature[0] != 0).collect())
        }
    }
}

impl Crowd {
    pub(crate) fn new(seed: u64, nodes: usize, config: &Config, weather: Weather) -> Self {
        Self::in_setup(seed, nodes, config, Setup { weather, ..Setup::default() }, false)
    }

    pub(crate) fn in_setup(
        seed: u64,
        nodes: usize,
        config: &Config,
        setup: Setup,
        judged: bool,
    ) -> Self {
        let rules = Rules { judged, ..Rules::default() };
        let mut net = Net::new(seed, Setup { log_max: usize::MAX, ..setup });
        net.jobs(|_, job, rng| (MILLI * rng.random_range(0..4), Ok(work(job))));
        for node in 0..nodes {
            let id = peer(node as u64);
            net.insert(id, Core::new(config.clone().check().unwrap(), id));
            net.command(id, Command::Subscribe { topic: topic(), rules });
        }
        Self {
            net,
            heard: vec![BTreeMap::new(); nodes],
            left: vec![Vec::new(); nodes],
            accepted: vec![Vec::new(); nodes],
            busy: 0,
            missed: 0,
            slow: Vec::new(),
            judge: None,
        }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.heard.len()
    }

    pub(crate) fn join(&mut self, a: usize, b: usize) {
        self.net.join(peer(a as u64), peer(b as u64));
    }

    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        self.net.cut(peer(a as u64), peer(b as u64));
    }

    /// A ring with chords: connected, with cycles.
    pub(crate) fn mesh(&mut self, seed: u64, chords: usize) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let nodes = self.nodes();
        for node in 0..nodes {
            self.join(node, (node + 1) % nodes);
            for _ in 0..chords {
                self.join(node, rng.random_range(0..nodes));
            }
        }
    }

    /// Has `node` publish this many messages, as fast as it may.
    pub(crate) fn publish(&mut self, node: usize, count: usize, len: usize) {
        let before = self.accepted[node].len() + self.left[node].len();
        let mut more: Vec<_> =
            (before..before + count).rev().map(|number| payload(node, number, len)).collect();
        more.append(&mut self.left[node]);
        self.left[node] = more;
        self.push(node);
    }

    /// Publishes until there is no room.
    fn push(&mut self, node: usize) {
        while let Some(payload) = self.left[node].pop() {
            let id = peer(node as u64);
            let command = Command::Publish { topic: topic(), tag: 0, payload: payload.clone() };
            self.net.command(id, command);
            let mut refused = false;
            for event in self.net.take_events(id) {
                if let Event::Published { outcome, .. } = &event {
                    refused = outcome.is_err();
                }
                self.note(node, event);
            }
            if refused {
                self.left[node].push(payload);
                return;
            }
            self.accepted[node].push(payload);
        }
    }

    fn note(&mut self, node: usize, event: Event) -> bool {
        match event {
            Event::Arrived { topic, id, payload } => {
                if let Some(judge) = &self.judge {
                    let judgement = (judge.borrow_mut())(node, &payload);
                    if let Some(judgement) = judgement {
                        let command = Command::Judge { topic, id, judgement };
                        self.net.command(peer(node as u64), command);
                    }
                }
                self.heard[node].entry(id.stream.publisher).or_default().push(payload);
            }
            Event::Published { outcome, .. } => {
                self.busy += usize::from(outcome == Err(PublishError::Busy));
            }
            Event::Missed { .. } => self.missed += 1,
            Event::TooSlow { peer, .. } => self.slow.push((node, peer)),
            Event::Writable { .. } => return true,
            Event::Subscribed { .. }
            | Event::Unsubscribed { .. }
            | Event::Judged { .. }
            | Event::Neighbour { .. }
            | Event::Declined { .. } => {}
        }
        false
    }

    /// Lets time pass, and the applications do their part.
    pub(crate) fn run(&mut self, span: Duration) {
        let step = (span / 20).clamp(MILLI, 20 * MILLI);
        let end = self.net.now().after(span);
        while self.net.now() < end {
            self.net.run_for(step);
            for node in 0..self.nodes() {
                let mut writable = false;
                loop {
                    let events = self.net.take_events(peer(node as u64));
                    if events.is_empty() {
                        break;
                    }
                    for event in events {
                        writable |= self.note(node, event);
                    }
                }
                if writable {
                    self.push(node);
                }
            }
        }
    }

    /// Runs until everything is published and heard, or until `limit`; returns whether it is.
    pub(crate) fn finish(&mut self, limit: Duration) -> bool {
        let end = self.net.now().after(limit);
        while !self.is_done() && self.net.now() < end {
            self.run(100 * MILLI);
        }
        self.is_done()
    }

    fn is_done(&self) -> bool {
        self.left.iter().all(Vec::is_empty)
            && (0..self.nodes()).all(|node| self.lacks(node).is_empty())
    }

    /// Publishers of whom `node` has not heard exactly what they published, in order.
    pub(crate) fn lacks(&self, node: usize) -> Vec<(usize, usize, usize)> {
        let others = (0..self.nodes()).filter(|publisher| *publisher != node);
        let pairs = others.map(|publisher| {
            let heard = self.heard[node].get(&peer(publisher as u64));
            (publisher, heard.map_or(&[][..], Vec::as_slice), &self.accepted[publisher])
        });
        let differ = pairs.filter(|(_, heard, accepted)| heard != accepted);
        differ
            .map(|(publisher, heard, accepted)| (publisher, heard.len(), accepted.len()))
            .collect()
    }

    pub(crate) fn heard(&self, node: usize, publisher: usize) -> &[Bytes] {
        self.heard[node].get(&peer(publisher as u64)).map_or(&[], Vec::as_slice)
    }

    /// Panics with who lacks what.
    pub(crate) fn assert_whole(&self) {
        let lacks: Vec<_> = (0..self.nodes()).map(|node| (node, self.lacks(node))).collect();
        let lacks: Vec<_> = lacks.into_iter().filter(|(_, lacks)| !lacks.is_empty()).collect();
        let left: Vec<_> = self.left.iter().map(Vec::len).collect();
        assert!(self.is_done(), "lacking (publisher, heard, accepted): {lacks:?}, left {left:?}");
    }

    pub(crate) fn core(&self, node: usize) -> &Core {
        self.net.core(peer(node as u64)).unwrap()
    }

    pub(crate) fn say(&mut self, from: PeerId, to: usize, message: Message) {
        self.net.input(peer(to as u64), machine::Input::Received { peer: from, message });
    }
}
