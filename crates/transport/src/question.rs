//! The question: one request and one response on a substream of its own.
//!
//! The core's messages are [`Question`]s. What it sends as [`Question::Ask`] is answered by a
//! received [`Question::Answer`] with the same id, or comes back as
//! [`machine::Input::Undelivered`]; what it receives as an `Ask` it answers by sending an `Answer`
//! with that id. The substreams are libp2p's request-response; the bounds are `wire`'s.

mod behaviour;
mod codec;

use std::fmt;

pub use self::behaviour::{Behaviour, Config, Inquirer, Role};
pub use self::codec::Codec;

/// One half of an exchange.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question<Q, A> {
    /// The request.
    Ask {
        /// Repeated by the answer.
        id: QuestionId,
        /// What is asked.
        ask: Q,
    },
    /// The response.
    Answer {
        /// That of the request.
        id: QuestionId,
        /// What is answered.
        answer: A,
    },
}

/// Matches an answer to its question. The asker and the asked number theirs apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct QuestionId(pub u64);

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "question {}", self.0)
    }
}
