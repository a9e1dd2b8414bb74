//! The laws of every core, for topic broadcast.

use std::sync::Arc;
use std::time::Duration;

use machine::{PeerId, Verdict};
use meshwork_topics::{
    Batch, Command, Config, Core, Done, Entry, Event, Job, Judgement, Message, MessageId, Rules,
    StreamId, Topic,
};
use proptest::prelude::*;
use proptest::sample::select;
use testkit::{About, Misstep, Subject};

use crate::crowd::{signature, work};

const SECOND: Duration = Duration::from_secs(1);

/// So long that a window holds four.
const LEN: usize = 30_000;

struct Topics;

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Ends {
    Subscribe(Topic),
    Unsubscribe(Topic),
    Publish(Topic, u64),
    Judge(Topic, MessageId),
}

fn named(n: usize) -> Topic {
    Topic::new(["a", "b", "c"][n]).unwrap()
}

fn topic() -> BoxedStrategy<Topic> {
    prop_oneof![6 => Just(0), 2 => Just(1), 1 => Just(2_usize)].prop_map(named).boxed()
}

/// Streams of neighbours, of the core itself, and of others.
fn stream(peers: &[PeerId]) -> BoxedStrategy<StreamId> {
    let mut publishers = peers.to_vec();
    publishers.extend([simnet::peer(0), simnet::peer(90), simnet::peer(91)]);
    (select(publishers), 0..2_u64)
        .prop_map(|(publisher, epoch)| StreamId { publisher, epoch })
        .boxed()
}

fn position() -> BoxedStrategy<u64> {
    let batch = 256 + 64 + LEN as u64;
    prop_oneof![4 => (0..6_u64).prop_map(move |n| n * batch), 1 => any::<u64>()].boxed()
}

fn entries() -> BoxedStrategy<Arc<[Entry]>> {
    let entry = prop_oneof![
        4 => Just(Entry::Payload(vec![b'.'; LEN].into())),
        1 => Just(Entry::Withheld { len: 30_000, hash: [7; 32] }),
    ];
    proptest::collection::vec(entry, 1..=2).prop_map(Arc::from).boxed()
}

fn batch(topic: Topic, stream: StreamId, start: u64, good: bool, entries: Arc<[Entry]>) -> Message {
    let start = start.min(1 << 60);
    Message::Batch(Batch { topic, stream, start, signature: signature(good), entries })
}

fn one() -> Arc<[Entry]> {
    [Entry::Payload(vec![b'.'; LEN].into())].into()
}

impl Subject for Topics {
    type Core = Core;
    type Key = Ends;

    const SETTLE: Duration = Duration::from_secs(6);
    /// Links, those being closed, what came back on them; in each topic its neighbours, streams with
    /// what is known of each neighbour and what is held, and what waits to be signed.
    const SIZE_MAX: usize = 3 + 3 + 3 * 8 + 2 * (3 + 4 * (1 + 3) + 3 * 5 + 5);
    /// Nothing is left to chance.
    const DRAWS: bool = false;

    fn build(me: PeerId, _: [u8; 32]) -> Core {
        let window = 139_776;
        let config = Config {
            topics_max: 2,
            publishers_max: 2,
            streams_max: 3,
            window_min: window,
            window_max: window,
            pool_bytes_max: 0,
            publisher_rate: 65_536,
            announce_delay: SECOND / 50,
            repair_after: SECOND / 2,
            stall_timeout: 2 * SECOND,
            judge_timeout: SECOND,
            forget_after: 3 * SECOND,
        };
        Core::new(config.check().unwrap(), me)
    }

    fn command(peers: &[PeerId]) -> BoxedStrategy<Command> {
        let judgement = select(vec![Judgement::Accept, Judgement::Ignore]);
        let id = (stream(peers), position(), 0..2_usize)
            .prop_map(|(stream, start, index)| MessageId { stream, start, index });
        prop_oneof![
            3 => (topic(), any::<bool>()).prop_map(|(topic, judged)| {
                Command::Subscribe { topic, rules: Rules { judged, payload_max: LEN } }
            }),
            1 => topic().prop_map(|topic| Command::Unsubscribe { topic }),
            6 => (topic(), 0..3_u64, select(vec![LEN, LEN + 1])).prop_map(
                |(topic, tag, len)| Command::Publish { topic, tag, payload: vec![b'.'; len].into() }
            ),
            3 => (topic(), id, judgement)
                .prop_map(|(topic, id, judgement)| Command::Judge { topic, id, judgement }),
        ]
        .boxed()
    }

