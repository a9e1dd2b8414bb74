//! Messages for this node, kept until somebody has read them and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dht::{DhtInboundMessage, LetterId};
use libp2p::PeerId;
use storage::{InboxIndex, InboxTable, Received, StoreError};
use tokio::sync::broadcast;
use transport::clock::Clock;

use super::Watched;

/// Most messages that are kept. One more is not taken: it waits in its mailboxes, and its sender is
/// not told that it was delivered.
const INBOX_MESSAGES_MAX: usize = 10_000;

/// Most bytes of them.
const INBOX_BYTES_MAX: usize = 64 << 20;

/// Why a message is not taken now. It may come again.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    /// There is no room.
    #[error("the inbox is full")]
    Full,
    /// It is being written.
    #[error("message is being written down")]
    UnderWay,
    /// The disk fails.
    #[error("message cannot be kept")]
    Store(#[from] StoreError),
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InboxGauges {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    /// How often there was no room, or the disk failed.
    pub(super) turned_away: u64,
}

/// The messages. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Inbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: InboxTable,
    state: Mutex<State>,
    news: broadcast::Sender<Watched>,
    bounds: (usize, usize),
}

#[derive(Debug, Default)]
struct State {
    /// The highest number that was ever given.
    last: u64,
    /// Those that are kept or being written.
    rows: BTreeMap<u64, Row>,
    /// The same, by what names a letter: it may come again when the process was killed between the
    /// write of it and the note that it came.
    known: BTreeSet<(PeerId, LetterId)>,
    bytes: usize,
    turned_away: u64,
    /// Those that are not told yet: those before them are being written, or they themselves.
    untold: BTreeMap<u64, Option<Received>>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    sender: PeerId,
    letter: LetterId,
    len: usize,
}

impl State {
    fn enter(&mut self, number: u64, row: Row) {
        self.last = self.last.max(number);
        self.known.insert((row.sender, row.letter));
        self.bytes = self.bytes.saturating_add(row.len);
        self.rows.insert(number, row);
    }

    /// Whether it was there.
    fn leave(&mut self, number: u64) -> bool {
        let Some(row) = self.rows.remove(&number) else { return false };
        self.known.remove(&(row.sender, row.letter));
        self.bytes = self.bytes.saturating_sub(row.len);
        true
    }
}

impl Inbox {
    /// With what is kept.
    pub(super) async fn open(
        table: InboxTable,
        news: broadcast::Sender<Watched>,
    ) -> Result<Self, StoreError> {
        Self::bounded(table, news, (INBOX_MESSAGES_MAX, INBOX_BYTES_MAX)).await
    }

    async fn bounded(
        table: InboxTable,
        news: broadcast::Sender<Watched>,
        bounds: (usize, usize),
    ) -> Result<Self, StoreError> {
        let InboxIndex { rows, last, unreadable } = table.index().await?;
        if unreadable > 0 {
            tracing::warn!(count = unreadable, "messages in the inbox cannot be read");
        }
        let mut state = State { last, ..State::default() };
        for (Received { number, sender, letter, .. }, len) in rows {
            state.enter(number, Row { sender, letter, len });
        }
        Ok(Self(Arc::new(Shared { table, state: Mutex::new(state), news, bounds })))
    }

