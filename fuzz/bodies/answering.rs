//! What neighbours of a node of the DHT say, and what it is asked itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use dht::{
    BroadcastStrategy, Code, Command, Config, DhtOutboundRequest, Dispatch, Envelope, IDS_MAX, Key,
    LetterId, Lifetime, Message, MessageId, News, SendOptions, Stored, broadcast, seal,
};
use libp2p_identity::PeerId;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use transport::records::BadRecord;
use wire::signed::SignedRecord;

use super::sealing::{START, keys, network, sealer};

const SECOND: Duration = Duration::from_secs(1);
/// This node, and who else writes. Neighbours are 1 to 3, and 4 is linked only if it is dialled.
pub(super) const OWN: u8 = 9;
const WRITER: u8 = 8;

/// Small, so that short histories reach the bounds.
pub(super) fn config() -> Config {
    let mut config = Config::fast();
    config.routing.bucket_max = 1;
    config.routing.waiting_max = 1;
    config.routing.fresh = Duration::ZERO;
    config.routing.under_way_max = 2;
    config.routing.carried_max = 3;
    config.routing.candidates_max = 2;
    config.routing.ways_back_max = 16;
    config.routing.way_back_lasts = 5 * SECOND;
    config.routing.links_max = 1;
    config.routing.dials_max = 1;
    config.routing.redial_min = SECOND;
    config.routing.redial_max = 4 * SECOND;
    config.discovery.lookups_max = 2;
    config.discovery.lookups_per_hour_max = 20;
    config.discovery.discoveries_max = 2;
    config.discovery.records_max = 2;
    config.delivery.messages_max = 2;
    config.delivery.attempt_timeout = 20 * SECOND;
    config.delivery.attempt_timeout_max = 120 * SECOND;
    config.delivery.stored_retry = 120 * SECOND;
    config
}

pub(super) fn peer(number: u8) -> PeerId {
    stock().peers[usize::from(number) % 10]
}

/// What is costly to make, once.
struct Stock {
    peers: Vec<PeerId>,
    records: Vec<Arc<SignedRecord>>,
    /// Own messages: to neighbours, to nobody in particular, and to one that has to be dialled.
    own: Vec<Dispatch>,
    /// Messages of the writer: to this node but for the last two, which are for others.
    letters: Vec<Dispatch>,
}

fn stock() -> &'static Stock {
    static STOCK: LazyLock<Stock> = LazyLock::new(|| {
        let peers: Vec<_> = (0..10).map(|n| keys(n).public().to_peer_id()).collect();
        let record = |n: u8| {
            let address = format!("/ip4/10.0.0.1/tcp/{}", 1_000 + u16::from(n));
            let addresses = vec![address.parse().expect("an address")];
            Arc::new(SignedRecord::seal(&keys(n), 1, addresses).expect("a record of one address"))
        };
        let to = |n: u8| BroadcastStrategy::DirectOrClosest {
            peer: peers[usize::from(n)],
            n: 1,
            exclude: Vec::new(),
        };
        let params = config().check().expect("within bounds");
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut written = |by: u8, letter: u8, strategy, keep| {
            let options = SendOptions { keep, urgent: false, lifetime: Lifetime::new(1) };
            let letter = LetterId([letter; 16]);
            let request = DhtOutboundRequest::new(strategy, letter, Bytes::from_static(b"hello"));
            let own = &peers[usize::from(by)];
            let addressed = broadcast(&params, own, request.with_options(options), START);
            seal(&sealer(by), addressed.expect("to others"), &mut rng).expect("fits")
        };
        let flood = BroadcastStrategy::Flood { exclude: Vec::new() };
        let own = vec![
            written(OWN, 1, to(1), true),
            written(OWN, 2, BroadcastStrategy::Direct(peers[2]), false),
            written(OWN, 3, flood, false),
            written(OWN, 4, to(4), true),
        ];
        let mut letters: Vec<_> = (5..10).map(|n| written(WRITER, n, to(OWN), true)).collect();
        letters.push(written(WRITER, 10, to(1), true));
        letters.push(written(WRITER, 11, to(4), true));
        let records = (0..10).map(record).collect();
        Stock { peers, records, own, letters }
    });
    &STOCK
}

/// Where the peer with this number is, as it says.
pub(super) fn record(number: u8) -> Arc<SignedRecord> {
    Arc::clone(&stock().records[usize::from(number) % 10])
}

/// The envelope of a letter, and what it is known by.
fn letter(number: u8) -> (&'static Bytes, MessageId) {
    let letters = &stock().letters;
    let dispatch = &letters[usize::from(number) % letters.len()];
    (dispatch.envelope().bytes(), dispatch.id())
}

pub(super) fn identify(envelope: &Bytes) -> Option<MessageId> {
    Some(Envelope::parse(envelope.clone()).ok()?.identify(&network()).id)
}

/// The signature of each record is checked once.
pub(super) fn open(bytes: &Bytes) -> Result<SignedRecord, BadRecord> {
    thread_local! {
        static OPENED: RefCell<BTreeMap<Bytes, SignedRecord>> = const { RefCell::new(BTreeMap::new()) };
    }
    OPENED.with_borrow_mut(|opened| {
        if let Some(record) = opened.get(bytes) {
            return Ok(record.clone());
        }
        let record = SignedRecord::open(bytes)
            .map_err(|error| BadRecord::Forged { reason: error.to_string() })?;
        opened.insert(bytes.clone(), record.clone());
        Ok(record)
    })
}

