//! Fetching own mail from several servers at once: each message from one of them, and none is said
//! to be taken before the application has it, or it is of no use as that server gives it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Instant;

use crate::envelope::MessageId;
use crate::inbound::Ticket;
use crate::messages::IDS_MAX;

/// Pages read in one visit: a server that never comes to an end is left after so many.
const PAGES_MAX: usize = 64;
/// How long a visit goes on asking: what a slow server names is not kept from the others for longer.
const VISIT: Duration = Duration::from_mins(1);
/// Messages of which is remembered that they are here, so that other servers can be told.
const RECENT_MAX: usize = 4_096;

/// What to do next about a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Ask what there is behind this cursor.
    List(Bytes),
    /// Ask for these.
    Get(Vec<MessageId>),
    /// Give this one to the pipeline, then say [`handed`](Collector::handed) or
    /// [`blocked`](Collector::blocked).
    Hand(MessageId, Bytes),
    /// Say that these are here.
    Taken(Vec<MessageId>),
    /// Nothing is left there.
    End,
}

/// What became of a message that was handed over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// The application has it: no server need keep it.
    Accepted,
    /// It will never be of use, as this server gives it; another's copy may be.
    Useless,
    /// Not now.
    Later,
}

/// What a server did that no honest one does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wrong {
    /// It answered what was not asked, or too late.
    Unasked,
    /// It answered with so many where so many were asked for.
    TooMany(usize, usize),
    /// It gave another message than that which was asked for.
    Another,
}

/// All visits.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    visits: BTreeMap<PeerId, Visit>,
    /// Messages that were asked for and are not settled, and from whom.
    coming: BTreeMap<MessageId, PeerId>,
    recent: Recent,
}

/// One server.
#[derive(Debug)]
struct Visit {
    waits: Waits,
    /// When nothing more is asked.
    until: Instant,
    cursor: Bytes,
    more: bool,
    pages: usize,
    /// Of this page, not asked for yet.
    wanted: VecDeque<MessageId>,
    /// Asked for and not given: another that has them comes first. At most as many as its pages name.
    withheld: BTreeSet<MessageId>,
    /// Here, and not handed over yet.
    got: VecDeque<(MessageId, Bytes)>,
    handed: BTreeMap<Ticket, MessageId>,
    /// What the server may forget and has not been told yet.
    done: Vec<MessageId>,
}

/// What a visit waits for.
#[derive(Debug)]
enum Waits {
    Nothing,
    /// A page, with at most so many ids.
    Page {
        nonce: u64,
        max: usize,
        due: Instant,
    },
    Envelopes {
        nonce: u64,
        ids: Vec<MessageId>,
        due: Instant,
    },
    /// A place in the pipeline.
    Place {
        due: Instant,
    },
}

#[derive(Debug, Default)]
struct Recent {
    order: VecDeque<MessageId>,
    ids: BTreeSet<MessageId>,
}

impl Recent {
    fn note(&mut self, id: MessageId) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

impl Collector {
    /// Begins a visit. False if there is one with `server` already.
    pub(crate) fn begin(&mut self, server: PeerId, now: Instant) -> bool {
        if self.visits.contains_key(&server) {
            return false;
        }
        let visit = Visit {
            waits: Waits::Nothing,
            until: now.after(VISIT),
            cursor: Bytes::new(),
            more: true,
            pages: 0,
            wanted: VecDeque::new(),
            withheld: BTreeSet::new(),
            got: VecDeque::new(),
            handed: BTreeMap::new(),
            done: Vec::new(),
        };
        self.visits.insert(server, visit);
        true
    }

    /// Ends a visit, wherever it is.
    pub(crate) fn end(&mut self, server: &PeerId) {
        if self.visits.remove(server).is_some() {
            self.coming.retain(|_, from| from != server);
        }
    }

    /// All servers that are being visited.
    pub(crate) fn servers(&self) -> Vec<PeerId> {
        self.visits.keys().copied().collect()
    }

