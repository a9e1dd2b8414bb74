//! Bounds, panics, cancellation, the end of the pool.

use super::*;
use futures::FutureExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Weak, mpsc};

const DEADLINE: Duration = Duration::from_secs(10);

fn pool(threads: usize, queue_max: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads).unwrap(), queue_max).unwrap()
}

async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("within the deadline")
}

/// Jobs that count how many of them ran.
fn counter() -> (Arc<AtomicUsize>, impl Fn() -> Box<dyn FnOnce() -> usize + Send>) {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let job = move || -> Box<dyn FnOnce() -> usize + Send> {
        let count = Arc::clone(&count);
        Box::new(move || count.fetch_add(1, Ordering::SeqCst))
    };
    (ran, job)
}

/// A job that says when it starts and ends when it is told to.
fn gated() -> (impl FnOnce() + Send + 'static, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (started, has_started) = mpsc::channel();
    let (end, may_end) = mpsc::channel::<()>();
    let job = move || {
        started.send(()).unwrap();
        // A dropped sender ends the job as well.
        may_end.recv_timeout(DEADLINE).ok();
    };
    (job, has_started, end)
}

#[tokio::test]
async fn a_job_yields_its_result_on_a_thread_of_the_pool() {
    let pool = pool(2, 1);
    let name = pool.run(|| thread::current().name().map(ToOwned::to_owned)).await.unwrap();
    assert!(name.unwrap().starts_with("meshwork-pool-"));
    assert_eq!(pool.clone().run(|| 6 * 7).await, Ok(42));
}

#[tokio::test]
async fn threads_run_the_queue_waits_and_more_is_refused() {
    let pool = pool(2, 3);
    let (gates, running): (Vec<_>, Vec<_>) = (0..2)
        .map(|_| {
            let (job, started, end) = gated();
            let outcome = pool.run(job);
            started.recv_timeout(DEADLINE).unwrap();
            (end, outcome)
        })
        .unzip();
    let waiting: Vec<_> = (0..3).map(|n| pool.run(move || n)).collect();
    assert_eq!(pool.waiting(), 3);
    let full = PoolError::Full { threads: 2, queue_max: 3 };
    assert_eq!(pool.run(|| ()).await, Err(full));
    assert_eq!(full.to_string(), "all 2 threads are busy and 3 jobs wait");
    drop(gates);
    for outcome in running {
        soon(outcome).await.unwrap();
    }
    for (n, outcome) in waiting.into_iter().enumerate() {
        assert_eq!(soon(outcome).await, Ok(n));
    }
    assert_eq!(soon(pool.run(|| 1)).await, Ok(1));
}

