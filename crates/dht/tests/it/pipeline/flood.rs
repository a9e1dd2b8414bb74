//! One link that floods, beside links that do not: a core and its inbound stages in virtual time.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use machine::{Effect, Input, JobError, Machine as _};
use meshwork_dht::{
    Command, Core, Disposition, Event, InboundMessage, Message, Refusal, Setup, decide, pass,
};
use rand::{Rng as _, RngExt as _};

use super::*;

/// What one new message takes: with one thread, 50 are taken in a second.
const NEW: Duration = Duration::from_millis(20);
/// What one takes that is refused before its signature is looked at.
const OLD: Duration = Duration::from_millis(1);
/// How much the links that do not flood bring together, of what can be taken: 30 %.
const HONEST: u8 = 5;
const PERIOD: Duration = Duration::from_millis(330);
/// When a neighbour gives up waiting.
const TOO_LATE: Duration = Duration::from_secs(3);
const SPAN: Duration = Duration::from_secs(8);
const STEP: Duration = Duration::from_millis(1);
/// What the flooding link brings in one step: 40 times as much as can be taken.
const FLOOD: u8 = 2;
const FLOODER: u8 = 99;

/// What it brings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Nothing,
    New,
    Copies,
    Forged,
    Long,
}

/// A node, what waits for its only thread, and what its links were told.
struct Node {
    core: Core,
    gate: Gate,
    now: Instant,
    queue: VecDeque<InboundMessage>,
    /// What the thread is at, and until when.
    at_work: Option<(Instant, Command)>,
    /// Numbers of what was brought and not answered, and since when.
    open: BTreeMap<(PeerId, u32), Instant>,
    taken: BTreeMap<PeerId, usize>,
    refused: BTreeSet<(PeerId, String)>,
    delivered: usize,
    most_queued: usize,
    most_entries: usize,
}

impl Node {
    fn new(config: Config) -> Self {
        let params = config.check().unwrap();
        let opener = Arc::new(Opener::new(network(), &keys(1)).unwrap());
        let core = Core::new(params.clone(), Setup::new(peer(1), network()), [1; 32]);
        let mut node = Self {
            gate: Gate::new(&params, opener, Seen::new(network(), &params)),
            core,
            now: Instant::START,
            queue: VecDeque::new(),
            at_work: None,
            open: BTreeMap::new(),
            taken: BTreeMap::new(),
            refused: BTreeSet::new(),
            delivered: 0,
            most_queued: 0,
            most_entries: 0,
        };
        node.feed(Input::Wall(UnixTime::from_millis(NOW)));
        for link in links() {
            node.feed(Input::Joined { peer: link, name: Core::NAMES[0] });
        }
        node
    }

    fn moment(&self) -> Moment {
        Moment { now: self.now, wall: UnixTime::from_millis(NOW).after(self.now.elapsed()) }
    }

    fn feed(&mut self, input: Input<Core>) {
        self.core.handle(input, self.now);
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Emit(Event::Arrived(message)) => self.queue.push_back(message),
                Effect::Send { peer, message: Message::Verdict { number, outcome, .. } } => {
                    let since = self.open.remove(&(peer, number)).expect("asked");
                    match outcome {
                        Ok(()) if self.now.since(since) <= TOO_LATE => {
                            *self.taken.entry(peer).or_default() += 1;
                        }
                        Ok(()) => drop(self.refused.insert((peer, "late".to_owned()))),
                        Err(code) => drop(self.refused.insert((peer, code.name().to_owned()))),
                    }
                }
                Effect::Start { id, .. } => {
                    self.core.handle(Input::Done { id, outcome: Err(JobError::Lost) }, self.now);
                }
                _ => {}
            }
        }
        self.most_queued = self.most_queued.max(self.queue.len());
        self.most_entries = self.most_entries.max(self.core.passing_entries());
    }

    fn bring(&mut self, from: PeerId, number: u32, envelope: Bytes) {
        self.open.insert((from, number), self.now);
        let message = Message::Carry { number, hops: 8, envelope };
        self.feed(Input::Received { peer: from, message });
    }

    /// Lets the thread work for one step.
    fn step(&mut self) {
        self.now = self.now.after(STEP);
        if self.core.next_deadline().is_some_and(|due| due <= self.now) {
            self.core.tick(self.now);
        }
        if self.at_work.as_ref().is_some_and(|(until, _)| *until <= self.now)
            && let Some((_, settled)) = self.at_work.take()
        {
            self.feed(Input::Command(settled));
        }
        if self.at_work.is_none()
            && let Some(message) = self.queue.pop_front()
        {
            let ticket = message.ticket;
            let passed = pass(&self.gate, message, self.moment());
            let takes = match &passed {
                Ok(_) | Err(Refusal::BadSignature(_)) => NEW,
                Err(_) => OLD,
            };
            let outcome = passed.and_then(|recorded| match decide(recorded) {
                ControlFlow::Continue(delivery) => {
                    self.delivered += 1;
                    Ok(delivery.delivered())
                }
                // As one whose neighbours take what is to be carried on.
                ControlFlow::Break(Ok(Disposition::Carry(recorded))) => {
                    recorded.settle();
                    Ok(Disposition::Unreadable)
                }
                ControlFlow::Break(end) => end,
            });
            self.at_work = Some((self.now.after(takes), Command::Settled { ticket, outcome }));
        }
    }
}

