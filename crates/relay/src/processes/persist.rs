//! Which packets came, written down.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use transport::timer::{self, execute_on_tick};

use crate::replay::{Journal, Keeper, Params};

/// Writes on every tick until `opened` is cancelled, and then once more: by then all packets were
/// shown to the guard.
pub(super) async fn run<J>(
    keeper: Keeper<J>,
    params: Params,
    opened: CancellationToken,
    seed: [u8; 32],
) where
    J: Journal + Send + Sync + 'static,
{
    let keeper = Arc::new(Mutex::new(keeper));
    let period = params.flush_interval();
    let schedule = timer::Config { period, ..timer::Config::default() }.check();
    let schedule = schedule.expect("the interval has narrower bounds than a period");
    execute_on_tick(schedule, seed, opened, |_| flush(Arc::clone(&keeper))).await;
    flush(keeper).await;
}

async fn flush<J: Journal>(keeper: Arc<Mutex<Keeper<J>>>) {
    if let Err(error) = keeper.lock().await.flush().await {
        // What was not written is written next time.
        tracing::error!(%error, "the tags of packets were not written");
    }
}
