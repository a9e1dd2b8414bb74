//! The provider's side: cells of a set that stands still for the session, and the items asked for.

use std::fmt;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use reconcile::{Cell, Digest, Encoder, Estimator, Key, Plan, Summary, packed};

use super::messages::{Head, Open, RibltRequest, RibltResponse};
use super::{BLOCK_MAX, CELLS_MAX, pages_instead};
use crate::book::{Epoch, LOOK_MAX, Snapshot, Survey};
use crate::message::Request;
use crate::outcome::Refusal;
use crate::subprotocol::Context;
use crate::{Entry, Filter, Held, Item, ItemId};

/// Most items of a comparison under a key of its own: the first block of cells of so many takes some
/// 50 ms.
pub const SESSION_MAX: usize = 131_072;

/// Bytes that such a comparison takes for each item: a short id and an id, and in the encoder a short
/// id and 24 bytes.
const SESSION_BYTES: usize = 72;

/// What a provider remembers of one comparison.
pub struct Service<I: Item> {
    /// Of the opening that is not answered yet.
    opening: Option<Opening<I>>,
    comparison: Option<Comparison<I>>,
}

/// What came of an opening so far.
enum Opening<I: Item> {
    /// The answer is known, and there are no cells in it.
    Says(RibltResponse),
    /// There is a set to make so many cells of; with the key, where it is for the provider to say.
    Cells { comparison: Comparison<I>, cells: usize, chosen: Option<Key> },
    /// The book has to be looked at.
    Look(Look<I>),
}

/// A look at the book for one session, as far as it has come.
struct Look<I: Item> {
    filter: I::Filter,
    survey: Survey,
    /// Whether leave was given for the next part of it.
    paid: bool,
    over: bool,
    held: Held,
}

struct Comparison<I: Item> {
    filter: I::Filter,
    /// Of the set that the cells are of.
    summary: Summary,
    source: Source,
    /// Cells that were sent.
    sent: usize,
}

/// Where cells come from.
enum Source {
    /// They are kept up to date for the whole book, whoever asks.
    Epoch(Epoch),
    /// They are made for this session; with the ids behind the short ids, ascending by these.
    Session { encoder: Encoder<u64>, ids: Vec<(u64, ItemId)>, _held: Held },
}

impl<I: Item> fmt::Debug for Service<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.comparison.as_ref().map(|comparison| comparison.sent);
        f.debug_struct("Service").field("sent", &sent).finish_non_exhaustive()
    }
}

impl<I: Item> Default for Service<I> {
    fn default() -> Self {
        Self { opening: None, comparison: None }
    }
}

impl<I: Item> Service<I> {
    pub(super) fn answer(
        &mut self,
        request: Request<RibltRequest>,
        cx: &Context<I>,
    ) -> Result<(Vec<Entry<I>>, RibltResponse), Refusal> {
        match request.metadata {
            RibltRequest::Open(open) => Ok((Vec::new(), self.open(&open, cx)?)),
            RibltRequest::More { first, cells } => Ok((Vec::new(), self.more(first, cells)?)),
            RibltRequest::Fetch { wanted } => self.fetch(&wanted, cx),
        }
    }

    /// Does a job's worth of what an opening takes; whether it can be answered now.
    pub(super) fn prepare(&mut self, open: &Open, cx: &Context<I>) -> Result<bool, Refusal> {
        let (opening, known) = match self.opening.take() {
            None => {
                // A session holds what one comparison takes.
                self.comparison = None;
                let opening = begin(open, cx)?;
                let known = !matches!(opening, Opening::Look(_));
                (opening, known)
            }
            Some(Opening::Look(look)) if look.over => (look.make(open, cx), false),
            Some(Opening::Look(mut look)) => {
                look.go_on(cx)?;
                (Opening::Look(look), false)
            }
            Some(known) => (known, true),
        };
        self.opening = Some(opening);
        Ok(known)
    }

    fn open(&mut self, open: &Open, cx: &Context<I>) -> Result<RibltResponse, Refusal> {
        while !self.prepare(open, cx)? {}
        match self.opening.take() {
            Some(Opening::Says(response)) => Ok(response),
            Some(Opening::Cells { comparison, cells, chosen }) => {
                let head = Head { key: chosen, summary: comparison.summary };
                self.comparison = Some(comparison);
                self.block(cells, Some(head))
            }
            Some(Opening::Look(_)) | None => Err(Refusal::Unavailable { what: "a comparison" }),
        }
    }

