//! The laws of every core, for the DHT.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use machine::{PeerId, UnixTime, Verdict};
use meshwork_dht::{
    Addressed, BroadcastStrategy, Carriage, Code, Command, Config, Core, DhtOutboundRequest,
    DialError, Dispatch, Disposition, Done, Event, Flags, Gate, InboundMessage, Job, Key, LetterId,
    Message, MessageId, Moment, News, Opener, Recorded, Refusal, SealError, Sealer, Seen,
    SendOptions, Setup, Stored, Ticket, broadcast, pass, seal,
};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use testkit::{About, Misstep, Step, Subject};
use transport::records::BadRecord;
use wire::signed::SignedRecord;

use super::world::{START, keys, network, open, peer, record};

const SECOND: Duration = Duration::from_secs(1);

struct Dht;

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Ends {
    Letter(LetterId),
    Ticket(Ticket),
    Met(PeerId),
    Announce,
    LookUp(Key),
    Discover(PeerId),
    Forget(PeerId),
}

fn config() -> Config {
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
    // A quarter of an hour passes after each history: what is done again and again is done seldom.
    config.delivery.attempt_timeout = 20 * SECOND;
    config.delivery.attempt_timeout_max = 120 * SECOND;
    config.delivery.stored_retry = 120 * SECOND;
    config.discovery.refresh_period = 300 * SECOND;
    config.mailbox.fetch_period = 300 * SECOND;
    config.mailbox.republish_period = 300 * SECOND;
    config
}

/// What is costly to make, once.
struct Stock {
    /// Own messages: to peers, with and without a mailbox, and in clear.
    dispatches: Vec<Dispatch>,
    /// Envelopes that passed the stages, of each kind of what is left to do.
    recorded: Vec<Recorded>,
}

fn stock() -> &'static Stock {
    static STOCK: OnceLock<Stock> = OnceLock::new();
    STOCK.get_or_init(|| {
        let params = config().check().unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut own = |sealer: u8, strategy, letter: u8, keep| {
            let lifetime = meshwork_dht::Lifetime::new(1);
            let options = SendOptions { keep, lifetime, ..SendOptions::default() };
            let letter = LetterId([letter; 16]);
            let request = DhtOutboundRequest::new(strategy, letter, Bytes::from_static(b"hello"));
            let keys = keys(sealer);
            let me = keys.public().to_peer_id();
            let addressed = broadcast(&params, &me, request.with_options(options), START);
            let sealer = Sealer::new(network(), &keys).unwrap();
            seal(&sealer, addressed.unwrap(), &mut rng).unwrap()
        };
        let routed = |number| BroadcastStrategy::DirectOrClosest {
            peer: peer(number),
            n: 1,
            exclude: Vec::new(),
        };
        let flood = BroadcastStrategy::Flood { exclude: Vec::new() };
        let dispatches = vec![
            own(20, routed(1), 1, true),
            own(20, routed(2), 2, false),
            own(20, BroadcastStrategy::Direct(peer(3)), 3, false),
            own(20, flood, 4, false),
        ];
        let others = [own(21, routed(1), 5, true), own(21, routed(4), 6, false)];
        let opener = Arc::new(Opener::new(network(), &keys(20)).unwrap());
        let gate = Gate::new(&params, opener, Seen::new(network(), &params));
        let carriages = [Carriage::Routed, Carriage::Routed, Carriage::Put];
        let mut recorded = Vec::new();
        for (n, (dispatch, carriage)) in
            [&others[0], &others[1], &others[0]].into_iter().zip(carriages).enumerate()
        {
            let message = InboundMessage {
                from: simnet::peer(1),
                ticket: Ticket::new(n.try_into().unwrap()),
                hops: 4,
                carriage,
                envelope: dispatch.envelope().bytes().clone(),
            };
            let moment = Moment { now: machine::Instant::START, wall: START };
            recorded.push(pass(&gate, message, moment).unwrap());
        }
        Stock { dispatches, recorded }
    })
}

/// The signature of each record is checked once: what is tried here is the core.
fn opened(bytes: &Bytes) -> Result<SignedRecord, BadRecord> {
    thread_local! {
        static OPENED: RefCell<BTreeMap<Bytes, Result<SignedRecord, BadRecord>>> =
            const { RefCell::new(BTreeMap::new()) };
    }
    OPENED.with_borrow_mut(|all| all.entry(bytes.clone()).or_insert_with(|| open(bytes)).clone())
}

