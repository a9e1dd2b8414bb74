//! Stories of the seed protocol: who is visited, what is learned, and who lies.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libp2p_identity::Keypair;
use machine::{Effect, Input, Instant, JobError, JobId, Machine, PeerId, UnixTime};
use meshwork_handshake::DialError;
use meshwork_handshake::seed::{
    Addrs, BadRecord, Command, Config, Core, Done, Event, Fault, GetAddrs, Job, Seed, SeedMemory,
    SeekError, Setup, VisitError,
};
use proptest::prelude::*;
use transport::question::{Question, QuestionId};
use wire::Frame;
use wire::signed::SignedRecord;

const SECOND: Duration = Duration::from_secs(1);

/// A record of the node whose key is made of `key`.
pub(crate) fn record(key: u8, seq: u64) -> SignedRecord {
    let key = Keypair::ed25519_from_bytes([key; 32]).unwrap();
    let address = "/ip4/10.0.0.9/tcp/4001".parse().unwrap();
    SignedRecord::seal(&key, seq, vec![address]).unwrap()
}

/// How a seed behaves.
#[derive(Clone, Copy, PartialEq)]
enum Seat {
    Good,
    Dead,
    Silent,
    TooMany,
    Forger,
    OtherNonce,
}

/// A visitor, and seeds that are played.
struct Story {
    core: Core,
    now: Instant,
    seats: BTreeMap<PeerId, Seat>,
    events: Vec<Event>,
    faults: Vec<(PeerId, Fault)>,
    dialled: Vec<PeerId>,
    closed: Vec<PeerId>,
    /// What was kept, oldest first.
    kept: Vec<SeedMemory>,
}

impl Story {
    fn new(seats: &[Seat], change: impl FnOnce(&mut Config)) -> Self {
        Self::after(&[], seats, change)
    }

    /// A run after one that kept `memory`.
    fn after(memory: &[SeedMemory], seats: &[Seat], change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let seats: BTreeMap<_, _> = (1..).map(simnet::peer).zip(seats.iter().copied()).collect();
        let address = "/ip4/10.0.0.1/tcp/1".parse::<libp2p_core::Multiaddr>().unwrap();
        let seed = |peer: &PeerId| Seed { peer: *peer, addresses: vec![address.clone()] };
        let setup = Setup {
            local: simnet::peer(0),
            seeds: seats.keys().map(seed).collect(),
            transports: vec!["tcp".to_owned()],
            memory: memory.to_vec(),
        };
        Self {
            core: Core::new(config.check().unwrap(), setup, [3; 32]),
            now: Instant::START,
            seats,
            events: Vec::new(),
            faults: Vec::new(),
            dialled: Vec::new(),
            closed: Vec::new(),
            kept: Vec::new(),
        }
    }

    fn input(&mut self, input: Input<Core>) {
        self.core.handle(input, self.now);
        self.carry_out();
    }

    fn seek(&mut self) -> Vec<Event> {
        self.input(Input::Command(Command::Seek { have: 0, want: 3 }));
        std::mem::take(&mut self.events)
    }

    fn wait(&mut self, span: Duration) -> Vec<Event> {
        let end = self.now.after(span);
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = due;
            self.core.tick(self.now);
            self.carry_out();
        }
        self.now = end;
        std::mem::take(&mut self.events)
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Emit(event) => self.events.push(event),
                Effect::Report { peer, fault } => self.faults.push((peer, fault)),
                Effect::Close { peer } => {
                    self.closed.push(peer);
                    self.input(Input::Left { peer });
                }
                Effect::Start { id, job } => self.work(id, job),
                Effect::Send { peer, message: Question::Ask { id, ask } } => {
                    self.answer(peer, id, &ask);
                }
                Effect::Send { message: Question::Answer { .. }, .. } => {}
            }
        }
    }

    fn work(&mut self, id: JobId, job: Job) {
        let done = match job {
            Job::Dial { peer, .. } => {
                self.dialled.push(peer);
                let dead = self.seats[&peer] == Seat::Dead;
                if !dead {
                    self.input(Input::Joined { peer, name: Core::NAMES[0] });
                }
                let reason = "dead".to_owned();
                Done::Dialled(if dead { Err(DialError::Unreachable { reason }) } else { Ok(()) })
            }
            Job::Verify { records } => Done::Verified(
                records
                    .iter()
                    .map(|bytes| {
                        SignedRecord::open(bytes)
                            .map_err(|error| BadRecord::Forged { reason: error.to_string() })
                    })
                    .collect(),
            ),
            Job::Probe { .. } => Done::Probed(Ok(())),
            Job::Remember { memory } => {
                self.kept.push(memory);
                Done::Remembered(Ok(()))
            }
        };
        self.input(Input::Done { id, outcome: Ok(done) });
    }

    fn answer(&mut self, peer: PeerId, id: QuestionId, ask: &GetAddrs) {
        let known = |count: u8| -> Vec<Bytes> {
            (1..=count).map(|key| record(key, 1).encoded().clone()).collect()
        };
        let (nonce, records) = match self.seats[&peer] {
            Seat::Good => (ask.nonce, known(2)),
            Seat::TooMany => (ask.nonce, known(u8::try_from(ask.max).unwrap() + 1)),
            Seat::Forger => (ask.nonce, [known(1), vec![Bytes::from_static(b"lie")]].concat()),
            Seat::OtherNonce => (!ask.nonce, known(2)),
            Seat::Dead | Seat::Silent => return,
        };
        let message = Question::Answer { id, answer: Addrs { nonce, records } };
        self.input(Input::Received { peer, message });
    }
}

