//! One node and what links say to it about mail.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::{Keypair, PeerId};
use machine::{Effect, Input, Instant, JobError, Machine as _, UnixTime};
use meshwork_dht::{
    Change, Code, Command, Config, Core, Destination, Disposition, Done, Envelope, Event, Fault,
    Flags, Gate, Job, Kind, Letter, LetterId, Lifetime, MemoryStore, Message, MessageId, Moment,
    News, Opener, Sealer, Seen, Setup, Store as _, Stored, Terms, decide, pass,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use crate::core::world::{START, keys, network, peer};

/// A node, its store and its pipeline.
pub(super) struct Node {
    pub(super) core: Core,
    gate: Gate,
    keys: Keypair,
    pub(super) store: MemoryStore,
    pub(super) said: Vec<(PeerId, Message)>,
    pub(super) faults: Vec<(PeerId, Fault)>,
    pub(super) now: Instant,
    pub(super) wall: UnixTime,
    /// What becomes of jobs, if not what should.
    pub(super) failing: Option<JobError>,
    /// What is written when nobody waits for it any more.
    pub(super) late: Vec<Change>,
}

impl Node {
    pub(super) fn new(config: Config) -> Self {
        let params = config.check().unwrap();
        let keys = keys(1);
        let opener = Arc::new(Opener::new(network(), &keys).unwrap());
        let mut node = Self {
            gate: Gate::new(&params, opener, Seen::new(network(), &params)),
            core: Core::new(params, Setup::new(peer(1), network()), [1; 32]),
            keys,
            store: MemoryStore::default(),
            said: Vec::new(),
            faults: Vec::new(),
            now: Instant::START,
            wall: START,
            failing: None,
            late: Vec::new(),
        };
        node.input(Input::Wall(START));
        node
    }

    pub(super) fn input(&mut self, input: Input<Core>) {
        self.core.handle(input, self.now);
        self.answer();
    }

    pub(super) fn answer(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Send { peer, message } => self.said.push((peer, message)),
                Effect::Report { peer, fault } => self.faults.push((peer, fault)),
                Effect::Start { id, job } => {
                    let outcome = match (self.failing, job) {
                        (None, job) => Ok(self.work(job)),
                        (Some(error), Job::Keep(changes)) if error == JobError::TimedOut => {
                            self.late.extend(changes);
                            Err(error)
                        }
                        (Some(error), _) => Err(error),
                    };
                    self.input(Input::Done { id, outcome });
                }
                Effect::Emit(Event::Arrived(message)) => {
                    let ticket = message.ticket;
                    let moment = Moment { now: self.now, wall: self.wall };
                    let outcome =
                        pass(&self.gate, message, moment).and_then(|recorded| {
                            match decide(recorded) {
                                std::ops::ControlFlow::Break(outcome) => outcome,
                                std::ops::ControlFlow::Continue(_) => Ok(Disposition::Unreadable),
                            }
                        });
                    self.input(Input::Command(Command::Settled { ticket, outcome }));
                }
                Effect::Emit(_) | Effect::Close { .. } => {}
            }
        }
    }

    fn work(&mut self, job: Job) -> Done {
        match job {
            Job::Keep(changes) => {
                self.store.apply(changes);
                Done::Kept(Ok(()))
            }
            Job::Read(arrivals) => Done::Read(Ok(self.store.envelopes(&arrivals))),
            Job::Sign(list) => {
                let sign = |(id, until)| Stored::sign(&self.keys, &id, until).unwrap().signature;
                Done::Signed(list.into_iter().map(sign).collect())
            }
            job => panic!("{job:?}"),
        }
    }

    pub(super) fn join(&mut self, number: u8) -> PeerId {
        let peer = peer(number);
        self.input(Input::Joined { peer, name: Core::NAMES[0] });
        self.said.clear();
        peer
    }

    pub(super) fn hear(&mut self, peer: PeerId, message: Message) -> Vec<(PeerId, Message)> {
        self.said.clear();
        self.input(Input::Received { peer, message });
        std::mem::take(&mut self.said)
    }

    pub(super) fn put(&mut self, from: PeerId, envelope: &Envelope) -> Vec<(PeerId, Message)> {
        self.hear(from, Message::Put { number: 9, envelope: envelope.bytes().clone() })
    }

    /// The wish for a page that a visit begins with.
    fn visited(&mut self, number: u8) -> (PeerId, u64) {
        let peer = peer(number);
        self.said.clear();
        self.input(Input::Joined { peer, name: Core::NAMES[0] });
        let list = self.said.iter().find_map(|(to, message)| match message {
            Message::List { nonce, .. } if *to == peer => Some(*nonce),
            _ => None,
        });
        (peer, list.expect("whoever may have mail for us is asked"))
    }

    /// A visit to a server that names these, and the nonce of the question for them.
    fn named(&mut self, number: u8, ids: &[MessageId]) -> (PeerId, Option<u64>) {
        let (server, nonce) = self.visited(number);
        let cursor = Bytes::from_static(b"opaque");
        let listed = Message::Listed { nonce, ids: ids.to_vec(), cursor, more: false };
        // That, and nothing beside it.
        let nonce = match &self.hear(server, listed)[..] {
            [(_, Message::Get { nonce, ids: asked })] if asked == ids => Some(*nonce),
            _ => None,
        };
        (server, nonce)
    }
}

