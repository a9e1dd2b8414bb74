//! The requester's side: peels the difference, asks for what it lacks, and proves that nothing is
//! missing.

use std::collections::BTreeSet;
use std::fmt;

use reconcile::{CheckWidth, Decoder, Digest, Encoder, Key, Limits, Plan, Status, Summary, packed};

use super::messages::{Head, Open, RibltRequest, RibltResponse};
use super::provide::session_key;
use super::{BLOCK_MAX, CELLS_MAX, PUSH_MAX, WANTED_MAX, gifts};
use crate::message::Response;
use crate::outcome::Fault;
use crate::subprotocol::{Context, Finding, Left, Next, Reaction};
use crate::{Entry, Form, Item, ItemId};

/// What a requester remembers of one comparison.
#[derive(Default)]
pub struct Pursuit {
    /// Attempts that were begun.
    attempts: u8,
    /// Whether an attempt ended in disagreement: then keys are made up.
    suspicious: bool,
    /// The key of the attempt, if the requester has chosen it.
    opened: Option<Key>,
    /// What the provider has been asked for.
    asked: Asked,
    comparison: Option<Comparison>,
    /// Items given away, in all attempts.
    given: usize,
    /// Those that the provider lacks and that were not given to it.
    kept: u64,
}

/// What the provider has been asked for, and so the only thing that it may answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Asked {
    #[default]
    Nothing,
    /// To begin.
    Opening,
    /// For so many cells at most.
    Cells(usize),
    /// For items.
    Items,
}

struct Comparison {
    key: Key,
    /// What the provider has, as it says.
    claimed: Summary,
    /// Of the requester's own items when the comparison began; then, of what the provider must have.
    digest: Digest,
    ids: Vec<ItemId>,
    encoder: Encoder<u64>,
    decoder: Decoder<u64>,
    /// Made of the size of the first block, which tells what the provider has guessed.
    plan: Option<Plan>,
    /// Short ids of what was asked for and has not come.
    missing: BTreeSet<u64>,
    /// Requests for items that have no answer.
    fetching: usize,
    /// How many were missing when they were last asked for.
    lacked: usize,
    /// Items asked for, or given away, in one request.
    page: usize,
}

impl fmt::Debug for Pursuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pursuit")
            .field("attempts", &self.attempts)
            .field("suspicious", &self.suspicious)
            .finish_non_exhaustive()
    }
}

impl Pursuit {
    /// The first request of an attempt. After a disagreement the key is made up for it.
    pub(super) fn open<I: Item>(&mut self, cx: &Context<I>) -> RibltRequest {
        let overview = cx.book.overview(&cx.filter);
        let key = self.suspicious.then(|| session_key(&cx.secret, self.attempts));
        self.attempts = self.attempts.saturating_add(1);
        self.opened = key;
        self.comparison = None;
        self.kept = 0;
        self.asked = Asked::Opening;
        RibltRequest::Open(Open {
            filter: cx.filter_raw(),
            summary: overview.digest.finish(),
            estimator: overview.estimator.to_bytes(),
            key,
        })
    }

    pub(super) fn react<I: Item>(
        &mut self,
        response: &Response<I, RibltResponse>,
        cx: &Context<I>,
    ) -> Result<Reaction<I, RibltRequest>, Fault> {
        let (next, finding) = match (std::mem::take(&mut self.asked), &response.metadata) {
            (Asked::Opening, RibltResponse::Equal) => (Vec::new(), Finding::Agreed),
            (Asked::Opening | Asked::Cells(_), RibltResponse::Page { summary }) => {
                if summary.count == 0 && *summary != Digest::new().finish() {
                    return Err(cells_fault("the digest of something, of no items"));
                }
                (Vec::new(), Finding::Page { summary: *summary })
            }
            (Asked::Opening, RibltResponse::Block { head: Some(head), cells, packed }) => {
                self.begin(head, cx)?;
                self.take(*cells, packed, cx)?
            }
            (Asked::Cells(max), RibltResponse::Block { head: None, cells, packed })
                if *cells <= max =>
            {
                self.take(*cells, packed, cx)?
            }
            (Asked::Items, RibltResponse::Items { gone, summary }) => {
                let comparison = self.comparison.as_mut().ok_or(Fault::Unasked)?;
                comparison.receive(&response.orders, gone, summary)?
            }
            (
                Asked::Nothing | Asked::Opening | Asked::Cells(_) | Asked::Items,
                RibltResponse::Equal
                | RibltResponse::Page { .. }
                | RibltResponse::Block { .. }
                | RibltResponse::Items { .. },
            ) => return Err(Fault::Unasked),
        };
        self.asked = match next.first().map(|next: &Next<I, RibltRequest>| &next.metadata) {
            Some(RibltRequest::More { cells, .. }) => Asked::Cells(*cells),
            Some(RibltRequest::Fetch { .. }) => Asked::Items,
            Some(RibltRequest::Open(_)) => Asked::Opening,
            // Of several fetches one is answered, and the others are not yet.
            None if finding == Finding::Open => Asked::Items,
            None => Asked::Nothing,
        };
        self.suspicious |= matches!(finding, Finding::Mismatch { .. });
        Ok(Reaction { next, valid: response.orders.len(), finding })
    }

