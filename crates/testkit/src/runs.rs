//! How many histories are tried, and drawn from what.

use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::test_runner::{
    Config, FailurePersistence, FileFailurePersistence, RngSeed, TestCaseError, TestError,
    TestRunner,
};

/// What histories are drawn from unless the environment says otherwise. It is fixed, so that a
/// change is not blamed for what another draw would have found before; soak runs set another.
const SEED: u64 = 0x6d65_7368;

/// Most candidates tried when a history is shrunk; each takes well under a millisecond.
const SHRINKS: u32 = 8192;

/// How many histories are tried, and drawn from what.
#[derive(Clone, Debug)]
pub struct Runs {
    /// How many.
    pub cases: u32,
    /// What they are drawn from.
    pub seed: u64,
    /// The file that keeps the seeds of past failures, to be tried first.
    pub regressions: Option<&'static str>,
}

impl Default for Runs {
    /// 256 cases from a fixed seed, or as the environment variables `PROPTEST_CASES` and
    /// `PROPTEST_RNG_SEED` say.
    fn default() -> Self {
        let Config { cases, rng_seed, .. } = Config::default();
        let seed = match rng_seed {
            RngSeed::Random => SEED,
            RngSeed::Fixed(seed) => seed,
        };
        Self { cases, seed, regressions: None }
    }
}

impl Runs {
    /// Tries `check` on values of `strategy`, and shrinks the first one that it refuses.
    ///
    /// # Errors
    ///
    /// What `check` says about the smallest value found, and how to see it again.
    pub(crate) fn try_all<T: Debug>(
        &self,
        strategy: &impl Strategy<Value = T>,
        check: impl Fn(&T) -> Result<(), String>,
    ) -> Result<(), String> {
        let keep =
            |path| Box::new(FileFailurePersistence::Direct(path)) as Box<dyn FailurePersistence>;
        let defaults = Config::default();
        let kept = self.regressions.filter(|_| defaults.failure_persistence.is_some());
        let config = Config {
            cases: self.cases,
            rng_seed: RngSeed::Fixed(self.seed),
            failure_persistence: kept.map(keep),
            max_shrink_iters: SHRINKS,
            ..defaults
        };
        let tried = TestRunner::new(config)
            .run(strategy, |value| check(&value).map_err(TestCaseError::fail));
        tried.map_err(|error| {
            let reason = match error {
                TestError::Abort(reason) => format!("gave up: {reason}"),
                TestError::Fail(reason, _) => reason.to_string(),
            };
            let (seed, cases) = (self.seed, self.cases);
            format!("{reason}\nagain with: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases}")
        })
    }
}

/// Runs `work`; a panic becomes an error that says so.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| format!("panic: {}", text(&*panic)))
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let string = panic.downcast_ref::<String>().map(String::as_str);
    string.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