pub(super) fn envelope(to: u8, text: &str, flags: Flags) -> (Envelope, MessageId) {
    let mut rng = ChaCha20Rng::from_seed([to; 32]);
    let sealer = Sealer::new(network(), &keys(99)).unwrap();
    let to = Destination::of(&peer(to)).unwrap();
    let payload = Bytes::copy_from_slice(text.as_bytes());
    let letter = Letter { id: LetterId::random(&mut rng), kind: Kind::Domain, payload };
    let terms = Terms { flags, created: START, lifetime: Lifetime::HOUR };
    let envelope = sealer.seal(&to, &letter, terms, &mut rng).unwrap();
    let id = envelope.identify(&network()).id;
    (envelope, id)
}

/// The same as [`envelope`], in clear.
fn clear(to: u8) -> Envelope {
    let sealer = Sealer::new(network(), &keys(99)).unwrap();
    let to = Destination::of(&peer(to)).unwrap();
    let id = LetterId::random(&mut ChaCha20Rng::from_seed([to.as_bytes()[0]; 32]));
    let letter = Letter { id, kind: Kind::Domain, payload: Bytes::from_static(b"hello") };
    let terms = Terms { flags: Flags::NONE, created: START, lifetime: Lifetime::HOUR };
    sealer.clear(Some(to), &letter, terms).unwrap()
}

fn names(said: &[(PeerId, Message)]) -> Vec<&'static str> {
    said.iter().map(|(_, message)| message.name()).collect()
}

pub(super) fn config() -> Config {
    let mut config = Config::fast();
    config.discovery.enabled = false;
    config
}

#[test]
fn a_put_is_answered_when_it_is_durable_and_with_a_signature() {
    let mut node = Node::new(config());
    let from = node.join(2);
    let (envelope, id) = envelope(3, "hello", Flags::MAILBOX);
    let said = node.put(from, &envelope);
    let [
        (first, Message::Verdict { number: 9, outcome: Ok(()), .. }),
        (second, Message::Returned { id: of, news: News::Stored(stored) }),
    ] = &said[..]
    else {
        panic!("{said:?}")
    };
    assert_eq!((*first, *second, *of), (from, from, id));
    assert_eq!((stored.server, stored.until), (peer(1), envelope.expires()));
    assert!(stored.verify(&id).is_ok());
    let rows = node.store.snapshot().entries;
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [id]);
    // No row says who brought it.
    let row = format!("{rows:?}");
    assert!(!row.contains(&from.to_string()), "{row}");
}

