//! The handshake costs one round trip.

use crate::net::soon;
use crate::round_trips::trips;

/// A busy machine only ever adds to the count, so the best of a few attempts counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dialer_is_through_after_one_round_trip() {
    let mut seen = Vec::new();
    for _ in 0..5 {
        let trips = soon("an answer", trips()).await;
        assert!(trips.dialer_open > 0.95, "faster than light: {trips:?}");
        if trips.dialer_open < 1.3 && trips.listener_open < 1.8 && trips.first_answer < 2.3 {
            return;
        }
        seen.push(trips);
    }
    panic!("{seen:?}");
}