    fn more(&mut self, first: usize, cells: usize) -> Result<RibltResponse, Refusal> {
        match &self.comparison {
            Some(comparison) if comparison.sent == first => self.block(cells, None),
            _ => Err(Refusal::Unavailable { what: "that cell" }),
        }
    }

    fn block(&mut self, cells: usize, head: Option<Head>) -> Result<RibltResponse, Refusal> {
        let Some(comparison) = &mut self.comparison else {
            return Err(Refusal::Unavailable { what: "that cell" });
        };
        let first = comparison.sent;
        let cells = cells.clamp(1, BLOCK_MAX);
        let block = comparison.source.cells(first, cells);
        if block.is_empty() {
            // More differs than was guessed, and than there are cells for.
            let summary = comparison.summary;
            self.comparison = None;
            return Ok(RibltResponse::Page { summary });
        }
        comparison.sent = first.saturating_add(block.len());
        let index = u64::try_from(first).unwrap_or(u64::MAX);
        let packed = packed::pack(&block, index, comparison.summary.count).into();
        Ok(RibltResponse::Block { head, cells: block.len(), packed })
    }

    fn fetch(
        &mut self,
        wanted: &[u64],
        cx: &Context<I>,
    ) -> Result<(Vec<Entry<I>>, RibltResponse), Refusal> {
        let Some(comparison) = &self.comparison else {
            return Err(Refusal::Unavailable { what: "a comparison" });
        };
        let (mut orders, mut gone) = (Vec::new(), Vec::new());
        for short in wanted {
            // That the filter wants it was seen when it was counted.
            match comparison.find(*short).and_then(|id| cx.book.get(&id)) {
                Some(entry) => orders.push(entry),
                None => gone.push(*short),
            }
        }
        // What a filter wants by now would take another look at the whole book.
        let summary =
            if cx.book.is_all(&comparison.filter) { cx.book.summary() } else { comparison.summary };
        Ok((orders, RibltResponse::Items { gone, summary }))
    }
}

/// What comes of an opening as far as it is told without looking at an item.
fn begin<I: Item>(open: &Open, cx: &Context<I>) -> Result<Opening<I>, Refusal> {
    let filter = cx.read_filter(&open.filter)?;
    if !cx.filter.overlaps(&filter) {
        return Ok(Opening::Says(RibltResponse::Page { summary: Digest::new().finish() }));
    }
    if !cx.book.is_all(&filter) {
        cx.scans.look()?;
        let held = hold(cx).ok_or(Refusal::Busy { retry_after: None })?;
        return Ok(Opening::Look(Look::new(filter, held)));
    }
    let at_hand = open.key.is_none();
    if !at_hand {
        cx.scans.look()?;
    }
    let epoch = cx.book.epoch();
    let summary = epoch.summary();
    let cells = match weigh(open, summary, epoch.estimator(), cx.page) {
        Ok(cells) => cells,
        Err(response) => return Ok(Opening::Says(response)),
    };
    if at_hand && cells <= epoch.width() {
        let chosen = Some(epoch.key());
        let comparison = Comparison::new(filter, summary, Source::Epoch(epoch));
        return Ok(Opening::Cells { comparison, cells, chosen });
    }
    // There are not as many cells at hand, or not under that key.
    let page = Opening::Says(RibltResponse::Page { summary });
    let granted = !at_hand || (cells <= CELLS_MAX && cx.scans.look().is_ok());
    if !granted || exceeds_session(summary.count) {
        return Ok(page);
    }
    Ok(hold(cx).map_or(page, |held| Opening::Look(Look::new(filter, held))))
}

/// How many cells the first block has; or the answer, if it has none.
fn weigh(
    open: &Open,
    summary: Summary,
    estimator: &Estimator,
    page: usize,
) -> Result<usize, RibltResponse> {
    if summary == open.summary {
        return Err(RibltResponse::Equal);
    }
    let apart = open.summary.count.abs_diff(summary.count);
    let estimate = estimator.difference(&open.estimator).max(apart);
    if pages_instead(open.summary.count, summary.count, estimate, page) {
        return Err(RibltResponse::Page { summary });
    }
    Ok(Plan::new(estimate).first())
}

