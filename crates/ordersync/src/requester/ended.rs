//! How a session ends, and what the requester knows then.

use std::fmt;
use std::time::Duration;

use crate::outcome::Fault;
use crate::{ItemId, Range};

/// Why a session broke without anybody being to blame.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum Break {
    /// The stream ended before everything was said.
    #[error("the stream ended early")]
    Closed,
    /// There was no answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The provider refuses.
    #[error("the provider refuses: {0}")]
    Refused(RefusedBy),
    /// This node stopped it.
    #[error("stopped")]
    Stopped,
    /// The peer had all the time that it gets in one sync.
    #[error("more time than a peer gets in one sync")]
    Overdue,
    /// It was not asked: another sync of this node is at it.
    #[error("another sync is asking it")]
    AskedAlready,
}

/// What a provider says when it refuses.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum RefusedBy {
    /// There is no subprotocol in common.
    #[error("no subprotocol in common")]
    NoMatch,
    /// It could not read the metadata.
    #[error("metadata not understood")]
    Metadata,
    /// What was asked for is not available in this session.
    #[error("not available in this session")]
    Unavailable,
    /// More was asked for than a session may have.
    #[error("more than a session may have")]
    TooMuch,
    /// A budget is used up. Later is better.
    #[error("busy{}", for_how_long(*.retry_after))]
    Busy {
        /// For how long, if it says so: a claim of the provider's.
        retry_after: Option<Duration>,
    },
    /// It failed, or does not say why.
    #[error("it failed")]
    Failed,
}

fn for_how_long(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |time| format!(" for {time:?}"))
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What this node knows now.
    pub ended: Ended,
    /// What was counted on the way.
    pub tally: Tally,
    /// Whether the provider could be asked to prove it, in another session.
    pub provable: bool,
    /// What is left to page, if that is worth taking up again with this provider.
    pub rest: Option<Rest>,
    /// What it is known that it did not bring. Nothing if it agreed.
    pub missing: Missing,
}

impl Outcome {
    /// That of a session that broke before anything was said.
    pub fn broken(why: Break) -> Self {
        Self {
            ended: Ended::Broken(why),
            tally: Tally::default(),
            provable: false,
            rest: None,
            missing: Missing::default(),
        }
    }
}

/// What a session did not bring, as far as that is known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Missing {
    /// Items that only the provider has, by their short ids, and that did not come or could not be
    /// stored.
    pub items: u64,
    /// Ranges of the ids that were to be paged, and were not, or not to their end, or of which not all
    /// that came could be stored.
    pub ranges: Vec<Range>,
}

impl Missing {
    /// Whether nothing is known to be missing.
    pub const fn is_empty(&self) -> bool {
        self.items == 0 && self.ranges.is_empty()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.items > 0 {
            return write!(f, "{} items wanted and not received", self.items);
        }
        match self.ranges.as_slice() {
            [] => f.write_str("nothing known to be missing"),
            [Range { after, until }] => {
                write!(f, "ids above {} up to {} not paged", Short(after), Short(until))
            }
            [Range { after, until }, rest @ ..] => {
                let (others, s) = (rest.len(), if rest.len() == 1 { "" } else { "s" });
                let (after, until) = (Short(after), Short(until));
                write!(f, "ids above {after} up to {until} and {others} other range{s} not paged")
            }
        }
    }
}

/// The first bytes of an id: enough for a reader.
struct Short<'a>(&'a ItemId);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        let mut first = self.0.as_bytes().iter().take(4);
        first.try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("\u{2026}")
    }
}

/// Where to take up a session that broke.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rest {
    /// The subprotocol.
    pub subprotocol: String,
    /// What is left.
    pub range: Range,
    /// [`Outcome::provable`] of the session that broke.
    pub provable: bool,
}

/// What a requester knows at the end of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ended {
    /// The digests agree: this node knows all that the provider had.
    Agreed,
    /// The provider says that it has handed over everything, in a subprotocol that proves nothing;
    /// or the [ranges](Tally::ranges) that it was asked for, while others were asked for the rest.
    Paged,
    /// The digests do not agree.
    Incomplete {
        /// Items that are known to be missing; 0 if it is not known how many.
        missing: u64,
    },
    /// The provider did something wrong.
    Faulted(Fault),
    /// The session broke.
    Broken(Break),
}

/// What was counted in a session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Longest chain of requests of which each waited for the answer to the one before.
    pub round_trips: u32,
    /// Requests sent.
    pub requests: u64,
    /// Responses received.
    pub responses: u64,
    /// Orders received that the filter wants: what 0x-Mesh calls valid.
    pub valid: u64,
    /// Of these: not known before, and stored.
    pub new: u64,
    /// Of these: known.
    pub known: u64,
    /// Of these: not wanted by this node, expired, or without room.
    pub unwanted: u64,
    /// Of these: invalid.
    pub invalid: u64,
    /// Of these: could not be checked or stored now.
    pub later: u64,
    /// Orders received that the filter does not want.
    pub unmatched: u64,
    /// What was received as an order and is none.
    pub malformed: u64,
    /// Orders given to the provider.
    pub pushed: u64,
    /// Orders that the provider lacks and that did not go to it: more than one session may give.
    pub kept: u64,
    /// Items that the provider holds, where it says so because they are to be paged, or about as many
    /// as its first page suggests. 0 if it is not known.
    pub holds: u64,
    /// Ranges paged of those that several sessions share.
    pub ranges: u64,
    /// Attempts to come to agreeing digests that failed.
    pub attempts: u32,
    /// Times that the digests were compared again after paging.
    pub proofs: u32,
}

impl Tally {
    /// Of two sessions, one after the other: what the later one keeps is what is left.
    #[must_use]
    pub fn and(&self, later: &Self) -> Self {
        Self {
            round_trips: self.round_trips.saturating_add(later.round_trips),
            requests: self.requests.saturating_add(later.requests),
            responses: self.responses.saturating_add(later.responses),
            valid: self.valid.saturating_add(later.valid),
            new: self.new.saturating_add(later.new),
            known: self.known.saturating_add(later.known),
            unwanted: self.unwanted.saturating_add(later.unwanted),
            invalid: self.invalid.saturating_add(later.invalid),
            later: self.later.saturating_add(later.later),
            unmatched: self.unmatched.saturating_add(later.unmatched),
            malformed: self.malformed.saturating_add(later.malformed),
            pushed: self.pushed.saturating_add(later.pushed),
            kept: later.kept,
            holds: self.holds.max(later.holds),
            ranges: self.ranges.saturating_add(later.ranges),
            attempts: self.attempts.saturating_add(later.attempts),
            proofs: self.proofs.saturating_add(later.proofs),
        }
    }
}
