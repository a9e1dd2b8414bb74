//! The requester's side of one session: offers subprotocols, follows what it learns, and ends with
//! a statement of what it knows.
//!
//! Every run of requests and responses in one subprotocol is a *thread*: reconciliation is one, and
//! each range of the ids that is paged is one. Answers come in the order of the requests, so the
//! oldest request without an answer says which thread a response belongs to.

use std::collections::{BTreeMap, VecDeque};

use crate::intake::Admission;
use crate::message::{RawRequest, RawResponse};
use crate::outcome::Fault;
use crate::range::Range;
use crate::subprotocol::{Context, Pursue};
use crate::{Entry, Form, Item, ItemId, Subprotocols};

/// What one session may take of a requester.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Requests without an answer at once, in an envelope that allows more than one. Default 8.
    pub window: usize,
    /// Pages being checked and stored at once; while there are as many, nothing more is asked for.
    /// With the window, this bounds what a session holds in memory. Default 4.
    pub admitting_max: usize,
    /// Responses. Default 16,384: pages for eight million items.
    pub responses_max: u64,
    /// Orders in one response, as a multiple of [`Context::page`]. Default 8: others may page
    /// larger than this node.
    pub pages_max: usize,
    /// Items that are none, in one session. Default 10,000.
    pub malformed_max: u64,
    /// Invalid items, in one session. Default 1,000.
    pub invalid_max: u64,
    /// Attempts to come to agreeing digests. Default 3: kept key, fresh key, paged.
    pub attempts_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 8,
            admitting_max: 4,
            responses_max: 16_384,
            pages_max: 8,
            malformed_max: 10_000,
            invalid_max: 1_000,
            attempts_max: 3,
        }
    }
}

/// What happened to a requester.
#[derive(Debug)]
pub enum Input<I> {
    /// The provider answers.
    Received(RawResponse<I>),
    /// What became of the oldest [`Effect::Admit`] that has no answer.
    Admitted(Vec<Admission>),
    /// The answer to [`Effect::TakeRange`]: a range to page, or none is left.
    Range(Option<Range>),
    /// The session broke: the stream ended, or a deadline passed.
    Broken(Break),
    /// What came is no answer.
    Faulted(Fault),
}

/// What a requester wants done.
#[derive(Debug)]
pub enum Effect<I> {
    /// Send it.
    Send(RawRequest<I>),
    /// Check and store these; answered by [`Input::Admitted`], in order.
    Admit(Vec<Entry<I>>),
    /// Say which range of the ids to page; answered by [`Input::Range`].
    TakeRange,
    /// That range is through, and need not be paged by anybody else.
    RangeDone(Range),
    /// What is left of a range that was taken, for somebody else.
    GiveBack(Range),
    /// The provider is at fault. The session goes on unless it ends as well.
    Report(Fault),
    /// Let go of the session.
    End(Outcome),
}

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
    #[error("busy")]
    Busy,
    /// It failed, or does not say why.
    #[error("it failed")]
    Failed,
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
    /// The provider says that it has handed over everything, in a subprotocol that proves nothing.
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
    /// Attempts to come to agreeing digests that failed.
    pub attempts: u32,
    /// Times that the digests were compared again after paging.
    pub proofs: u32,
}

impl Tally {
    /// Of two sessions, one after the other.
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
            attempts: self.attempts.saturating_add(later.attempts),
            proofs: self.proofs.saturating_add(later.proofs),
        }
    }
}

/// One run of requests and responses in one subprotocol.
struct Thread<I: Item> {
    name: String,
    pursue: Box<dyn Pursue<I>>,
    /// The part of the ids that it goes through.
    range: Range,
    /// What of it is left to be paged, behind what is stored.
    reached: Range,
    /// Its requests that wait for an answer, or for their turn.
    open: usize,
    /// Whether something of it could not be stored.
    held_up: bool,
}

impl<I: Item> Thread<I> {
    fn new(name: String, pursue: Box<dyn Pursue<I>>, range: Range) -> Self {
        Self { name, pursue, range, reached: range, open: 0, held_up: false }
    }
}

/// A page that is being stored.
struct Storing {
    thread: u64,
    last: ItemId,
}

/// A request that waits for its turn or its answer.
struct Asked<I> {
    thread: u64,
    depth: u32,
    request: Option<RawRequest<I>>,
}

/// Where the session is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The first request is out, with an offer of every subprotocol.
    Offering,
    /// In a subprotocol.
    Talking,
    /// Everything was said; what was received is being stored.
    Settling,
    Ended,
}

