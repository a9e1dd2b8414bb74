//! The one thread that touches the file, and the bounded queue before it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt};
use redb::{Database, Durability, ReadTransaction, ReadableDatabase};

use crate::error::StoreError;
use crate::row::{Change, Loaded};
use crate::schema::Table;
use crate::storage::Stats;

/// Most tasks that wait, and so most change sets that become durable together. A commit takes about
/// as long for all of them as for one, so a longer queue only promises what takes longer to keep.
pub(crate) const TASKS_MAX: usize = 1_024;

/// Most bytes of changes that wait or are being written; when there are none, one change set may be
/// larger, since it would never become smaller by waiting.
pub(crate) const BYTES_MAX: usize = 32 << 20;

/// Most changes in one set. The largest address book has 65,536 entries, and all of them may have
/// made room for others since the last write that succeeded: at half of this such a book would never
/// be written again.
pub(crate) const CHANGES_MAX: usize = 131_072;

/// Most rows that one change removes of those below a key. The rest follows with the next one.
const REMOVED_MAX: usize = 16_384;

type Outcome<T> = Result<T, StoreError>;
type Rows<'tx> = redb::Table<'tx, &'static [u8], &'static [u8]>;

/// What the thread is asked for.
enum Task {
    Write(Write),
    Read { read: Box<dyn Read>, place: Place },
    Close(oneshot::Sender<Outcome<()>>),
}

/// Whether a task has to find room in the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Needed,
    /// It goes on with a load that has begun. There is one such task for each of these, and to be
    /// refused would end half-way what was accepted.
    Held,
}

struct Write {
    changes: Vec<Change>,
    bytes: usize,
    done: oneshot::Sender<Outcome<()>>,
}

/// A question to the file, and who waits for its answer.
trait Read: Send {
    fn run(self: Box<Self>, database: &Database) -> Result<(), redb::Error>;
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Question<F, T> {
    ask: F,
    done: oneshot::Sender<Outcome<T>>,
}

impl<F, T> Read for Question<F, T>
where
    F: FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send,
    T: Send,
{
    fn run(self: Box<Self>, database: &Database) -> Result<(), redb::Error> {
        let Self { ask, done } = *self;
        let answer = database.begin_read().map_err(Into::into).and_then(|tx| ask(&tx));
        match answer {
            Ok(answer) => drop(done.send(Ok(answer))),
            Err(error) => {
                drop(done.send(Err(StoreError::Failed { reason: error.to_string() })));
                return Err(error);
            }
        }
        Ok(())
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        drop(self.done.send(Err(error)));
    }
}

/// What the handles and the thread share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    /// Nothing more is accepted; what waits is still done.
    closed: bool,
    stats: Stats,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nobody panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn accept(&mut self, task: Task) -> Result<(), StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        let bytes = match &task {
            Task::Write(write) => write.bytes,
            Task::Read { place: Place::Needed, .. } => 0,
            Task::Read { place: Place::Held, .. } | Task::Close(_) => {
                // A full queue is no reason to stay open either.
                self.closed |= matches!(task, Task::Close(_));
                self.waiting.push_back(task);
                return Ok(());
            }
        };
        let before = self.stats.waiting_bytes;
        let waiting_bytes = before.saturating_add(bytes);
        if self.waiting.len() >= TASKS_MAX || (before > 0 && waiting_bytes > BYTES_MAX) {
            self.stats.busy = self.stats.busy.saturating_add(1);
            return Err(StoreError::Busy { tasks_max: TASKS_MAX, bytes_max: BYTES_MAX });
        }
        self.stats.waiting_bytes = waiting_bytes;
        self.waiting.push_back(task);
        Ok(())
    }
}

/// The way to the thread. When the last clone is dropped, what was accepted is still done, and the
/// file is closed.
#[derive(Clone)]
pub(crate) struct Queue {
    shared: Arc<Shared>,
    /// Dropped with the last clone.
    _open: Arc<Open>,
}

/// Has the thread end when dropped.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_one();
    }
}