/// Likewise, another envelope of the same letter is one of three.
fn sealed(addressed: &Addressed, dice: u32) -> Result<Dispatch, SealError> {
    type Known = BTreeMap<(LetterId, u8, u32), Result<Dispatch, SealError>>;
    thread_local! {
        static SEALED: RefCell<Known> = const { RefCell::new(BTreeMap::new()) };
    }
    let letter = addressed.letter();
    let key = (letter.id, addressed.terms().flags.bits(), dice % 3);
    SEALED.with_borrow_mut(|all| {
        let make = || {
            let mut rng = ChaCha20Rng::seed_from_u64(key.2.into());
            let sealer = Sealer::new(network(), &keys(20)).unwrap();
            seal(&sealer, addressed.clone(), &mut rng)
        };
        all.entry(key).or_insert_with(make).clone()
    })
}

/// A record costs a signature: each is made once.
fn signed(number: u8) -> Arc<SignedRecord> {
    static SIGNED: OnceLock<Vec<Arc<SignedRecord>>> = OnceLock::new();
    let all = SIGNED.get_or_init(|| (0..=4).map(|n| record(&keys(n), n)).collect());
    Arc::clone(&all[usize::from(number)])
}

/// So does a key.
fn known(number: u8) -> PeerId {
    signed(number).peer()
}

fn ids() -> Vec<MessageId> {
    let known = stock().dispatches.iter().map(Dispatch::id);
    known.chain([MessageId([9; 32])]).collect()
}

fn outcome() -> BoxedStrategy<Result<Disposition, Refusal>> {
    let letter = LetterId([8; 16]);
    let sender = known(1);
    let recorded = &stock().recorded;
    let of = |n: usize| recorded[n].clone();
    proptest::sample::select(vec![
        Ok(Disposition::Carry(of(0))),
        Ok(Disposition::Carry(of(1))),
        Ok(Disposition::Keep(of(2))),
        Ok(Disposition::Delivered { sender, letter, sealed: true }),
        Ok(Disposition::Delivered { sender, letter, sealed: false }),
        Ok(Disposition::Again { sender, letter }),
        Ok(Disposition::Unreadable),
        // Not what a pipeline says of an honest link's envelopes: those are told apart elsewhere.
        Err(Refusal::Busy),
        Err(Refusal::Duplicate),
        Err(Refusal::HopsSpent),
    ])
    .boxed()
}

fn targets() -> impl Strategy<Value = Key> {
    (0..4_u8).prop_map(|n| Key::from_bytes([n.wrapping_mul(70); 32]))
}

fn code() -> impl Strategy<Value = Code> {
    proptest::sample::select(Code::ALL.to_vec())
}

impl Subject for Dht {
    type Core = Core;
    type Key = Ends;

    /// A message lives 5 minutes and two quanta more.
    const SETTLE: Duration = Duration::from_mins(16);
    const SIZE_MAX: usize = 400;
    /// It goes on looking for others, and after its mail.
    const STANDING_TIMER: bool = true;

    fn build(me: PeerId, seed: [u8; 32]) -> Core {
        Core::new(config().check().unwrap(), Setup::new(me, network()), seed)
    }

    fn command(peers: &[PeerId]) -> BoxedStrategy<Command> {
        let known = (1..=4_u8).prop_map(known);
        let peer = prop_oneof![proptest::sample::select(peers.to_vec()), known];
        let met = (1..=4_u8).prop_map(signed);
        prop_oneof![
            4 => (0..4_usize).prop_map(|n| {
                Command::Dispatch(Box::new(stock().dispatches[n].clone()))
            }),
            8 => (0..8_u64, outcome()).prop_map(|(ticket, outcome)| {
                Command::Settled { ticket: Ticket::new(ticket), outcome }
            }),
            2 => met.clone().prop_map(Command::Met),
            1 => met.prop_map(Command::Announce),
            2 => targets().prop_map(|target| Command::LookUp { target }),
            2 => peer.clone().prop_map(|peer| Command::Discover { peer }),
            1 => peer.prop_map(|peer| Command::Forget { peer }),
        ]
        .boxed()
    }

