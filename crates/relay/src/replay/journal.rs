//! What of a guard survives a restart, and who keeps it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt, ready};
use thiserror::Error;

/// The disk failed to keep or to return tags.
#[derive(Clone, Debug, Error)]
#[error("replay journal: {message}")]
pub struct JournalError {
    /// What the journal says.
    pub message: String,
}

/// A row of tags, each with a position: appended at the end, forgotten from the beginning.
///
/// A future that ends well means that the change is durable.
pub trait Journal: Send + Sync + 'static {
    /// The positions of the tags kept.
    fn extent(&self) -> BoxFuture<'_, Result<Range<u64>, JournalError>>;

    /// Tags from `position` on: one at least if it is kept, and `max` at most.
    fn read(&self, position: u64, max: usize)
    -> BoxFuture<'_, Result<Vec<[u8; 16]>, JournalError>>;

    /// Keeps `tags` from `position` on, in place of what is kept there and behind: to append the
    /// same again, not knowing whether it was, is harmless. All of it or nothing.
    ///
    /// # Errors
    /// Also if `position` is not kept and is not the end either.
    fn append(
        &self,
        position: u64,
        tags: Arc<[[u8; 16]]>,
    ) -> BoxFuture<'_, Result<(), JournalError>>;

    /// Forgets what is before `position`; the end stays where it is.
    fn forget(&self, position: u64) -> BoxFuture<'_, Result<(), JournalError>>;
}

/// Keeps tags until the process ends. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    row: Arc<Mutex<Row>>,
}

#[derive(Debug, Default)]
struct Row {
    first: u64,
    tags: VecDeque<[u8; 16]>,
}

impl Row {
    /// How far into the row `position` is, if it is in it or at its end.
    fn index(&self, position: u64) -> Result<usize, JournalError> {
        position
            .checked_sub(self.first)
            .and_then(|index| usize::try_from(index).ok())
            .filter(|index| *index <= self.tags.len())
            .ok_or_else(|| JournalError { message: format!("position {position} is not kept") })
    }

    fn end(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.tags.len()).unwrap_or(u64::MAX))
    }
}

impl MemoryJournal {
    fn with<T>(&self, use_row: impl FnOnce(&mut Row) -> T) -> T {
        use_row(&mut self.row.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Journal for MemoryJournal {
    fn extent(&self) -> BoxFuture<'_, Result<Range<u64>, JournalError>> {
        ready(Ok(self.with(|row| row.first..row.end()))).boxed()
    }

    fn read(
        &self,
        position: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<[u8; 16]>, JournalError>> {
        let tags = self.with(|row| {
            let index = row.index(position)?;
            Ok(row.tags.iter().skip(index).take(max).copied().collect())
        });
        ready(tags).boxed()
    }

    fn append(
        &self,
        position: u64,
        tags: Arc<[[u8; 16]]>,
    ) -> BoxFuture<'_, Result<(), JournalError>> {
        let appended = self.with(|row| {
            let index = row.index(position)?;
            row.tags.truncate(index);
            row.tags.extend(tags.iter());
            Ok(())
        });
        ready(appended).boxed()
    }

    fn forget(&self, position: u64) -> BoxFuture<'_, Result<(), JournalError>> {
        self.with(|row| {
            while row.first < position && row.tags.pop_front().is_some() {
                row.first = row.first.saturating_add(1);
            }
        });
        ready(Ok(())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    #[expect(clippy::panic_in_result_fn, reason = "a test")]
    fn a_row_grows_behind_and_shrinks_before() -> Result<(), JournalError> {
        let journal = MemoryJournal::default();
        block_on(async {
            journal.append(0, [[0; 16], [1; 16], [2; 16]].into()).await?;
            journal.append(2, [[3; 16], [4; 16]].into()).await?;
            assert_eq!(journal.extent().await?, 0..4, "one was written over");
            assert_eq!(journal.read(1, 2).await?, [[1; 16], [3; 16]]);
            journal.forget(3).await?;
            assert_eq!(journal.extent().await?, 3..4);
            assert_eq!(journal.read(3, 9).await?, [[4; 16]]);
            assert!(journal.read(2, 9).await.is_err());
            assert!(journal.append(5, [[5; 16]].into()).await.is_err(), "a gap");
            journal.forget(9).await?;
            assert_eq!(journal.extent().await?, 4..4, "the end stays");
            Ok(())
        })
    }
}
