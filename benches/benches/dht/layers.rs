//! What the stages cost that are around the cryptography, beside one verification.
//!
//! The inbound pipeline is cut where its cryptography is: once the layers before it, with a stage that
//! does nothing in the place of each that verifies or decrypts; once those behind it, fed with what was
//! decrypted before. The hash by which a message is known is in the first half and taken off.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use dht::{
    Addressed, Admitted, BroadcastLayer, Clock, Decrypted, DedupLayer, DeserializeLayer,
    DhtHandlerLayer, DhtOutboundError, DhtOutboundRequest, Dispatch, Disposition, Envelope,
    ForwardLayer, Gate, InboundMessage, OnPoolLayer, RateLimitLayer, RecordLayer, Refusal,
    SettleLayer, SinkMiddleware, StageLayer, StoreLayer, ValidateLayer, WeighLayer, decrypt,
    deserialize, rate_limit, seen, validate, verify, weigh,
};
use futures::channel::mpsc;
use futures::executor::block_on;
use futures::future::ready;
use futures::{FutureExt as _, StreamExt as _};
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};

use crate::primitives::Primitives;
use crate::town::{
    CARRIER, End, Inbound, RECIPIENT, SENDER, application, brought, gate, network, outbound,
    params, peer, requests,
};
use crate::{Best, Failure, report_ratio};

/// Messages in one turn: short work, so more of it.
const MESSAGES: u32 = 100;

/// The same for long ones: as many as a cache holds.
const LONG_MESSAGES: u32 = 20;

/// A stage that hands on what it is given.
fn nothing<T, R, E>() -> StageLayer<(), T, T, R, E> {
    StageLayer::of((), |(), it| ControlFlow::Continue(it))
}

/// The layers before the cryptography.
fn before(
    gate: &Gate,
) -> Inbound<impl Service<InboundMessage, Response = (), Error = Refusal> + use<>> {
    let (clock, (settled, end)) = (Clock::system(), End::new());
    let service = ServiceBuilder::new()
        .layer(SettleLayer::new(settled))
        .layer(DeserializeLayer::new(*gate.rules()))
        .layer(WeighLayer::new(gate.rates().clone(), clock))
        .layer(DedupLayer::new(gate.seen().clone()))
        .layer(ValidateLayer::new(*gate.rules()))
        .layer(RateLimitLayer::new(gate.rates().clone()))
        .layer(OnPoolLayer::inline())
        .layer(nothing::<Admitted, Disposition, Refusal>())
        .layer(nothing::<Admitted, Disposition, Refusal>())
        .service(service_fn(|_: Admitted| ready(Ok::<_, Refusal>(Disposition::Unreadable))));
    Inbound::of(service, end)
}

/// The layers behind the cryptography.
fn behind(gate: &Gate) -> impl Service<Decrypted, Response = Disposition, Error = Refusal> + use<> {
    ServiceBuilder::new()
        .layer(RecordLayer::new(gate.seen().clone()))
        .layer(StoreLayer::default())
        .layer(ForwardLayer::default())
        .layer(DhtHandlerLayer::default())
        .service(application())
}

/// What comes out of the cryptography.
fn decrypted(gate: &Gate, message: InboundMessage, clock: &Clock) -> Result<Decrypted, Refusal> {
    let weighed = weigh(gate.rates(), deserialize(gate.rules(), message)?, clock.read())?;
    let fresh = seen(gate.seen(), weighed)?;
    let valid = validate(gate.rules(), fresh)?;
    let verified = verify(rate_limit(gate.rates(), valid)?)?;
    Ok(decrypt(gate.opener(), verified))
}

/// Hands these over, and counts those that are delivered, or carried and settled as a core does.
fn hand<S>(service: &mut S, all: Vec<Decrypted>) -> usize
where
    S: Service<Decrypted, Response = Disposition, Error = Refusal>,
{
    block_on(async {
        let mut count = 0;
        for decrypted in all {
            let Ok(service) = service.ready().await else { return count };
            match service.call(decrypted).await {
                Ok(Disposition::Carry(recorded)) => recorded.settle(),
                Ok(Disposition::Delivered { .. }) => {}
                Ok(_) | Err(_) => continue,
            }
            count += 1;
        }
        count
    })
}

/// The outbound layers: both ends, and stages that do nothing between them.
fn around() -> Result<
    (
        impl Service<DhtOutboundRequest, Response = (), Error = DhtOutboundError>,
        mpsc::Receiver<Addressed>,
    ),
    Failure,
