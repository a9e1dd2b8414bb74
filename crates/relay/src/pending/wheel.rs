//! A timer wheel: a ring of lists, one for each tick, of places that are due then.

use std::time::Duration;

use machine::Instant;

/// Length of a tick: what is due comes out at most so much too late. With half of it the runner wakes
/// up twice as often, for nothing that anybody notices.
const TICK: Duration = Duration::from_millis(64);

/// Lists of the ring. With a tick each they are a turn of 32.8 s, longer than anything waits; what is
/// due later stays in its list for another turn.
const LISTS: usize = 512;

/// Places that are due at times. A place is in it at most once.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The first place of each list.
    heads: Vec<Option<usize>>,
    /// By place.
    links: Vec<Link>,
    /// The tick that comes next; what is due before it is out.
    next: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    tick: u64,
    before: Option<usize>,
    after: Option<usize>,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { heads: vec![None; LISTS], links: Vec::new(), next: 0 }
    }

    /// Has `place`, which is not in it, come out at `due`.
    pub(super) fn link(&mut self, place: usize, due: Instant) {
        let tick = tick_after(due).max(self.next);
        if self.links.len() <= place {
            self.links.resize(place.saturating_add(1), Link::default());
        }
        let Some(head) = self.heads.get_mut(list(tick)) else { return };
        let after = head.replace(place);
        self.set(place, Link { tick, before: None, after });
        if let Some(after) = after.and_then(|after| self.links.get_mut(after)) {
            after.before = Some(place);
        }
    }

    /// Takes `place`, which is in it, out.
    pub(super) fn unlink(&mut self, place: usize) {
        let Some(Link { tick, before, after }) = self.links.get(place).copied() else { return };
        match before {
            Some(before) => {
                if let Some(before) = self.links.get_mut(before) {
                    before.after = after;
                }
            }
            None => {
                if let Some(head) = self.heads.get_mut(list(tick)) {
                    *head = after;
                }
            }
        }
        if let Some(after) = after.and_then(|after| self.links.get_mut(after)) {
            after.before = before;
        }
    }

    /// Takes one out that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<usize> {
        let now = tick_before(now);
        // After a long sleep, one turn sees every list.
        self.next = self.next.max(now.saturating_sub(turn().saturating_sub(1)));
        while self.next <= now {
            let due = self.list(self.next).find(|(_, tick)| *tick <= now);
            if let Some((place, _)) = due {
                self.unlink(place);
                return Some(place);
            }
            self.next = self.next.saturating_add(1);
        }
        None
    }

    /// When the next comes out; if none does within a turn, the end of the turn.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let mut waiting = None;
        for tick in (self.next..).take(LISTS) {
            let mut list = self.list(tick).peekable();
            if list.peek().is_some() {
                waiting = self.next.checked_add(turn());
            }
            if list.any(|(_, due)| due <= tick) {
                waiting = Some(tick);
                break;
            }
        }
        let tick = u128::from(waiting?);
        let millis = u64::try_from(TICK.as_millis().saturating_mul(tick)).unwrap_or(u64::MAX);
        Some(Instant::at(Duration::from_millis(millis)))
    }

    fn list(&self, tick: u64) -> impl Iterator<Item = (usize, u64)> + '_ {
        let mut place = self.heads.get(list(tick)).copied().flatten();
        std::iter::from_fn(move || {
            let here = place?;
            let link = self.links.get(here)?;
            place = link.after;
            Some((here, link.tick))
        })
    }

    fn set(&mut self, place: usize, link: Link) {
        if let Some(at) = self.links.get_mut(place) {
            *at = link;
        }
    }
}

/// Ticks of a turn.
fn turn() -> u64 {
    u64::try_from(LISTS).unwrap_or(u64::MAX)
}

/// The list of a tick.
fn list(tick: u64) -> usize {
    usize::try_from(tick.checked_rem(turn()).unwrap_or(0)).unwrap_or(0)
}

/// The last tick that has come.
fn tick_before(now: Instant) -> u64 {
    let ticks = now.elapsed().as_millis().checked_div(TICK.as_millis()).unwrap_or(0);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// The first tick at which this time has come.
fn tick_after(due: Instant) -> u64 {
    let before = tick_before(due);
    let is_tick = due.elapsed().as_nanos().checked_rem(TICK.as_nanos()) == Some(0);
    if is_tick { before } else { before.saturating_add(1) }
}
