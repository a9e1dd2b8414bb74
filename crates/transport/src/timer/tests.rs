//! Schedules under a clock that stands still unless somebody waits.

use super::*;
use std::cell::RefCell;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn every(period: u64, missed: MissedTicks) -> Params {
    Config { period: ms(period), jitter: Duration::ZERO, missed }.check().unwrap()
}

/// Runs work that takes `lengths` in turn, then nothing; gives the start of each run until `end`.
async fn starts(
    params: Params,
    seed: [u8; 32],
    lengths: &[u64],
    end: u64,
) -> (Vec<Duration>, Ticks) {
    let cancel = CancellationToken::new();
    let began = Instant::now();
    let starts = RefCell::new(Vec::new());
    let run = execute_on_tick(params, seed, cancel.clone(), |ticks| {
        let length = usize::try_from(ticks.run).ok().and_then(|n| lengths.get(n)).copied();
        starts.borrow_mut().push(began.elapsed());
        tokio::time::sleep(ms(length.unwrap_or_default()))
    });
    let ending = async {
        sleep_until(began + ms(end)).await;
        cancel.cancel();
    };
    let (ticks, ()) = tokio::join!(run, ending);
    (starts.into_inner(), ticks)
}

#[tokio::test(start_paused = true)]
async fn on_time() {
    let (starts, ticks) = starts(every(10, MissedTicks::Skip), [0; 32], &[4, 10, 9], 45).await;
    assert_eq!(starts, [0, 10, 20, 30, 40].map(ms));
    assert_eq!(ticks, Ticks { run: 5, overrun: 0, skipped: 0 });
}

#[tokio::test(start_paused = true)]
async fn missed_ticks_are_skipped() {
    let (starts, ticks) = starts(every(10, MissedTicks::Skip), [0; 32], &[25, 0, 11], 65).await;
    assert_eq!(starts, [0, 30, 40, 60].map(ms));
    assert_eq!(ticks, Ticks { run: 4, overrun: 2, skipped: 3 });
}

#[tokio::test(start_paused = true)]
async fn missed_ticks_are_made_up_for_within_bounds() {
    let policy = MissedTicks::Burst { max: 2 };
    let (starts, ticks) = starts(every(10, policy), [0; 32], &[45], 65).await;
    // Due at 10, 20, 30 and 40 while the first one ran: the last two are made up for.
    assert_eq!(starts, [0, 45, 45, 50, 60].map(ms));
    assert_eq!(ticks, Ticks { run: 5, overrun: 1, skipped: 2 });
}

#[tokio::test(start_paused = true)]
async fn missed_ticks_delay_the_rest() {
    let (starts, ticks) = starts(every(10, MissedTicks::Delay), [0; 32], &[25, 0, 7], 60).await;
    assert_eq!(starts, [0, 35, 45, 55].map(ms));
    assert_eq!(ticks, Ticks { run: 4, overrun: 1, skipped: 0 });
}

#[tokio::test(start_paused = true)]
async fn jitter_puts_off_but_never_adds_up() {
    let config = Config { period: ms(100), jitter: ms(50), ..Config::default() };
    let params = config.check().unwrap();
    let (first, _) = starts(params, [1; 32], &[], 10_000).await;
    for (n, start) in (0..).zip(&first) {
        // The timer rounds up to its millisecond.
        assert!((ms(n * 100)..=ms(n * 100 + 51)).contains(start), "tick {n} at {start:?}");
    }
    assert!((99..=100).contains(&first.len()));
    let (again, _) = starts(params, [1; 32], &[], 10_000).await;
    let (other, _) = starts(params, [2; 32], &[], 10_000).await;
    assert_eq!(first, again, "equal seeds give equal jitter");
    assert_ne!(first, other);
}

#[tokio::test(start_paused = true)]
async fn cancellation_lets_the_work_finish_and_starts_no_other() {
    let cancel = CancellationToken::new();
    let finished = RefCell::new(0);
    // The next tick falls due, and is made up for, while the first still runs.
    let params = every(10, MissedTicks::Burst { max: 1 });
    let run = execute_on_tick(params, [0; 32], cancel.clone(), |_| async {
        tokio::time::sleep(ms(5)).await;
        cancel.cancel();
        tokio::time::sleep(ms(15)).await;
        *finished.borrow_mut() += 1;
    });
    assert_eq!(run.await, Ticks { run: 1, overrun: 1, skipped: 0 });
    assert_eq!(finished.into_inner(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancelled_while_waiting_or_before_it_ends_at_once() {
    let began = Instant::now();
    let (started, _) = starts(every(3_600_000, MissedTicks::Skip), [0; 32], &[], 7).await;
    assert_eq!(started.len(), 1);
    assert_eq!(began.elapsed(), ms(7));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let params = every(10, MissedTicks::Skip);
    let ticks = execute_on_tick(params, [0; 32], cancel, |_| async { panic!("not run") }).await;
    assert_eq!(ticks, Ticks::default());
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_is_due_with_the_cancellation_does_not_start() {
    let cancel = CancellationToken::new();
    let ending = async {
        tokio::time::sleep(ms(20)).await;
        cancel.cancel();
    };
    let params = every(10, MissedTicks::Skip);
    let run = execute_on_tick(params, [0; 32], cancel.clone(), |_| async {});
    let ((), ticks) = tokio::join!(ending, run);
    assert_eq!(ticks.run, 2, "at 0 and 10");
}

#[test]
fn the_next_tick_is_never_before_the_end_of_a_skipping_or_delaying_schedule() {
    for policy in [MissedTicks::Skip, MissedTicks::Delay, MissedTicks::Burst { max: 3 }] {
        let params = every(7, policy);
        for late in [ms(0), ms(6), ms(7), ms(8), ms(700), PERIOD_MAX, Duration::MAX] {
            let Next { after, skipped } = params.next(late);
            assert!(skipped <= params.missed(late));
            if !matches!(policy, MissedTicks::Burst { .. }) && late <= PERIOD_MAX {
                assert!(after >= late, "{policy:?} {late:?}");
            }
        }
    }
}

#[test]
fn a_schedule_out_of_bounds_is_refused() {
    let good = Config::default();
    let burst = |max| MissedTicks::Burst { max };
    for (config, expected) in [
        (Config { period: ms(0), ..good }, "period is 0ns, must be 1ms to 31622400s"),
        (Config { jitter: ms(1_000), ..good }, "jitter is 1s, must be less than the period of 1s"),
        (Config { missed: burst(0), ..good }, "missed.burst.max is 0, must be 1 to 1024"),
        (Config { missed: burst(1_025), ..good }, "missed.burst.max is 1025, must be 1 to 1024"),
    ] {
        assert_eq!(config.check().unwrap_err().to_string(), expected);
    }
}