#[test]
fn what_is_kept_is_for_its_recipient_alone() {
    let mut node = Node::new(config());
    let (from, other) = (node.join(2), node.join(4));
    let (envelope, id) = envelope(3, "hello", Flags::MAILBOX);
    node.put(from, &envelope);
    for peer in [from, other] {
        let listed = node.hear(peer, Message::List { nonce: 1, cursor: Bytes::new(), max: 64 });
        let [(_, Message::Listed { nonce: 1, ids, more: false, .. })] = &listed[..] else {
            panic!("{listed:?}")
        };
        assert!(ids.is_empty());
        let got = node.hear(peer, Message::Get { nonce: 2, ids: vec![id] });
        assert_eq!(got, [(peer, Message::Got { nonce: 2, envelopes: vec![Bytes::new()] })]);
        let dropped = node.hear(peer, Message::Taken { nonce: 3, ids: vec![id] });
        assert_eq!(dropped, [(peer, Message::Dropped { nonce: 3, count: 0 })]);
    }
    let to = node.join(3);
    let listed = node.hear(to, Message::List { nonce: 1, cursor: Bytes::new(), max: 64 });
    let [(_, Message::Listed { ids, .. })] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!(*ids, [id]);
    let ids = vec![MessageId([7; 32]), id];
    let got = node.hear(to, Message::Get { nonce: 2, ids: ids.clone() });
    let envelopes = vec![Bytes::new(), envelope.bytes().clone()];
    assert_eq!(got, [(to, Message::Got { nonce: 2, envelopes })]);
    let dropped = node.hear(to, Message::Taken { nonce: 3, ids });
    assert_eq!(dropped, [(to, Message::Dropped { nonce: 3, count: 1 })]);
    assert!(node.store.snapshot().entries.is_empty());
    assert_eq!(node.faults, []);
}

#[test]
fn a_node_that_keeps_nothing_says_so() {
    let mut off = config();
    off.mailbox.serve = false;
    let mut node = Node::new(off);
    let from = node.join(2);
    let (sealed, _) = envelope(3, "hello", Flags::MAILBOX);
    let said = node.put(from, &sealed);
    assert!(matches!(said[..], [(_, Message::Verdict { outcome: Err(Code::Off), .. })]));
    assert!(node.store.snapshot().entries.is_empty());
}

#[test]
fn what_was_not_to_be_kept_is_not() {
    let mut node = Node::new(config());
    let from = node.join(2);
    let (sealed, _) = envelope(3, "hello", Flags::NONE);
    let said = node.put(from, &sealed);
    assert!(matches!(said[..], [(_, Message::Verdict { outcome: Err(Code::Malformed), .. })]));
    assert_eq!(node.faults.len(), 1, "no honest node asks that");
}

/// A Put of what is clear costs whoever sends it: a carrier would pay for what another wrote. So who
/// brings what is clear and says that it may be kept pays, and nobody passes it on.
#[test]
fn nobody_is_asked_to_keep_what_is_clear() {
    let mut node = Node::new(config());
    let from = node.join(2);
    for server in 40..46 {
        node.join(server);
    }
    let mut bytes = clear(3).bytes().to_vec();
    bytes[2] = Flags::MAILBOX.bits();
    let envelope = Bytes::from(bytes);
    let carry = Message::Carry { number: 9, hops: 8, envelope: envelope.clone() };
    for message in [carry, Message::Put { number: 9, envelope }] {
        let said = node.hear(from, message);
        let [(to, Message::Verdict { outcome: Err(Code::Malformed), .. })] = said[..] else {
            panic!("{said:?}")
        };
        assert_eq!(to, from);
    }
    assert_eq!(node.faults.len(), 2);
}

#[test]
fn own_mail_is_fetched_and_said_to_be_taken() {
    let mut node = Node::new(config());
    let (sealed, id) = envelope(1, "hello", Flags::MAILBOX);
    let (server, nonce) = node.named(2, &[id]);
    let envelopes = vec![sealed.bytes().clone()];
    let said = node.hear(server, Message::Got { nonce: nonce.unwrap(), envelopes });
    let [(_, Message::Taken { ids, .. })] = &said[..] else { panic!("{said:?}") };
    assert_eq!(*ids, [id]);
    assert_eq!(node.faults, []);
}

/// Ours may be the clock that is wrong.
#[test]
fn what_is_expired_by_our_clock_is_left_where_it_is() {
    let mut node = Node::new(config());
    let (sealed, id) = envelope(1, "hello", Flags::MAILBOX);
    node.wall = START.after(Duration::from_hours(2));
    let (server, nonce) = node.named(2, &[id]);
    let envelopes = vec![sealed.bytes().clone()];
    let said = node.hear(server, Message::Got { nonce: nonce.unwrap(), envelopes });
    assert_eq!(said, []);
    assert_eq!(node.faults, []);
}

