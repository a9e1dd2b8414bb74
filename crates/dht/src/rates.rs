//! How much each link may bring.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;

use crate::config::{PUT_WEIGHT, Params, RatesConfig};
use crate::envelope::Lifetime;
use crate::inbound::Carriage;
use crate::refusal::Refusal;

/// What lives shorter counts as if it lived so long, and so much of what is to be remembered may
/// come at once. With more, a link would fill its share of the memory with what lives an hour.
const LASTS: Duration = Duration::from_hours(1);

/// What one weighs that this node asked its mailbox for. Its bytes count.
const FETCHED_WEIGHT: u32 = 0;

/// Allowances for each link, in bytes, in messages, and in what has to be remembered. Clones share
/// them.
///
/// An allowance is the peer's and outlasts the link: who comes back finds it as it was.
///
/// # Bounds
/// `rates.links_max` peers. When one more comes, those are forgotten whose allowance is whole
/// again; if there are none, the one closest to it.
#[derive(Clone)]
pub struct Rates {
    limits: Limits,
    links: Arc<Mutex<BTreeMap<PeerId, Allowance>>>,
}

impl Rates {
    /// Everybody rested.
    pub fn new(params: &Params) -> Self {
        Self { limits: Limits::new(params.rates()), links: Arc::default() }
    }

    /// Takes `len` bytes off what `link` may bring.
    ///
    /// # Errors
    /// [`Refusal::TooOften`].
    pub(crate) fn take_bytes(
        &self,
        link: &PeerId,
        len: usize,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.of(link, now, |allowance, limits| allowance.take_bytes(limits, len, now))
    }

    /// Takes a message that lives so long off what `link` may bring; all of it or nothing. What
    /// this node asked for need not be remembered at its server's expense.
    ///
    /// # Errors
    /// [`Refusal::TooOften`].
    pub(crate) fn take(
        &self,
        link: &PeerId,
        carriage: Carriage,
        lifetime: Lifetime,
        now: Instant,
    ) -> Result<(), Refusal> {
        let life = match carriage {
            Carriage::Routed | Carriage::Put => lifetime.duration().max(LASTS).as_secs(),
            Carriage::Fetched => 0,
        };
        self.of(link, now, |allowance, limits| allowance.take(limits, carriage, life, now))
    }

    fn of<T>(
        &self,
        link: &PeerId,
        now: Instant,
        take: impl FnOnce(&mut Allowance, &Limits) -> T,
    ) -> T {
        let mut links = self.lock();
        if let Some(allowance) = links.get_mut(link) {
            return take(allowance, &self.limits);
        }
        if links.len() >= self.limits.links_max {
            make_room(&mut links, now);
        }
        take(links.entry(*link).or_default(), &self.limits)
    }

    /// Peers whose allowance is remembered.
    pub fn links(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PeerId, Allowance>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates").field("limits", &self.limits).finish_non_exhaustive()
    }
}

fn make_room(links: &mut BTreeMap<PeerId, Allowance>, now: Instant) {
    let before = links.len();
    links.retain(|_, allowance| allowance.whole_at() > now);
    if links.len() < before {
        return;
    }
    let soonest = links.iter().min_by_key(|(_, allowance)| allowance.whole_at());
    if let Some(link) = soonest.map(|(link, _)| *link) {
        links.remove(&link);
    }
}

#[derive(Clone, Debug)]
struct Limits {
    messages: Limit,
    bytes: Limit,
    /// In seconds of life.
    lasting: Limit,
    routed_weight: u32,
    links_max: usize,
}

impl Limits {
    fn new(config: &RatesConfig) -> Self {
        Self {
            messages: Limit::new(config.messages_per_second, config.messages_burst),
            bytes: Limit::new(config.bytes_per_second, config.bytes_burst),
            lasting: Limit { per_second: config.lasting_max.max(1).into(), burst: LASTS },
            routed_weight: config.routed_weight,
            links_max: config.links_max,
        }
    }

    fn weight(&self, carriage: Carriage) -> u32 {
        match carriage {
            Carriage::Routed => self.routed_weight,
            Carriage::Put => PUT_WEIGHT,
            Carriage::Fetched => FETCHED_WEIGHT,
        }
    }
}

/// One kind of token: so many come back in a second, and no more than a burst of them are held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    per_second: u64,
    /// Time in which a spent burst comes back.
    burst: Duration,
}

impl Limit {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let per_second = u64::from(per_second.max(1));
        Self { per_second, burst: time(u64::from(burst), per_second) }
    }

    /// When a bucket is full again that is full at `full` and gives `tokens` at `now`, or how long
    /// it takes until it can.
    pub(crate) fn take(
        &self,
        full: Instant,
        tokens: u64,
        now: Instant,
    ) -> Result<Instant, Duration> {
        let after = full.max(now).after(time(tokens, self.per_second));
        match after.since(now).checked_sub(self.burst) {
            None | Some(Duration::ZERO) => Ok(after),
            Some(wait) => Err(wait),
        }
    }
}

/// Time in which so many tokens come back.
fn time(tokens: u64, per_second: u64) -> Duration {
    const NANOS: u64 = 1_000_000_000;
    Duration::from_nanos(tokens.saturating_mul(NANOS).checked_div(per_second).unwrap_or(u64::MAX))
}

/// Token buckets, each kept as the time at which it is full.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    messages: Instant,
    bytes: Instant,
    lasting: Instant,
}

impl Allowance {
    fn take_bytes(&mut self, limits: &Limits, len: usize, now: Instant) -> Result<(), Refusal> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let taken = limits.bytes.take(self.bytes, len, now);
        self.bytes = taken.map_err(|retry_after| Refusal::TooOften { retry_after })?;
        Ok(())
    }

    fn take(
        &mut self,
        limits: &Limits,
        carriage: Carriage,
        life: u64,
        now: Instant,
    ) -> Result<(), Refusal> {
        let messages = limits.messages.take(self.messages, limits.weight(carriage).into(), now);
        let lasting = limits.lasting.take(self.lasting, life, now);
        match (messages, lasting) {
            (Ok(messages), Ok(lasting)) => {
                *self = Self { messages, lasting, ..*self };
                Ok(())
            }
            (messages, lasting) => {
                let wait = |taken: Result<_, Duration>| taken.err().unwrap_or_default();
                Err(Refusal::TooOften { retry_after: wait(messages).max(wait(lasting)) })
            }
        }
    }

    /// When nothing of it is missing.
    fn whole_at(&self) -> Instant {
        self.messages.max(self.bytes).max(self.lasting)
    }
}
