//! Carries tags from a guard to its journal, and back after a restart.

use std::sync::Arc;

use super::{Guard, Journal, JournalError, Params};

/// Tags read at a time: 1 MiB.
const READ_MAX: usize = 65_536;

/// Writes the tags of one guard to a journal.
#[derive(Debug)]
pub struct Keeper<J> {
    guard: Arc<Guard>,
    journal: J,
    /// Tags that were taken from the guard and may not be in the journal yet.
    batch: Arc<[[u8; 16]]>,
    /// The positions of the journal.
    first: u64,
    end: u64,
}

impl<J: Journal> Keeper<J> {
    /// Makes a guard that remembers what `journal` has. The `secret` is drawn at random, anew each
    /// time.
    ///
    /// Two full generations of 10,000,000 tags take seconds, in stretches of 65,536 tags in which
    /// the task does nothing else.
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    pub async fn open(params: &Params, secret: [u8; 16], journal: J) -> Result<Self, JournalError> {
        let extent = journal.extent().await?;
        let guard = Arc::new(Guard::at(params, secret, extent.end, true));
        let mut position = extent.start.max(guard.first_remembered(extent.end));
        while position < extent.end {
            let tags = journal.read(position, READ_MAX).await?;
            if tags.is_empty() {
                let message = format!("no tag at {position}, in {extent:?}");
                return Err(JournalError { message });
            }
            for tag in &tags {
                guard.restore(position, tag);
                position = position.saturating_add(1);
            }
        }
        Ok(Self { guard, journal, batch: Arc::default(), first: extent.start, end: extent.end })
    }

    /// The guard.
    pub const fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// Writes all that the guard has admitted until now, what an earlier call could not write
    /// included, and has the journal forget what the guard did.
    /// Returns how many tags were written.
    ///
    /// To be called every [`Params::flush_interval`], and once more before the process ends.
    ///
    /// # Errors
    /// [`JournalError`] if the journal fails: the next call tries again. Tags that the guard cannot
    /// hold until then are [counted](crate::replay::Counts::unrecorded) and not written.
    ///
    /// # Cancel safety
    /// Safe: what may not have been written is written again, to the same place.
    pub async fn flush(&mut self) -> Result<usize, JournalError> {
        let mut written = self.append().await?;
        self.batch = self.guard.take_unflushed().into();
        written = written.saturating_add(self.append().await?);
        let first = self.guard.first_remembered(self.end);
        if first > self.first {
            self.journal.forget(first).await?;
            self.first = first;
        }
        Ok(written)
    }

