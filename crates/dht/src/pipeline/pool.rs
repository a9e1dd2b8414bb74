//! The hop to the pool: whatever is behind it in the stack is called there.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use transport::pool::{Pool, PoolError};

/// How long a message waits for a place on the pool. A tenth of it would refuse what a burst of
/// another protocol delays; with ten times as much a neighbour would have given up.
const PATIENCE: Duration = Duration::from_millis(500);

/// Makes [`OnPool`].
#[derive(Clone, Debug)]
pub struct OnPoolLayer {
    pool: Option<Pool>,
}

impl OnPoolLayer {
    /// With this pool.
    pub const fn new(pool: Pool) -> Self {
        Self { pool: Some(pool) }
    }

    /// Without one: the work is done where the pipeline runs. For tests, and for whoever has a
    /// thread for it.
    pub const fn inline() -> Self {
        Self { pool: None }
    }
}

impl<S> Layer<S> for OnPoolLayer {
    type Service = OnPool<S>;

    fn layer(&self, inner: S) -> OnPool<S> {
        OnPool { pool: self.pool.clone(), inner }
    }
}

/// Calls the service behind it on the pool, and awaits its future where the pipeline runs.
///
/// What a service does before it returns its future is thus done by the pool: all of a
/// [`Stage`](super::Stage), and nothing of what waits.
#[derive(Clone, Debug)]
pub struct OnPool<S> {
    pool: Option<Pool>,
    inner: S,
}

impl<Request, S> Service<Request> for OnPool<S>
where
    Request: Send + 'static,
    S: Service<Request, Future: Send + 'static, Error: From<PoolError>> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Hop<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Hop<S::Future> {
        let Some(pool) = &self.pool else {
            let inner = self.inner.call(request);
            return Hop { state: State::There { inner } };
        };
        // It is this one that is ready, with whatever it has reserved.
        let fresh = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, fresh);
        let pool = pool.clone();
        let work = move || inner.call(request);
        let hop = Box::pin(async move { pool.run_patiently(PATIENCE, work).await });
        Hop { state: State::Waiting { hop } }
    }
}

pin_project! {
    /// A call on its way over the pool.
    pub struct Hop<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Projection]
    enum State<F> {
        // It waits for a thread, or is being worked on: the one box of a pipeline.
        Waiting { hop: BoxFuture<'static, Result<F, PoolError>> },
        // What is left of it waits for other things.
        There { #[pin] inner: F },
    }
}

impl<F> std::fmt::Debug for Hop<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.state {
            State::Waiting { .. } => "Hop::Waiting",
            State::There { .. } => "Hop::There",
        })
    }
}

impl<F, R, E> Future for Hop<F>
where
    F: Future<Output = Result<R, E>>,
    E: From<PoolError>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut state = self.project().state;
        loop {
            let inner = match state.as_mut().project() {
                Projection::There { inner } => return inner.poll(cx),
                Projection::Waiting { hop } => ready!(hop.as_mut().poll(cx))?,
            };
            state.set(State::There { inner });
        }
    }
}