    /// What to do next about `server`; `None` while something is waited for.
    pub(crate) fn next(&mut self, server: &PeerId, now: Instant) -> Option<Step> {
        match self.visits.get(server)?.waits {
            Waits::Page { .. } | Waits::Envelopes { .. } | Waits::Place { .. } => return None,
            Waits::Nothing => {}
        }
        let left = self.left_to_others(server);
        let visit = self.visits.get_mut(server)?;
        if let Some((id, envelope)) = visit.got.pop_front() {
            return Some(Step::Hand(id, envelope));
        }
        if !visit.handed.is_empty() {
            return None;
        }
        let mut ids = Vec::new();
        let mut elsewhere = VecDeque::new();
        for id in std::mem::take(&mut visit.wanted) {
            if self.recent.ids.contains(&id) {
                visit.done.push(id);
            } else if self.coming.contains_key(&id) || left.contains(&id) {
                elsewhere.push_back(id);
            } else {
                ids.push(id);
            }
        }
        let taken = std::mem::take(&mut visit.done);
        if !taken.is_empty() {
            visit.wanted = ids.into_iter().chain(elsewhere).collect();
            return Some(Step::Taken(taken));
        }
        visit.wanted = elsewhere;
        if visit.until <= now {
            return Some(Step::End);
        }
        if !ids.is_empty() {
            self.coming.extend(ids.iter().map(|id| (*id, *server)));
            return Some(Step::Get(ids));
        }
        if !visit.wanted.is_empty() {
            return None;
        }
        if visit.more && visit.pages < PAGES_MAX {
            return Some(Step::List(visit.cursor.clone()));
        }
        Some(Step::End)
    }

    /// What `server` did not give when it was asked, and another is still to be asked for.
    fn left_to_others(&self, server: &PeerId) -> BTreeSet<MessageId> {
        let Some(visit) = self.visits.get(server) else { return BTreeSet::new() };
        let others = || self.visits.iter().filter(|(other, _)| *other != server);
        let is_wanted = |id: &MessageId| {
            others().any(|(_, other)| other.wanted.contains(id) && !other.withheld.contains(id))
        };
        let withheld = visit.wanted.iter().filter(|id| visit.withheld.contains(id));
        withheld.filter(|id| is_wanted(id)).copied().collect()
    }

    /// A page was asked for.
    pub(crate) fn listing(&mut self, server: &PeerId, nonce: u64, max: usize, due: Instant) {
        if let Some(visit) = self.visits.get_mut(server) {
            visit.waits = Waits::Page { nonce, max, due };
        }
    }

    /// Messages were asked for.
    pub(crate) fn getting(
        &mut self,
        server: &PeerId,
        nonce: u64,
        ids: Vec<MessageId>,
        due: Instant,
    ) {
        if let Some(visit) = self.visits.get_mut(server) {
            visit.waits = Waits::Envelopes { nonce, ids, due };
        }
    }

    /// A page came.
    pub(crate) fn listed(
        &mut self,
        server: &PeerId,
        nonce: u64,
        ids: Vec<MessageId>,
        (cursor, more): (Bytes, bool),
    ) -> Result<(), Wrong> {
        let visit = self.visits.get_mut(server).ok_or(Wrong::Unasked)?;
        let max = match visit.waits {
            Waits::Page { nonce: asked, max, .. } if asked == nonce => max,
            Waits::Nothing | Waits::Page { .. } | Waits::Envelopes { .. } | Waits::Place { .. } => {
                return Err(Wrong::Unasked);
            }
        };
        if ids.len() > max {
            return Err(Wrong::TooMany(ids.len(), max));
        }
        visit.waits = Waits::Nothing;
        visit.pages = visit.pages.saturating_add(1);
        // A page without anything that leads further leads nowhere.
        visit.more = more && !ids.is_empty();
        visit.cursor = cursor;
        let mut once = BTreeSet::new();
        visit.wanted = ids.into_iter().filter(|id| once.insert(*id)).collect();
        Ok(())
    }