    /// Takes a message. Ends when it is durable.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message may be kept, and is kept twice if it comes again.
    pub(super) async fn take(&self, message: DhtInboundMessage) -> Result<(), NotTaken> {
        let DhtInboundMessage { sender, letter, payload, sealed, .. } = message;
        if !sealed {
            // It is for nobody in particular, and nobody here listens to such.
            tracing::debug!(%sender, %letter, "nobody reads messages for everybody");
            return Ok(());
        }
        let (kept, row) = {
            let mut state = self.lock();
            if state.known.contains(&(sender, letter)) {
                let mut untold = state.untold.keys();
                let same = |number| {
                    let row = state.rows.get(number);
                    row.is_some_and(|row| (row.sender, row.letter) == (sender, letter))
                };
                return if untold.any(same) { Err(NotTaken::UnderWay) } else { Ok(()) };
            }
            let (messages_max, bytes_max) = self.0.bounds;
            let bytes = state.bytes.saturating_add(payload.len());
            if state.rows.len() >= messages_max || bytes > bytes_max {
                state.turned_away = state.turned_away.saturating_add(1);
                return Err(NotTaken::Full);
            }
            let number = state.last.saturating_add(1);
            state.enter(number, Row { sender, letter, len: payload.len() });
            state.untold.insert(number, None);
            let row = Received { number, sender, letter, at: Clock::wall(), payload };
            // Queued under the lock: what has the lower number is durable first, and who reads on
            // from a number misses nothing.
            (self.0.table.put(&row), row)
        };
        let writing = Writing { inbox: self, number: row.number, done: false };
        kept.await?;
        writing.done(row);
        Ok(())
    }

    /// Reads from a number on.
    pub(super) async fn read(&self, after: u64, max: usize) -> Result<Vec<Received>, StoreError> {
        self.0.table.read(after, max).await
    }

    /// Forgets up to a number. Ends with how many messages those were.
    pub(super) async fn forget(&self, through: u64) -> Result<u64, StoreError> {
        let (numbers, forgotten) = {
            let state = self.lock();
            // What is being written stays, so that it is told.
            let untold = state.untold.keys().next().map(|first| first.saturating_sub(1));
            let through = through.min(untold.unwrap_or(state.last));
            let numbers: Vec<u64> =
                state.rows.range(..=through).map(|(number, _)| *number).collect();
            if numbers.is_empty() {
                return Ok(0);
            }
            // Queued under the lock: what is remembered to have been given never falls.
            (numbers, self.0.table.forget(through, state.last))
        };
        forgotten.await?;
        let mut state = self.lock();
        let count = numbers.into_iter().filter(|number| state.leave(*number)).count();
        Ok(super::number(count))
    }

