//! What calls the services.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use meshwork_dht::ServicePipeline;
use tokio::sync::Semaphore;
use tower::{Service, service_fn};

use super::*;

/// A service that is ready as often as there are permits, and counts how often it is called.
#[derive(Clone, Default)]
struct Gated {
    permits: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

impl Service<u32> for Gated {
    type Response = ();
    type Error = Infallible;
    type Future = std::future::Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.permits.load(Ordering::Relaxed) == 0 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, _: u32) -> Self::Future {
        assert!(self.permits.fetch_sub(1, Ordering::Relaxed) > 0, "called without being ready");
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(()))
    }
}

fn bound(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

#[tokio::test]
async fn a_service_that_is_never_ready_is_never_called_and_nothing_is_taken_for_it() {
    let service = Gated::default();
    let mut items = stream::iter(0..10);
    {
        let mut run = pin!(ServicePipeline::new(&mut items, service.clone()).run());
        assert!(once(&mut run).await.is_pending());
    }
    assert_eq!(service.calls.load(Ordering::Relaxed), 0);
    assert_eq!(items.next().await, Some(0), "the first item was taken");
}

#[tokio::test]
async fn a_service_is_called_as_often_as_it_was_ready() {
    let service = Gated::default();
    service.permits.store(3, Ordering::Relaxed);
    let mut items = stream::iter(0..10);
    {
        let mut run = pin!(ServicePipeline::new(&mut items, service.clone()).run());
        assert!(once(&mut run).await.is_pending());
    }
    assert_eq!(service.calls.load(Ordering::Relaxed), 3);
    assert_eq!(items.next().await, Some(3));
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_the_bound() {
    let gate = Semaphore::new(0);
    let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let service = service_fn(|_: u32| async {
        let now = under_way.fetch_add(1, Ordering::Relaxed) + 1;
        most.fetch_max(now, Ordering::Relaxed);
        gate.acquire().await.unwrap().forget();
        under_way.fetch_sub(1, Ordering::Relaxed);
        Ok::<_, Infallible>(())
    });
    let mut run = pin!(ServicePipeline::new(stream::iter(0..20), service).bounded(bound(5)).run());
    assert!(once(&mut run).await.is_pending());
    assert_eq!(under_way.load(Ordering::Relaxed), 5);

    gate.add_permits(20);
    run.await.unwrap();
    assert_eq!((under_way.load(Ordering::Relaxed), most.load(Ordering::Relaxed)), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_given_up_and_its_place_is_free() {
    let done = &AtomicUsize::new(0);
    let service = service_fn(|item: u64| async move {
        tokio::time::sleep(Duration::from_secs(item)).await;
        done.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(())
    });
    let pipeline = ServicePipeline::new(stream::iter([100, 1, 100, 2]), service);
    let began = tokio::time::Instant::now();
    pipeline.bounded(bound(1)).with_timeout(Duration::from_secs(10)).run().await.unwrap();
    assert_eq!(done.load(Ordering::Relaxed), 2);
    assert_eq!(began.elapsed(), Duration::from_secs(23));
}

#[tokio::test]
async fn it_ends_when_the_service_says_that_it_will_not_be_ready_again() {
    let service = service_fn(|_: u32| async { Ok::<_, &str>(()) });
    let mut left = 2;
    let failing = FailsReady { inner: service, left: &mut left };
    let end = ServicePipeline::new(stream::iter(0..10), failing).run().await;
    assert_eq!(end, Err("no more"));
    assert_eq!(left, 0);
}

/// Ready so many times, and then broken.
struct FailsReady<'a, S> {
    inner: S,
    left: &'a mut u32,
}

impl<S: Service<u32, Error = &'static str>> Service<u32> for FailsReady<'_, S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if *self.left == 0 { Poll::Ready(Err("no more")) } else { self.inner.poll_ready(cx) }
    }

    fn call(&mut self, item: u32) -> S::Future {
        *self.left -= 1;
        self.inner.call(item)
    }
}
