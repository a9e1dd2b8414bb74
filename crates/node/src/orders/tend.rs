//! What the orders need from time to time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use transport::clock::Clock;

use super::Orders;

/// How often it is looked whether an order has ended or a key is to be changed. An order that has
/// ended is refused by others at once, so that a node which is much later would not agree with them.
const LOOK_AFTER: Duration = Duration::from_secs(1);

impl Orders {
    /// Gives up orders that end, and changes the key under which peers compare. Never ends.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn tend(&self) -> Infallible {
        let clock = Clock::start();
        let mut look = interval(LOOK_AFTER);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut owes = false;
        loop {
            look.tick().await;
            let next = self.book().next_expiry();
            if owes || next.is_some_and(|end| end <= Clock::wall()) {
                let swept = self.shared.intake.sweep().await;
                owes = swept.is_err();
                match swept {
                    Ok(count) => tracing::debug!(count, "orders have ended"),
                    Err(error) => tracing::warn!(%error, "orders that ended are still stored"),
                }
            }
            let book = Arc::clone(self.book());
            let rotate = move || book.rotate_if_due(clock.now());
            if self.on_pool(rotate).await == Ok(true) {
                tracing::debug!("orders are compared under a new key");
            }
        }
    }
}
