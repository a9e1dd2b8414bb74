//! The one trait that a core implements.

use std::fmt::Debug;

use crate::{Blame, Effect, Input, Instant};

/// A deterministic protocol core.
///
/// # Contract
///
/// * `now` never goes back.
/// * After each [`handle`](Self::handle) or [`tick`](Self::tick) the caller takes effects until
///   `None`, before the next input.
/// * After `tick(now)`, [`next_deadline`](Self::next_deadline) is later than `now`.
/// * Every command ends in exactly one event that says so.
/// * Equal construction and equal inputs give equal effects.
///
/// `testkit` turns each of these into a test.
pub trait Machine: Sized + Debug {
    /// Protocol names to negotiate, best first.
    const NAMES: &'static [&'static str];

    /// One wire message whose bounds are checked.
    type Message: Clone + Debug;
    /// What the application may ask.
    type Command: Debug;
    /// What the application is told.
    type Event: Debug;
    /// What a remote can do wrong.
    type Fault: Blame;
    /// Slow work that the core may ask for; [`std::convert::Infallible`] if it never does.
    type Job: Debug;
    /// The outcome of a job.
    type Done: Debug;

    /// Applies one input.
    fn handle(&mut self, input: Input<Self>, now: Instant);

    /// Does what is due at `now`.
    fn tick(&mut self, now: Instant);

    /// When [`tick`](Self::tick) next has something to do.
    fn next_deadline(&self) -> Option<Instant>;

    /// Takes the oldest effect.
    fn poll_effect(&mut self) -> Option<Effect<Self>>;
}
