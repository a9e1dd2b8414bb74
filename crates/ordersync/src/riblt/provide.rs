//! The provider's side: cells of a set that stands still for the session, and the items asked for.

use std::fmt;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use reconcile::{Cell, Digest, Encoder, Key, Plan, Summary, packed};

use super::messages::{Head, Open, RibltRequest, RibltResponse};
use super::{BLOCK_MAX, CELLS_MAX, pages_instead};
use crate::book::Epoch;
use crate::message::Request;
use crate::outcome::Refusal;
use crate::subprotocol::Context;
use crate::{Entry, Filter, Item, ItemId};

/// What a provider remembers of one comparison.
pub struct Service<I: Item> {
    comparison: Option<Comparison<I>>,
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
    Session(Encoder<u64>, Vec<(u64, ItemId)>),
}

impl<I: Item> fmt::Debug for Service<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.comparison.as_ref().map(|comparison| comparison.sent);
        f.debug_struct("Service").field("sent", &sent).finish_non_exhaustive()
    }
}

impl<I: Item> Default for Service<I> {
    fn default() -> Self {
        Self { comparison: None }
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

    fn open(&mut self, open: &Open, cx: &Context<I>) -> Result<RibltResponse, Refusal> {
        let filter = cx.read_filter(&open.filter)?;
        if !cx.filter.overlaps(&filter) {
            return Ok(RibltResponse::Page { summary: Digest::new().finish() });
        }
        let at_hand = open.key.is_none() && filter.is_everything();
        if !at_hand && !cx.scans.granted() {
            return Err(Refusal::Busy);
        }
        let (summary, estimator, source) = if at_hand {
            let epoch = cx.book.epoch();
            (epoch.summary(), epoch.estimator().clone(), Some(epoch))
        } else {
            let overview = cx.book.overview(&filter);
            (overview.digest.finish(), overview.estimator, None)
        };
        if summary == open.summary {
            return Ok(RibltResponse::Equal);
        }
        let apart = open.summary.count.abs_diff(summary.count);
        let estimate = estimator.difference(&open.estimator).max(apart);
        if pages_instead(open.summary.count, summary.count, estimate, cx.page) {
            return Ok(RibltResponse::Page { summary });
        }
        let cells = Plan::new(estimate).first();
        let (key, chosen, summary, source) = match source {
            Some(epoch) if cells <= epoch.width() => {
                (epoch.key(), true, summary, Source::Epoch(epoch))
            }
            // There are not as many cells at hand.
            Some(_) if cells > CELLS_MAX || !cx.scans.granted() => {
                return Ok(RibltResponse::Page { summary });
            }
            Some(_) | None => Self::prepare(open.key, &filter, cx),
        };
        self.comparison = Some(Comparison { filter, summary, source, sent: 0 });
        let key = chosen.then_some(key);
        self.block(cells, Some(Head { key, summary }))
    }

    /// Goes through the whole book for one session.
    fn prepare(
        key: Option<Key>,
        filter: &I::Filter,
        cx: &Context<I>,
    ) -> (Key, bool, Summary, Source) {
        let chosen = key.is_none();
        let key = key.unwrap_or_else(|| session_key(&cx.secret, 0));
        let snapshot = cx.book.snapshot(filter);
        let short = |id: ItemId| (key.short_id(id.as_bytes()), id);
        let mut ids: Vec<_> = snapshot.ids.into_iter().map(short).collect();
        ids.sort_unstable();
        let encoder = Encoder::new(key, ids.iter().map(|(short, _)| *short));
        (key, chosen, snapshot.digest.finish(), Source::Session(encoder, ids))
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
            return Ok(RibltResponse::Page { summary: comparison.summary });
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
            let entry = comparison.find(*short).and_then(|id| cx.book.get(&id));
            match entry.filter(|entry| comparison.filter.matches(&entry.item)) {
                Some(entry) => orders.push(entry),
                None => gone.push(*short),
            }
        }
        // What a filter wants by now would take another look at the whole book.
        let summary =
            if comparison.filter.is_everything() { cx.book.summary() } else { comparison.summary };
        Ok((orders, RibltResponse::Items { gone, summary }))
    }
}

impl<I: Item> Comparison<I> {
    fn find(&self, short: u64) -> Option<ItemId> {
        match &self.source {
            Source::Epoch(epoch) => epoch.find(short),
            Source::Session(_, ids) => {
                let at = ids.binary_search_by_key(&short, |(short, _)| *short).ok()?;
                ids.get(at).map(|(_, id)| *id)
            }
        }
    }
}

impl Source {
    /// The next cells; fewer, or none, where there are no more.
    fn cells(&mut self, first: usize, cells: usize) -> Vec<Cell<u64>> {
        match self {
            Self::Epoch(epoch) => {
                let end = first.saturating_add(cells).min(epoch.width());
                if first < end { epoch.cells(first..end) } else { Vec::new() }
            }
            Self::Session(encoder, _) => encoder.block(cells.min(CELLS_MAX.saturating_sub(first))),
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
