//! Messages of others, up to the application.

use std::time::Duration;

use futures::StreamExt as _;
use meshwork_dht::{
    Carriage, DecryptLayer, DedupLayer, DeserializeLayer, DhtHandlerLayer, Disposition,
    ForwardLayer, InboundMessage, OnPoolLayer, RateLimitLayer, Reception, RecordLayer, Refusal,
    ServicePipeline, SettleLayer, StoreLayer, Ticket, ValidateLayer, VerifyLayer, WeighLayer,
};
use tokio::sync::Semaphore;
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};
use transport::pool::Pool;

use super::*;
use crate::counting;

/// The whole stack of one node before an application.
fn stack<S>(
    gate: &Gate,
    settled: mpsc::Sender<Settlement>,
    pool: OnPoolLayer,
    application: S,
) -> impl Service<InboundMessage, Response = (), Error = Refusal, Future: Send> + Clone + Send + use<S>
where
    S: Service<DhtInboundMessage, Response = (), Error = &'static str, Future: Send>
        + Clone
        + Send
        + 'static,
{
    ServiceBuilder::new()
        .layer(SettleLayer::new(settled.clone()))
        .layer(DeserializeLayer::new(*gate.rules()))
        .layer(WeighLayer::new(gate.rates().clone(), clock()))
        .layer(DedupLayer::new(gate.seen().clone()))
        .layer(ValidateLayer::new(*gate.rules()))
        .layer(RateLimitLayer::new(gate.rates().clone()))
        .layer(pool)
        .layer(VerifyLayer::default())
        .layer(DecryptLayer::new(Arc::clone(gate.opener())))
        .layer(RecordLayer::new(gate.seen().clone()))
        .layer(StoreLayer::default())
        .layer(ForwardLayer::default())
        .layer(DhtHandlerLayer::default().letting_go(SettleLayer::new(settled)))
        .service(application)
}

fn message(from: u8, ticket: u64, envelope: Bytes) -> InboundMessage {
    let (from, ticket) = (peer(from), Ticket::new(ticket));
    InboundMessage { from, ticket, hops: 9, carriage: Carriage::Routed, envelope }
}

/// An application that remembers what it got.
#[derive(Clone, Default)]
struct Inbox(Arc<Mutex<VecDeque<DhtInboundMessage>>>);

impl Inbox {
    fn service(
        &self,
    ) -> impl Service<DhtInboundMessage, Response = (), Error = &'static str, Future: Send>
    + Clone
    + Send
    + 'static
    + use<> {
        let inbox = self.clone();
        service_fn(move |message| {
            inbox.0.lock().unwrap().push_back(message);
            async { Ok(()) }
        })
    }

    fn take(&self) -> Vec<DhtInboundMessage> {
        self.0.lock().unwrap().drain(..).collect()
    }
}

fn name(settlement: Settlement) -> (Ticket, Result<&'static str, Refusal>) {
    (settlement.ticket, settlement.outcome.map(|disposition| disposition.name()))
}

#[tokio::test]
async fn each_message_goes_where_it_belongs_and_the_core_is_told_once() {
    let (settled, settlements) = mpsc::channel(0);
    let inbox = Inbox::default();
    let stack = stack(&gate(1), settled, OnPoolLayer::inline(), inbox.service());
    let (ours, others) = (sealed(7, 1, 1), sealed(7, 2, 2));
    let mut changed = sealed(7, 1, 3).to_vec();
    changed[200] ^= 1;
    let cut = sealed(7, 1, 4).slice(..10);
    let messages = vec![
        message(8, 1, ours.clone()),
        message(8, 2, others.clone()),
        message(8, 3, changed.into()),
        message(8, 4, cut),
        message(9, 5, ours),
        InboundMessage { carriage: Carriage::Put, ..message(9, 6, others) },
    ];
    ServicePipeline::new(futures::stream::iter(messages), stack).run().await.unwrap();

    let settled: Vec<_> = settlements.map(name).collect().await;
    assert_eq!(settled.len(), 6, "{settled:?}");
    let of = |ticket| settled.iter().find(|(of, _)| *of == Ticket::new(ticket)).unwrap().1;
    assert_eq!(of(1), Ok("delivered"));
    assert_eq!(of(2), Ok("carry"));
    assert!(matches!(of(3), Err(Refusal::BadSignature(_))));
    assert!(matches!(of(4), Err(Refusal::Malformed(_))));
    assert_eq!(of(5), Err(Refusal::Duplicate));
    assert_eq!(of(6), Ok("keep"));
    let got = inbox.take();
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].sender, &got[0].payload[..]), (peer(7), &b"hello"[..]));
}

