//! What each fuzz target does with its bytes. The normal suite replays the corpora through the same
//! functions, so a crash that was found once stays found without a nightly compiler.

#[path = "bodies/answering.rs"]
mod answering;
#[path = "bodies/broadcasting.rs"]
mod broadcasting;
#[path = "bodies/decoding.rs"]
mod decoding;
#[path = "bodies/describing.rs"]
mod describing;
#[path = "bodies/forwarding.rs"]
mod forwarding;
#[path = "bodies/gossiping.rs"]
mod gossiping;
#[path = "bodies/mailing.rs"]
mod mailing;
#[path = "bodies/meshing.rs"]
mod meshing;
#[path = "bodies/ordering.rs"]
mod ordering;
#[path = "bodies/paying.rs"]
mod paying;
#[path = "bodies/relaying.rs"]
mod relaying;
#[path = "bodies/sealing.rs"]
mod sealing;
#[path = "bodies/selecting.rs"]
mod selecting;
#[path = "bodies/syncing.rs"]
mod syncing;
#[path = "bodies/trading.rs"]
mod trading;

use std::fmt::Debug;
use std::time::Duration;

use asynchronous_codec::Decoder;
use bytes::{Buf, Bytes, BytesMut};
use handshake::seed::{Addrs, Command, Config, Core, Done, GetAddrs, Job, Seed, Setup};
use handshake::{Exchange, Handshake, Semver, SessionKind, Side, Turn, Version};
use libp2p_identity::{Keypair, PeerId};
use machine::{Effect, Effects, Input, Instant, JobError, JobId, Machine};
use transport::question::{Question, QuestionId};
use wire::Frame;
use wire::bounds::{self, Bounded, GROWTH_FREE, GROWTH_MAX};
use wire::frame::Codec;
use wire::proto::{
    app, dht as dht_proto, gossip as gossip_proto, handshake as handshake_proto,
    ordersync as ordersync_proto, peer, seed, tickets as tickets_proto, topics as topics_proto,
};
use wire::registry::{Entry, Registry};
use wire::signed::SignedRecord;

/// One target: its name, and what it does.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target.
pub(crate) const ALL: &[Target] = &[
    ("aggregation_core", aggregation_core),
    ("aggregation_frame", aggregation_frame),
    ("book", book),
    ("decoder", decoder),
    ("dht_core", dht_core),
    ("dht_envelope", dht_envelope),
    ("dht_frame", dht_frame),
    ("dht_mailbox", dht_mailbox),
    ("dht_padding", dht_padding),
    ("exchange", exchange),
    ("gossip_core", gossip_core),
    ("gossip_frame", gossip_frame),
    ("handshake_frame", handshake_frame),
    ("ledger", ledger),
    ("ledger_update", ledger_update),
    ("luck", luck),
    ("order_batch", order_batch),
    ("order_filter", order_filter),
    ("order_json", order_json),
    ("ordersync_frame", ordersync_frame),
    ("ordersync_json", ordersync_json),
    ("ordersync_metadata", ordersync_metadata),
    ("packet", packet),
    ("registry", registry),
    ("relay_engine", relay_engine),
    ("relay_frame", relay_frame),
    ("scan", scan),
    ("seed_core", seed_core),
    ("seed_frames", seed_frames),
    ("signed_record", signed_record),
    ("storage_rows", storage_rows),
    ("stream", stream),
    ("ticket", ticket),
    ("topics_core", topics_core),
    ("topics_frame", topics_frame),
];

/// What decodes also survives being encoded and decoded again.
fn round_trip<F: Frame + PartialEq + Debug>(data: &[u8]) {
    if let Ok(message) = F::decode(Bytes::copy_from_slice(data)) {
        let mut out = BytesMut::new();
        message.encode(&mut out);
        assert_eq!(F::decode(out.freeze()).as_ref(), Ok(&message));
    }
}

/// The frames of the handshake.
pub(crate) fn handshake_frame(data: &[u8]) {
    round_trip::<Handshake>(data);
}