    fn message(peers: &[PeerId]) -> BoxedStrategy<Message> {
        let envelope = prop_oneof![
            (0..4_usize).prop_map(|n| stock().dispatches[n].envelope().bytes().clone()),
            Just(Bytes::from_static(b"no envelope")),
        ];
        let id = proptest::sample::select(ids());
        let ids = proptest::collection::vec(id.clone(), 0..3);
        let stored = (proptest::sample::select(peers.to_vec()), any::<u32>(), any::<u8>());
        let stored = stored.prop_map(|(server, until, byte)| Stored {
            server,
            until: UnixTime::from_millis(until.into()),
            signature: [byte; 64],
        });
        let news = prop_oneof![code().prop_map(News::Stopped), stored.prop_map(News::Stored)];
        let records = proptest::collection::vec(
            prop_oneof![
                (1..=4_u8).prop_map(|n| signed(n).encoded().clone()),
                Just(Bytes::from_static(b"no record")),
            ],
            0..4,
        );
        let cursor = proptest::collection::vec(any::<u8>(), 0..4).prop_map(Bytes::from);
        let outcome = prop_oneof![Just(Ok(())), code().prop_map(Err)];
        let n = 0..4_u64;
        prop_oneof![
            (any::<u32>(), any::<u8>(), envelope.clone())
                .prop_map(|(number, hops, envelope)| Message::Carry { number, hops, envelope }),
            (any::<u32>(), envelope.clone())
                .prop_map(|(number, envelope)| Message::Put { number, envelope }),
            (any::<u32>(), outcome, 0..9_u32).prop_map(|(number, outcome, after)| {
                let retry_after = Duration::from_millis(after.into());
                Message::Verdict { number, outcome, retry_after }
            }),
            (id, news).prop_map(|(id, news)| Message::Returned { id, news }),
            (n.clone(), targets(), 0..40_u32).prop_map(|(nonce, target, max)| Message::Find {
                nonce,
                target,
                max
            }),
            (n.clone(), records).prop_map(|(nonce, records)| Message::Nodes { nonce, records }),
            (n.clone(), cursor.clone(), 0..99_u32).prop_map(|(nonce, cursor, max)| Message::List {
                nonce,
                cursor,
                max
            }),
            (n.clone(), ids.clone(), cursor, any::<bool>()).prop_map(
                |(nonce, ids, cursor, more)| Message::Listed { nonce, ids, cursor, more }
            ),
            (n.clone(), ids.clone()).prop_map(|(nonce, ids)| Message::Get { nonce, ids }),
            (n.clone(), proptest::collection::vec(envelope, 0..3))
                .prop_map(|(nonce, envelopes)| Message::Got { nonce, envelopes }),
            (n.clone(), ids).prop_map(|(nonce, ids)| Message::Taken { nonce, ids }),
            (n, any::<u32>()).prop_map(|(nonce, count)| Message::Dropped { nonce, count }),
        ]
        .boxed()
    }

    fn reply(said: &Message, dice: u32) -> Option<Message> {
        let records =
            |count: u8| (1..=count).map(|n| signed(n).encoded().clone()).collect::<Vec<_>>();
        let retry_after = Duration::ZERO;
        match *said {
            Message::Carry { number, .. } | Message::Put { number, .. } => {
                let outcome = match dice % 4 {
                    0 => Err(Code::Duplicate),
                    1 => Err(Code::Busy),
                    _ => Ok(()),
                };
                Some(Message::Verdict { number, outcome, retry_after })
            }
            Message::Find { nonce, .. } => Some(match dice % 6 {
                0 => Message::Nodes { nonce, records: Vec::new() },
                1 => Message::Nodes { nonce, records: records(3) },
                2 => Message::Nodes { nonce, records: vec![Bytes::from_static(b"no record")] },
                3 => Message::Nodes { nonce: nonce.wrapping_add(1), records: records(1) },
                _ => Message::Nodes { nonce, records: records(2) },
            }),
            Message::List { nonce, .. } => {
                let ids = ids();
                let cursor = Bytes::from_static(b"cursor");
                Some(Message::Listed { nonce, ids, cursor, more: dice.is_multiple_of(2) })
            }
            Message::Get { nonce, .. } => {
                let envelope = stock().dispatches[0].envelope().bytes().clone();
                Some(Message::Got { nonce, envelopes: vec![envelope] })
            }
            Message::Taken { nonce, .. } => Some(Message::Dropped { nonce, count: dice % 3 }),
            Message::Verdict { .. }
            | Message::Returned { .. }
            | Message::Nodes { .. }
            | Message::Listed { .. }
            | Message::Got { .. }
            | Message::Dropped { .. } => None,
        }
    }

