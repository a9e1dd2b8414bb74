//! What a provider has to ask for before it goes to expense for a requester.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::Refusal;

/// Asked for one look; how long until there may be another, if there is none now.
type Ask = dyn Fn() -> Result<(), Duration> + Send + Sync;

/// Leave to go to expense for a requester: to look at the book, asked for each time, and to hold
/// something for its session.
#[derive(Clone)]
pub struct Leave {
    ask: Arc<Ask>,
    room: Room,
}

impl Leave {
    /// Looks as `ask` says, and as much as `room` has.
    pub fn new(ask: impl Fn() -> Result<(), Duration> + Send + Sync + 'static, room: Room) -> Self {
        Self { ask: Arc::new(ask), room }
    }

    /// Always, or never; with all the room that there is.
    pub fn fixed(granted: bool) -> Self {
        let ask = move || if granted { Ok(()) } else { Err(Duration::ZERO) };
        Self::new(ask, Room::new(usize::MAX))
    }

    /// Asks for one look: at most [`LOOK_MAX`](crate::book::LOOK_MAX).
    ///
    /// # Errors
    /// [`Refusal::Busy`], with the time until there may be another one.
    pub fn look(&self) -> Result<(), Refusal> {
        (self.ask)().map_err(|wait| Refusal::Busy {
            retry_after: Some(wait).filter(|wait| !wait.is_zero()),
        })
    }

    /// Room for so many bytes, if there is.
    pub fn hold(&self, bytes: usize) -> Option<Held> {
        self.room.hold(bytes)
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leave").field("room", &self.room).finish_non_exhaustive()
    }
}

/// Bytes that several hold together. Clones share them.
#[derive(Clone, Debug)]
pub struct Room(Arc<AtomicUsize>);

/// A part of a [`Room`]; free again when dropped.
#[derive(Debug)]
pub struct Held {
    room: Room,
    bytes: usize,
}

impl Room {
    /// So many bytes, all free.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Takes so many, if as many are free.
    pub fn hold(&self, bytes: usize) -> Option<Held> {
        let take = |free: usize| free.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Held { room: self.clone(), bytes })
    }
}

impl Held {
    /// Gives back what is over `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let over = self.bytes.saturating_sub(bytes);
        self.bytes = self.bytes.saturating_sub(over);
        self.room.0.fetch_add(over, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_free_again_when_it_is_dropped_or_shrinks() {
        let room = Room::new(10);
        let mut held = room.hold(7).expect("as much is free");
        assert!(room.hold(4).is_none());
        held.shrink(5);
        held.shrink(6);
        let other = room.hold(5).expect("given back");
        assert!(room.hold(1).is_none());
        drop((held, other));
        assert!(room.hold(10).is_some());
    }
}
