//! Topic broadcast: what one node publishes reaches every node that subscribed, or is refused.
//!
//! The life of a message:
//! 1. [`Command::Publish`] takes it, or says [`PublishError::Busy`] while neighbours have yet to take
//!    what was published before; what is taken at once shares one signature ([`Job::Sign`]);
//! 2. each publisher's batches are a stream: positions without a gap. The publisher tells its
//!    neighbours how far the stream goes ([`Message::Have`]);
//! 3. a neighbour asks one of those who have it ([`Message::Want`]), and grants it the room that it
//!    has; as long as credit lasts, batches follow without being asked for ([`Message::Batch`]);
//! 4. what is not next in the stream is dropped unread; the rest is checked ([`Job::Check`]), given
//!    to the application ([`Event::Arrived`]), judged if it wants to, accepted, and passed on;
//! 5. it is kept until every neighbour that subscribed says that it has it. Then there is new room,
//!    and new credit; a full node grants none, so that in the end the publisher is told to wait;
//! 6. who sends nothing although others have more is replaced, who takes nothing is hung up on.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | a message | bytes | | [`PAYLOAD_MAX`], 65,536, or less by its topic's [`Rules`] |
//! | a batch | messages, bytes of payload | | [`ENTRIES_MAX`], 64; 65,536 |
//! | the name of a topic | bytes | | [`TOPIC_LEN_MAX`], 64 |
//! | [`Config::topics_max`] | topics | 16 | 1 to 128 |
//! | [`Config::publishers_max`] | streams under way, per topic | 64 | 1 to 4,096 |
//! | [`Config::streams_max`] | streams remembered, per topic | 4,096 | up to 65,536 |
//! | [`Config::window_min`], [`Config::window_max`] | bytes held of one stream | 273 KiB, 1 MiB | 137 KiB to 1 GiB |
//! | [`Config::pool_bytes_max`] | bytes beyond `window_min`, all streams of a topic | 8 MiB | 1 GiB |
//! | [`Config::publisher_rate`] | bytes per second of one stream | 32 MiB | 64 KiB to 1 GiB |
//! | [`Config::announce_delay`] | time until news is announced | 100 ms | 1 ms to 1 s |
//! | [`Config::repair_after`] | time until another neighbour is asked | 500 ms | 10 ms to 10 s |
//! | [`Config::judge_timeout`] | time for a judgement | 2 s | 10 ms to `stall_timeout` |
//! | [`Config::stall_timeout`] | time without progress | 10 s | 1 s to 10 min |
//! | [`Config::forget_after`] | time until a quiet stream is forgotten | 10 min | `stall_timeout` to 1 day |
//!
//! ```
//! use machine::{Effect, Input, Instant, Machine, PeerId};
//! use meshwork_topics::{Command, Config, Core, Event, Job, Message, PublishError, Rules, Topic};
//! use std::iter::from_fn;
//!
//! let (me, peer) = (PeerId::random(), PeerId::random());
//! let mut core = Core::new(Config::default().check()?, me);
//! let topic = Topic::new("news")?;
//! let publish = |tag| Command::Publish { topic: topic.clone(), tag, payload: "hello".into() };
//! let mut give = |input| {
//!     core.handle(input, Instant::START);
//!     from_fn(|| core.poll_effect()).collect::<Vec<_>>()
//! };
//!
//! let (rules, name) = (Rules::default(), Core::NAMES[0]);
//! give(Input::Command(Command::Subscribe { topic: topic.clone(), rules }));
//! let effects = give(Input::Command(publish(1)));
//! let [Effect::Emit(Event::Published { tag: 1, outcome, .. })] = &effects[..] else { panic!() };
//! assert_eq!(*outcome, Err(PublishError::Alone));
//!
//! // A neighbour comes that takes part as well: now somebody hears it.
//! let effects = give(Input::Joined { peer, name });
//! assert!(matches!(&effects[..], [Effect::Send { message: Message::Subscribe(_), .. }]));
//! give(Input::Received { peer, message: Message::Subscribe(topic.clone()) });
//! let effects = give(Input::Command(publish(2)));
//! let [Effect::Start { job: Job::Sign { .. }, .. }, Effect::Emit(Event::Published { outcome, .. })] =
//!     &effects[..]
//! else {
//!     panic!()
//! };
//! assert_eq!(*outcome, Ok(()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! *Not here*: who is linked to whom (`gossip`), what a message means, and messages to one peer
//! (`session`).
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_in_result,
    clippy::panic_in_result_fn,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic
)]

mod config;
mod core;
mod error;
mod event;
mod fault;
mod messages;
mod signing;
mod worker;

pub use self::config::{Config, ConfigError, Params, Rules};
pub use self::core::{Core, Counts};
pub use self::error::{JudgeError, PublishError, SubscribeError, UnsubscribeError};
pub use self::event::{Command, Done, Event, Job, Judgement, MessageId};
pub use self::fault::Fault;
pub use self::messages::{
    BadTopic, Batch, ENTRIES_MAX, Entry, Message, PAYLOAD_MAX, StreamId, TOPIC_LEN_MAX, Topic,
};
pub use self::worker::Worker;

/// Topic broadcast in a swarm.
pub type Behaviour = transport::conversation::Behaviour<Core>;
