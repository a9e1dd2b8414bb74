//! Rules of topic broadcast that a neighbour can break, and their prices.

use machine::{Blame, Verdict};
use thiserror::Error;

/// A rule that a neighbour broke.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// Sent a batch that its publisher did not sign. Everybody checks before passing on, so
    /// whoever sends it is guilty. The link is closed.
    #[error("batch is not signed by its publisher")]
    Forged,
    /// Sent more than it was ever granted. The link is closed.
    #[error("batch of {cost} bytes beyond a credit of {credit}")]
    BeyondCredit {
        /// What the batch takes.
        cost: u64,
        /// What was left.
        credit: u64,
    },
    /// Sent a message that is longer than its topic allows: everybody checks before passing on. The
    /// link is closed.
    #[error("message of {len} bytes, the topic allows {max}")]
    TooLong {
        /// Its length.
        len: u32,
        /// The most.
        max: usize,
    },
    /// Says again and again what is of no use. Delay and changes of mind make honest neighbours do
    /// so a little.
    #[error("more than {burst} useless messages")]
    Useless {
        /// How many are free.
        burst: u32,
    },
    /// Published what the application rejects.
    #[error("published a message that the application rejects")]
    Rejected,
    /// Passed on what the application rejects: perhaps it judges otherwise, and it is not the
    /// author.
    #[error("passed on a message that the application rejects")]
    PassedOnRejected,
    /// Takes too little of what is kept for it. The link is closed. Being slow is no crime.
    #[error("too slow")]
    TooSlow,
}

impl Blame for Fault {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Forged | Self::BeyondCredit { .. } | Self::TooLong { .. } => Verdict::Charge(50),
            Self::Rejected => Verdict::Charge(10),
            Self::Useless { .. } => Verdict::Charge(5),
            Self::PassedOnRejected | Self::TooSlow => Verdict::Note,
        }
    }
}