fn outcome(events: &[Event]) -> Option<&Result<usize, SeekError>> {
    events.iter().find_map(|event| match event {
        Event::Sought { outcome } => Some(outcome),
        Event::Learned { .. } | Event::Failed { .. } | Event::Probed { .. } => None,
    })
}

#[test]
fn a_good_seed_teaches_and_is_left_politely() {
    let mut story = Story::new(&[Seat::Good], |_| {});
    let events = story.seek();
    assert_eq!(outcome(&events), Some(&Ok(2)));
    assert!(matches!(&events[0], Event::Learned { records, .. } if records.len() == 2));
    assert_eq!(story.closed, [simnet::peer(1)]);
}

#[test]
fn with_peers_enough_no_seed_is_asked() {
    let mut story = Story::new(&[Seat::Good], |_| {});
    story.input(Input::Command(Command::Seek { have: 3, want: 3 }));
    assert_eq!(outcome(&story.events), Some(&Err(SeekError::Enough { have: 3, want: 3 })));
    assert!(story.dialled.is_empty());
}

#[test]
fn a_dead_and_a_lying_seed_do_not_spoil_the_good_one() {
    for (liar, fault) in [
        (Seat::TooMany, Fault::TooMany { count: 3, wish: 2 }),
        (Seat::Forger, Fault::Forged { count: 1 }),
        (Seat::OtherNonce, Fault::OtherNonce),
    ] {
        let mut story = Story::new(&[Seat::Dead, liar, Seat::Good], |config| config.wish = 2);
        let events = story.seek();
        assert_eq!(outcome(&events), Some(&Ok(2)), "only what the good one says");
        assert_eq!(story.faults, [(simnet::peer(2), fault)]);
        let failed = events.iter().filter(|event| matches!(event, Event::Failed { .. }));
        assert_eq!(failed.count(), 2);
    }
}

#[test]
fn a_silent_seed_costs_its_time_out_and_no_more() {
    let mut story = Story::new(&[Seat::Silent, Seat::Good], |_| {});
    let events = story.seek();
    assert!(matches!(&events[..], [Event::Learned { .. }]), "learned at once: {events:?}");
    let events = story.wait(Config::default().visit_timeout);
    assert!(matches!(&events[0], Event::Failed { error: VisitError::TimedOut, .. }));
    assert_eq!(outcome(&events), Some(&Ok(2)));
}

#[test]
fn a_seed_that_fails_rests_longer_each_time() {
    let mut story = Story::new(&[Seat::Dead], |_| {});
    let mut rests = Vec::new();
    for _ in 0..12 {
        assert_eq!(outcome(&story.seek()), Some(&Err(SeekError::NoAnswer)));
        let events = story.seek();
        let Some(Err(SeekError::TooSoon { retry_in })) = outcome(&events) else {
            panic!("it rests: {events:?}")
        };
        let retry_in = *retry_in;
        rests.push(retry_in);
        story.wait(retry_in);
    }
    let (min, max) = (Config::default().retry_min, Config::default().retry_max);
    for (failure, rest) in (0..).zip(&rests) {
        let least = (min * 2_u32.pow(failure)).min(max);
        assert!(*rest >= least && *rest <= least * 6 / 5, "{failure}: {rest:?} for {least:?}");
    }
}

#[test]
fn those_that_were_good_are_asked_first_and_the_load_is_spread() {
    let seats = [Seat::Dead, Seat::Good, Seat::Good, Seat::Good, Seat::Good];
    let mut story = Story::new(&seats, |config| {
        config.fan_out = 1;
        config.ask_gap = SECOND;
    });
    for _ in 0..40 {
        story.seek();
        story.wait(2 * SECOND);
    }
    let visits = |n| story.dialled.iter().filter(|peer| **peer == simnet::peer(n)).count();
    assert!(visits(1) <= 1, "a dead one is not asked while others rest well: {}", visits(1));
    let asked = (2..=5).filter(|n| visits(*n) > 0).count();
    assert!(asked >= 1);
    let mut fresh = Story::new(&[Seat::Good; 4], |config| config.fan_out = 2);
    fresh.seek();
    fresh.seek();
    fresh.dialled.sort();
    fresh.dialled.dedup();
    assert_eq!(fresh.dialled.len(), 4, "those that were just asked rest");
}

