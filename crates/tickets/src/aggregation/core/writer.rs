//! Writes of the core: one transaction at a time, and whoever waits in between shares the next.
//!
//! What the core remembers of its rows changes when a write is known to be durable, and never before.
//! Of a write that was lost on the way nobody can say whether it took effect, so it is done again
//! until that is known; to do one twice is to do it once. Until then nothing else is written.

use std::collections::BTreeMap;
use std::time::Duration;

use machine::{Instant, JobError, JobId};

use super::wallet::Wallet;
use crate::ChannelId;
use crate::aggregation::{Change, Done, Key, Row, Stats};

/// How long after a write was lost it is done again.
const PAUSE: Duration = Duration::from_secs(1);
/// Most who wait, and who share a transaction. All of them may have to be told at once, with two
/// effects each.
const WAITING_MAX: usize = 200;
/// Changes at which a transaction is large enough.
const CHANGES_MAX: usize = 2048;

pub(in crate::aggregation) use crate::aggregation::responder::Written;

/// Who waits for a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::aggregation) enum Token {
    /// The end of [`Command::Earn`](crate::aggregation::Command::Earn).
    Earn(Key),
    /// What is under way in this channel, which we are paid by.
    Errand(ChannelId),
    /// The answer to a request in this channel, which we pay by.
    Issue(ChannelId),
    /// Nobody.
    Nobody,
}

/// What one writes at once, and who it is.
#[derive(Clone, Debug)]
pub(in crate::aggregation) struct Entry {
    pub(in crate::aggregation) token: Token,
    pub(in crate::aggregation) changes: Vec<Change>,
    /// What is added to the sums of the channel.
    pub(in crate::aggregation) tally: Option<Stats>,
}

/// The transaction under way.
#[derive(Debug)]
struct Group {
    entries: Vec<Entry>,
    /// The sums after it.
    stats: BTreeMap<ChannelId, Stats>,
    /// When to do it again, if it was lost and is not under way.
    again: Option<Instant>,
    /// Whether it was ever lost.
    unsure: bool,
}

/// All writes of a core.
#[derive(Debug, Default)]
pub(in crate::aggregation) struct Writer {
    waiting: Vec<Entry>,
    group: Option<Group>,
    job: Option<JobId>,
}

impl Writer {
    /// Whether there is room for another write.
    pub(in crate::aggregation) fn has_room(&self) -> bool {
        !self.is_unsure() && self.waiting.len() < WAITING_MAX
    }

    /// Whether nobody knows what is on the disk.
    fn is_unsure(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.unsure)
    }

    pub(in crate::aggregation) fn waiting(&self) -> usize {
        let under_way = self.group.as_ref().map_or(0, |group| group.entries.len());
        self.waiting.len().saturating_add(under_way)
    }

    /// Takes a write; `false` if there is no room, and then nothing of it takes effect.
    #[must_use]
    pub(in crate::aggregation) fn push(&mut self, entry: Entry) -> bool {
        let room = self.has_room();
        if room {
            self.waiting.push(entry);
        }
        room
    }

    /// The changes to be written now, if any; the job that does it is told to [`Self::started`].
    pub(in crate::aggregation) fn next(
        &mut self,
        wallet: &Wallet,
        now: Instant,
    ) -> Option<Vec<Change>> {
        if self.job.is_some() {
            return None;
        }
        if self.group.is_none() && !self.waiting.is_empty() {
            self.group = Some(self.gather(wallet));
        }
        let group = self.group.as_mut()?;
        if group.again.is_some_and(|again| again > now) {
            return None;
        }
        group.again = None;
        Some(group.changes())
    }

    pub(in crate::aggregation) fn started(&mut self, job: JobId) {
        self.job = Some(job);
    }

    /// As many of those that wait as make one transaction.
    fn gather(&mut self, wallet: &Wallet) -> Group {
        let mut changes: usize = 0;
        let count = self.waiting.iter().take_while(|entry| {
            let fits = changes < CHANGES_MAX;
            changes = changes.saturating_add(entry.changes.len());
            fits
        });
        let count = count.count();
        let entries: Vec<_> = self.waiting.drain(..count).collect();
        let mut stats = BTreeMap::new();
        for more in entries.iter().filter_map(|entry| entry.tally) {
            let sum = stats.entry(more.channel).or_insert_with(|| wallet.stats(more.channel));
            add(sum, &more);
        }
        Group { entries, stats, again: None, unsure: false }
    }

    /// What came of the job, and who has to be told; the changes that are durable now among it.
    pub(in crate::aggregation) fn on_done(
        &mut self,
        outcome: &Result<Done, JobError>,
        now: Instant,
    ) -> (Vec<Change>, Vec<(Entry, Written)>) {
        self.job = None;
        let Some(mut group) = self.group.take() else { return (Vec::new(), Vec::new()) };
        let written = match outcome {
            Ok(Done::Written(Ok(()))) => Written::Done,
            Ok(Done::Written(Err(_))) | Err(JobError::Refused) if !group.unsure => Written::Failed,
            Ok(_) | Err(_) => Written::Unknown,
        };
        let all = |entries: Vec<Entry>, written| {
            entries.into_iter().map(move |entry| (entry, written)).collect::<Vec<_>>()
        };
        match written {
            Written::Done => (group.changes(), all(group.entries, written)),
            Written::Failed => (Vec::new(), all(group.entries, written)),
            Written::Unknown => {
                group.again = Some(now.after(PAUSE));
                let mut told = Vec::new();
                if !group.unsure {
                    group.unsure = true;
                    told = all(group.entries.clone(), Written::Unknown);
                    told.extend(all(std::mem::take(&mut self.waiting), Written::Failed));
                }
                self.group = Some(group);
                (Vec::new(), told)
            }
        }
    }

    pub(in crate::aggregation) fn next_deadline(&self) -> Option<Instant> {
        self.group.as_ref().and_then(|group| group.again)
    }
}

impl Group {
    fn changes(&self) -> Vec<Change> {
        let stats = self.stats.values().map(|stats| Change::Put(Row::Stats(*stats)));
        self.entries.iter().flat_map(|entry| entry.changes.iter().cloned()).chain(stats).collect()
    }
}

/// Sums of a lifetime: 128 bits are 10¹³ times more than all there is, so they do not end.
const fn add(sum: &mut Stats, more: &Stats) {
    sum.won = sum.won.saturating_add(more.won);
    sum.aggregated = sum.aggregated.saturating_add(more.aggregated);
    sum.redeemed = sum.redeemed.saturating_add(more.redeemed);
    sum.neglected = sum.neglected.saturating_add(more.neglected);
}