/// Room for as much as a session can take.
fn hold<I: Item>(cx: &Context<I>) -> Option<Held> {
    cx.scans.hold(cx.book.len().min(SESSION_MAX).saturating_mul(SESSION_BYTES))
}

fn exceeds_session(count: u64) -> bool {
    usize::try_from(count).map_or(true, |count| count > SESSION_MAX)
}

impl<I: Item> Look<I> {
    /// One for which leave was given.
    fn new(filter: I::Filter, held: Held) -> Self {
        Self { filter, survey: Survey::new(SESSION_MAX), paid: true, over: false, held }
    }

    /// What comes of it once all was looked at. The cells themselves are a job of their own.
    fn make(self, open: &Open, cx: &Context<I>) -> Opening<I> {
        let Self { filter, survey, held, .. } = self;
        let Survey { digest, estimator, ids, .. } = survey;
        let summary = digest.finish();
        if exceeds_session(summary.count) {
            return Opening::Says(RibltResponse::Page { summary });
        }
        let cells = match weigh(open, summary, &estimator, cx.page) {
            Ok(cells) => cells,
            Err(response) => return Opening::Says(response),
        };
        let key = open.key.unwrap_or_else(|| session_key(&cx.secret, 0));
        let comparison = Comparison::new(filter, summary, Source::session(key, ids, held));
        Opening::Cells { comparison, cells, chosen: open.key.is_none().then_some(key) }
    }

    fn go_on(&mut self, cx: &Context<I>) -> Result<(), Refusal> {
        if !std::mem::take(&mut self.paid) {
            cx.scans.look()?;
        }
        if cx.book.is_all(&self.filter) {
            let Snapshot { ids, digest, estimator } = cx.book.snapshot(&self.filter);
            (self.survey.ids, self.survey.digest) = (ids, digest);
            self.survey.estimator = estimator;
            self.over = true;
        } else {
            self.over = cx.book.survey(&mut self.survey, &self.filter, LOOK_MAX);
        }
        if self.over {
            self.held.shrink(self.survey.ids.len().saturating_mul(SESSION_BYTES));
        }
        Ok(())
    }
}

impl<I: Item> Comparison<I> {
    fn new(filter: I::Filter, summary: Summary, source: Source) -> Self {
        Self { filter, summary, source, sent: 0 }
    }

    fn find(&self, short: u64) -> Option<ItemId> {
        match &self.source {
            Source::Epoch(epoch) => epoch.find(short),
            Source::Session { ids, .. } => {
                let at = ids.binary_search_by_key(&short, |(short, _)| *short).ok()?;
                ids.get(at).map(|(_, id)| *id)
            }
        }
    }
}

impl Source {
    /// Cells of these items under a key.
    fn session(key: Key, ids: Vec<ItemId>, held: Held) -> Self {
        let short = |id: ItemId| (key.short_id(id.as_bytes()), id);
        let mut ids: Vec<_> = ids.into_iter().map(short).collect();
        ids.sort_unstable();
        let encoder = Encoder::new(key, ids.iter().map(|(short, _)| *short));
        Self::Session { encoder, ids, _held: held }
    }

    /// The next cells; fewer, or none, where there are no more.
    fn cells(&mut self, first: usize, cells: usize) -> Vec<Cell<u64>> {
        match self {
            Self::Epoch(epoch) => {
                let end = first.saturating_add(cells).min(epoch.width());
                if first < end { epoch.cells(first..end) } else { Vec::new() }
            }
            Self::Session { encoder, .. } => {
                encoder.block(cells.min(CELLS_MAX.saturating_sub(first)))
            }
        }
    }
}

/// The key of the n-th attempt of a session. What is seen of one tells nothing of another.
pub(super) fn session_key(secret: &[u8; 32], attempt: u8) -> Key {
    let mut stream = ChaCha12Rng::from_seed(*secret);
    stream.set_stream(u64::from(attempt));
    let mut bytes = [0; 16];
    stream.fill_bytes(&mut bytes);
    Key::from_bytes(bytes)
}