    /// Writes the batch that is at hand.
    async fn append(&mut self) -> Result<usize, JournalError> {
        let count = self.batch.len();
        if count > 0 {
            self.journal.append(self.end, Arc::clone(&self.batch)).await?;
            self.end = self.end.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            self.batch = Arc::default();
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::executor::block_on;
    use futures::future::{BoxFuture, FutureExt};

    use super::*;
    use crate::replay::{Config, Counts, MemoryJournal, Replayed};

    fn params(capacity: u64) -> Params {
        let config = Config { capacity, shards: 4, unflushed_max: 400, ..Config::default() };
        config.check().expect("valid")
    }

    fn tag(number: u64) -> [u8; 16] {
        u128::from(number).to_le_bytes()
    }

    /// A restart, under another secret: there is nothing but the journal.
    fn open<J: Journal>(capacity: u64, journal: J) -> Keeper<J> {
        block_on(Keeper::open(&params(capacity), *b"drawn once again", journal)).expect("it reads")
    }

    fn admit<J>(keeper: &Keeper<J>, numbers: Range<u64>) {
        for number in numbers {
            assert_eq!(keeper.guard.admit(&tag(number)), Ok(()), "{number}");
        }
    }

    fn remembers<J>(keeper: &Keeper<J>, mut numbers: Range<u64>) -> bool {
        numbers.all(|number| keeper.guard.contains(&tag(number)))
    }

    #[test]
    fn a_crash_loses_what_came_after_the_last_flush_and_nothing_else() {
        let journal = MemoryJournal::default();
        let mut keeper = open(100, journal.clone());
        admit(&keeper, 0..70);
        assert_eq!(block_on(keeper.flush()).expect("memory"), 70);
        admit(&keeper, 70..75);
        drop(keeper);
        let mut keeper = open(100, journal.clone());
        assert!(remembers(&keeper, 0..70));
        admit(&keeper, 70..75);
        block_on(keeper.flush()).expect("memory");
        let keeper = open(100, journal);
        assert!(remembers(&keeper, 0..75));
        assert_eq!(keeper.guard.admit(&tag(74)), Err(Replayed));
        assert_eq!(keeper.guard.counts(), Counts { admitted: 0, replayed: 1, unrecorded: 0 });
    }

    /// After every number of tags a restart finds what a guard that never stopped would remember.
    #[test]
    fn generations_go_on_over_restarts() {
        let journal = MemoryJournal::default();
        for number in 0..1_000_u64 {
            let mut keeper = open(100, journal.clone());
            assert!(remembers(&keeper, number.saturating_sub(100)..number), "{number}");
            let forgotten = (number / 100).saturating_sub(1) * 100;
            let mut older = forgotten.saturating_sub(20)..forgotten;
            assert!(!older.any(|old| keeper.guard.contains(&tag(old))), "{number}");
            admit(&keeper, number..number + 1);
            assert_eq!(block_on(keeper.flush()).expect("memory"), 1);
            let extent = block_on(journal.extent()).expect("memory");
            assert_eq!(extent.end, number + 1);
            assert!(extent.end - extent.start <= 200, "{extent:?}");
        }
    }

    #[test]
    fn another_capacity_keeps_the_newest() {
        let journal = MemoryJournal::default();
        let mut keeper = open(1_000, journal.clone());
        for from in [0, 300, 600] {
            admit(&keeper, from..from + 300);
            block_on(keeper.flush()).expect("memory");
        }
        let smaller = open(100, journal.clone());
        assert!(remembers(&smaller, 800..900));
        assert!(!smaller.guard.contains(&tag(799)));
        let larger = open(5_000, journal);
        assert!(remembers(&larger, 0..900));
    }

    #[test]
    fn what_finds_no_room_for_the_journal_is_remembered_until_the_end_of_the_process() {
        let journal = MemoryJournal::default();
        let mut keeper = open(10_000, journal.clone());
        admit(&keeper, 0..1_000);
        assert!(remembers(&keeper, 0..1_000));
        let unrecorded = keeper.guard.counts().unrecorded;
        // 400 in four shards of 100, each of which about 250 tags went to.
        assert_eq!(unrecorded, 600);
        assert_eq!(block_on(keeper.flush()).expect("memory"), 400);
        let keeper = open(10_000, journal);
        let kept = (0..1_000).filter(|number| keeper.guard.contains(&tag(*number))).count();
        assert_eq!(kept, 400);
    }

    /// Writes, and then does not say so.
    #[derive(Debug, Default)]
    struct Mute {
        kept: MemoryJournal,
        mute: AtomicBool,
    }

    impl Journal for Mute {
        fn extent(&self) -> BoxFuture<'_, Result<Range<u64>, JournalError>> {
            self.kept.extent()
        }

        fn read(
            &self,
            position: u64,
            max: usize,
        ) -> BoxFuture<'_, Result<Vec<[u8; 16]>, JournalError>> {
            self.kept.read(position, max)
        }

        fn append(
            &self,
            position: u64,
            tags: Arc<[[u8; 16]]>,
        ) -> BoxFuture<'_, Result<(), JournalError>> {
            let appended = self.kept.append(position, tags);
            if self.mute.load(Ordering::Relaxed) {
                let message = "written, or not".to_owned();
                return appended.map(|_| Err(JournalError { message })).boxed();
            }
            appended
        }

        fn forget(&self, position: u64) -> BoxFuture<'_, Result<(), JournalError>> {
            self.kept.forget(position)
        }
    }

    #[test]
    fn a_write_of_which_nothing_is_known_is_repeated_and_counts_once() {
        let mut keeper = open(1_000, Mute::default());
        admit(&keeper, 0..10);
        keeper.journal.mute.store(true, Ordering::Relaxed);
        assert!(block_on(keeper.flush()).is_err());
        admit(&keeper, 10..20);
        assert!(block_on(keeper.flush()).is_err());
        keeper.journal.mute.store(false, Ordering::Relaxed);
        // One call is enough: there may be no other before the process ends.
        assert_eq!(block_on(keeper.flush()).expect("it says so"), 20);
        assert_eq!(block_on(keeper.flush()).expect("it says so"), 0);
        let kept = keeper.journal.kept.clone();
        assert_eq!(block_on(kept.extent()).expect("memory"), 0..20);
        assert!(remembers(&open(1_000, kept), 0..20));
    }
}