    /// What has not come, and what was not given.
    pub(super) fn left(&self) -> Left {
        let missing = self.comparison.as_ref().map_or(0, |comparison| comparison.missing.len());
        Left { missing: u64::try_from(missing).unwrap_or(u64::MAX), kept: self.kept }
    }

    /// Cells came. Once they tell the difference, asks for what is missing, and gives away what the
    /// provider lacks.
    fn take<I: Item>(
        &mut self,
        cells: usize,
        packed: &[u8],
        cx: &Context<I>,
    ) -> Result<Step<I>, Fault> {
        let comparison = self.comparison.as_mut().ok_or(Fault::Unasked)?;
        match comparison.take(cells, packed, cx)? {
            Peeled::Not(step) => Ok(step),
            Peeled::All { ours } => {
                let room = PUSH_MAX.saturating_sub(self.given);
                let (push, kept) = gifts(&ours, room, cx);
                self.given = self.given.saturating_add(push.len());
                self.kept = kept;
                Ok(comparison.fetch_all(&ours, &push))
            }
        }
    }

    fn begin<I: Item>(&mut self, head: &Head, cx: &Context<I>) -> Result<(), Fault> {
        let key = match (self.opened, head.key) {
            (Some(key), None) | (None, Some(key)) => key,
            (Some(_), Some(_)) => return Err(cells_fault("under a key that was not chosen")),
            (None, None) => return Err(cells_fault("without a key")),
        };
        let snapshot = cx.book.snapshot(&cx.filter);
        let shorts = snapshot.ids.iter().map(|id| key.short_id(id.as_bytes()));
        let encoder = Encoder::new(key, shorts);
        let limits = Limits { cells_max: CELLS_MAX, recovered_max: CELLS_MAX };
        self.comparison = Some(Comparison {
            key,
            claimed: head.summary,
            digest: snapshot.digest,
            ids: snapshot.ids,
            encoder,
            decoder: Decoder::new(key, CheckWidth::Low32, limits),
            plan: None,
            missing: BTreeSet::new(),
            fetching: 0,
            lacked: 0,
            page: match cx.form {
                Form::Json => cx.page.clamp(1, WANTED_MAX),
                // The more are asked for at once, the fewer wait for a place in the window.
                Form::Binary => WANTED_MAX,
            },
        });
        Ok(())
    }
}

type Step<I> = (Vec<Next<I, RibltRequest>>, Finding);

/// Whether the difference is known.
enum Peeled<I> {
    /// It is not: ask for more, or begin anew.
    Not(Step<I>),
    /// It is: these of the requester's items the provider lacks.
    All { ours: Vec<ItemId> },
}

impl Comparison {
    /// Cells came.
    fn take<I: Item>(
        &mut self,
        cells: usize,
        bytes: &[u8],
        cx: &Context<I>,
    ) -> Result<Peeled<I>, Fault> {
        let first = self.decoder.cells();
        let index = u64::try_from(first).unwrap_or(u64::MAX);
        let remote =
            packed::unpack(bytes, index, cells, self.claimed.count).map_err(cells_fault)?;
        let local = self.encoder.block(cells);
        let plan = *self.plan.get_or_insert_with(|| Plan::of_first(cells));
        match self.decoder.extend(&remote, &local) {
            Ok(Status::Complete) => Ok(Peeled::All { ours: self.local_only() }),
            Ok(Status::NeedMore) => {
                let left = CELLS_MAX.saturating_sub(self.decoder.cells());
                let cells = plan.next(&self.decoder).min(BLOCK_MAX).min(left);
                if cells == 0 {
                    return Ok(Peeled::Not((Vec::new(), Finding::Mismatch { missing: 0 })));
                }
                let metadata = RibltRequest::More { first: self.decoder.cells(), cells };
                Ok(Peeled::Not((vec![Next { metadata, push: Vec::new() }], Finding::Open)))
            }
            // Forged cells, or items that were chosen against the key: another key tells.
            Err(error) => {
                tracing::debug!(peer = %cx.peer, %error, "cells do not decode");
                Ok(Peeled::Not((Vec::new(), Finding::Mismatch { missing: 0 })))
            }
        }
    }

