//! What calls a service with each item of a stream: a bounded number at once, and when it is ready.

use std::fmt;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use futures::{FutureExt as _, Stream};
use tower::Service;

/// Calls under way unless something else is said: four for each of a thousand links. A message that
/// waits for a slow application keeps its place, so fewer places than the links have together let
/// the application hold up what is only carried on.
const BOUND: NonZeroUsize = NonZeroUsize::new(4_096).expect("it is not zero");

/// Calls a service with each item of a stream.
///
/// An item is taken from the stream only when the service is ready for it and fewer calls than the
/// bound are under way: whatever fills the stream is held up otherwise, and nothing is taken that
/// would have to be thrown away. What a call returns is for the service to tell.
pub struct ServicePipeline<T, S> {
    stream: T,
    service: S,
    bound: NonZeroUsize,
    timeout: Option<Duration>,
}

impl<T, S> ServicePipeline<T, S>
where
    T: Stream,
    S: Service<T::Item>,
{
    /// Of this stream and service. At most 4,096 calls are under way, and none of them is given up.
    pub const fn new(stream: T, service: S) -> Self {
        Self { stream, service, bound: BOUND, timeout: None }
    }

    /// With at most so many calls under way.
    #[must_use]
    pub fn bounded(self, bound: NonZeroUsize) -> Self {
        Self { bound, ..self }
    }

    /// With calls that are given up when they take longer than this: their futures are dropped.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Runs until the stream has ended and all calls have.
    ///
    /// # Errors
    /// That of the service if it says that it will never be ready again; calls under way are then
    /// dropped.
    ///
    /// # Cancel safety
    /// When the future is dropped, so are the calls under way. What was not taken from the stream
    /// is still in it.
    pub async fn run(self) -> Result<(), S::Error> {
        let Self { stream, mut service, bound, timeout } = self;
        let mut stream = std::pin::pin!(stream.fuse());
        let mut calls = FuturesUnordered::new();
        let mut open = true;
        while open || !calls.is_empty() {
            let room = open && calls.len() < bound.get();
            let next = async {
                poll_fn(|cx| service.poll_ready(cx)).await?;
                Ok(stream.next().await)
            };
            tokio::select! {
                biased;
                Some(()) = calls.next() => {}
                item = next, if room => match item? {
                    Some(item) => calls.push(within(timeout, service.call(item))),
                    None => open = false,
                },
            }
        }
        Ok(())
    }

    /// Hands [`run`](Self::run) to whatever runs it, such as a task of a set:
    /// `pipeline.spawn_with(|run| tasks.spawn(run))`.
    pub fn spawn_with<R>(
        self,
        spawn: impl FnOnce(BoxFuture<'static, Result<(), S::Error>>) -> R,
    ) -> R
    where
        T: Send + 'static,
        T::Item: Send,
        S: Send + 'static,
        S::Future: Send,
        S::Response: Send,
        S::Error: Send,
    {
        spawn(self.run().boxed())
    }
}

/// Awaits `call`, or drops it when the time is over.
async fn within(timeout: Option<Duration>, call: impl Future) {
    match timeout {
        Some(timeout) => drop(tokio::time::timeout(timeout, call).await),
        None => drop(call.await),
    }
}

impl<T, S> fmt::Debug for ServicePipeline<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServicePipeline")
            .field("bound", &self.bound)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
