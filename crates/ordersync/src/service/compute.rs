//! The steps of a session that keep a processor busy, on the pool.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_timer::Delay;
use transport::pool::{Pool, PoolError};

/// How long to wait for a place in a pool that is full.
const FULL: Duration = Duration::from_millis(5);

/// Runs `work` on the pool and waits for a place as long as it takes; `None` if it panicked.
pub(super) async fn on_pool<A, T>(pool: &Pool, argument: A, work: fn(A) -> T) -> Option<T>
where
    A: Send + 'static,
    T: Send + 'static,
{
    // A job that is refused is dropped, and its argument must not be.
    let argument = Arc::new(Mutex::new(Some(argument)));
    loop {
        let taken = Arc::clone(&argument);
        let job = move || {
            let argument = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
            argument.map(work)
        };
        match pool.run(job).await {
            Ok(outcome) => return outcome,
            Err(PoolError::Panicked) => return None,
            Err(PoolError::Full { .. }) => Delay::new(FULL).await,
        }
    }
}
