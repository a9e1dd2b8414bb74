//! One stage: a plain function, and the service that applies it before the one behind it.

use std::fmt;
use std::future::{Ready, ready};
use std::ops::ControlFlow;
use std::task::{Context, Poll};

use futures::future::Either;
use tower::{Layer, Service};

/// What a stage makes of a message: on to the stage behind, or the end.
pub type Next<O, R, E> = ControlFlow<Result<R, E>, O>;

/// Makes a [`Stage`]: holds what its function needs, a `C`.
///
/// The function makes an `O` of an `I` for the stage behind, or ends the message here: with a
/// response `R` if nobody else has to look at it, with an error `E` if it is turned away.
pub struct StageLayer<C, I, O, R, E> {
    context: C,
    function: fn(&C, I) -> Next<O, R, E>,
}

impl<C, I, O, R, E> StageLayer<C, I, O, R, E> {
    /// With this function, and what it needs.
    pub const fn of(context: C, function: fn(&C, I) -> Next<O, R, E>) -> Self {
        Self { context, function }
    }
}

impl<C: Clone, I, O, R, E> Clone for StageLayer<C, I, O, R, E> {
    fn clone(&self) -> Self {
        Self { context: self.context.clone(), function: self.function }
    }
}

impl<C: fmt::Debug, I, O, R, E> fmt::Debug for StageLayer<C, I, O, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StageLayer").field(&self.context).finish()
    }
}

impl<C: Clone, I, O, R, E, S> Layer<S> for StageLayer<C, I, O, R, E> {
    type Service = Stage<Self, S>;

    fn layer(&self, inner: S) -> Stage<Self, S> {
        Stage { layer: self.clone(), inner }
    }
}

/// Does what its layer `L` says, and calls the service behind it with what came of that.
///
/// Ready when the one behind it is: whatever waits there makes this stage wait as well.
#[derive(Clone, Debug)]
pub struct Stage<L, S> {
    layer: L,
    inner: S,
}

/// The end of a message, here or behind.
pub type Passed<F, R, E> = Either<Ready<Result<R, E>>, F>;

impl<C, I, O, R, E, S> Service<I> for Stage<StageLayer<C, I, O, R, E>, S>
where
    S: Service<O, Response = R, Error = E>,
{
    type Response = R;
    type Error = E;
    type Future = Passed<S::Future, R, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, input: I) -> Self::Future {
        let StageLayer { context, function } = &self.layer;
        match function(context, input) {
            ControlFlow::Continue(output) => Either::Right(self.inner.call(output)),
            ControlFlow::Break(end) => Either::Left(ready(end)),
        }
    }
}

/// On with what there is, or the end with what is wrong with it.
pub(crate) fn pass<O, R, E>(outcome: Result<O, E>) -> Next<O, R, E> {
    match outcome {
        Ok(output) => ControlFlow::Continue(output),
        Err(error) => ControlFlow::Break(Err(error)),
    }
}