    /// The difference is known: asks for what is missing, and gives away `push`, of what the provider
    /// lacks.
    fn fetch_all<I: Item>(&mut self, ours: &[ItemId], push: &[Entry<I>]) -> Step<I> {
        for id in ours {
            self.digest.remove(id.as_bytes());
        }
        self.missing = self.decoder.remote_only().iter().copied().collect();
        let next = self.requests(push);
        if next.is_empty() {
            return (next, self.verdict(None));
        }
        (next, Finding::Open)
    }

    /// The ids of the requester's own items that the provider lacks.
    fn local_only(&self) -> Vec<ItemId> {
        let shorts: BTreeSet<u64> = self.decoder.local_only().iter().copied().collect();
        if shorts.is_empty() {
            return Vec::new();
        }
        let lacked = |id: &&ItemId| shorts.contains(&self.key.short_id(id.as_bytes()));
        self.ids.iter().filter(lacked).copied().collect()
    }

    /// Requests for all that is missing, a page each, with a page of what is given away.
    fn requests<I: Item>(&mut self, push: &[Entry<I>]) -> Vec<Next<I, RibltRequest>> {
        let page = self.page;
        let wanted: Vec<u64> = self.missing.iter().copied().collect();
        let mut wanted = wanted.chunks(page);
        let mut push = push.chunks(page);
        let mut next = Vec::new();
        loop {
            let (some, given) = (wanted.next(), push.next());
            if some.is_none() && given.is_none() {
                break;
            }
            let wanted = some.unwrap_or_default().to_vec();
            let push = given.unwrap_or_default().to_vec();
            next.push(Next { metadata: RibltRequest::Fetch { wanted }, push });
        }
        self.fetching = self.fetching.saturating_add(next.len());
        self.lacked = self.missing.len();
        next
    }

    /// Items came.
    fn receive<I: Item>(
        &mut self,
        orders: &[Entry<I>],
        gone: &[u64],
        summary: &Summary,
    ) -> Result<Step<I>, Fault> {
        self.fetching = self.fetching.checked_sub(1).ok_or(Fault::Unasked)?;
        let short = |entry: &Entry<I>| self.key.short_id(entry.id.as_bytes());
        let shorts: BTreeSet<u64> = orders.iter().map(short).collect();
        // Of a page that is at fault nothing is taken, so that all of it stays missing.
        let asked = shorts.intersection(&self.missing).count();
        let unasked = orders.len().saturating_sub(asked);
        if unasked > 0 {
            return Err(Fault::Unwanted { orders: unasked });
        }
        for short in &shorts {
            self.missing.remove(short);
        }
        for entry in orders {
            self.digest.insert(entry.id.as_bytes());
        }
        for short in gone {
            self.missing.remove(short);
        }
        if self.fetching > 0 {
            return Ok((Vec::new(), Finding::Open));
        }
        // A page that does not fit a frame is cut: what was left off is asked for again.
        if !self.missing.is_empty() && self.missing.len() < self.lacked {
            let next = self.requests(&[]);
            return Ok((next, Finding::Open));
        }
        Ok((Vec::new(), self.verdict(Some(summary))))
    }

    /// Whether what is known adds up to what the provider had, or has by now.
    fn verdict(&self, now: Option<&Summary>) -> Finding {
        let ours = self.digest.finish();
        if ours == self.claimed || now == Some(&ours) {
            return Finding::Agreed;
        }
        Finding::Mismatch { missing: u64::try_from(self.missing.len()).unwrap_or(u64::MAX) }
    }
}

fn cells_fault(problem: impl fmt::Display) -> Fault {
    Fault::Cells { problem: problem.to_string() }
}