#[test]
fn our_own_record_is_not_news_and_the_newest_of_twins_counts() {
    let mut core = Story::new(&[Seat::Good], |_| {}).core;
    core.handle(Input::Command(Command::Seek { have: 0, want: 1 }), Instant::START);
    let Some(Effect::Start { id, .. }) = core.poll_effect() else { panic!("a dial") };
    core.handle(Input::Joined { peer: simnet::peer(1), name: Core::NAMES[0] }, Instant::START);
    core.handle(Input::Done { id, outcome: Ok(Done::Dialled(Ok(()))) }, Instant::START);
    let Some(Effect::Send { message: Question::Ask { id, ask }, .. }) = core.poll_effect() else {
        panic!("a question")
    };
    let answer = Addrs { nonce: ask.nonce, records: vec![Bytes::new(); 3] };
    let message = Question::Answer { id, answer };
    core.handle(Input::Received { peer: simnet::peer(1), message }, Instant::START);
    let Some(Effect::Start { id, .. }) = core.poll_effect() else { panic!("a check") };
    let records = vec![Ok(record(1, 2)), Ok(record(1, 1)), Err(BadRecord::Unreachable)];
    core.handle(Input::Done { id, outcome: Ok(Done::Verified(records)) }, Instant::START);
    let learned = std::iter::from_fn(|| core.poll_effect()).find_map(|effect| match effect {
        Effect::Emit(Event::Learned { records, .. }) => Some(records),
        _ => None,
    });
    assert_eq!(learned.unwrap(), [record(1, 2)]);
}

/// One that was ever good is tried before one that nobody has tried, also after a failure.
#[test]
fn a_good_seed_is_remembered() {
    let mut story = Story::new(&[Seat::Good, Seat::Dead], |config| {
        config.fan_out = 2;
        config.ask_gap = SECOND;
    });
    story.seek();
    story.wait(Duration::from_mins(1));
    for seat in story.seats.values_mut() {
        *seat = Seat::Dead;
    }
    story.seek();
    story.wait(Duration::from_mins(20));
    story.dialled.clear();
    story.seek();
    assert_eq!(story.dialled.first(), Some(&simnet::peer(1)));
}

/// The next run begins with the seeds that were good, and those that failed rest as if it were the
/// first time: yesterday's outage is over.
#[test]
fn what_a_visit_showed_is_remembered_over_restarts() {
    let seats = [Seat::Dead, Seat::Dead, Seat::Good];
    let one_at_a_time = |config: &mut Config| config.fan_out = 1;
    let mut story = Story::new(&seats, |_| {});
    story.input(Input::Wall(UnixTime::from_millis(7_000)));
    for _ in 0..3 {
        story.seek();
        story.wait(Duration::from_mins(1));
    }
    let memory: BTreeMap<_, _> = story.kept.iter().map(|kept| (kept.seed, *kept)).collect();
    let kept = |n| (memory[&simnet::peer(n)].last_success, memory[&simnet::peer(n)].failures);
    assert_eq!(kept(1), (None, 3));
    assert_eq!(kept(3), (Some(UnixTime::from_millis(7_000)), 0));

    let memory: Vec<_> = memory.into_values().collect();
    for seats in [[Seat::Good; 3], [Seat::Dead; 3]] {
        let mut next = Story::after(&memory, &seats, one_at_a_time);
        next.seek();
        assert_eq!(next.dialled, [simnet::peer(3)]);
    }
    let mut next = Story::after(&memory[..1], &[Seat::Dead], one_at_a_time);
    next.seek();
    assert_eq!(next.kept.last().map(|kept| kept.failures), Some(4));
    let events = next.seek();
    assert!(
        matches!(outcome(&events), Some(Err(SeekError::TooSoon { retry_in })) if *retry_in < 2 * SECOND),
        "{events:?}"
    );
}

/// While a slow disk writes, the core asks for no second write of the same seed, and then for the
/// newest.
#[test]
fn a_slow_disk_is_asked_for_one_write_of_a_seed_at_a_time() {
    let mut story = Story::new(&[Seat::Dead], |_| {});
    let mut writes = Vec::new();
    for _ in 0..3 {
        story.core.handle(Input::Command(Command::Seek { have: 0, want: 1 }), story.now);
        while let Some(effect) = story.core.poll_effect() {
            match effect {
                Effect::Start { id, job: Job::Dial { .. } } => {
                    let outcome = Err(JobError::TimedOut);
                    story.core.handle(Input::Done { id, outcome }, story.now);
                }
                Effect::Start { id, job: Job::Remember { memory } } => writes.push((id, memory)),
                _ => {}
            }
        }
        story.now = story.now.after(Duration::from_mins(1));
    }
    let [(id, first)] = writes[..] else { panic!("one write: {writes:?}") };
    assert_eq!(first.failures, 1);
    story.input(Input::Done { id, outcome: Err(JobError::TimedOut) });
    let failures: Vec<u32> = story.kept.iter().map(|kept| kept.failures).collect();
    assert_eq!(failures, [3]);
}