impl Queue {
    /// Starts the thread on `database`.
    pub(crate) fn start(database: Database) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let queue = Self { _open: Arc::new(Open(Arc::clone(&shared))), shared };
        let gone = Gone(Arc::clone(&queue.shared));
        let writer = Writer { database, shared: gone, failure: None };
        thread::Builder::new().name("meshwork-storage".to_owned()).spawn(|| writer.serve())?;
        Ok(queue)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.shared.lock().stats
    }

    /// Makes all `changes` durable, or none. They are queued, or refused, by this call and not by
    /// the first poll; a dropped future recalls nothing.
    pub(crate) fn write(&self, changes: Vec<Change>) -> BoxFuture<'static, Outcome<()>> {
        let given = changes.len();
        if given > CHANGES_MAX {
            return refused(StoreError::TooMany {
                what: "changes at once",
                given,
                max: CHANGES_MAX,
            });
        }
        let bytes = changes.iter().map(Change::bytes).fold(0, usize::saturating_add);
        let (done, outcome) = oneshot::channel();
        self.ask(Task::Write(Write { changes, bytes, done }), outcome)
    }

    /// Asks the file, after all that was to be written before.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        place: Place,
        ask: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> BoxFuture<'static, Outcome<T>> {
        let (done, outcome) = oneshot::channel();
        self.ask(Task::Read { read: Box::new(Question { ask, done }), place }, outcome)
    }

    /// The same, and counts what was skipped.
    pub(crate) fn load<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&ReadTransaction) -> Result<Loaded<T>, redb::Error> + Send + 'static,
    ) -> BoxFuture<'static, Outcome<Loaded<T>>> {
        self.load_from(Place::Needed, ask)
    }

    /// Goes on with a load, however much waits. The caller has no other task of this load waiting.
    pub(crate) fn load_on<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&ReadTransaction) -> Result<Loaded<T>, redb::Error> + Send + 'static,
    ) -> BoxFuture<'static, Outcome<Loaded<T>>> {
        self.load_from(Place::Held, ask)
    }

    fn load_from<T: Send + 'static>(
        &self,
        place: Place,
        ask: impl FnOnce(&ReadTransaction) -> Result<Loaded<T>, redb::Error> + Send + 'static,
    ) -> BoxFuture<'static, Outcome<Loaded<T>>> {
        let shared = Arc::clone(&self.shared);
        self.read(place, move |tx| {
            let loaded = ask(tx)?;
            let skipped = u64::try_from(loaded.skipped).unwrap_or(u64::MAX);
            let stats = &mut shared.lock().stats;
            stats.skipped = stats.skipped.saturating_add(skipped);
            Ok(loaded)
        })
    }

    /// Closes the file, after all that was asked before.
    pub(crate) fn close(&self) -> BoxFuture<'static, Outcome<()>> {
        let (done, outcome) = oneshot::channel();
        self.ask(Task::Close(done), outcome)
    }

    fn ask<T: Send + 'static>(
        &self,
        task: Task,
        outcome: oneshot::Receiver<Outcome<T>>,
    ) -> BoxFuture<'static, Outcome<T>> {
        if let Err(error) = self.shared.lock().accept(task) {
            return refused(error);
        }
        self.shared.work.notify_one();
        // Without an outcome the thread is gone.
        outcome.map(|outcome| outcome.unwrap_or(Err(StoreError::Closed))).boxed()
    }
}

fn refused<T: Send + 'static>(error: StoreError) -> BoxFuture<'static, Outcome<T>> {
    std::future::ready(Err(error)).boxed()
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The thread's share. Dropped, also by a panic, it refuses whoever waits.
struct Gone(Arc<Shared>);

impl Drop for Gone {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }
}

/// What the thread does next.
enum Next {
    /// Make these durable together.
    Write(Vec<Write>),
    Read(Box<dyn Read>),
    Close(Option<oneshot::Sender<Outcome<()>>>),
}

/// The thread.
struct Writer {
    database: Database,
    shared: Gone,
    /// What the disk said when it failed. From then on nothing is done: the kernel may have thrown
    /// away the pages that it could not write, so that a second attempt which succeeds would prove
    /// nothing.
    failure: Option<String>,
}

impl Writer {
    fn serve(mut self) {
        loop {
            match self.next() {
                Next::Write(group) => self.keep(group),
                Next::Read(read) => self.answer(read),
                Next::Close(done) => return self.close(done),
            }
        }
    }