/// An application that takes a letter for each permit that it is given.
fn slow(
    gate: &Arc<Semaphore>,
) -> impl Service<DhtInboundMessage, Response = (), Error = &'static str, Future: Send>
+ Clone
+ Send
+ 'static
+ use<> {
    let gate = Arc::clone(gate);
    service_fn(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_holds_up_its_own_letters_and_nothing_that_is_carried_on() {
    let (settled, mut settlements) = mpsc::channel(0);
    let permits = Arc::new(Semaphore::new(0));
    let stack = stack(&gate(1), settled, OnPoolLayer::inline(), slow(&permits));
    // Every second message is for the application, from two senders.
    let messages = (0..40_u8).map(|number| {
        let to = if number % 2 == 0 { 1 } else { 2 };
        message(8, number.into(), sealed(number % 4 + 5, to, number))
    });
    let messages: Vec<_> = messages.collect();
    let mut run = Box::pin(ServicePipeline::new(futures::stream::iter(messages), stack).run());

    assert!(once(&mut run).await.is_pending());
    let mut carried = 0;
    while let Ok(settlement) = settlements.try_recv() {
        assert!(matches!(settlement.outcome, Ok(Disposition::Carry(_))));
        carried += 1;
    }
    assert_eq!(carried, 20, "all that is for others, while the application has taken nothing");

    permits.add_permits(20);
    run.await.unwrap();
    let settled: Vec<_> = settlements.map(name).collect().await;
    assert_eq!(settled.len(), 20);
    assert!(settled.iter().all(|(_, end)| *end == Ok("delivered")));
}

#[tokio::test(start_paused = true)]
async fn an_application_that_is_not_ready_is_waited_for_with_the_letter_in_hand() {
    let (settled, mut settlements) = mpsc::channel(0);
    let inbox = Inbox::default();
    // One call at a time, each of an hour.
    let application = ServiceBuilder::new().concurrency_limit(1).service({
        let inbox = inbox.clone();
        service_fn(move |message| {
            inbox.0.lock().unwrap().push_back(message);
            async {
                tokio::time::sleep(Duration::from_hours(1)).await;
                Ok::<_, &'static str>(())
            }
        })
    });
    let stack = stack(&gate(1), settled, OnPoolLayer::inline(), application);
    let messages: Vec<_> = (0..3).map(|n| message(8, n.into(), sealed(7, 1, n))).collect();
    let mut run = Box::pin(ServicePipeline::new(futures::stream::iter(messages), stack).run());
    assert!(once(&mut run).await.is_pending());
    assert_eq!(inbox.take().len(), 1, "called only when it was ready");
    assert!(settlements.try_recv().is_err());
    run.await.unwrap();
    assert_eq!(inbox.take().len(), 2);
    let settled: Vec<_> = settlements.map(name).collect().await;
    let told = |what| settled.iter().filter(|(_, end)| *end == Ok(what)).count();
    assert_eq!((told("in_hand"), told("delivered"), settled.len()), (3, 3, 6));
}

/// What was settled meanwhile.
fn news(settlements: &mut mpsc::Receiver<Settlement>) -> Vec<(u64, Result<&'static str, Refusal>)> {
    let number = |ticket| (0..100).find(|number| Ticket::new(*number) == ticket).unwrap();
    let next = || settlements.try_recv().ok().map(name);
    std::iter::from_fn(next).map(|(ticket, end)| (number(ticket), end)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_the_application_has_in_hand_gives_its_link_the_place_back() {
    let (settled, mut settlements) = mpsc::channel(0);
    let permits = Arc::new(Semaphore::new(0));
    let mut stack = stack(&gate(1), settled, OnPoolLayer::inline(), slow(&permits));
    let letter = sealed(7, 1, 1);
    let fetched = InboundMessage { carriage: Carriage::Fetched, ..message(9, 2, sealed(7, 1, 2)) };
    let mut first = Box::pin(stack.ready().await.unwrap().call(message(8, 1, letter.clone())));
    let mut second = Box::pin(stack.ready().await.unwrap().call(fetched));
    for (wait, told) in [(999, vec![]), (1, vec![(1, Ok("in_hand")), (2, Err(Refusal::Busy))])] {
        assert!(once(&mut first).await.is_pending() && once(&mut second).await.is_pending());
        tokio::time::advance(Duration::from_millis(wait)).await;
        assert!(once(&mut first).await.is_pending() && once(&mut second).await.is_pending());
        assert_eq!(news(&mut settlements), told, "no server is told that it was taken");
    }
    let end = stack.ready().await.unwrap().call(message(9, 3, letter)).await;
    assert_eq!(end, Err(Refusal::UnderWay), "no copy is delivered beside it");
    permits.add_permits(2);
    first.await.unwrap();
    second.await.unwrap();
    let told = [(3, Err(Refusal::UnderWay)), (1, Ok("delivered")), (2, Ok("delivered"))];
    assert_eq!(news(&mut settlements), told);
}

#[tokio::test(start_paused = true)]
async fn a_sender_and_a_link_have_their_part_of_what_the_application_has_in_hand() {
    let (settled, _settlements) = mpsc::channel(0);
    let permits = Arc::new(Semaphore::new(0));
    let mut stack = stack(&gate(1), settled, OnPoolLayer::inline(), slow(&permits));
    let (mut held, mut number) = (vec![], 0);
    for (link, sender, fits) in [(8, 7, 16), (9, 7, 0), (8, 6, 16), (8, 5, 0), (9, 5, 16)] {
        for at in 0..=fits {
            number += 1;
            let message = message(link, number.into(), sealed(sender, 1, number));
            let mut call = Box::pin(stack.ready().await.unwrap().call(message));
            match once(&mut call).await {
                Poll::Pending => held.push(call),
                Poll::Ready(end) => assert_eq!((at, end), (fits, Err(Refusal::Busy))),
            }
        }
    }
    assert_eq!(held.len(), 48);
    permits.add_permits(49);
    for call in held {
        call.await.unwrap();
    }
    let end = stack.ready().await.unwrap().call(message(8, 99, sealed(7, 1, 99))).await;
    assert_eq!(end, Ok(()), "its places are free again");
}

#[tokio::test]
async fn the_application_may_say_that_it_never_wants_a_letter() {
    let (settled, mut settlements) = mpsc::channel(0);
    let handler = DhtHandlerLayer::default();
    let gate = gate(1);
    let unwanted = service_fn(async |_: DhtInboundMessage| Ok::<_, String>(Reception::Unwanted));
    let service = ServiceBuilder::new()
        .layer(SettleLayer::new(settled))
        .layer(DeserializeLayer::new(*gate.rules()))
        .layer(WeighLayer::new(gate.rates().clone(), clock()))
        .layer(DedupLayer::new(gate.seen().clone()))
        .layer(ValidateLayer::new(*gate.rules()))
        .layer(RateLimitLayer::new(gate.rates().clone()))
        .layer(VerifyLayer::default())
        .layer(DecryptLayer::new(Arc::clone(gate.opener())))
        .layer(RecordLayer::new(gate.seen().clone()))
        .layer(StoreLayer::default())
        .layer(ForwardLayer::default())
        .layer(handler)
        .service(unwanted);
    for ticket in [1, 2] {
        let message = message(8, ticket, sealed(7, 1, 1));
        service.clone().oneshot(message).await.ok();
    }
    assert_eq!(news(&mut settlements), [(1, Ok("unwanted")), (2, Err(Refusal::Duplicate))]);
}

#[tokio::test]
async fn a_letter_whose_future_is_dropped_is_settled_once_and_may_come_again() {
    let (settled, mut settlements) = mpsc::channel(0);
    let permits = Arc::new(Semaphore::new(0));
    let gate = gate(1);
    let mut slow = stack(&gate, settled.clone(), OnPoolLayer::inline(), slow(&permits));
    let letter = sealed(7, 1, 1);

    let mut call = Box::pin(slow.ready().await.unwrap().call(message(8, 1, letter.clone())));
    assert!(once(&mut call).await.is_pending());
    // A second copy meanwhile is not delivered beside it.
    let end = slow.ready().await.unwrap().call(message(9, 2, letter.clone())).await;
    assert_eq!(end, Err(Refusal::UnderWay));
    drop(call);

    let settled_so_far: Vec<_> = [settlements.try_recv(), settlements.try_recv()]
        .map(|settlement| name(settlement.unwrap()))
        .into();
    assert_eq!(
        settled_so_far,
        [(Ticket::new(2), Err(Refusal::UnderWay)), (Ticket::new(1), Err(Refusal::Busy))]
    );
    assert!(settlements.try_recv().is_err(), "told twice");

    let inbox = Inbox::default();
    let mut quick = stack(&gate, settled, OnPoolLayer::inline(), inbox.service());
    quick.ready().await.unwrap().call(message(8, 3, letter.clone())).await.unwrap();
    assert_eq!(inbox.take().len(), 1);
    let end = quick.ready().await.unwrap().call(message(8, 4, letter)).await;
    assert_eq!(end, Err(Refusal::Duplicate));
    assert_eq!(inbox.take().len(), 0);
}

#[tokio::test]
async fn a_letter_that_the_application_does_not_take_may_come_again() {
    let (settled, mut settlements) = mpsc::channel(0);
    let gate = gate(1);
    let refusing = service_fn(|_: DhtInboundMessage| async { Err::<(), _>("disk full") });
    let mut stack_1 = stack(&gate, settled.clone(), OnPoolLayer::inline(), refusing);
    let letter = sealed(7, 1, 1);
    let end = stack_1.ready().await.unwrap().call(message(8, 1, letter.clone())).await;
    assert_eq!(end, Err(Refusal::Busy));
    assert_eq!(name(settlements.try_recv().unwrap()).1, Err(Refusal::Busy));

    let inbox = Inbox::default();
    let mut stack_2 = stack(&gate, settled, OnPoolLayer::inline(), inbox.service());
    stack_2.ready().await.unwrap().call(message(8, 2, letter)).await.unwrap();
    assert_eq!(inbox.take().len(), 1);
}

#[tokio::test]
async fn the_pool_does_what_is_dear_and_all_is_settled() {
    let (settled, settlements) = mpsc::channel(0);
    let inbox = Inbox::default();
    let pool = Pool::new(2.try_into().unwrap(), 64).unwrap();
    let stack = stack(&gate(1), settled, OnPoolLayer::new(pool), inbox.service());
    let messages: Vec<_> = (0..50).map(|n| message(8, n.into(), sealed(7, 1, n))).collect();
    ServicePipeline::new(futures::stream::iter(messages), stack).run().await.unwrap();
    let settled: Vec<_> = settlements.map(name).collect().await;
    assert_eq!(settled.iter().filter(|(_, end)| *end == Ok("delivered")).count(), 50);
    assert_eq!(inbox.take().len(), 50);
}

#[tokio::test]
async fn who_waits_for_the_pool_in_vain_is_told_that_it_is_busy() {
    let (settled, mut settlements) = mpsc::channel(0);
    let pool = Pool::new(1.try_into().unwrap(), 0).unwrap();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let occupied = pool.run(move || held.recv().ok());
    let mut stack = stack(&gate(1), settled, OnPoolLayer::new(pool), Inbox::default().service());
    let end = stack.ready().await.unwrap().call(message(8, 1, sealed(7, 1, 1))).await;
    assert_eq!(end, Err(Refusal::Busy));
    assert_eq!(name(settlements.try_recv().unwrap()).1, Err(Refusal::Busy));
    drop(hold);
    occupied.await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_dropped_while_it_waits_for_the_pool_is_settled_once() {
    let (settled, mut settlements) = mpsc::channel(0);
    let pool = Pool::new(1.try_into().unwrap(), 1).unwrap();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let occupied = pool.run(move || held.recv().ok());
    let gate = gate(1);
    let inbox = Inbox::default();
    let mut stack = stack(&gate, settled, OnPoolLayer::new(pool), inbox.service());
    let letter = sealed(7, 1, 1);
    let mut call = Box::pin(stack.ready().await.unwrap().call(message(8, 1, letter.clone())));
    assert!(once(&mut call).await.is_pending());
    drop(call);
    assert_eq!(name(settlements.try_recv().unwrap()), (Ticket::new(1), Err(Refusal::Busy)));
    drop(hold);
    occupied.await.unwrap();

    stack.ready().await.unwrap().call(message(8, 2, letter)).await.unwrap();
    assert_eq!(name(settlements.try_recv().unwrap()), (Ticket::new(2), Ok("delivered")));
    assert!(settlements.try_recv().is_err());
    assert_eq!(inbox.take().len(), 1);
}

/// How often `stack` allocates for each of these, when it does nothing else any more.
async fn allocations(
    stack: &mut impl Service<InboundMessage, Error = Refusal>,
    messages: Vec<InboundMessage>,
    settlements: &mut mpsc::Receiver<Settlement>,
) -> Vec<usize> {
    let mut counted = vec![];
    for message in messages {
        let before = counting::allocations();
        stack.ready().await.unwrap().call(message).await.ok();
        // The core's turn.
        if let Ok(Disposition::Carry(recorded)) = settlements.try_recv().unwrap().outcome {
            recorded.settle();
        }
        counted.push(counting::allocations().wrapping_sub(before));
    }
    counted
}

#[tokio::test]
async fn the_stages_allocate_little() {
    let (settled, mut settlements) = mpsc::channel(0);
    let inbox = Inbox::default();
    let mut stack = stack(&gate(1), settled, OnPoolLayer::inline(), inbox.service());
    let to =
        |to: u8| (0..100_u8).map(move |n| message(8, n.into(), sealed(7, to, n + 100 * (to - 1))));
    let others: Vec<_> = to(2).collect();
    let ours: Vec<_> = to(1).collect();
    let median = |mut counted: Vec<usize>| {
        counted.sort_unstable();
        counted[counted.len() / 2]
    };
    let carried = median(allocations(&mut stack, others.clone(), &mut settlements).await);
    let delivered = median(allocations(&mut stack, ours, &mut settlements).await);
    let again = median(allocations(&mut stack, others, &mut settlements).await);
    assert!(again <= 3, "{again} for a duplicate");
    assert!(carried <= 5, "{carried} for a message that is carried on");
    assert!(delivered <= 8, "{delivered} for a message that is delivered, with its decryption");
}
