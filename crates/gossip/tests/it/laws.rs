//! The laws of every core, for gossip.

use std::time::Duration;

use bytes::Bytes;
use handshake::DialError;
use machine::{PeerId, UnixTime, Verdict};
use meshwork_gossip::{
    Command, Config, Core, Direction, DisconnectReason, Done, Event, Job, Message, Opened, Setup,
    Snapshot, SwapRefusal,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use testkit::{About, Misstep, Step, Subject};

use crate::records::{address, open, record};

const SECOND: Duration = Duration::from_secs(1);

struct Gossip;

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Ends {
    Opened(PeerId),
    Closed(PeerId),
    Learned(PeerId),
    Sought,
    Trust(PeerId),
    Distrust(PeerId),
    Dismiss(PeerId),
    Banned(PeerId),
    Shutdown,
}

fn opened(peer: PeerId, direction: Direction, n: u8) -> Command {
    let record = Some(record(n));
    Command::Opened(Box::new(Opened { peer, direction, address: address(n), record }))
}

fn bootstrap(nonce: u64) -> Message {
    Message::Bootstrap { nonce, max: 10, transports: Vec::new() }
}

fn encoded(n: u8) -> Bytes {
    record(n).encoded().clone()
}

fn any_record() -> impl Strategy<Value = Bytes> {
    prop_oneof![4 => (1..=6_u8).prop_map(encoded), 1 => Just(Bytes::from_static(b"no record"))]
}

impl Subject for Gossip {
    type Core = Core;
    type Key = Ends;

    /// Who is given up is given up twice, and what was said is remembered for a while.
    const SETTLE: Duration = Duration::from_mins(2);
    /// Links and half links, dials, dealings, jobs, one exchange, and the book.
    const SIZE_MAX: usize = 700;
    const STANDING_TIMER: bool = true;

    fn build(me: PeerId, seed: [u8; 32]) -> Core {
        let config = Config {
            min: 1,
            expected: 1,
            // No link is closed for want of room while the laws look at one: stories show that.
            max: 8,
            maintenance_period: 5 * SECOND,
            dials_max: 1,
            anchors: 1,
            anchor_age: SECOND,
            trusted_max: 1,
            feeler_period: 4 * SECOND,
            redial_max: 4 * SECOND,
            seek_max: 4 * SECOND,
            book_max: 64,
            save_period: 5 * SECOND,
            ask_period: 4 * SECOND,
            ask_gap: 2 * SECOND,
            ask_timeout: SECOND,
            records_max: 2,
            answer_lasts: 3 * SECOND,
            swap_period: 5 * SECOND,
            swap_age_min: Duration::ZERO,
            swap_linger: SECOND,
            swap_requester_gap: 2 * SECOND,
            swap_deadline: 2 * SECOND,
            swap_share_max: 1000,
            swap_protected: 0,
            ping_period: 2 * SECOND,
            ping_timeout_max: 2 * SECOND,
            ping_misses_max: 2,
            ..Config::default()
        };
        let setup = Setup {
            local: me,
            transports: vec!["tcp".to_owned()],
            trusted: Vec::new(),
            banned: Vec::new(),
            kept: Snapshot::default(),
            started: UnixTime::from_millis(1_000_000),
        };
        Core::new(config.check().unwrap(), setup, seed)
    }

    fn command(peers: &[PeerId]) -> BoxedStrategy<Command> {
        let peer = || select(peers.to_vec());
        let direction = select(vec![Direction::Inbound, Direction::Outbound]);
        let reason = select(DisconnectReason::EACH.to_vec());
        let records = vec((1..=6_u8).prop_map(record), 0..4);
        let sought = prop_oneof![(0..3_usize).prop_map(Ok), Just(Err(SECOND))];
        prop_oneof![
            8 => (peer(), direction, 1..=6_u8).prop_map(|(p, d, n)| opened(p, d, n)),
            4 => peer().prop_map(|peer| Command::Closed { peer }),
            3 => (peer(), records).prop_map(|(source, records)| Command::Learned { source, address: None, records }),
            2 => sought.prop_map(|outcome| Command::Sought { outcome }),
            1 => (peer(), 1..=6_u8)
                .prop_map(|(peer, n)| Command::Trust { peer, addresses: vec![address(n)] }),
            1 => peer().prop_map(|peer| Command::Distrust { peer }),
            1 => (peer(), reason).prop_map(|(peer, reason)| Command::Dismiss { peer, reason }),
            1 => (peer(), any::<bool>()).prop_map(|(peer, banned)| Command::Banned { peer, banned }),
        ]
        .boxed()
    }

    fn message(peers: &[PeerId]) -> BoxedStrategy<Message> {
        let id = || 0..4_u64;
        let records = |max| vec(any_record(), 0..max);
        let refusal = || select(SwapRefusal::EACH.to_vec());
        let reason = select(DisconnectReason::EACH.to_vec());
        let span = || (0..20_000_u64).prop_map(Duration::from_millis);
        let transports = vec("[a-z]{0,5}", 0..3);
        prop_oneof![
            (any::<u64>(), 0..100_u32, transports)
                .prop_map(|(nonce, max, transports)| Message::Bootstrap { nonce, max, transports }),
            (id(), records(4)).prop_map(|(nonce, records)| Message::Advertise { nonce, records }),
            (id(), span(), any_record()).prop_map(|(id, deadline, record)| Message::SwapPropose {
                id,
                deadline,
                record
            }),
            (id(), any_record()).prop_map(|(id, record)| Message::SwapAccept { id, record }),
            (id(), refusal()).prop_map(|(id, reason)| Message::SwapReject { id, reason }),
            id().prop_map(|id| Message::SwapCommit { id }),
            (id(), refusal()).prop_map(|(id, reason)| Message::SwapAbort { id, reason }),
            (reason, span(), records(3)).prop_map(|(reason, retry_after, alternatives)| {
                Message::Disconnect { reason, retry_after, alternatives }
            }),
            id().prop_map(|nonce| Message::Ping { nonce }),
            id().prop_map(|nonce| Message::Pong { nonce }),
            (id(), select(peers.to_vec())).prop_map(|(id, peer)| Message::Replaces { id, peer }),
        ]
        .boxed()
    }

    fn reply(said: &Message, dice: u32) -> Option<Message> {
        let n = u8::try_from(dice % 6 + 1).unwrap();
        match said {
            Message::Bootstrap { nonce, .. } => {
                let records = (0..dice % 4).map(|_| encoded(n)).collect();
                Some(Message::Advertise { nonce: nonce ^ u64::from(dice % 5 == 4), records })
            }
            Message::SwapPropose { id, .. } if dice.is_multiple_of(3) => {
                Some(Message::SwapReject { id: *id, reason: SwapRefusal::Busy })
            }
            Message::SwapPropose { id, .. } => {
                Some(Message::SwapAccept { id: *id, record: encoded(n) })
            }
            Message::SwapAccept { id, .. } | Message::SwapCommit { id }
                if dice.is_multiple_of(3) =>
            {
                Some(Message::SwapAbort { id: *id, reason: SwapRefusal::TimedOut })
            }
            Message::SwapAccept { id, .. } | Message::SwapCommit { id } => {
                Some(Message::SwapCommit { id: *id })
            }
            Message::Ping { nonce } => Some(Message::Pong { nonce: *nonce }),
            _ => None,
        }
    }

    fn done(job: &Job, dice: u32) -> Done {
        match job {
            Job::Dial { .. } if dice.is_multiple_of(3) => {
                Done::Dialled(Err(DialError::Unreachable { reason: "test".to_owned() }))
            }
            Job::Dial { .. } => Done::Dialled(Ok(())),
            Job::Verify { records } => Done::Verified(records.iter().map(open).collect()),
            Job::Save { .. } => Done::Saved(Ok(())),
        }
    }

    fn key(command: &Command) -> Ends {
        match command {
            Command::Opened(opened) | Command::OpenedAside(opened) => Ends::Opened(opened.peer),
            Command::Closed { peer } => Ends::Closed(*peer),
            Command::Learned { source, .. } => Ends::Learned(*source),
            Command::Sought { .. } => Ends::Sought,
            Command::Trust { peer, .. } => Ends::Trust(*peer),
            Command::Distrust { peer } => Ends::Distrust(*peer),
            Command::Dismiss { peer, .. } => Ends::Dismiss(*peer),
            Command::Banned { peer, .. } => Ends::Banned(*peer),
            Command::Shutdown => Ends::Shutdown,
        }
    }

    fn ends(event: &Event) -> Option<Ends> {
        match event {
            Event::Linked { peer } => Some(Ends::Opened(*peer)),
            Event::Unlinked { peer } => Some(Ends::Closed(*peer)),
            Event::Learned { source, .. } => Some(Ends::Learned(*source)),
            Event::Sought { .. } => Some(Ends::Sought),
            Event::Trusted { peer, .. } => Some(Ends::Trust(*peer)),
            Event::Distrusted { peer, .. } => Some(Ends::Distrust(*peer)),
            Event::Dismissed { peer, .. } => Some(Ends::Dismiss(*peer)),
            Event::BanNoted { peer } => Some(Ends::Banned(*peer)),
            Event::Ended { .. } => Some(Ends::Shutdown),
            Event::SeedsWanted { .. }
            | Event::HangUp { .. }
            | Event::Disconnected { .. }
            | Event::TooFew { .. }
            | Event::TooMany { .. }
            | Event::Swapped { .. }
            | Event::Advertised { .. }
            | Event::StoreFailed { .. } => None,
        }
    }

    fn about(event: &Event) -> About {
        match event {
            Event::Linked { peer }
            | Event::Unlinked { peer }
            | Event::Trusted { peer, .. }
            | Event::Distrusted { peer, .. }
            | Event::Dismissed { peer, .. }
            | Event::BanNoted { peer }
            | Event::HangUp { peer }
            | Event::Disconnected { peer, .. } => About::Peer(*peer),
            Event::Learned { source, .. } | Event::Advertised { source, .. } => {
                About::Peer(*source)
            }
            Event::Swapped { with, .. } => About::Peer(*with),
            Event::Sought { .. }
            | Event::Ended { .. }
            | Event::SeedsWanted { .. }
            | Event::TooFew { .. }
            | Event::TooMany { .. }
            | Event::StoreFailed { .. } => About::Several,
        }
    }

    fn per_peer_entries(core: &Core) -> usize {
        core.passing_entries()
    }

    fn size(core: &Core) -> usize {
        core.passing_entries() + core.book().len()
    }

    fn missteps(peer: PeerId) -> Vec<Misstep<Self>> {
        let up = || vec![Step::Command(opened(peer, Direction::Inbound, 6)), Step::Join(peer)];
        let unasked = |_: &[Message]| Message::Advertise { nonce: 9, records: Vec::new() };
        let commit = |_: &[Message]| Message::SwapCommit { id: 9 };
        let pong = |_: &[Message]| Message::Pong { nonce: 9 };
        let asks = (0..5).map(|nonce| Step::Hear(peer, bootstrap(nonce)));
        let pings = (0..33).map(|nonce| Step::Hear(peer, Message::Ping { nonce }));
        vec![
            Misstep::new("advertise unasked", unasked, Some(Verdict::Charge(20))).after(up()),
            Misstep::new("commit to nothing", commit, Some(Verdict::Note)).after(up()),
            Misstep::new("pong unasked", pong, Some(Verdict::Note)).after(up()),
            Misstep::new("ask without a pause", |_| bootstrap(7), Some(Verdict::Charge(10)))
                .after(up().into_iter().chain(asks).collect::<Vec<_>>()),
            Misstep::new("ping flood", |_| Message::Ping { nonce: 1 }, Some(Verdict::Charge(10)))
                .after(up().into_iter().chain(pings).collect::<Vec<_>>()),
        ]
    }
}

testkit::laws!(Gossip, framed);
