//! Whether one neighbour is still there, and how far away it is.

use std::time::Duration;

use machine::Instant;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::config::Config;

/// A neighbour that talks all the time is pinged this much more rarely, for its round trip.
const TALKING: u32 = 4;

/// The state of one neighbour's heartbeat.
#[derive(Clone, Debug)]
pub(super) struct Heartbeat {
    heard: Instant,
    /// When the round trip was last asked for.
    probed: Option<Instant>,
    /// When to look again.
    due: Instant,
    /// The ping that is waited for.
    waiting: Option<(u64, Instant)>,
    misses: u8,
    round_trip: Option<RoundTrip>,
}

/// Smoothed, as RFC 6298 does it.
#[derive(Clone, Copy, Debug)]
struct RoundTrip {
    smoothed: Duration,
    deviation: Duration,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Beat {
    /// Nothing.
    Quiet,
    /// Ping with this nonce.
    Ping(u64),
    /// Give it up.
    Dead,
}

impl Heartbeat {
    pub(super) fn new(config: &Config, rng: &mut ChaCha8Rng, now: Instant) -> Self {
        // The first ping comes early: a neighbour whose round trip is known can be compared.
        let first = jittered(part(config.ping_period, TALKING), rng);
        Self {
            heard: now,
            probed: None,
            due: now.after(first),
            waiting: None,
            misses: 0,
            round_trip: None,
        }
    }

    /// The neighbour said something: it is there.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.misses = 0;
    }

    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// The last round trip, smoothed.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.map(|it| it.smoothed)
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, config: &Config, rng: &mut ChaCha8Rng, now: Instant) -> Beat {
        if self.due > now {
            return Beat::Quiet;
        }
        if let Some((_, sent)) = self.waiting.take()
            && self.heard < sent
        {
            self.misses = self.misses.saturating_add(1);
            if self.misses >= config.ping_misses_max {
                return Beat::Dead;
            }
            return self.ping(config, rng, now);
        }
        let silent_until = self.heard.after(jittered(config.ping_period, rng));
        let unmeasured_until = self.probed.map_or(now, |at| at.after(self.patience(config)));
        let next = silent_until.min(unmeasured_until);
        if next <= now {
            return self.ping(config, rng, now);
        }
        self.due = next;
        Beat::Quiet
    }

    /// How long a neighbour that talks is left unmeasured.
    fn patience(&self, config: &Config) -> Duration {
        let known = self.round_trip.is_some();
        if known { config.ping_period.saturating_mul(TALKING) } else { config.ping_period }
    }

    fn ping(&mut self, config: &Config, rng: &mut ChaCha8Rng, now: Instant) -> Beat {
        let nonce = rng.random();
        self.waiting = Some((nonce, now));
        self.probed = Some(now);
        self.due = now.after(self.timeout(config));
        Beat::Ping(nonce)
    }

    /// How long a ping is waited for.
    fn timeout(&self, config: &Config) -> Duration {
        let observed = self.round_trip.map_or(config.ping_timeout_max, |it| {
            it.smoothed.saturating_add(it.deviation.saturating_mul(4))
        });
        // Who just missed one is given longer: a line that got slow is not a dead one.
        let patient = observed.saturating_mul(u32::from(self.misses).saturating_add(1));
        patient.clamp(config.ping_timeout_min, config.ping_timeout_max)
    }

    /// Takes a pong; false if its ping is not waited for.
    pub(super) fn pong(
        &mut self,
        nonce: u64,
        config: &Config,
        rng: &mut ChaCha8Rng,
        now: Instant,
    ) -> bool {
        let Some((_, sent)) = self.waiting.take_if(|(waiting, _)| *waiting == nonce) else {
            return false;
        };
        let sample = now.since(sent);
        self.round_trip = Some(match self.round_trip {
            None => RoundTrip { smoothed: sample, deviation: part(sample, 2) },
            Some(before) => before.then(sample),
        });
        self.due = now.after(jittered(config.ping_period, rng));
        true
    }
}

