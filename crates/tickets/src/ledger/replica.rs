//! A copy of a ledger that many may read.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::{Context, Poll, Waker};

use futures::stream::{Stream, StreamExt as _};

use super::entry::{Entry, Snapshot, Update};
use super::genesis::Params;
use super::rejected::Rejected;
use super::row::Row;
use super::state::{Applied, Inconsistent, State};

/// A copy of a ledger. Clones share it; any thread may read it.
#[derive(Clone, Debug)]
pub struct Replica(Arc<Shared>);

/// Entries that are remembered for those who follow: at some 3 KB each, at most 3 MB. Who is further
/// behind gets everything anew.
const RECENT_MAX: usize = 1024;

#[derive(Debug)]
struct Shared {
    copy: RwLock<Copy>,
    watchers: Mutex<Watchers>,
}

#[derive(Debug)]
struct Copy {
    state: State,
    /// The last entries and what they changed, up to that of the state.
    recent: VecDeque<(Entry, Arc<[Row]>)>,
    /// What was told last to one who knew too little, and its version: those who come next share it
    /// as long as the entries after it are remembered.
    shared: Mutex<Option<(u64, Arc<[Row]>)>>,
}

/// Who waits for the next change, by a number of its own.
#[derive(Debug, Default)]
struct Watchers {
    next: u64,
    waiting: BTreeMap<u64, Waker>,
}

/// A replica cannot go on with what it was told.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadHistory {
    /// An entry that no ledger takes.
    #[error("entry {version} is against the rules: {source}")]
    Entry {
        /// Its number.
        version: u64,
        /// Which rule.
        source: Rejected,
    },
    /// A snapshot that is none.
    #[error("snapshot is none of this ledger: {0}")]
    Snapshot(#[from] Inconsistent),
    /// A snapshot of the past: the ledger has forgotten entries that it had told of.
    #[error("snapshot is of version {given}, must be at least {known}")]
    WentBack {
        /// What the snapshot has.
        given: u64,
        /// What is known here.
        known: u64,
    },
}

/// What has changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The version that it leads to.
    pub version: u64,
    /// What it is.
    pub what: Changed,
}

/// What has changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Changed {
    /// Perhaps everything: look at the whole state.
    All,
    /// These rows.
    Rows(Arc<[Row]>),
}

impl Replica {
    /// A copy of a ledger that knows nothing yet.
    pub fn new(params: Params) -> Self {
        Self::of(State::new(params))
    }

    pub(super) fn of(state: State) -> Self {
        let copy = RwLock::new(Copy::of(state));
        Self(Arc::new(Shared { copy, watchers: Mutex::default() }))
    }

    /// Reads the state. Nothing changes meanwhile, so `read` should be short.
    pub fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.copy().state)
    }

    /// The number of the last entry.
    pub fn version(&self) -> u64 {
        self.read(State::version)
    }

    /// Ends when the version is at least this.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn reached(&self, version: u64) {
        let mut changes = self.changes();
        while changes.next().await.is_some_and(|change| change.version < version) {}
    }

    /// What changes. The first item is [`Changed::All`], at once; later ones are that as well after a
    /// snapshot and for one who has fallen behind by more than 1,024 entries. It never ends.
    pub fn changes(&self) -> Changes {
        Changes(Watch::new(self, None))
    }

    /// What follows version `after`, now and later. It never ends.
    pub fn entries(&self, after: u64) -> Entries {
        Entries(Watch::new(self, Some(after)))
    }

    /// Takes what the ledger tells.
    ///
    /// # Errors
    /// [`BadHistory`]; nothing is changed then.
    pub fn update(&self, update: Update) -> Result<(), BadHistory> {
        match update {
            Update::Entry(entry) => {
                let refused = |source| BadHistory::Entry { version: entry.version, source };
                // Checked beside those who read; of two who bring the same, the second is refused.
                let applied = self.read(|state| state.check(&entry)).map_err(refused)?;
                self.advance(entry, &applied).map_err(|(version, expected)| {
                    let source = Rejected::OutOfOrder { given: version, expected };
                    BadHistory::Entry { version, source }
                })
            }
            Update::Snapshot(snapshot) => self.replace(&snapshot),
        }
    }

    /// Takes over an entry that was checked against this very state.
    ///
    /// # Errors
    /// Its version and the expected one, if another entry was quicker.
    pub(super) fn advance(&self, entry: Entry, applied: &Applied) -> Result<(), (u64, u64)> {
        let mut copy = self.copy_mut();
        let expected = copy.state.version().saturating_add(1);
        if entry.version != expected {
            return Err((entry.version, expected));
        }
        copy.state.commit(applied);
        if copy.recent.len() >= RECENT_MAX {
            copy.recent.pop_front();
        }
        copy.recent.push_back((entry, applied.rows().into()));
        drop(copy);
        self.wake();
        Ok(())
    }

    fn replace(&self, snapshot: &Snapshot) -> Result<(), BadHistory> {
        let params = self.read(|state| *state.params());
        let state = State::restore(params, snapshot.rows.iter().cloned())?;
        let mut copy = self.copy_mut();
        let (given, known) = (state.version(), copy.state.version());
        if given < known {
            return Err(BadHistory::WentBack { given, known });
        }
        *copy = Copy::of(state);
        drop(copy);
        self.wake();
        Ok(())
    }

    fn copy(&self) -> RwLockReadGuard<'_, Copy> {
        self.0.copy.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy_mut(&self) -> RwLockWriteGuard<'_, Copy> {
        self.0.copy.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn watchers(&self) -> MutexGuard<'_, Watchers> {
        self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let waiting = std::mem::take(&mut self.watchers().waiting);
        waiting.into_values().for_each(Waker::wake);
    }
}