    /// Waits for something to do. Of writes, all that wait up to the first other task, which is to
    /// see what was written before.
    fn next(&self) -> Next {
        let mut state = self.shared.0.lock();
        loop {
            match state.waiting.pop_front() {
                Some(Task::Write(first)) => {
                    let mut group = vec![first];
                    while let Some(Task::Write(_)) = state.waiting.front()
                        && let Some(Task::Write(write)) = state.waiting.pop_front()
                    {
                        group.push(write);
                    }
                    return Next::Write(group);
                }
                Some(Task::Read { read, .. }) => return Next::Read(read),
                Some(Task::Close(done)) => return Next::Close(Some(done)),
                None if state.closed => return Next::Close(None),
                None => {
                    let work = &self.shared.0.work;
                    state = work.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn keep(&mut self, group: Vec<Write>) {
        let outcome = match &self.failure {
            Some(reason) => Err(StoreError::Failed { reason: reason.clone() }),
            None => self.commit(&group).map_err(|error| self.fail(&error)),
        };
        self.count(&group, outcome.is_ok());
        for write in group {
            // Who does not wait any more is not told.
            drop(write.done.send(outcome.clone()));
        }
    }

    fn count(&self, group: &[Write], kept: bool) {
        let number = u64::try_from(group.len()).unwrap_or(u64::MAX);
        let bytes = group.iter().map(|write| write.bytes).fold(0, usize::saturating_add);
        let stats = &mut self.shared.0.lock().stats;
        stats.waiting_bytes = stats.waiting_bytes.saturating_sub(bytes);
        if kept {
            stats.commits = stats.commits.saturating_add(1);
            stats.writes = stats.writes.saturating_add(number);
        } else {
            stats.failed = stats.failed.saturating_add(number);
        }
    }

    /// Durable when it returns. In two phases, since much of what is kept was written by strangers:
    /// with one, bytes of theirs that happen to match a checksum could make half a transaction look
    /// like a whole one after a crash.
    fn commit(&self, group: &[Write]) -> Result<(), redb::Error> {
        let mut tx = self.database.begin_write()?;
        tx.set_durability(Durability::Immediate)?;
        tx.set_two_phase_commit(true);
        let mut open: Option<(Table, Rows<'_>)> = None;
        for change in group.iter().flat_map(|write| &write.changes) {
            // A change set is mostly about one table, so it stays open until another one is meant.
            let (_, table) = match open {
                Some((table, _)) if table == change.table() => open.as_mut(),
                _ => {
                    drop(open.take());
                    open = Some((change.table(), tx.open_table(change.table().definition())?));
                    open.as_mut()
                }
            }
            .expect("one of the two arms has just opened it");
            match change {
                Change::Put { key, value, .. } => {
                    drop(table.insert(key.as_slice(), value.as_slice())?);
                }
                Change::Remove { key, .. } => drop(table.remove(key.as_slice())?),
                Change::Clear { .. } => table.retain(|_, _| false)?,
                Change::RemoveBelow { key, .. } => {
                    let below = table.extract_from_if(..key.as_slice(), |_, _| true)?;
                    for removed in below.take(REMOVED_MAX) {
                        drop(removed?);
                    }
                }
            }
        }
        drop(open);
        Ok(tx.commit()?)
    }

    fn answer(&mut self, read: Box<dyn Read>) {
        match &self.failure {
            Some(reason) => read.refuse(StoreError::Failed { reason: reason.clone() }),
            None => {
                if let Err(error) = read.run(&self.database) {
                    self.fail(&error);
                }
            }
        }
    }

    fn fail(&mut self, error: &redb::Error) -> StoreError {
        tracing::error!(%error, "the store failed and keeps nothing more until it is opened anew");
        let reason = error.to_string();
        self.failure = Some(reason.clone());
        StoreError::Failed { reason }
    }

    fn close(self, done: Option<oneshot::Sender<Outcome<()>>>) {
        let Self { database, shared, failure } = self;
        let closed = database.close().map_err(|error| error.to_string());
        drop(shared);
        let failed = |reason| StoreError::Failed { reason };
        if let Some(done) = done {
            drop(done.send(failure.map_or(closed, Err).map_err(failed)));
        }
    }
}
