//! The three guarantees.

use std::future::pending;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{hint, thread};

use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::*;
use crate::sample::Census;

const GRACE: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn stop_returns_after_the_clean_up_of_every_job() {
    let jobs = Jobs::new(8, GRACE);
    let census = Census::default();
    for _ in 0..3 {
        let (life, told) = (census.begin(), jobs.clone());
        let tidy = async move {
            told.stopping().await;
            sleep(GRACE / 2).await;
            drop(life);
        };
        jobs.spawn("tidy", tidy).unwrap();
    }
    assert_eq!((jobs.running(), census.alive()), (3, 3));
    let start = Instant::now();
    jobs.stop().await;
    assert_eq!((jobs.running(), census.alive()), (0, 0));
    assert_eq!(start.elapsed().as_millis(), (GRACE / 2).as_millis());
    jobs.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ignores_stop_is_dropped_where_it_waits() {
    let jobs = Jobs::new(8, GRACE);
    let census = Census::default();
    let life = census.begin();
    let deaf = async move {
        let _life = life;
        pending::<()>().await;
    };
    jobs.spawn("deaf", deaf).unwrap();
    let start = Instant::now();
    jobs.stop().await;
    assert_eq!((jobs.running(), census.alive()), (0, 0));
    assert_eq!(start.elapsed().as_millis(), GRACE.as_millis());
}

#[tokio::test(start_paused = true)]
async fn after_stop_spawn_does_nothing() {
    let jobs = Jobs::new(8, GRACE);
    jobs.stop().await;
    let census = Census::default();
    let life = census.begin();
    let late = async move {
        let _life = life;
        unreachable!("a job ran after stop");
    };
    assert_eq!(jobs.spawn("late", late), Err(SpawnError::Stopping));
    assert_eq!((jobs.running(), census.alive()), (0, 0));
    yield_now().await;
    assert_eq!(jobs.first_panic(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_told_to_stop_from_above_takes_no_jobs_either() {
    let above = CancellationToken::new();
    let jobs = Jobs::within(&above, 8, GRACE);
    above.cancel();
    jobs.stopping().await;
    assert_eq!(jobs.spawn("late", async {}), Err(SpawnError::Stopping));
}

/// One thread spawns while another stops, over and over, a little apart each time.
#[test]
fn a_spawn_that_races_with_stop_is_over_when_it_returns() {
    const ROUNDS: u32 = 4_000;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let rounds: Vec<_> =
        (0..ROUNDS).map(|_| (Jobs::new(8, GRACE), AtomicBool::new(false))).map(Arc::new).collect();
    let together = Barrier::new(2);
    let spawn_in_each = || {
        let _inside = runtime.enter();
        let mut spawned = 0;
        for (round, number) in rounds.iter().zip(0..) {
            let seen = Arc::clone(round);
            let job = async move {
                assert!(!seen.1.load(Ordering::SeqCst), "ran after stop");
            };
            together.wait();
            (0..number % 256).for_each(|_| hint::spin_loop());
            match round.0.spawn("racer", job) {
                Ok(()) => spawned += 1,
                Err(SpawnError::Stopping) => {}
                Err(error) => panic!("{error}"),
            }
        }
        spawned
    };
    let spawned = thread::scope(|scope| {
        let spawning = scope.spawn(spawn_in_each);
        for round in &rounds {
            together.wait();
            runtime.block_on(round.0.stop());
            round.1.store(true, Ordering::SeqCst);
        }
        spawning.join().unwrap()
    });
    assert!((1..ROUNDS).contains(&spawned), "no race: {spawned} of {ROUNDS} came before the stop");
    for round in &rounds {
        // What slipped through would have run by now.
        runtime.block_on(round.0.stop());
        assert_eq!(round.0.first_panic(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_are_bounded_and_leave_their_place_when_they_end() {
    let jobs = Jobs::new(2, GRACE);
    let (end, ended) = oneshot::channel::<()>();
    jobs.spawn("first", async { drop(ended.await) }).unwrap();
    jobs.spawn("second", pending()).unwrap();
    assert_eq!(jobs.spawn("third", pending()), Err(SpawnError::TooMany { max: 2 }));
    end.send(()).unwrap();
    while jobs.running() == 2 {
        yield_now().await;
    }
    jobs.spawn("third", pending()).unwrap();
    jobs.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_panic_is_kept_and_stops_no_other_job() {
    let jobs = Jobs::new(8, GRACE);
    jobs.spawn("bad", async { panic!("no {}", "luck") }).unwrap();
    jobs.panicked().await;
    jobs.spawn("worse", async { panic!("none at all") }).unwrap();
    let (told, asked) = oneshot::channel();
    jobs.spawn("good", async { told.send(7).unwrap() }).unwrap();
    assert_eq!(asked.await, Ok(7));
    jobs.stop().await;
    assert_eq!(jobs.first_panic().unwrap().to_string(), "job bad panicked: no luck");
}