    /// How much is kept.
    pub(super) fn gauges(&self) -> InboxGauges {
        let state = self.lock();
        let State { bytes, turned_away, .. } = *state;
        InboxGauges { messages: state.rows.len(), bytes, turned_away }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that is being written. Dropped before it is done, nobody knows whether it is kept.
struct Writing<'a> {
    inbox: &'a Inbox,
    number: u64,
    done: bool,
}

impl Writing<'_> {
    fn done(mut self, row: Received) {
        self.done = true;
        self.inbox.lock().untold.insert(self.number, Some(row));
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut state = self.inbox.lock();
        if !self.done {
            state.untold.remove(&self.number);
            state.leave(self.number);
            state.turned_away = state.turned_away.saturating_add(1);
        }
        // In the order of their numbers.
        while let Some(first) = state.untold.first_entry()
            && first.get().is_some()
        {
            if let Some(row) = first.remove() {
                tracing::info!(number = row.number, from = %row.sender, "a message came");
                // Nobody need watch.
                drop(self.inbox.0.news.send(Watched::Received(row)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dht::{Carriage, MessageId};
    use storage::Storage;

    use super::*;

    fn message(number: u8, len: usize) -> DhtInboundMessage {
        DhtInboundMessage {
            sender: PeerId::random(),
            letter: LetterId([number; 16]),
            message: MessageId([number; 32]),
            payload: vec![number; len].into(),
            sealed: true,
            carriage: Carriage::Routed,
        }
    }

    async fn open(storage: &Storage, bounds: (usize, usize)) -> Inbox {
        let news = broadcast::Sender::new(16);
        Inbox::bounded(storage.inbox(), news, bounds).await.expect("the disk works")
    }

    async fn numbers(inbox: &Inbox) -> Vec<(u64, u8)> {
        let all = inbox.read(0, 100).await.expect("the disk works");
        all.iter().map(|it| (it.number, it.payload[0])).collect()
    }

    #[tokio::test]
    async fn what_was_taken_is_there_after_a_restart_and_taken_once() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("store");
        let storage = Storage::open(&path).expect("a new file");
        let inbox = open(&storage, (10, 1_000)).await;
        let again = message(1, 5);
        inbox.take(again.clone()).await.expect("there is room");
        inbox.take(message(2, 5)).await.expect("there is room");
        storage.close().await.expect("it is open");

        let storage = Storage::open(&path).expect("our file");
        let inbox = open(&storage, (10, 1_000)).await;
        inbox.take(again).await.expect("it is here already");
        assert_eq!(numbers(&inbox).await, [(1, 1), (2, 2)]);
        assert_eq!(inbox.forget(9).await.expect("the disk works"), 2);
        storage.close().await.expect("it is open");

        let storage = Storage::open(&path).expect("our file");
        let inbox = open(&storage, (10, 1_000)).await;
        inbox.take(message(3, 5)).await.expect("there is room");
        assert_eq!(numbers(&inbox).await, [(3, 3)], "no number comes twice");
    }

    #[tokio::test]
    async fn a_full_inbox_takes_nothing_until_something_is_forgotten() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let storage = Storage::open(&dir.path().join("store")).expect("a new file");
        let inbox = open(&storage, (2, 100)).await;
        inbox.take(message(1, 60)).await.expect("there is room");
        let long = inbox.take(message(2, 60)).await;
        assert!(matches!(long, Err(NotTaken::Full)), "{long:?}");
        inbox.take(message(3, 10)).await.expect("there is room");
        let third = inbox.take(message(4, 10)).await;
        assert!(matches!(third, Err(NotTaken::Full)), "{third:?}");
        assert_eq!(inbox.gauges().turned_away, 2);
        assert_eq!(inbox.forget(1).await.expect("the disk works"), 1);
        inbox.take(message(5, 60)).await.expect("there is room");
        assert_eq!(numbers(&inbox).await, [(2, 3), (3, 5)]);
        assert_eq!((inbox.gauges().messages, inbox.gauges().bytes), (2, 70));
    }

    #[tokio::test]
    async fn no_number_comes_twice_whoever_forgets_at_the_same_time() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("store");
        let storage = Storage::open(&path).expect("a new file");
        let inbox = open(&storage, (10, 1_000)).await;
        for number in 1..=3 {
            inbox.take(message(number, 5)).await.expect("there is room");
        }
        let (mut all, mut first) = (Box::pin(inbox.forget(3)), Box::pin(inbox.forget(1)));
        for forget in [&mut all, &mut first] {
            assert!(futures::poll!(forget.as_mut()).is_pending());
        }
        assert_eq!(all.await.expect("the disk works"), 3);
        assert_eq!(first.await.expect("the disk works"), 0, "each is counted once");
        storage.close().await.expect("it is open");

        let storage = Storage::open(&path).expect("our file");
        let inbox = open(&storage, (10, 1_000)).await;
        inbox.take(message(4, 5)).await.expect("there is room");
        assert_eq!(numbers(&inbox).await, [(4, 4)]);
    }

    #[tokio::test]
    async fn they_are_told_in_the_order_of_their_numbers_and_one_for_everybody_is_not() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let storage = Storage::open(&dir.path().join("store")).expect("a new file");
        let inbox = open(&storage, (100, 10_000)).await;
        let mut news = inbox.0.news.subscribe();
        let clear = DhtInboundMessage { sealed: false, ..message(9, 1) };
        inbox.take(clear).await.expect("it is not kept");
        let mut taken: Vec<_> = (0..10).map(|n| Box::pin(inbox.take(message(n, 1)))).collect();
        // All are begun in this order, and end in another.
        for take in &mut taken {
            assert!(futures::poll!(take.as_mut()).is_pending());
        }
        for take in taken.into_iter().rev() {
            take.await.expect("there is room");
        }
        for number in 1..=10 {
            let told = news.recv().await.expect("news");
            assert!(matches!(told, Watched::Received(it) if it.number == number));
        }
    }
}
