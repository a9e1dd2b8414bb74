//! Verification on the pool.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use machine::UnixTime;
use transport::pool::PoolError;

use super::{Rejected, Shared, Validator};
use crate::book::Holding;
use crate::{Entry, Item, Kept, StoreError};

impl<I: Item> Shared<I> {
    /// The bytes of each item that is good, in their order.
    pub(super) async fn verify(
        &self,
        candidates: &[Holding<I>],
        now: UnixTime,
    ) -> Vec<Result<Bytes, Rejected>> {
        let mut jobs = Vec::new();
        for part in candidates.chunks(self.params.job) {
            let part: Arc<[_]> = part.iter().map(|holding| holding.entry.clone()).collect();
            jobs.push(self.verify_part(part, now));
        }
        let verdicts: Vec<_> = stream::iter(jobs).buffered(self.params.jobs_max).collect().await;
        verdicts.concat()
    }

    async fn verify_part(
        &self,
        part: Arc<[Entry<I>]>,
        now: UnixTime,
    ) -> Vec<Result<Bytes, Rejected>> {
        let count = part.len();
        let validator = Arc::clone(&self.validator);
        self.on_pool(move || judge(&*validator, &part, now))
            .await
            .unwrap_or_else(|error| vec![Err(Rejected::Later { reason: error.to_string() }); count])
    }

    /// Runs a job, and waits for a place in the queue as long as the configuration says.
    pub(super) async fn on_pool<F, T>(&self, job: F) -> Result<T, PoolError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.pool.run_patiently(self.params.patience, job).await
    }
}

fn judge<I: Item>(
    validator: &dyn Validator<I>,
    items: &[Entry<I>],
    now: UnixTime,
) -> Vec<Result<Bytes, Rejected>> {
    let mut verdicts = validator.check(items, now).into_iter();
    let judge = |entry: &Entry<I>| {
        verdicts.next().unwrap_or_else(super::lost)?;
        let bytes = I::encode_batch(&[&entry.item]);
        if bytes.len() > Kept::BYTES_MAX {
            let detail = format!("{} bytes, must be at most {}", bytes.len(), Kept::BYTES_MAX);
            return Err(Rejected::Unwanted { code: "TooLong", detail });
        }
        Ok(Bytes::from(bytes))
    };
    items.iter().map(judge).collect()
}

/// The disk was not even asked.
pub(super) fn no_pool(error: PoolError) -> StoreError {
    StoreError { message: error.to_string() }
}
