//! Who told us: how much room each source has taken, and how fast.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;

/// Time for one accepted record: a tenth of a second's worth of Bitcoin's allowance, four times
/// what honest peers were measured to need.
///
/// # Source
/// Bitcoin Core, pull request 22387: 0.1/s; honest rate at most 0.025/s.
pub(super) const ACCEPT_GAP: Duration = Duration::from_secs(10);

/// Records that a source may have accepted at once before [`ACCEPT_GAP`] holds. From the same
/// source.
pub(super) const ACCEPT_BURST: u32 = 1000;

/// Sources without an entry that are remembered for how much they have sent lately. Over it the
/// one that is forgiven soonest is forgotten.
const IDLE_MAX: usize = 512;

/// Everybody who told of an entry, by number.
#[derive(Debug, Default)]
pub(super) struct Sources {
    list: Vec<Option<Box<Teller>>>,
    vacant: Vec<u16>,
    index: BTreeMap<u64, u16>,
    /// Sources without an entry, by when they are forgiven.
    idle: BTreeSet<(Instant, u16)>,
}

/// One source.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    /// Nobody is the operator.
    pub(super) peer: Option<PeerId>,
    /// Its name inside the book.
    pub(super) name: u64,
    /// The network group in which it was first seen, in the book's words.
    pub(super) group: u64,
    /// When all that it sent is forgiven.
    forgiven: Instant,
    /// Records that were asked of it and have not come.
    asked: u16,
    /// Entries that it told of.
    entries: u32,
}

impl Sources {
    pub(super) fn get(&self, id: u16) -> Option<&Teller> {
        self.list.get(usize::from(id))?.as_deref()
    }

    fn get_mut(&mut self, id: u16) -> Option<&mut Teller> {
        self.list.get_mut(usize::from(id))?.as_deref_mut()
    }

    /// The number of a source, which keeps the group that it had when it was first seen. `None`
    /// when there is no room for one more, which takes 65,536 of them.
    pub(super) fn enter(
        &mut self,
        name: u64,
        peer: Option<PeerId>,
        group: u64,
        now: Instant,
    ) -> Option<u16> {
        if let Some(id) = self.index.get(&name) {
            return Some(*id);
        }
        while self.idle.len() >= IDLE_MAX
            && let Some((_, soonest)) = self.idle.first().copied()
        {
            self.forget(soonest);
        }
        let id = if let Some(id) = self.vacant.pop() {
            id
        } else {
            let id = u16::try_from(self.list.len()).ok()?;
            self.list.push(None);
            id
        };
        let teller = Teller { peer, name, group, forgiven: now, asked: 0, entries: 0 };
        *self.list.get_mut(usize::from(id))? = Some(Box::new(teller));
        self.index.insert(name, id);
        self.idle.insert((now, id));
        Some(id)
    }

    fn forget(&mut self, id: u16) {
        if let Some(teller) = self.list.get_mut(usize::from(id)).and_then(Option::take) {
            self.index.remove(&teller.name);
            self.idle.remove(&(teller.forgiven, id));
            self.vacant.push(id);
        }
    }

    /// Lets a source have `count` records accepted without being counted.
    pub(super) fn ask(&mut self, id: u16, count: u16) {
        if let Some(teller) = self.get_mut(id) {
            teller.asked = count;
        }
    }

    /// Whether one more record may be accepted from it now.
    pub(super) fn may_tell(&self, id: u16, now: Instant) -> bool {
        let most = ACCEPT_GAP.saturating_mul(ACCEPT_BURST.saturating_sub(1));
        self.get(id).is_some_and(|teller| {
            teller.peer.is_none() || teller.asked > 0 || teller.forgiven.since(now) <= most
        })
    }

    /// Counts one accepted record.
    pub(super) fn charge(&mut self, id: u16, now: Instant) {
        let Some(teller) = self.get_mut(id) else { return };
        if teller.asked > 0 {
            teller.asked = teller.asked.saturating_sub(1);
            return;
        }
        let before = teller.forgiven;
        teller.forgiven = before.max(now).after(ACCEPT_GAP);
        let (forgiven, idle) = (teller.forgiven, teller.entries == 0);
        if idle {
            self.idle.remove(&(before, id));
            self.idle.insert((forgiven, id));
        }
    }

    /// An entry of its is kept.
    pub(super) fn keep(&mut self, id: u16) {
        let Some(teller) = self.get_mut(id) else { return };
        let forgiven = teller.forgiven;
        teller.entries = teller.entries.saturating_add(1);
        self.idle.remove(&(forgiven, id));
    }

    /// An entry of its is no longer kept.
    pub(super) fn drop(&mut self, id: u16) {
        let Some(teller) = self.get_mut(id) else { return };
        teller.entries = teller.entries.saturating_sub(1);
        let (forgiven, idle) = (teller.forgiven, teller.entries == 0);
        if idle {
            self.idle.insert((forgiven, id));
        }
    }
}

#[cfg(test)]
impl Sources {
    /// Each source has as many entries as it is said to have, and the others are idle.
    pub(super) fn assert_counts(&self, entries: &BTreeMap<u16, u32>) {
        let known = (0_u16..).zip(&self.list).filter_map(|(id, it)| Some((id, it.as_ref()?)));
        let mut idle = BTreeSet::new();
        for (id, teller) in known {
            assert_eq!(teller.entries, entries.get(&id).copied().unwrap_or(0));
            if teller.entries == 0 {
                idle.insert((teller.forgiven, id));
            }
        }
        assert_eq!(self.idle, idle);
    }
}
