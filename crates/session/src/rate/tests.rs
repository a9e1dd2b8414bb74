//! The two sides of a rate, in arithmetic.

use super::*;

const RATE: Rate = Rate::per_second("note", 10, 4);

fn after(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn a_sender_has_its_burst_and_then_its_rate() {
    let start = Instant::now();
    let mut pace = Pace::new();
    for _ in 0..4 {
        pace.take(RATE, start).unwrap();
    }
    assert_eq!(pace.take(RATE, start), Err(after(start, 100)));
    assert_eq!(pace.take(RATE, after(start, 99)), Err(after(start, 100)));
    pace.take(RATE, after(start, 100)).unwrap();
    assert_eq!(pace.take(RATE, after(start, 100)), Err(after(start, 200)));
    // A long silence saves up a burst and no more.
    for _ in 0..4 {
        pace.take(RATE, after(start, 100_000)).unwrap();
    }
    assert_eq!(pace.take(RATE, after(start, 100_000)), Err(after(start, 100_100)));
    pace.take(Rate::per_second("other", 10, 4), start).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_receiver_takes_the_burst_then_slows_down_to_twice_the_rate() {
    let start = Instant::now();
    let mut meter = Meter::new(start);
    for _ in 0..4 {
        assert_eq!(meter.count(RATE, start), Ok(start));
    }
    assert_eq!(meter.count(RATE, start), Ok(after(start, 50)));
    assert_eq!(meter.count(RATE, after(start, 50)), Ok(after(start, 100)));
    assert_eq!(meter.count(RATE, after(start, 1000)), Ok(after(start, 1000)));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_closes_at_the_first_message_beyond_the_debt() {
    let start = Instant::now();
    let mut meter = Meter::new(start);
    for _ in 0..20 {
        meter.count(RATE, start).unwrap();
    }
    let overrun = meter.count(RATE, start).unwrap_err();
    assert_eq!(
        overrun.to_string(),
        "21 messages \"note\" within 0ns, must be at most 20",
        "burst and four bursts"
    );
    // A second allows ten more, and an eighth of them for the clocks.
    let mut meter = Meter::new(start);
    for _ in 0..31 {
        meter.count(RATE, after(start, 1000)).unwrap();
    }
    meter.count(RATE, after(start, 1000)).unwrap_err();
}

#[test]
fn the_widest_numbers_do_not_overflow() {
    let widest = Rate::every("wide", Duration::from_micros(1), u32::MAX);
    assert_eq!(allowed(widest, Duration::ZERO), 5 * u64::from(u32::MAX));
    assert!(allowed(widest, Duration::MAX) > u64::from(u32::MAX));
    let rarest = Rate::every("rare", PERIOD_MAX, 1);
    assert_eq!(allowed(rarest, PERIOD_MAX), 6);
}