> {
    let (sink, sent) = mpsc::channel(1);
    let service = ServiceBuilder::new()
        .layer(BroadcastLayer::new(Arc::new(params()?), peer(SENDER)?, Clock::system()))
        .layer(OnPoolLayer::inline())
        .layer(nothing::<Addressed, (), DhtOutboundError>())
        .layer(nothing::<Addressed, (), DhtOutboundError>())
        .service(SinkMiddleware::new(sink));
    Ok((service, sent))
}

/// One node: its two halves, and their times.
struct Halves<A, B> {
    gate: Gate,
    before: Inbound<A>,
    behind: B,
    times: [Best; 2],
}

fn halves(
    number: u8,
) -> Result<
    Halves<
        impl Service<InboundMessage, Response = (), Error = Refusal>,
        impl Service<Decrypted, Response = Disposition, Error = Refusal>,
    >,
    Failure,
> {
    let gate = gate(number)?;
    let (before, behind) = (before(&gate), behind(&gate));
    Ok(Halves { gate, before, behind, times: [Best::NONE; 2] })
}

impl<A, B> Halves<A, B>
where
    A: Service<InboundMessage, Response = (), Error = Refusal>,
    B: Service<Decrypted, Response = Disposition, Error = Refusal>,
{
    fn turn(&mut self, sealed: &[Dispatch], clock: &Clock) -> Result<(), Failure> {
        let [first, second] = &mut self.times;
        let messages = brought(sealed)?;
        let count = first.time(|| self.before.take(messages, Result::is_ok));
        let opened = brought(sealed)?.into_iter().map(|it| decrypted(&self.gate, it, clock));
        let opened = opened.collect::<Result<Vec<_>, _>>()?;
        let passed = second.time(|| hand(&mut self.behind, opened));
        if [count, passed] == [sealed.len(); 2] {
            return Ok(());
        }
        Err(format!("{count} and {passed} of {} messages passed", sealed.len()).into())
    }

    /// Both, without the hash.
    fn whole(&self, hash: Best) -> Best {
        let [first, second] = self.times;
        first.minus(hash).plus(second)
    }
}

pub(crate) fn run(payload: usize, turns: u32) -> Result<(), Failure> {
    let messages = if payload < dht::PAYLOAD_MAX { MESSAGES } else { LONG_MESSAGES };
    let (content, clock, network) = (Bytes::from(vec![7; payload]), Clock::system(), network()?);
    let mut sender = outbound()?;
    let (mut recipient, mut carrier) = (halves(RECIPIENT)?, halves(CARRIER)?);
    let (mut sending, mut sent) = around()?;
    let primitives = Primitives::new(payload)?;
    let [mut hash, mut verified, mut passed] = [Best::NONE; 3];
    for turn in 0..turns {
        let first = u64::from(turn * messages);
        let mut sealed = Vec::new();
        sender.send(requests(first, messages, &content)?, &mut sealed)?;
        recipient.turn(&sealed, &clock)?;
        carrier.turn(&sealed, &clock)?;
        let envelopes: Vec<Envelope> = sealed.iter().map(|it| it.envelope().clone()).collect();
        hash.time(|| {
            for envelope in &envelopes {
                black_box(black_box(envelope).identify(&network));
            }
        });
        let held = verified.time(|| (0..messages).filter(|_| primitives.verify()).count());
        let asked = requests(first, messages, &content)?;
        let count = passed.time(|| {
            block_on(async {
                let mut count = 0;
                for request in asked {
                    let Ok(service) = sending.ready().await else { return count };
                    let called = service.call(request).await;
                    let left = sent.next().now_or_never().flatten();
                    count += usize::from(called.is_ok() && black_box(left).is_some());
                }
                count
            })
        });
        if [held, count] != [sealed.len(); 2] {
            return Err(format!("{held} verified and {count} sent of {}", sealed.len()).into());
        }
    }
    let rows = [
        ("outbound", passed),
        ("inbound", recipient.whole(hash)),
        ("carried", carrier.whole(hash)),
    ];
    for (name, ours) in rows {
        let ratio = ours.0.as_secs_f64() / verified.0.as_secs_f64();
        let [ours, verified, hash] = [ours, verified, hash].map(|best| best.0 / messages);
        let details = format!(
            "ours {ours:.1?}, aim 0.025; one Ed25519 verification {verified:.1?}; the hash, which is \
             not counted, {hash:.1?}"
        );
        report_ratio(&format!("layers/{name}/{payload}"), ratio, &details);
    }
    Ok(())
}