impl RoundTrip {
    fn then(self, sample: Duration) -> Self {
        let off = self.smoothed.abs_diff(sample);
        Self {
            deviation: part(self.deviation.saturating_mul(3).saturating_add(off), 4),
            smoothed: part(self.smoothed.saturating_mul(7).saturating_add(sample), 8),
        }
    }
}

/// A fifth less to a fifth more.
pub(super) fn jittered(period: Duration, rng: &mut ChaCha8Rng) -> Duration {
    let permille = rng.random_range(800..=1200_u32);
    part(period.saturating_mul(permille), 1000)
}

/// The `n`th part; `n` is not 0.
fn part(span: Duration, n: u32) -> Duration {
    span.checked_div(n).unwrap_or(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    use rand::SeedableRng;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    struct Beating {
        config: Config,
        rng: ChaCha8Rng,
        beat: Heartbeat,
    }

    impl Beating {
        fn new() -> Self {
            let (config, mut rng) = (Config::default(), ChaCha8Rng::seed_from_u64(7));
            let beat = Heartbeat::new(&config, &mut rng, at(0));
            Self { config, rng, beat }
        }

        /// What comes at the next deadline, and when that is.
        fn next(&mut self) -> (Instant, Beat) {
            let now = self.beat.due();
            (now, self.beat.tick(&self.config, &mut self.rng, now))
        }

        /// The next ping and when it is sent.
        fn next_ping(&mut self) -> (Instant, u64) {
            loop {
                match self.next() {
                    (now, Beat::Ping(nonce)) => return (now, nonce),
                    (_, Beat::Quiet) => {}
                    (now, Beat::Dead) => unreachable!("given up at {now:?}"),
                }
            }
        }

        fn answer(&mut self, nonce: u64, now: Instant) {
            assert!(self.beat.pong(nonce, &self.config, &mut self.rng, now));
            self.beat.heard(now);
        }
    }

    #[test]
    fn who_never_answers_is_given_up_after_three_pings() {
        let mut it = Beating::new();
        let mut pings = 0;
        let dead = loop {
            match it.next() {
                (_, Beat::Ping(_)) => pings += 1,
                (now, Beat::Dead) => break now,
                (_, Beat::Quiet) => {}
            }
        };
        assert_eq!(pings, 3);
        assert!(dead <= at(9 + 3 * 10 + 1), "{dead:?}");
    }

    #[test]
    fn a_near_neighbour_is_missed_sooner_than_a_far_one() {
        let after = |round_trip: Duration| {
            let mut it = Beating::new();
            for _ in 0..20 {
                let (now, nonce) = it.next_ping();
                it.answer(nonce, now.after(round_trip));
            }
            let (first, _) = it.next_ping();
            loop {
                if let (now, Beat::Dead) = it.next() {
                    return now.since(first);
                }
            }
        };
        let (near, far) = (after(SECOND / 100), after(SECOND * 2));
        assert!(near <= SECOND * 4, "{near:?}");
        assert!(far > near * 2, "{far:?}");
        assert!(far <= SECOND * 30, "{far:?}");
    }

    #[test]
    fn whoever_talks_is_alive_and_still_measured_now_and_then() {
        let mut it = Beating::new();
        let mut pings = 0;
        for second in 1..=3600 {
            it.beat.heard(at(second));
            match it.beat.tick(&it.config, &mut it.rng, at(second)) {
                Beat::Ping(_) => pings += 1,
                Beat::Dead => unreachable!("it talks"),
                Beat::Quiet => {}
            }
        }
        assert!((60..=180).contains(&pings), "{pings} pings in an hour, none answered");
    }

    #[test]
    fn a_pong_counts_once_and_only_for_its_ping() {
        let mut it = Beating::new();
        let (now, nonce) = it.next_ping();
        assert!(!it.beat.pong(nonce ^ 1, &it.config, &mut it.rng, now));
        it.answer(nonce, now.after(SECOND));
        assert!(!it.beat.pong(nonce, &it.config, &mut it.rng, now));
        assert_eq!(it.beat.round_trip(), Some(SECOND));
    }
}