/// The frames of the seed protocol.
pub(crate) fn seed_frames(data: &[u8]) {
    round_trip::<GetAddrs>(data);
    round_trip::<Addrs>(data);
}

/// The frames of gossip.
pub(crate) fn gossip_frame(data: &[u8]) {
    round_trip::<gossip::Message>(data);
}

/// The core of gossip.
pub(crate) fn gossip_core(data: &[u8]) {
    gossiping::core(data);
}

/// The address book.
pub(crate) fn book(data: &[u8]) {
    gossiping::book(data);
}

/// Cells of a hostile remote.
pub(crate) fn decoder(data: &[u8]) {
    decoding::decoder(data);
}

/// The core of the DHT.
pub(crate) fn dht_core(data: &[u8]) {
    mailing::core(data);
}

/// Envelopes of the DHT.
pub(crate) fn dht_envelope(data: &[u8]) {
    sealing::envelope(data);
}

/// The frames of the DHT.
pub(crate) fn dht_frame(data: &[u8]) {
    round_trip::<dht::Message>(data);
}

/// What mailboxes answer.
pub(crate) fn dht_mailbox(data: &[u8]) {
    mailing::mailbox(data);
}

/// Lengths of letters.
pub(crate) fn dht_padding(data: &[u8]) {
    sealing::padding(data);
}

/// Batches of orders.
pub(crate) fn order_batch(data: &[u8]) {
    selecting::batch(data);
}

/// Filters of orders.
pub(crate) fn order_filter(data: &[u8]) {
    selecting::filter(data);
}

/// Orders of both versions as JSON.
pub(crate) fn order_json(data: &[u8]) {
    ordering::json(data);
}

/// The frames of ordersync, and what is in them.
pub(crate) fn ordersync_frame(data: &[u8]) {
    round_trip::<ordersync::binary::Packed>(data);
    syncing::frame(data);
}

/// The frames of topic broadcast.
pub(crate) fn topics_frame(data: &[u8]) {
    round_trip::<topics::Message>(data);
}

/// The core of topic broadcast.
pub(crate) fn topics_core(data: &[u8]) {
    broadcasting::core(data);
}

/// The messages of 0x-Mesh's ordersync.
pub(crate) fn ordersync_json(data: &[u8]) {
    meshing::messages(data);
}

/// What the subprotocols of ordersync say beside the items.
pub(crate) fn ordersync_metadata(data: &[u8]) {
    describing::metadata(data);
}

/// The frames of aggregation.
pub(crate) fn aggregation_frame(data: &[u8]) {
    trading::frame(data);
}

/// The core of aggregation.
pub(crate) fn aggregation_core(data: &[u8]) {
    trading::core(data);
}

/// Tickets.
pub(crate) fn ticket(data: &[u8]) {
    paying::ticket(data);
}

/// Proofs about luck.
pub(crate) fn luck(data: &[u8]) {
    paying::luck(data);
}

/// The rules of the ledger.
pub(crate) fn ledger(data: &[u8]) {
    paying::ledger(data);
}

/// What a ledger tells, and what it keeps.
pub(crate) fn ledger_update(data: &[u8]) {
    paying::ledger_update(data);
}

/// The engine of a relay.
pub(crate) fn relay_engine(data: &[u8]) {
    forwarding::engine(data);
}

/// The frames of relays.
pub(crate) fn relay_frame(data: &[u8]) {
    relaying::frame(data);
}

/// Packets.
pub(crate) fn packet(data: &[u8]) {
    relaying::packet(data);
}

/// Signed records: what opens keeps its bytes and its bounds.
pub(crate) fn signed_record(data: &[u8]) {
    if let Ok(record) = SignedRecord::open(data) {
        assert_eq!(record.encoded().as_ref(), data);
        assert!(record.addresses().len() <= SignedRecord::ADDRESSES_MAX);
    }
}

