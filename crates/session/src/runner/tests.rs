//! How protocols end, and that nothing is left of them.

use std::future::pending;

use tokio::task::yield_now;
use tokio::time::sleep;

use super::*;
use crate::sample::Census;

const GRACE: Duration = Duration::from_secs(1);

struct Stage {
    jobs: Jobs,
    stopping: CancellationToken,
    census: Census,
}

impl Stage {
    fn new() -> Self {
        let stopping = CancellationToken::new();
        Self { jobs: Jobs::within(&stopping, 8, GRACE), stopping, census: Census::default() }
    }

    /// Starts a job that does not end by itself.
    fn deaf(&self) {
        let life = self.census.begin();
        let deaf = async move {
            let _life = life;
            pending::<()>().await;
        };
        self.jobs.spawn("deaf", deaf).unwrap();
    }

    /// The outcome, how long it took, and that nothing lives any more.
    async fn supervise(
        &self,
        protocol: impl Future<Output = Result<(), Stop>> + Send,
    ) -> (Outcome, u128) {
        let start = Instant::now();
        let life = self.census.begin();
        let protocol = async move {
            let _life = life;
            protocol.await
        };
        let outcome = supervise(protocol, &self.jobs, &self.stopping, GRACE).await;
        assert_eq!((self.jobs.running(), self.census.alive()), (0, 0));
        (outcome, start.elapsed().as_millis())
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_end_with_their_protocol() {
    let stage = Stage::new();
    stage.deaf();
    let (outcome, millis) = stage.supervise(async { Ok(()) }).await;
    assert!(matches!(outcome, Outcome::Finished), "{outcome:?}");
    assert_eq!(millis, GRACE.as_millis());
}

#[tokio::test(start_paused = true)]
async fn a_protocol_that_gives_up_says_why_and_closes_the_connection() {
    let stage = Stage::new();
    let (outcome, _) = stage.supervise(async { Err(Stop::Because("bored")) }).await;
    assert!(matches!(outcome, Outcome::Stopped(Stop::Because("bored"))), "{outcome:?}");
    assert!(outcome.closes_connection());
    let lost = crate::ChannelError::Lost(std::io::ErrorKind::BrokenPipe.into());
    let (outcome, _) = stage.supervise(async { Err(lost.into()) }).await;
    assert!(!outcome.closes_connection(), "nobody is to blame for an end: {outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_caught_and_its_jobs_end() {
    let stage = Stage::new();
    stage.deaf();
    let (outcome, _) = stage.supervise(async { panic!("no luck") }).await;
    assert!(outcome.closes_connection());
    assert!(matches!(outcome, Outcome::Panicked { message } if message == "no luck"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_job_ends_the_channel_at_once() {
    let stage = Stage::new();
    stage.jobs.spawn("bad", async { panic!("no luck") }).unwrap();
    let (outcome, millis) = stage.supervise(pending()).await;
    assert!(!outcome.closes_connection());
    let expected = JobPanic { job: "bad", message: "no luck".to_owned() };
    assert!(matches!(&outcome, Outcome::JobPanicked(panic) if *panic == expected), "{outcome:?}");
    assert_eq!(millis, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_job_during_its_clean_up_is_told_as_well() {
    let stage = Stage::new();
    let told = stage.jobs.clone();
    let bad = async move {
        told.stopping().await;
        panic!("no luck");
    };
    stage.jobs.spawn("bad", bad).unwrap();
    let (outcome, _) = stage.supervise(async { Ok(()) }).await;
    assert!(matches!(outcome, Outcome::JobPanicked(_)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn protocol_and_jobs_share_one_grace_when_the_connection_closes() {
    let stage = Stage::new();
    stage.deaf();
    stage.stopping.cancel();
    let (outcome, millis) = stage.supervise(pending()).await;
    assert!(matches!(outcome, Outcome::Cut), "{outcome:?}");
    assert_eq!(millis, GRACE.as_millis());

    let stage = Stage::new();
    stage.stopping.cancel();
    let last_words = async {
        sleep(GRACE / 2).await;
        Ok(())
    };
    let (outcome, millis) = stage.supervise(last_words).await;
    assert!(matches!(outcome, Outcome::Finished), "{outcome:?}");
    assert_eq!(millis, (GRACE / 2).as_millis());
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_runner_that_is_dropped_are_dropped() {
    let stage = Stage::new();
    stage.deaf();
    drop(timeout(GRACE, supervise(pending(), &stage.jobs, &stage.stopping, GRACE)).await);
    // They are woken, and need no time.
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!((stage.jobs.running(), stage.census.alive()), (0, 0));
}