#[tokio::test]
async fn never_more_jobs_at_a_time_than_threads() {
    let pool = pool(3, 100);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let jobs: Vec<_> = (0..100)
        .map(|_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            pool.run(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    for job in jobs {
        soon(job).await.unwrap();
    }
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn without_a_queue_a_result_means_a_free_thread() {
    let pool = pool(1, 0);
    for n in 0..1_000 {
        if n % 10 == 0 {
            let panicking = pool.run(|| panic::resume_unwind(Box::new("quietly")));
            assert_eq!(soon(panicking).await, Err::<(), _>(PoolError::Panicked));
        }
        assert_eq!(soon(pool.run(move || n)).await, Ok(n));
    }
}

#[tokio::test]
async fn a_panic_costs_one_result_and_no_thread() {
    let pool = pool(1, 8);
    let (job, started, end) = gated();
    let first = pool.run(job);
    started.recv_timeout(DEADLINE).unwrap();
    let bad = pool.run(|| panic::resume_unwind(Box::new("quietly")));
    let good = pool.run(|| "still here");
    drop(end);
    assert_eq!(soon(first).await, Ok(()));
    assert_eq!(soon(bad).await, Err::<(), _>(PoolError::Panicked));
    assert_eq!(soon(good).await, Ok("still here"));
}

#[tokio::test]
async fn a_job_dropped_before_its_start_is_skipped() {
    let pool = pool(1, 3);
    let (job, started, end) = gated();
    let first = pool.run(job);
    started.recv_timeout(DEADLINE).unwrap();
    let (ran, count) = counter();
    let (kept, dropped, last) = (pool.run(count()), pool.run(count()), pool.run(count()));
    drop(dropped);
    drop(end);
    for outcome in [soon(first).await.map(|()| 0), soon(kept).await, soon(last).await] {
        outcome.unwrap();
    }
    assert_eq!(ran.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_job_dropped_before_its_start_frees_its_place() {
    let pool = pool(1, 2);
    let (job, started, end) = gated();
    let first = pool.run(job);
    started.recv_timeout(DEADLINE).unwrap();
    let (ran, count) = counter();
    let (kept, dropped) = (pool.run(count()), pool.run(count()));
    assert!(matches!(soon(pool.run(count())).await, Err(PoolError::Full { .. })));
    drop(dropped);
    let late = pool.run(count());
    drop(end);
    soon(first).await.unwrap();
    soon(kept).await.unwrap();
    soon(late).await.unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_an_abandoned_job_holds_may_use_the_pool_when_dropped() {
    struct Nosy(Pool);
    impl Drop for Nosy {
        fn drop(&mut self) {
            assert!(self.0.waiting() <= 1);
        }
    }

    let pool = pool(1, 1);
    let (job, started, end) = gated();
    let first = pool.run(job);
    started.recv_timeout(DEADLINE).unwrap();
    let nosy = Nosy(pool.clone());
    drop(pool.run(move || drop(nosy)));
    // Throws the abandoned job away to make room. On a thread, because it must not block.
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || done.send(pool.run(|| 7)));
    let last = is_done.recv_timeout(DEADLINE).unwrap();
    drop(end);
    soon(first).await.unwrap();
    assert_eq!(soon(last).await, Ok(7));
}

#[tokio::test]
async fn work_waits_for_a_place_as_long_as_it_is_told_to() {
    let pool = pool(1, 0);
    let (job, started, end) = gated();
    let first = pool.run(job);
    started.recv_timeout(DEADLINE).unwrap();
    let full = PoolError::Full { threads: 1, queue_max: 0 };
    assert_eq!(soon(pool.run_patiently(Duration::ZERO, || 1)).await, Err(full));
    let mut patient = Box::pin(pool.run_patiently(Duration::MAX, || 2));
    assert!((&mut patient).now_or_never().is_none(), "there is no place yet");
    drop(end);
    soon(first).await.unwrap();
    assert_eq!(soon(patient).await, Ok(2));
    let panics = pool.run_patiently(Duration::MAX, || panic!("on purpose"));
    assert_eq!(soon(panics).await, Err::<(), _>(PoolError::Panicked));
}

#[tokio::test]
async fn what_was_accepted_is_run_although_the_pool_is_dropped() {
    let pool = pool(1, 4);
    let threads = Arc::downgrade(&pool.shared);
    let (job, started, end) = gated();
    let first = pool.run(job);
    started.recv_timeout(DEADLINE).unwrap();
    let jobs: Vec<_> = (0..4).map(|n| pool.run(move || n)).collect();
    drop(pool);
    drop(end);
    soon(first).await.unwrap();
    for (n, job) in jobs.into_iter().enumerate() {
        assert_eq!(soon(job).await, Ok(n));
    }
    ended(&threads).await;
}

#[tokio::test]
async fn idle_threads_end_with_the_pool() {
    let pool = pool(3, 0);
    let threads = Arc::downgrade(&pool.shared);
    soon(pool.run(|| ())).await.unwrap();
    let clone = pool.clone();
    drop(pool);
    soon(clone.run(|| ())).await.unwrap();
    drop(clone);
    ended(&threads).await;
}

/// Waits until every thread has let go of the shared state, which is the last thing it does.
async fn ended(threads: &Weak<Shared>) {
    soon(async {
        while threads.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