    /// Messages came: each answers the id at its place, an empty one says that it is gone, and what
    /// is not answered did not fit. `identify` says which message an envelope is.
    pub(crate) fn got(
        &mut self,
        server: &PeerId,
        nonce: u64,
        envelopes: Vec<Bytes>,
        identify: impl Fn(&Bytes) -> Option<MessageId>,
    ) -> Result<(), Wrong> {
        let visit = self.visits.get_mut(server).ok_or(Wrong::Unasked)?;
        let asked = match &mut visit.waits {
            Waits::Envelopes { nonce: asked, ids, .. } if *asked == nonce => std::mem::take(ids),
            Waits::Nothing | Waits::Page { .. } | Waits::Envelopes { .. } | Waits::Place { .. } => {
                return Err(Wrong::Unasked);
            }
        };
        if envelopes.len() > asked.len() {
            return Err(Wrong::TooMany(envelopes.len(), asked.len()));
        }
        visit.waits = Waits::Nothing;
        // No answer at all: the server is in trouble, and asking it again does not help it.
        visit.more &= !envelopes.is_empty();
        let answered = envelopes.len();
        for (id, envelope) in asked.iter().zip(envelopes) {
            if envelope.is_empty() {
                self.coming.remove(id);
            } else if identify(&envelope) == Some(*id) {
                visit.got.push_back((*id, envelope));
            } else {
                return Err(Wrong::Another);
            }
        }
        for id in asked.into_iter().skip(answered) {
            self.coming.remove(&id);
            if answered > 0 {
                visit.withheld.insert(id);
                visit.wanted.push_back(id);
            }
        }
        Ok(())
    }

    /// The message is in the pipeline.
    pub(crate) fn handed(&mut self, server: &PeerId, id: MessageId, ticket: Ticket) {
        if let Some(visit) = self.visits.get_mut(server) {
            visit.handed.insert(ticket, id);
        }
    }

    /// There is no place for the message before `due`, or until another is settled.
    pub(crate) fn blocked(
        &mut self,
        server: &PeerId,
        id: MessageId,
        envelope: Bytes,
        due: Instant,
    ) {
        if let Some(visit) = self.visits.get_mut(server) {
            visit.got.push_front((id, envelope));
            visit.waits = Waits::Place { due };
        }
    }

    /// The pipeline is done with a message.
    pub(crate) fn settled(&mut self, server: &PeerId, ticket: Ticket, fate: Fate) {
        let Some(visit) = self.visits.get_mut(server) else { return };
        if matches!(visit.waits, Waits::Place { .. }) {
            visit.waits = Waits::Nothing;
        }
        let Some(id) = visit.handed.remove(&ticket) else { return };
        self.coming.remove(&id);
        match fate {
            Fate::Accepted => {
                self.recent.note(id);
                visit.done.push(id);
            }
            Fate::Useless => visit.done.push(id),
            Fate::Later => {}
        }
    }

    /// Servers that did not answer in time, whose visits end here; others go on that waited for a
    /// place.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<PeerId> {
        let mut late = Vec::new();
        for (server, visit) in &mut self.visits {
            match visit.waits {
                Waits::Page { due, .. } | Waits::Envelopes { due, .. } if due <= now => {
                    late.push(*server);
                }
                Waits::Place { due } if due <= now => visit.waits = Waits::Nothing,
                Waits::Nothing
                | Waits::Page { .. }
                | Waits::Envelopes { .. }
                | Waits::Place { .. } => {}
            }
        }
        for server in &late {
            self.end(server);
        }
        late
    }

    /// When [`expire`](Self::expire) next has something to do.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let due = |visit: &Visit| match visit.waits {
            // What it wants may be coming from another.
            Waits::Nothing => visit.handed.is_empty().then_some(visit.until),
            Waits::Page { due, .. } | Waits::Envelopes { due, .. } | Waits::Place { due } => {
                Some(due)
            }
        };
        self.visits.values().filter_map(due).min()
    }

    /// Visits, and what is asked for.
    pub(crate) fn passing(&self) -> usize {
        self.visits.len().saturating_add(self.coming.len())
    }

    /// Messages that are remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.recent.order.len()
    }
}

const _: () = assert!(RECENT_MAX > IDS_MAX, "a page is remembered until it is taken");

#[cfg(test)]
mod tests;