impl Copy {
    fn of(state: State) -> Self {
        Self { state, recent: VecDeque::new(), shared: Mutex::default() }
    }

    /// All of it, as it is or was not long ago, and the version of that.
    fn snapshot(&self) -> (u64, Snapshot) {
        let version = self.state.version();
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = |known: u64| {
            known == version || known.checked_add(1).is_some_and(|next| self.recall(next).is_some())
        };
        let known = shared.take().filter(|(known, _)| goes_on(*known));
        let known = known.unwrap_or_else(|| (version, self.state.rows().collect()));
        let (version, rows) = shared.insert(known).clone();
        (version, Snapshot { rows })
    }

    /// The remembered entry of a version.
    fn recall(&self, version: u64) -> Option<&(Entry, Arc<[Row]>)> {
        let back = self.state.version().checked_sub(version)?;
        let back = usize::try_from(back).ok()?.checked_add(1)?;
        self.recent.get(self.recent.len().checked_sub(back)?)
    }
}

/// One who watches a replica from a version on.
#[derive(Debug)]
struct Watch {
    replica: Replica,
    number: u64,
    /// The version it was told of; none if of nothing yet.
    told: Option<u64>,
}

impl Watch {
    fn new(replica: &Replica, told: Option<u64>) -> Self {
        let mut watchers = replica.watchers();
        let number = watchers.next;
        watchers.next = number.wrapping_add(1);
        drop(watchers);
        Self { replica: replica.clone(), number, told }
    }

    /// What comes next: of the entry after the told one, or of everything.
    fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        entry: impl FnOnce(&(Entry, Arc<[Row]>)) -> T,
        all: impl FnOnce(&Copy) -> (u64, T),
    ) -> Poll<Option<T>> {
        // First the bell, then the look: what comes in between rings it.
        self.replica.watchers().waiting.insert(self.number, cx.waker().clone());
        let copy = self.replica.copy();
        let version = copy.state.version();
        if self.told == Some(version) {
            return Poll::Pending;
        }
        let next = self.told.and_then(|told| copy.recall(told.checked_add(1)?));
        let (told, news) = match next {
            Some(next) => (next.0.version, entry(next)),
            None => all(&copy),
        };
        self.told = Some(told);
        Poll::Ready(Some(news))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.replica.watchers().waiting.remove(&self.number);
    }
}

/// [`Replica::changes`].
#[derive(Debug)]
pub struct Changes(Watch);

impl Stream for Changes {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.0.poll(
            cx,
            |(entry, rows)| Change {
                version: entry.version,
                what: Changed::Rows(Arc::clone(rows)),
            },
            |copy| {
                let version = copy.state.version();
                (version, Change { version, what: Changed::All })
            },
        )
    }
}

/// [`Replica::entries`].
#[derive(Debug)]
pub struct Entries(Watch);

impl Stream for Entries {
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        self.0.poll(
            cx,
            |(entry, _)| Update::Entry(entry.clone()),
            |copy| {
                let (version, snapshot) = copy.snapshot();
                (version, Update::Snapshot(Box::new(snapshot)))
            },
        )
    }
}