/// The scan, over the table of every message: it never panics, and what it lets pass decodes
/// within what it promised.
pub(crate) fn scan(data: &[u8]) {
    scan_one::<gossip_proto::v1::Gossip>(data);
    scan_one::<dht_proto::v1::Dht>(data);
    scan_one::<dht_proto::v1::Introduction>(data);
    scan_one::<handshake_proto::v1::Handshake>(data);
    scan_one::<handshake_proto::v1::Version>(data);
    scan_one::<handshake_proto::v1::Verack>(data);
    scan_one::<handshake_proto::v1::Reject>(data);
    scan_one::<seed::v1::GetAddrs>(data);
    scan_one::<seed::v1::Addrs>(data);
    scan_one::<peer::v1::Envelope>(data);
    scan_one::<peer::v1::PeerRecord>(data);
    scan_one::<ordersync_proto::v1::Ordersync>(data);
    scan_one::<topics_proto::v1::Topics>(data);
    scan_one::<tickets_proto::v1::AggregationRequest>(data);
    scan_one::<tickets_proto::v1::AggregationReply>(data);
    scan_one::<tickets_proto::v1::SignedTransaction>(data);
    scan_one::<tickets_proto::v1::Transaction>(data);
    scan_one::<tickets_proto::v1::LedgerUpdate>(data);
    scan_one::<tickets_proto::v1::LedgerRow>(data);
    scan_one::<app::v1::AppMessage>(data);
}

fn scan_one<P: Bounded>(data: &[u8]) {
    let Ok(scanned) = bounds::scan(P::SCHEMA, data) else { return };
    assert!(scanned.decoded <= GROWTH_MAX * data.len() + GROWTH_FREE);
    let decoded = bounds::decode::<P>(Bytes::copy_from_slice(data));
    assert!(decoded.is_ok() || data.len() > P::LEN_MAX, "what the scan accepts is a message");
}

/// What a row of the store is read from: a key, then a value.
pub(crate) fn storage_rows(mut data: &[u8]) {
    let key = chunk(&mut data);
    assert!(storage::survive_as_rows(&key, data), "what is read is read again once written");
}

/// Frames on a stream that arrives in pieces: the first byte says how large they are.
pub(crate) fn stream(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else { return };
    let (step, mut arrived) = (usize::from(step).max(1), BytesMut::new());
    for piece in data.chunks(step) {
        arrived.extend_from_slice(piece);
        loop {
            match Codec::<Handshake>::new().decode(&mut arrived) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(arrived.len() <= Handshake::MAX + step + 10, "holds no more than one frame");
    }
}

/// Application messages of unknown and known tags.
pub(crate) fn registry(data: &[u8]) {
    let entry = |tag, name| Entry::<Bytes> {
        tag,
        name,
        len_max: 4,
        decode: |payload| {
            let missing = wire::Malformed::new("test", wire::Defect::Missing);
            if payload.is_empty() { Err(missing) } else { Ok(payload) }
        },
        encode: |message| Some(message.clone()),
    };
    let registry = Registry::new([entry(1, "one"), entry(2, "two")]).expect("no twins");
    if let Ok(message) = bounds::decode::<app::v1::AppMessage>(Bytes::copy_from_slice(data)) {
        let known = matches!(message.tag, 1 | 2);
        let (empty, long) = (message.payload.is_empty(), message.payload.len() > 4);
        assert_eq!(registry.decode(message).is_ok(), known && !empty && !long);
    }
}

/// Takes a length and that many bytes.
fn chunk(data: &mut &[u8]) -> Bytes {
    if data.is_empty() {
        return Bytes::new();
    }
    let len = usize::from(data.get_u8()).min(data.len());
    let (head, tail) = data.split_at(len);
    *data = tail;
    Bytes::copy_from_slice(head)
}

/// Both sides of the handshake, hearing anything: without a Verack that fits, nobody agrees.
pub(crate) fn exchange(mut data: &[u8]) {
    let ours = Version {
        network: "n".to_owned(),
        application: "a".to_owned(),
        agent: String::new(),
        version: Semver { major: 1, minor: 0, patch: 0 },
        nonce: 1,
        observed: None,
        kind: SessionKind::Outbound,
        features: Vec::new(),
        record: Bytes::new(),
    };
    let mut sides = [Side::Dialer, Side::Listener].map(|side| Exchange::new(side, ours.clone()));
    while !data.is_empty() {
        let frame = chunk(&mut data);
        for side in &mut sides {
            if let Ok(Turn::Judge(_)) = side.hear(&frame) {
                assert!(!side.accept(Vec::new()).is_empty());
            }
        }
    }
}

/// A runner that keeps the contract while the network says anything.
struct Runner {
    core: Core,
    now: Instant,
    jobs: Vec<(JobId, Job)>,
    asked: Vec<(PeerId, QuestionId, u64)>,
}

impl Runner {
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
                Effect::Send { peer, message: Question::Ask { id, ask } } => {
                    self.asked.push((peer, id, ask.nonce));
                }
                Effect::Send { message: Question::Answer { answer, .. }, .. } => {
                    let mut out = BytesMut::new();
                    answer.encode(&mut out);
                    assert!(out.len() <= Addrs::MAX, "what we answer fits a frame");
                }
                Effect::Report { .. } | Effect::Close { .. } | Effect::Emit(_) => {}
            }
        }
        assert!(count <= Effects::<Core>::LIMIT);
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
            Job::Dial { .. } => Ok(Done::Dialled(Ok(()))),
            Job::Probe { .. } => Ok(Done::Probed(Ok(()))),
            Job::Remember { .. } => Ok(Done::Remembered(Ok(()))),
            Job::Verify { records } => {
                let open = |bytes: &Bytes| {
                    SignedRecord::open(bytes).map_err(|error| handshake::seed::BadRecord::Forged {
                        reason: error.to_string(),
                    })
                };
                Ok(Done::Verified(records.iter().map(open).collect()))
            }
        };
        self.input(Input::Done { id, outcome });
    }
}

