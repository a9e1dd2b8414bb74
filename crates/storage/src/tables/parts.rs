//! Loads a table in parts, between which others read and write.

use futures::future::{BoxFuture, FutureExt};

use crate::error::StoreError;
use crate::row::{self, Loaded, Part, Row};
use crate::writer::Queue;

/// Who takes the rows of each part.
pub(super) type Each<R> = Box<dyn FnMut(Vec<R>) + Send>;

type NextPart<R> = BoxFuture<'static, Result<Loaded<Part<R>>, StoreError>>;

/// Hands over all rows of a table, and says how many could not be read. The load is queued, or
/// refused, by this call and not by the first poll.
pub(super) fn load_in_parts<R: Row + Send + 'static>(
    queue: &Queue,
    each: Each<R>,
) -> BoxFuture<'static, Result<usize, StoreError>> {
    let first = queue.load(|tx| row::load_part(tx, None));
    hand_over(queue.clone(), first, each).boxed()
}

/// What `keep` makes of each row of a table. The load is queued, or refused, by this call and not by
/// the first poll.
pub(super) fn collect<R: Row + Send + 'static, T: Send + 'static>(
    queue: &Queue,
    mut keep: impl FnMut(R) -> T + Send + 'static,
) -> BoxFuture<'static, Result<Loaded<Vec<T>>, StoreError>> {
    let first = queue.load(|tx| row::load_part(tx, None));
    let queue = queue.clone();
    let loaded = async move {
        let mut all = Vec::new();
        let each = |part: Vec<R>| all.extend(part.into_iter().map(&mut keep));
        let skipped = hand_over(queue, first, each).await?;
        Ok(Loaded { all, skipped })
    };
    loaded.boxed()
}

/// Hands over `part` and all behind it.
async fn hand_over<R: Row + Send + 'static>(
    queue: Queue,
    mut part: NextPart<R>,
    mut each: impl FnMut(Vec<R>),
) -> Result<usize, StoreError> {
    let mut unreadable = 0_usize;
    loop {
        let Loaded { all: Part { rows, after }, skipped } = part.await?;
        unreadable = unreadable.saturating_add(skipped);
        let next = after.map(|after| queue.load_on(move |tx| row::load_part(tx, Some(&after))));
        if !rows.is_empty() {
            each(rows);
        }
        match next {
            Some(next) => part = next,
            None => return Ok(unreadable),
        }
    }
}