#[test]
fn what_finds_the_pipeline_full_is_handed_over_a_moment_later() {
    let mut node = Node::new(config());
    let (sealed, id) = envelope(1, "hello", Flags::MAILBOX);
    let (peer, nonce) = node.named(2, &[id]);
    let (other, _) = envelope(1, "other", Flags::NONE);
    for number in 0..4 {
        let message = Message::Carry { number, hops: 9, envelope: other.bytes().clone() };
        node.core.handle(Input::Received { peer, message }, node.now);
    }
    let envelopes = vec![sealed.bytes().clone()];
    node.hear(peer, Message::Got { nonce: nonce.unwrap(), envelopes });
    node.now = node.now.after(Duration::from_millis(200));
    node.core.tick(node.now);
    node.answer();
    assert_eq!(names(&node.said).last(), Some(&"taken"));
}

/// That a server is too busy to begin a write says nothing about its disk.
#[test]
fn a_write_that_finds_no_place_is_tried_again_and_nothing_is_lost() {
    let mut node = Node::new(config());
    let from = node.join(2);
    let (sealed, id) = envelope(3, "hello", Flags::MAILBOX);
    node.failing = Some(JobError::Refused);
    assert_eq!(node.put(from, &sealed), []);
    node.failing = None;
    node.said.clear();
    node.now = Instant::START.after(Duration::from_secs(1));
    node.core.tick(node.now);
    node.answer();
    assert_eq!(names(&node.said), ["verdict", "returned"]);
    assert!(matches!(node.said[0].1, Message::Verdict { outcome: Ok(()), .. }));
    let rows = node.store.snapshot().entries;
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [id]);

    // Nobody waits for ever.
    let (sealed, _) = envelope(3, "another", Flags::MAILBOX);
    node.failing = Some(JobError::Refused);
    let mut said = node.put(from, &sealed);
    for _ in 0..4 {
        assert!(!names(&said).contains(&"verdict"));
        node.now = node.now.after(Duration::from_secs(1));
        node.core.tick(node.now);
        node.answer();
        said = std::mem::take(&mut node.said);
    }
    let full =
        |(_, message): &_| matches!(message, Message::Verdict { outcome: Err(Code::Full), .. });
    assert!(said.iter().any(full), "{said:?}");
}

#[test]
fn a_server_that_gives_something_else_is_blamed() {
    let (sealed, id) = envelope(1, "hello", Flags::MAILBOX);
    let (_, another) = envelope(3, "other", Flags::MAILBOX);
    let asked = |ids: &[MessageId]| {
        let mut node = Node::new(config());
        let (server, nonce) = node.named(2, ids);
        (node, server, nonce)
    };
    let (mut node, server, nonce) = asked(&[another]);
    let envelopes = vec![sealed.bytes().clone()];
    node.hear(server, Message::Got { nonce: nonce.unwrap(), envelopes });
    assert_eq!(node.faults, [(server, Fault::AnotherMessage)]);

    let (mut node, server, nonce) = asked(&[id]);
    let envelopes = vec![Bytes::from_static(b"no envelope")];
    node.hear(server, Message::Got { nonce: nonce.unwrap(), envelopes });
    assert_eq!(node.faults, [(server, Fault::AnotherMessage)]);

    let (mut node, server, nonce) = asked(&[id]);
    let envelopes = vec![sealed.bytes().clone(); 2];
    node.hear(server, Message::Got { nonce: nonce.unwrap(), envelopes });
    assert_eq!(node.faults, [(server, Fault::TooMany { count: 2, wish: 1 })]);

    // A changed signature leaves the id as it is: the server had to look at it.
    let (mut node, server, nonce) = asked(&[id]);
    let mut changed = sealed.bytes().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    node.hear(server, Message::Got { nonce: nonce.unwrap(), envelopes: vec![changed.into()] });
    assert!(matches!(node.faults[..], [(_, Fault::Envelope(_))]), "{:?}", node.faults);

    let (mut node, server, nonce) = asked(&[]);
    assert_eq!(nonce, None);
    let message = Message::Got { nonce: 1, envelopes: vec![] };
    node.hear(server, message);
    let message = Message::Listed { nonce: 1, ids: vec![], cursor: Bytes::new(), more: false };
    node.hear(server, message);
    let unsolicited = ["got", "listed"].map(|what| (server, Fault::Unsolicited(what)));
    assert_eq!(node.faults, unsolicited);
}

