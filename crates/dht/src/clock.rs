//! Time and randomness, as the pipelines are given them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use machine::{Instant, UnixTime};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

/// When something happens, by both clocks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moment {
    /// By the clock of the core, which never goes back.
    pub now: Instant,
    /// By the clock on the wall, which may jump.
    pub wall: UnixTime,
}

/// What the stages read the time from. Clones read the same.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System(transport::clock::Clock),
    Other(Arc<dyn Fn() -> Moment + Send + Sync>),
}

impl Clock {
    /// That of the system, started now.
    pub fn system() -> Self {
        Self(Source::System(transport::clock::Clock::start()))
    }

    /// One that says what `read` does.
    pub fn new(read: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Source::Other(Arc::new(read)))
    }

    /// What it says now.
    pub fn read(&self) -> Moment {
        match &self.0 {
            Source::System(clock) => {
                Moment { now: clock.now(), wall: transport::clock::Clock::wall() }
            }
            Source::Other(read) => read(),
        }
    }

    /// What that which never goes back says now.
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::System(clock) => clock.now(),
            Source::Other(read) => read().now,
        }
    }

    /// What that on the wall says now.
    pub fn wall(&self) -> UnixTime {
        match &self.0 {
            Source::System(_) => transport::clock::Clock::wall(),
            Source::Other(read) => read().wall,
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.read()).finish()
    }
}

/// Where keys of envelopes and ids of letters come from: one generator, of which each use gets its
/// own. Clones share it.
///
/// # Security
/// Whoever knows the seed reads every message that is sealed out of it.
#[derive(Clone)]
pub struct Randomness(Arc<Mutex<ChaCha20Rng>>);

impl Randomness {
    /// Out of 32 bytes that were drawn at random, and are never used again.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Arc::new(Mutex::new(ChaCha20Rng::from_seed(seed))))
    }

    /// The seed of another generator.
    pub(crate) fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.fork().fill_bytes(&mut seed);
        seed
    }

    /// A generator for one use, which nobody waits for while it lasts.
    pub(crate) fn fork(&self) -> ChaCha20Rng {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ChaCha20Rng::from_rng(&mut *rng)
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Randomness").finish_non_exhaustive()
    }
}