/// What a neighbour answers: with another number (1), less (2), more (4), something else (8), or
/// what is not there (16). A refusal says when to try again: in a moment (64) or later (128).
pub(super) fn answer(question: Message, manner: u8) -> Option<Message> {
    let has = |bit: u8| manner & bit != 0;
    let number = |number: u64| number ^ u64::from(has(1));
    Some(match question {
        Message::Carry { number, .. } | Message::Put { number, .. } => verdict(number, manner),
        Message::Find { nonce, max, .. } => {
            let most = if has(4) { usize::MAX } else { usize::try_from(max).unwrap_or(0) };
            let mut records: Vec<_> = if has(2) { vec![] } else { stock().records.clone() }
                .into_iter()
                .map(|record| record.encoded().clone())
                .take(most)
                .collect();
            if has(8) {
                records.insert(0, Bytes::from_static(b"no record"));
            }
            Message::Nodes { nonce: number(nonce), records }
        }
        Message::List { nonce, cursor, max } => {
            // Pages of two, after which the cursor says how many were read.
            let read = cursor.first().copied().unwrap_or(0);
            let last = u8::try_from(stock().letters.len()).unwrap_or(u8::MAX);
            let end = if has(2) { read } else { read.saturating_add(2).min(last) };
            let mut ids: Vec<_> = (read..end).map(|n| letter(n).1).collect();
            if has(4) {
                ids.resize(usize::try_from(max).map_or(IDS_MAX, |max| max + 1), MessageId([9; 32]));
            }
            if has(8) {
                ids.extend([MessageId([manner; 32]); 2]);
            }
            let cursor = Bytes::copy_from_slice(&[end]);
            Message::Listed { nonce: number(nonce), ids, cursor, more: has(16) || end < last }
        }
        Message::Get { nonce, ids } => {
            let known = |id: &MessageId| stock().letters.iter().find(|it| it.id() == *id);
            let bytes = |id| known(id).map(|it| it.envelope().bytes().clone()).unwrap_or_default();
            let mut envelopes: Vec<_> = ids.iter().map(bytes).collect();
            if has(2) {
                envelopes.truncate(envelopes.len() / 2);
            }
            if has(4) {
                envelopes.push(letter(0).0.clone());
            }
            match envelopes.first_mut() {
                Some(first) if has(8) && has(16) => *first = Bytes::from_static(b"no envelope"),
                // Its id is the same, and its signature holds no more.
                Some(first) if has(8) => {
                    let mut changed = first.to_vec();
                    changed.last_mut().into_iter().for_each(|byte| *byte ^= 1);
                    *first = changed.into();
                }
                Some(first) if has(16) => *first = Bytes::new(),
                _ => {}
            }
            Message::Got { nonce: number(nonce), envelopes }
        }
        Message::Taken { nonce, ids } => {
            let count = u32::try_from(ids.len()).unwrap_or(u32::MAX) ^ u32::from(manner >> 1);
            Message::Dropped { nonce: number(nonce), count }
        }
        _ => return None,
    })
}

fn verdict(asked: u32, manner: u8) -> Message {
    let code = Code::ALL[usize::from(manner >> 2) % Code::ALL.len()];
    let outcome = if manner & 2 != 0 { Err(code) } else { Ok(()) };
    let retry_after = Duration::from_millis(match manner >> 6 {
        0 => 0,
        1 => 500,
        _ => 5_000,
    });
    Message::Verdict { number: asked ^ u32::from(manner & 1), outcome, retry_after }
}

/// A question, or news of an envelope.
pub(super) fn word(kind: u8, at: u8, from: u8) -> Message {
    let nonce = u64::from(at);
    let (_, id) = letter(at);
    match kind % 6 {
        0 => Message::Find { nonce, target: Key::of(&peer(at)), max: at.into() },
        1 => Message::List { nonce, cursor: Bytes::copy_from_slice(&[at]), max: at.into() },
        2 => Message::Get { nonce, ids: vec![id; usize::from(at % 4)] },
        3 => Message::Taken { nonce, ids: vec![id] },
        4 => Message::Returned { id: own(at).id(), news: News::Stopped(Code::NotReachable) },
        _ => {
            let id = own(at).id();
            let stored = Stored::sign(&keys(from), &id, START.after(600 * SECOND));
            let mut stored = stored.expect("it can sign");
            stored.signature[0] ^= u8::from(at & 0x80 != 0);
            Message::Returned { id, news: News::Stored(stored) }
        }
    }
}

fn own(at: u8) -> &'static Dispatch {
    let own = &stock().own;
    &own[usize::from(at) % own.len()]
}

/// An envelope as a neighbour hands it on: of this node, of others, or in which something is changed.
pub(super) fn handed(at: u8, put: bool) -> Message {
    let genuine = if at & 8 == 0 { letter(at & 7).0 } else { own(at).envelope().bytes() };
    let mut envelope = genuine.to_vec();
    if at & 16 != 0 {
        let place = usize::from(at) % envelope.len();
        envelope[place] ^= at;
    }
    let (number, envelope) = (at.into(), envelope.into());
    if put {
        Message::Put { number, envelope }
    } else {
        Message::Carry { number, hops: at >> 5, envelope }
    }
}

pub(super) fn request(at: u8) -> Command {
    match at % 8 {
        0 | 1 => Command::Dispatch(Box::new(own(at >> 3).clone())),
        2 | 3 => Command::Met(record((at >> 3) % 5)),
        4 => Command::Announce(record(OWN)),
        5 => Command::LookUp { target: Key::of(&peer(at >> 3)) },
        6 => Command::Discover { peer: peer((at >> 3) % 5) },
        _ => Command::Forget { peer: peer((at >> 3) % 5) },
    }
}