/// The answer to a Get is what one frame holds; the rest is asked for again.
#[test]
fn large_messages_come_in_several_frames() {
    let mut node = Node::new(config());
    let (from, to) = (node.join(2), node.join(3));
    let mut ids = Vec::new();
    for number in 0..8 {
        let (large, id) = envelope(3, &"x".repeat(60_000 + number), Flags::MAILBOX);
        let said = node.put(from, &large);
        assert_eq!(names(&said), ["verdict", "returned"]);
        ids.push(id);
    }
    let mut frames = 0;
    while !ids.is_empty() {
        let got = node.hear(to, Message::Get { nonce: 2, ids: ids.clone() });
        let [(_, message @ Message::Got { envelopes, .. })] = &got[..] else { panic!("{got:?}") };
        assert!(!envelopes.is_empty());
        for (id, bytes) in ids.iter().zip(envelopes) {
            let envelope = Envelope::parse(bytes.clone()).unwrap();
            assert_eq!(envelope.identify(&network()).id, *id);
        }
        let mut frame = bytes::BytesMut::new();
        wire::Frame::encode(message, &mut frame);
        assert!(frame.len() <= 262_144);
        ids.drain(..envelopes.len());
        frames += 1;
    }
    assert_eq!(frames, 2);
}

/// Rows that the disk has lost are listed no longer.
#[test]
fn what_the_disk_has_lost_is_forgotten() {
    let mut node = Node::new(config());
    let (from, to) = (node.join(2), node.join(3));
    let (sealed, id) = envelope(3, "hello", Flags::MAILBOX);
    node.put(from, &sealed);
    let row = node.store.snapshot().entries[0].arrival;
    node.store.apply(vec![Change::Drop(row)]);
    let got = node.hear(to, Message::Get { nonce: 2, ids: vec![id] });
    assert_eq!(got, [(to, Message::Got { nonce: 2, envelopes: vec![Bytes::new()] })]);
    assert_eq!(node.core.mail().messages, 0);
}

#[test]
fn pages_are_asked_for_so_often_and_no_more() {
    let mut node = Node::new(config());
    let to = node.join(3);
    let ask = |node: &mut Node| {
        node.hear(to, Message::List { nonce: 1, cursor: Bytes::new(), max: 64 }).len()
    };
    let answered = |node: &mut Node| (0..100).map(|_| ask(node)).sum::<usize>();
    assert_eq!(answered(&mut node), 32);
    node.now = node.now.after(Duration::from_secs(1));
    assert_eq!(answered(&mut node), 4);
}

#[test]
fn a_memory_store_keeps_what_it_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = MemoryStore::default();
        let (sealed, id) = envelope(3, "hello", Flags::MAILBOX);
        let arrival = meshwork_dht::Arrival(5);
        let entry = meshwork_dht::Entry::of(&sealed, id, arrival).unwrap();
        let bytes = sealed.bytes().clone();
        store.save(vec![Change::Keep { entry, envelope: bytes.clone() }]).await.unwrap();
        assert_eq!(store.load().await.unwrap().entries, [entry]);
        let other = meshwork_dht::Arrival(6);
        let read = store.read(vec![other, arrival]).await.unwrap();
        assert_eq!(read, [None, Some(bytes)]);
        store.save(vec![Change::Drop(arrival)]).await.unwrap();
        assert_eq!(store.load().await.unwrap(), meshwork_dht::Snapshot::default());
    });
}

#[test]
fn whoever_comes_back_is_answered_what_it_asks_then() {
    let mut node = Node::new(config());
    let from = node.join(2);
    let (sealed, wanted) = envelope(3, "hello", Flags::MAILBOX);
    node.put(from, &sealed);
    let peer = node.join(3);
    let get = |nonce| Message::Get { nonce, ids: vec![wanted] };
    node.core.handle(Input::Received { peer, message: get(2) }, node.now);
    let Some(Effect::Start { id, .. }) = node.core.poll_effect() else { panic!("it is read") };
    node.input(Input::Left { peer });
    node.join(3);
    node.core.handle(Input::Received { peer, message: get(3) }, node.now);
    node.input(Input::Done { id, outcome: Err(JobError::TimedOut) });
    let got = Message::Got { nonce: 3, envelopes: vec![sealed.bytes().clone()] };
    assert_eq!(node.said, [(peer, got)]);
}