fn links() -> impl Iterator<Item = PeerId> {
    (0..HONEST).map(|number| 10 + number).chain([FLOODER]).map(peer)
}

/// The defaults, without what a node says by itself.
fn config() -> Config {
    let mut config = Config::default();
    config.delivery.receipts = false;
    config.discovery.enabled = false;
    config
}

/// The next message of the flood.
fn flood(kind: Kind, rng: &mut ChaCha20Rng, known: &Bytes, long: &Bytes) -> Bytes {
    let changed = |of: &Bytes, rng: &mut ChaCha20Rng| {
        let mut bytes = of.to_vec();
        rng.fill_bytes(&mut bytes[200..264]);
        Bytes::from(bytes)
    };
    match kind {
        Kind::Nothing => unreachable!("it brings nothing"),
        Kind::New => sealed_by(rng, 2, 5),
        Kind::Copies => known.clone(),
        Kind::Forged => changed(known, rng),
        Kind::Long => changed(long, rng),
    }
}

/// A letter of somebody to somebody, as long as that.
fn sealed_by(rng: &mut ChaCha20Rng, to: u8, len: usize) -> Bytes {
    let payload = Bytes::from(vec![1; len]);
    let letter = Letter { id: LetterId(rng.random()), kind: meshwork_dht::Kind::Domain, payload };
    let created = UnixTime::from_millis(NOW);
    let terms = Terms { flags: Flags::MAILBOX, created, lifetime: Lifetime::MAX };
    let sealer = Sealer::new(network(), &keys(7)).unwrap();
    let to = Destination::of(&peer(to)).unwrap();
    sealer.seal(&to, &letter, terms, rng).unwrap().bytes().clone()
}

/// What the links that do not flood bring, of which so much is taken in time.
fn goodput(config: Config, kind: Kind) -> (f64, Node) {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let mut node = Node::new(config);
    let (known, long) = (sealed_by(&mut rng, 1, 5), sealed_by(&mut rng, 2, 65_000));
    // So many of the flood are made anew; the core refuses the rest before anybody looks at them.
    let mut spare = vec![];
    let (mut number, mut brought) = (0, 0_u32);
    while node.now < Instant::at(SPAN) {
        for link in 0..HONEST {
            // Each at its own time.
            let since = node.now.elapsed() + PERIOD * u32::from(link) / u32::from(HONEST);
            if since.as_millis().is_multiple_of(PERIOD.as_millis()) {
                (number, brought) = (number + 1, brought + 1);
                let envelope = sealed_by(&mut rng, 1, 5);
                node.bring(peer(10 + link), number, envelope);
            }
        }
        for _ in 0..if kind == Kind::Nothing { 0 } else { FLOOD } {
            number += 1;
            let next = spare.pop().unwrap_or_else(|| flood(kind, &mut rng, &known, &long));
            let waiting = node.queue.len();
            node.bring(peer(FLOODER), number, next.clone());
            if node.queue.len() == waiting {
                spare.push(next);
            }
        }
        node.step();
    }
    // What is brought is answered.
    for _ in 0..TOO_LATE.as_millis() {
        node.step();
    }
    let taken: usize = (0..HONEST).filter_map(|link| node.taken.get(&peer(10 + link))).sum();
    (f64::from(u32::try_from(taken).unwrap()) / f64::from(brought), node)
}

#[test]
fn one_link_at_line_rate_leaves_the_others_their_goodput_and_the_memory_flat() {
    let (alone, quiet) = goodput(config(), Kind::Nothing);
    assert!(alone > 0.99, "{alone}");
    for kind in [Kind::New, Kind::Copies, Kind::Forged, Kind::Long] {
        let (share, node) = goodput(config(), kind);
        assert!(share >= 0.9 * alone, "{kind:?}: {share} of {alone}, {:?}", node.refused);
        let busy = node.refused.contains(&(peer(FLOODER), "busy".to_owned()));
        assert!(busy, "{kind:?}: it had more to say than it was let");
        // Its own four, and what others have under way meanwhile.
        assert!(node.most_queued <= quiet.most_queued + 4 + usize::from(HONEST));
        assert!(node.most_entries <= quiet.most_entries + 8, "{kind:?}: {}", node.most_entries);
        // 50 a second are all that a thread can take.
        assert!(node.gate.seen().gauges().messages <= 600, "{kind:?}");
    }
}

#[test]
fn without_a_bound_for_each_link_the_others_would_lose_theirs() {
    let mut config = config();
    config.routing.under_way_max = 256;
    config.routing.under_way_bytes_max = 64 << 20;
    let (share, _) = goodput(config, Kind::New);
    assert!(share < 0.5, "the test above could not fail: {share}");
}