    fn done(job: &Job, dice: u32) -> Done {
        let lucky = !dice.is_multiple_of(4);
        match job {
            Job::Dial { .. } => {
                Done::Dialled(if lucky { Ok(()) } else { Err(DialError::Unreachable) })
            }
            Job::Verify { records } => Done::Verified(records.iter().map(opened).collect()),
            Job::Seal(addressed) => Done::Sealed(sealed(addressed, dice).map(Box::new)),
            Job::CheckStored { .. } => Done::Checked(lucky),
            Job::Keep(_) => Done::Kept(Ok(())),
            Job::Read(arrivals) => Done::Read(Ok(arrivals.iter().map(|_| None).collect())),
            Job::Sign(list) => Done::Signed(list.iter().map(|_| [7; 64]).collect()),
        }
    }

    fn key(command: &Command) -> Ends {
        match command {
            Command::Dispatch(dispatch) => Ends::Letter(dispatch.addressed().letter().id),
            Command::Settled { ticket, .. } => Ends::Ticket(*ticket),
            Command::Met(record) => Ends::Met(record.peer()),
            Command::Announce(_) => Ends::Announce,
            Command::LookUp { target } => Ends::LookUp(*target),
            Command::Discover { peer } => Ends::Discover(*peer),
            Command::Forget { peer } => Ends::Forget(*peer),
        }
    }

    fn ends(event: &Event) -> Option<Ends> {
        match event {
            Event::Outcome { letter, outcome } => outcome.is_end().then_some(Ends::Letter(*letter)),
            Event::Freed { ticket } => Some(Ends::Ticket(*ticket)),
            Event::Met { peer, .. } => Some(Ends::Met(*peer)),
            Event::Announced { .. } => Some(Ends::Announce),
            Event::LookedUp { target, .. } => Some(Ends::LookUp(*target)),
            Event::Discovered { peer, .. } => Some(Ends::Discover(*peer)),
            Event::Forgotten { peer } => Some(Ends::Forget(*peer)),
            Event::Arrived(_) | Event::Release { .. } => None,
        }
    }

    fn about(event: &Event) -> About {
        match event {
            Event::Arrived(message) => About::Peer(message.from),
            Event::Release { peer } => About::Peer(*peer),
            // Messages and look-ups go over whoever is there.
            Event::Outcome { .. }
            | Event::Freed { .. }
            | Event::Met { .. }
            | Event::Announced { .. }
            | Event::LookedUp { .. }
            | Event::Discovered { .. }
            | Event::Forgotten { .. } => About::Several,
        }
    }

    fn per_peer_entries(core: &Core) -> usize {
        core.passing_entries()
    }

    fn size(core: &Core) -> usize {
        core.entries()
    }

    fn missteps(peer: PeerId) -> Vec<Misstep<Self>> {
        let verdict = |_: &[Message]| Message::Verdict {
            number: 7,
            outcome: Ok(()),
            retry_after: Duration::ZERO,
        };
        let nodes = |_: &[Message]| Message::Nodes { nonce: 7, records: Vec::new() };
        let returned = |_: &[Message]| Message::Returned {
            id: MessageId([9; 32]),
            news: News::Stopped(Code::NotReachable),
        };
        let find = |_: &[Message]| Message::Find {
            nonce: 7,
            target: Key::from_bytes([7; 32]),
            max: u32::MAX,
        };
        vec![
            Misstep::new("verdict unasked", verdict, Some(Verdict::Note)),
            Misstep::new("nodes unasked", nodes, Some(Verdict::Note)),
            Misstep::new("news of nothing", returned, Some(Verdict::Note)),
            Misstep::new("a question too many", find, None)
                .after((0..40).map(|_| Step::Hear(peer, find(&[]))).collect::<Vec<_>>()),
        ]
    }
}

testkit::laws!(Dht, framed);

#[test]
fn flags_are_as_the_strategies_say() {
    let flags: Vec<_> = stock().dispatches.iter().map(|d| d.envelope().flags()).collect();
    assert_eq!(flags, [Flags::MAILBOX, Flags::NONE, Flags::NONE, Flags::NONE]);
}