/// The requester's side of one session.
pub struct Requester<I: Item> {
    subprotocols: Subprotocols<I>,
    limits: Limits,
    cx: Context<I>,
    stage: Stage,
    /// Those of the first request, in its order.
    offers: Vec<Thread<I>>,
    threads: BTreeMap<u64, Thread<I>>,
    next_thread: u64,
    queue: VecDeque<Asked<I>>,
    waiting: VecDeque<Asked<I>>,
    /// In the order of [`Effect::Admit`].
    storing: VecDeque<Storing>,
    /// Ranges asked for and not answered.
    taking: usize,
    /// The subprotocol that can prove, once the provider has picked it.
    proving: Option<Thread<I>>,
    /// The subprotocol that pages while `proving` is set aside.
    pager: Option<String>,
    /// What is known of the paging that is under way.
    pages: Option<paging::Pages>,
    /// How deep the chain of requests was when paging began, or got in it.
    paged_at: u32,
    /// Whether the provider could prove that nothing is missing.
    provable: bool,
    ended: Ended,
    tally: Tally,
    effects: VecDeque<Effect<I>>,
}

mod paging;
mod settling;
mod turns;

impl<I: Item> Requester<I> {
    /// A session that offers all of `subprotocols`, and its first request.
    pub fn start(subprotocols: Subprotocols<I>, limits: Limits, cx: Context<I>) -> Self {
        let names = subprotocols.names();
        Self::open(subprotocols, limits, cx, names, Range::ALL)
    }

    /// A session that takes up paging where an earlier one with this provider broke.
    pub fn resume(
        subprotocols: Subprotocols<I>,
        limits: Limits,
        cx: Context<I>,
        rest: Rest,
    ) -> Self {
        let names = vec![rest.subprotocol];
        let mut requester = Self::open(subprotocols, limits, cx, names, rest.range);
        requester.provable = rest.provable;
        requester
    }

    fn open(
        subprotocols: Subprotocols<I>,
        limits: Limits,
        cx: Context<I>,
        names: Vec<String>,
        range: Range,
    ) -> Self {
        let thread = |name: String| {
            let pursue = subprotocols.get(&name)?.pursue();
            Some(Thread::new(name, pursue, range))
        };
        let offers: Vec<_> = names.into_iter().filter_map(thread).collect();
        let mut requester = Self {
            subprotocols,
            limits,
            cx,
            stage: Stage::Offering,
            offers,
            threads: BTreeMap::new(),
            next_thread: 0,
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
            storing: VecDeque::new(),
            taking: 0,
            proving: None,
            pager: None,
            pages: None,
            paged_at: 0,
            provable: false,
            ended: Ended::Paged,
            tally: Tally::default(),
            effects: VecDeque::new(),
        };
        requester.offer();
        requester
    }

    /// Applies one input. May compute for as long as it takes to look at every item once: not to be
    /// called on a task that others wait for.
    pub fn handle(&mut self, input: Input<I>) {
        match (self.stage, input) {
            (Stage::Ended, _) => return,
            (_, Input::Received(response)) => {
                if let Err(fault) = self.receive(response) {
                    self.fault(fault);
                }
            }
            (_, Input::Admitted(outcomes)) => self.admitted(&outcomes),
            (_, Input::Range(range)) => self.ranged(range),
            (_, Input::Broken(why)) => self.end(Ended::Broken(why)),
            (_, Input::Faulted(fault)) => self.fault(fault),
        }
        self.advance();
    }

    fn fault(&mut self, fault: Fault) {
        self.effects.push_back(Effect::Report(fault.clone()));
        self.end(Ended::Faulted(fault));
    }

    /// What there is to do next.
    pub fn poll_effect(&mut self) -> Option<Effect<I>> {
        self.effects.pop_front()
    }

    /// What was counted so far.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Says that so many of the items of the last push did not fit its frame, and stay here.
    pub fn left_off(&mut self, items: usize) {
        self.tally.pushed = self.tally.pushed.saturating_sub(count(items));
    }

    /// Whether an answer of the provider is waited for.
    pub fn awaits_answer(&self) -> bool {
        self.stage != Stage::Ended && !self.waiting.is_empty()
    }

    fn window(&self) -> usize {
        match self.cx.form {
            // Bytes that come before the answer are lost on a reader of 0x-Mesh.
            Form::Json => 1,
            Form::Binary => self.limits.window.max(1),
        }
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

impl<I: Item> std::fmt::Debug for Requester<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requester")
            .field("stage", &self.stage)
            .field("waiting", &self.waiting.len())
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}
