//! Why a command of the application came to nothing.

use thiserror::Error;

/// Why a topic is not subscribed to.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SubscribeError {
    /// It is already.
    #[error("already subscribed")]
    AlreadySubscribed,
    /// As many as may be are.
    #[error("{max} topics are subscribed to, which is the most")]
    TooMany {
        /// The most.
        max: usize,
    },
}

/// Why a topic is not left.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum UnsubscribeError {
    /// It is not subscribed to.
    #[error("not subscribed")]
    NotSubscribed,
}

/// Why a message is not published. Nothing of it was sent.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum PublishError {
    /// The topic is not subscribed to.
    #[error("not subscribed")]
    NotSubscribed,
    /// It is too long.
    #[error("payload is {len} bytes, must be at most {max}")]
    TooLong {
        /// Its length.
        len: usize,
        /// The most.
        max: usize,
    },
    /// No neighbour takes part in the topic: nobody would hear it.
    #[error("no neighbour is subscribed")]
    Alone,
    /// Neighbours have yet to take what was published before. [`Event::Writable`] says when to try
    /// again.
    ///
    /// [`Event::Writable`]: crate::Event::Writable
    #[error("busy: neighbours have yet to take what was published before")]
    Busy,
}

/// Why a judgement changes nothing.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum JudgeError {
    /// The message does not wait for a judgement: it was judged, its time ran out and it counted
    /// as ignored, or it never was.
    #[error("message does not wait for a judgement")]
    NotWaiting,
}