/// The seed protocol's core under any history.
pub(crate) fn seed_core(mut data: &[u8]) {
    let keys = [1, 2, 3].map(|n| Keypair::ed25519_from_bytes([n; 32]).expect("32 bytes"));
    let peers = keys.each_ref().map(|key| key.public().to_peer_id());
    let address = "/ip4/10.0.0.1/tcp/1".parse().expect("an address");
    let config = Config { book_max: 2, wish: 2, answer_max: 2, ..Config::default() };
    let seeds = peers.map(|peer| Seed { peer, addresses: vec![Clone::clone(&address)] });
    let local = Keypair::ed25519_from_bytes([9; 32]).expect("32 bytes").public().to_peer_id();
    let (seeds, transports, memory) = (seeds.to_vec(), Vec::new(), Vec::new());
    let setup = Setup { local, seeds, transports, memory };
    let core = Core::new(config.check().expect("within bounds"), setup, [1; 32]);
    let mut runner = Runner { core, now: Instant::START, jobs: Vec::new(), asked: Vec::new() };
    while let Some((&step, rest)) = data.split_first() {
        data = rest;
        let who = usize::from(step >> 4) % peers.len();
        let peer = peers[who];
        match step % 8 {
            0 => runner.input(Input::Joined { peer, name: Core::NAMES[0] }),
            1 => runner.input(Input::Left { peer }),
            2 => runner.input(Input::Command(Command::Seek { have: 0, want: 1 })),
            3 => {
                let record = SignedRecord::seal(&keys[who], 1, vec![Clone::clone(&address)]);
                let record = record.expect("a record of one address");
                runner.input(Input::Command(Command::Met(Box::new(record))));
            }
            4 => {
                if let Ok(ask) = GetAddrs::decode(chunk(&mut data)) {
                    let message = Question::Ask { id: QuestionId(0), ask };
                    runner.input(Input::Received { peer, message });
                }
            }
            5 => {
                let Some((peer, id, nonce)) = runner.asked.pop() else { continue };
                let answer = Addrs { nonce, records: vec![chunk(&mut data)] };
                let message = Question::Answer { id, answer };
                runner.input(Input::Received { peer, message });
            }
            6 => runner.end_job(step & 0x10 == 0),
            _ => runner.wait(Duration::from_millis(u64::from(step) * 50)),
        }
    }
}
