//! What the application asks of topic broadcast and is told, and the slow work in between.

use std::sync::Arc;

use bytes::Bytes;
use libp2p_identity::PeerId;

use crate::config::Rules;
use crate::error::{JudgeError, PublishError, SubscribeError, UnsubscribeError};
use crate::messages::{Batch, Entry, StreamId, Topic};

/// A request of the application.
#[derive(Clone, Debug)]
pub enum Command {
    /// Take part in a topic. Ends in one [`Event::Subscribed`].
    Subscribe {
        /// Which.
        topic: Topic,
        /// What holds in it.
        rules: Rules,
    },
    /// Leave a topic; what is kept for neighbours is dropped. Ends in one [`Event::Unsubscribed`].
    Unsubscribe {
        /// Which.
        topic: Topic,
    },
    /// Publish a message to all who subscribed. Ends in one [`Event::Published`].
    Publish {
        /// Where; it has to be subscribed to.
        topic: Topic,
        /// Repeated by the end of the command.
        tag: u64,
        /// At most [`Rules::payload_max`] bytes.
        payload: Bytes,
    },
    /// Judge a message of a topic that was subscribed to with [`Rules::judged`]. Ends in one
    /// [`Event::Judged`].
    Judge {
        /// Where it arrived.
        topic: Topic,
        /// Which.
        id: MessageId,
        /// How.
        judgement: Judgement,
    },
}

/// Names a message within its topic.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId {
    /// Its stream.
    pub stream: StreamId,
    /// Where its batch begins.
    pub start: u64,
    /// Which of the batch.
    pub index: usize,
}

/// What the application thinks of a message.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Judgement {
    /// It is passed on.
    Accept,
    /// It is not passed on by this node, and nobody is to blame.
    Ignore,
    /// As [`Ignore`](Self::Ignore), and a neighbour that published it is charged.
    Reject,
}

/// What the application is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// The end of [`Command::Subscribe`].
    Subscribed {
        /// Which topic.
        topic: Topic,
        /// Whether it is subscribed to now.
        outcome: Result<(), SubscribeError>,
    },
    /// The end of [`Command::Unsubscribe`].
    Unsubscribed {
        /// Which topic.
        topic: Topic,
        /// Whether it was subscribed to.
        outcome: Result<(), UnsubscribeError>,
    },
    /// The end of [`Command::Publish`].
    Published {
        /// Where.
        topic: Topic,
        /// That of the command.
        tag: u64,
        /// Accepted: it is kept until every neighbour that subscribed has it.
        outcome: Result<(), PublishError>,
    },
    /// The end of [`Command::Judge`].
    Judged {
        /// Where.
        topic: Topic,
        /// Which message.
        id: MessageId,
        /// Whether the judgement came in time.
        outcome: Result<(), JudgeError>,
    },
    /// There is room again after a [`PublishError::Busy`].
    Writable {
        /// Where.
        topic: Topic,
    },
    /// A message. Those of one stream come in the order in which they were published, each once.
    Arrived {
        /// Where.
        topic: Topic,
        /// Which. It has to be judged if the topic was subscribed to so.
        id: MessageId,
        /// What. A part of a larger piece of memory; copy what is kept for long.
        payload: Bytes,
    },
    /// A neighbour takes part in a topic of ours, or no longer does.
    Neighbour {
        /// Where.
        topic: Topic,
        /// Who.
        peer: PeerId,
        /// Whether it does.
        present: bool,
    },
    /// Nobody linked to us has a part of a stream any more: it was published while we were cut off.
    Missed {
        /// Where.
        topic: Topic,
        /// Of which stream.
        stream: StreamId,
        /// Bytes missed, as a window counts them.
        bytes: u64,
    },
    /// A stream is not followed: as many as may be are under way.
    Declined {
        /// Where.
        topic: Topic,
        /// Which.
        stream: StreamId,
    },
    /// A neighbour takes too little of what is kept for it, and the link is closed.
    TooSlow {
        /// Where.
        topic: Topic,
        /// Who.
        peer: PeerId,
    },
}

/// Slow work.
#[derive(Clone, Debug)]
pub enum Job {
    /// Sign what was published. Ends in [`Done::Signed`].
    Sign {
        /// Where.
        topic: Topic,
        /// Number of our stream.
        epoch: u64,
        /// Its position in the stream.
        start: u64,
        /// The messages.
        entries: Arc<[Entry]>,
    },
    /// Check signatures. Ends in [`Done::Checked`].
    Check {
        /// As they came.
        batches: Vec<Batch>,
    },
}

/// The end of a [`Job`].
#[derive(Clone, Debug)]
pub enum Done {
    /// Of [`Job::Sign`]: the signature.
    Signed(Bytes),
    /// Of [`Job::Check`]: whether each signature holds, in the same order.
    Checked(Vec<bool>),
}
