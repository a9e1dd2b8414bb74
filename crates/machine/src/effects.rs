//! The queue that every core writes its effects to.

use std::collections::VecDeque;

use crate::{Effect, Machine};

/// Effects in the order in which they were decided.
#[derive(Debug)]
pub struct Effects<M: Machine> {
    queue: VecDeque<Effect<M>>,
}

impl<M: Machine> Effects<M> {
    /// The most effects that one input or one tick may queue.
    ///
    /// A core that needs more has to spread its work over several deadlines. Half of it would
    /// still let a node with every connection slot taken say one thing to each peer.
    pub const LIMIT: usize = 1024;

    /// Queues one effect.
    ///
    /// # Panics
    ///
    /// In debug builds, when the runner has not drained the queue and it is over
    /// [`LIMIT`](Self::LIMIT).
    pub fn push(&mut self, effect: Effect<M>) {
        debug_assert!(self.queue.len() < Self::LIMIT, "effects are drained after each input");
        self.queue.push_back(effect);
    }

    /// Takes the oldest effect.
    pub fn pop(&mut self) -> Option<Effect<M>> {
        self.queue.pop_front()
    }
}

impl<M: Machine> Default for Effects<M> {
    fn default() -> Self {
        Self { queue: VecDeque::new() }
    }
}