    fn message(peers: &[PeerId]) -> BoxedStrategy<Message> {
        let two =
            || (position(), position()).prop_map(|(one, other)| [one.min(other), one.max(other)]);
        prop_oneof![
            4 => topic().prop_map(Message::Subscribe),
            1 => topic().prop_map(Message::Unsubscribe),
            4 => (topic(), stream(peers), two())
                .prop_map(|(topic, stream, [oldest, have])| Message::Have {
                    topic, stream, oldest, have
                }),
            4 => (topic(), stream(peers), 0..9_u64, two())
                .prop_map(|(topic, stream, attempt, [from, until])| Message::Want {
                    topic, stream, attempt, from, until
                }),
            1 => (topic(), stream(peers))
                .prop_map(|(topic, stream)| Message::Decline { topic, stream }),
            3 => (topic(), stream(peers), position(), any::<bool>(), entries())
                .prop_map(|(topic, stream, start, good, entries)| batch(
                    topic, stream, start, good, entries
                )),
        ]
        .boxed()
    }

    fn reply(said: &Message, dice: u32) -> Option<Message> {
        match said.clone() {
            Message::Subscribe(topic) => Some(Message::Subscribe(topic)),
            Message::Unsubscribe(_) | Message::Decline { .. } => None,
            Message::Have { topic, stream, oldest, have } if dice.is_multiple_of(2) => {
                let (from, until) = (oldest, oldest.saturating_add(100_000));
                let attempt = u64::from(dice % 16);
                Some(Message::Want { topic, stream, attempt, from, until }).filter(|_| have > 0)
            }
            Message::Have { topic, stream, oldest, have } => {
                Some(Message::Have { topic, stream, oldest, have })
            }
            Message::Want { topic, stream, from, .. } => {
                Some(batch(topic, stream, from, !dice.is_multiple_of(8), one()))
            }
            Message::Batch(batch) => {
                let (oldest, have) = (batch.end(), batch.end());
                Some(Message::Have { topic: batch.topic, stream: batch.stream, oldest, have })
            }
        }
    }

    fn done(job: &Job, _: u32) -> Done {
        work(job)
    }

    fn key(command: &Command) -> Ends {
        match command.clone() {
            Command::Subscribe { topic, .. } => Ends::Subscribe(topic),
            Command::Unsubscribe { topic } => Ends::Unsubscribe(topic),
            Command::Publish { topic, tag, .. } => Ends::Publish(topic, tag),
            Command::Judge { topic, id, .. } => Ends::Judge(topic, id),
        }
    }

    fn ends(event: &Event) -> Option<Ends> {
        match event.clone() {
            Event::Subscribed { topic, .. } => Some(Ends::Subscribe(topic)),
            Event::Unsubscribed { topic, .. } => Some(Ends::Unsubscribe(topic)),
            Event::Published { topic, tag, .. } => Some(Ends::Publish(topic, tag)),
            Event::Judged { topic, id, .. } => Some(Ends::Judge(topic, id)),
            Event::Writable { .. }
            | Event::Arrived { .. }
            | Event::Neighbour { .. }
            | Event::Missed { .. }
            | Event::Declined { .. }
            | Event::TooSlow { .. } => None,
        }
    }

    fn about(event: &Event) -> About {
        match event {
            Event::Neighbour { peer, .. } | Event::TooSlow { peer, .. } => About::Peer(*peer),
            Event::Subscribed { .. } | Event::Unsubscribed { .. } => About::Nobody,
            Event::Published { .. }
            | Event::Judged { .. }
            | Event::Writable { .. }
            | Event::Arrived { .. }
            | Event::Missed { .. }
            | Event::Declined { .. } => About::Several,
        }
    }

    fn per_peer_entries(core: &Core) -> usize {
        core.per_peer_entries()
    }

    fn size(core: &Core) -> usize {
        core.per_peer_entries()
    }

    /// A forgery is not among them: it is found out once a checker is free. A story in `hostile`
    /// shows it.
    fn missteps(_: PeerId) -> Vec<Misstep<Self>> {
        let unasked = |_: &[Message]| {
            let stream = StreamId { publisher: simnet::peer(92), epoch: 0 };
            batch(named(0), stream, 0, true, one())
        };
        let early = |_: &[Message]| {
            let stream = StreamId { publisher: simnet::peer(92), epoch: 0 };
            Message::Have { topic: named(0), stream, oldest: 0, have: 1000 }
        };
        vec![
            Misstep::new("batch unasked", unasked, Some(Verdict::Charge(50))),
            Misstep::new("announcement of one who takes no part", early, None),
        ]
    }
}

testkit::laws!(Topics, framed);
