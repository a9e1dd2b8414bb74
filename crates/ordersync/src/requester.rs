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
use crate::subprotocol::{Context, Paging, Pursue};
use crate::{Entry, Form, Item, ItemId, Subprotocols};

mod ended;
mod giving;
mod paging;
mod settling;
mod turns;

pub use self::ended::{Break, Ended, Missing, Outcome, RefusedBy, Rest, Tally};

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
    /// The session broke: the stream ended, or a deadline passed. What was received is still stored.
    Broken(Break),
    /// What came is no answer.
    Faulted(Fault),
    /// What is still being stored is not waited for: it counts as not taken now. Only of a session
    /// that [is ending](Requester::is_ending).
    StopStoring,
}

/// What a requester wants done.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the largest is the end, of which there is one")]
pub enum Effect<I> {
    /// Send it.
    Send(RawRequest<I>),
    /// Check and store these; answered by [`Input::Admitted`], in order.
    Admit(Vec<Entry<I>>),
    /// Say which range of the ids to page; answered by [`Input::Range`]. What the provider holds in
    /// all is known by now: [`Tally::holds`].
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

/// One run of requests and responses in one subprotocol.
struct Thread<I: Item> {
    name: String,
    pursue: Box<dyn Pursue<I>>,
    paging: Paging,
    /// The part of the ids that it goes through.
    range: Range,
    /// What of it is left to be paged, behind what is stored.
    reached: Range,
    /// The highest id that came.
    seen: ItemId,
    /// Its requests that wait for an answer, or for their turn.
    open: usize,
    /// Whether something of it could not be stored.
    held_up: bool,
}

impl<I: Item> Thread<I> {
    fn new(subprotocols: &Subprotocols<I>, name: String, range: Range) -> Option<Self> {
        let subprotocol = subprotocols.get(&name)?;
        let (paging, pursue) = (subprotocol.paging(), subprotocol.pursue());
        let seen = range.after;
        Some(Self { name, pursue, paging, range, reached: range, seen, open: 0, held_up: false })
    }
}

/// A page that is being stored.
struct Storing {
    thread: u64,
    paging: Paging,
    /// The highest id that came before it.
    after: ItemId,
    last: ItemId,
    orders: u64,
}

/// A request that waits for its turn or its answer.
struct Asked<I> {
    thread: u64,
    depth: u32,
    /// Items given away with it.
    pushed: u64,
    request: Option<RawRequest<I>>,
}

/// Where the session is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The first request is out, with an offer of every subprotocol.
    Offering,
    /// In a subprotocol.
    Talking,
    /// All that is still said are items given away.
    Giving,
    /// Everything was said; what was received is being stored.
    Settling,
    /// It broke off; what was received is being stored.
    Ending,
    Ended,
}

/// Whether several sessions page the ranges of the ids together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sharing {
    Not,
    /// If the provider pages, even where nothing proves what it has.
    May,
    /// The ranges under way are shared.
    Does,
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
    /// The thread that compared last.
    compared: u64,
    /// Items that came in that thread and could not be stored.
    unstored: u64,
    /// Ranges of the ids of which not all that came could be stored, of threads that are through.
    gaps: Vec<Range>,
    /// Ranges asked for and not answered.
    taking: usize,
    /// The subprotocol that can prove, once the provider has picked it.
    proving: Option<Thread<I>>,
    /// The subprotocol that pages while `proving` is set aside.
    pager: Option<String>,
    /// What is known of the paging that is under way.
    pages: Option<paging::Pages>,
    /// Whether the ranges that are paged are those of several sessions.
    sharing: Sharing,
    /// What of the ids this session has come through without a gap, for providers that end their
    /// pages where they like.
    covered: Range,
    /// How deep the chain of requests was when paging began, or got in it.
    paged_at: u32,
    /// Whether the provider could prove that nothing is missing.
    provable: bool,
    ended: Ended,
    tally: Tally,
    effects: VecDeque<Effect<I>>,
}

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

    /// Lets other sessions page a part of the ids even where nothing proves that nothing is missing.
    ///
    /// Otherwise a provider that can only page is asked for everything.
    #[must_use]
    pub fn sharing(mut self) -> Self {
        self.sharing = Sharing::May;
        self
    }

    fn open(
        subprotocols: Subprotocols<I>,
        limits: Limits,
        cx: Context<I>,
        names: Vec<String>,
        range: Range,
    ) -> Self {
        let thread = |name: String| Thread::new(&subprotocols, name, range);
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
            compared: 0,
            unstored: 0,
            gaps: Vec::new(),
            taking: 0,
            proving: None,
            pager: None,
            pages: None,
            sharing: Sharing::Not,
            covered: Range { after: ItemId::ZERO, until: ItemId::ZERO },
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
            (_, Input::Admitted(outcomes)) => self.admitted(&outcomes),
            (Stage::Ending, Input::StopStoring) => self.stop_storing(),
            (Stage::Ending, _) | (_, Input::StopStoring) => return,
            (_, Input::Received(response)) => {
                if let Err(fault) = self.receive(response) {
                    self.fault(fault);
                }
            }
            (_, Input::Range(range)) => self.ranged(range),
            (_, Input::Broken(why)) => self.break_off(Ended::Broken(why)),
            (_, Input::Faulted(fault)) => self.fault(fault),
        }
        self.advance();
    }

    fn fault(&mut self, fault: Fault) {
        self.effects.push_back(Effect::Report(fault.clone()));
        self.break_off(Ended::Faulted(fault));
    }

    /// What there is to do next.
    pub fn poll_effect(&mut self) -> Option<Effect<I>> {
        self.effects.pop_front()
    }

    /// What was counted so far.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether the digests are compared once what is being paged is through.
    pub const fn proves(&self) -> bool {
        self.proving.is_some()
    }

    /// Says that so many of the items of the last push did not fit its frame, and stay here.
    pub fn left_off(&mut self, items: usize) {
        self.tally.pushed = self.tally.pushed.saturating_sub(count(items));
        self.tally.kept = self.tally.kept.saturating_add(count(items));
    }

    /// Whether an answer of the provider is waited for.
    pub fn awaits_answer(&self) -> bool {
        self.stage != Stage::Ended && !self.waiting.is_empty()
    }

    /// Whether the session broke, or the provider is at fault. Nothing more is said then; the end comes
    /// once all that was received is stored, or after [`Input::StopStoring`].
    pub fn is_ending(&self) -> bool {
        matches!(self.stage, Stage::Ending | Stage::Ended)
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