proptest! {
    #[test]
    fn every_message_survives_the_wire(
        nonce: u64,
        max: u32,
        transports in proptest::collection::vec("[a-z]{0,16}", 0..=16),
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..9),
    ) {
        let ask = GetAddrs { nonce, max, transports };
        prop_assert_eq!(GetAddrs::decode(encode(&ask)), Ok(ask));
        let records = records.into_iter().map(Bytes::from).collect();
        let answer = Addrs { nonce, records };
        prop_assert_eq!(Addrs::decode(encode(&answer)), Ok(answer));
    }
}

fn encode(message: &impl Frame) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

/// A seed that is asked by `visitor` right now.
fn visit(core: &mut Core, visitor: PeerId, max: u32, now: Instant) -> (Vec<Bytes>, usize) {
    let transports = vec!["tcp".to_owned()];
    let ask = GetAddrs { nonce: 5, max, transports };
    let message = Question::Ask { id: QuestionId(1), ask };
    core.handle(Input::Received { peer: visitor, message }, now);
    let (mut records, mut reports) = (Vec::new(), 0);
    while let Some(effect) = core.poll_effect() {
        match effect {
            Effect::Send { message: Question::Answer { answer, .. }, .. } => {
                assert_eq!(answer.nonce, 5);
                records = answer.records;
            }
            Effect::Report { .. } => reports += 1,
            _ => {}
        }
    }
    (records, reports)
}

fn seed_that_knows(keys: std::ops::RangeInclusive<u8>) -> Core {
    let mut story = Story::new(&[], |_| {});
    for key in keys {
        story.input(Input::Command(Command::Met(Box::new(record(key, 1)))));
    }
    story.core
}

#[test]
fn a_seed_tells_of_those_it_reached_and_clamps_the_wish() {
    let mut core = seed_that_knows(1..=30);
    assert_eq!(core.known(), 30);
    let now = Instant::START;
    assert_eq!(visit(&mut core, simnet::peer(50), 10, now).0.len(), 10);
    assert_eq!(visit(&mut core, simnet::peer(51), u32::MAX, now).0.len(), 30);
    let visitor = record(7, 1).peer();
    let (told, _) = visit(&mut core, visitor, 100, now);
    assert_eq!(told.len(), 29, "nobody is told of itself");
}

#[test]
fn a_hasty_visitor_gets_an_empty_answer_and_pays_from_the_third_on() {
    let mut core = seed_that_knows(1..=3);
    let now = Instant::START;
    assert_eq!(visit(&mut core, simnet::peer(50), 9, now), {
        let mut other = seed_that_knows(1..=3);
        visit(&mut other, simnet::peer(50), 9, now)
    });
    assert_eq!(visit(&mut core, simnet::peer(50), 9, now).1, 0, "delay may bring two together");
    let (told, reports) = visit(&mut core, simnet::peer(50), 9, now);
    assert_eq!((told.len(), reports), (0, 1));
}

#[test]
fn who_cannot_be_reached_is_told_to_nobody_and_who_left_is_forgotten() {
    let mut core = seed_that_knows(1..=1);
    let mut now = Instant::START;
    let mut failures = 0;
    while core.known() == 1 && failures < 10 {
        now = core.next_deadline().unwrap();
        core.tick(now);
        while let Some(effect) = core.poll_effect() {
            if let Effect::Start { id, job: Job::Probe { .. } } = effect {
                failures += 1;
                core.handle(Input::Done { id, outcome: Err(JobError::TimedOut) }, now);
            }
        }
    }
    assert_eq!((core.known(), failures), (0, 3));
    assert!(visit(&mut core, simnet::peer(50), 9, now).0.is_empty());
}

#[test]
fn a_visitor_that_does_not_hang_up_is_cut_off() {
    let mut core = seed_that_knows(1..=1);
    visit(&mut core, simnet::peer(50), 9, Instant::START);
    let due = core.next_deadline().unwrap();
    assert!(due.elapsed() <= Config::default().linger);
    core.tick(Instant::START.after(Config::default().linger));
    let closed = std::iter::from_fn(|| core.poll_effect())
        .any(|effect| matches!(effect, Effect::Close { peer } if peer == simnet::peer(50)));
    assert!(closed);
}
