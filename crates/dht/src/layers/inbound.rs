//! The inbound stages, in their order; from the check of the signature on they are on the pool.

use std::sync::Arc;

use tower::Layer;
use transport::pool::PoolError;

use super::handler::{DhtHandler, DhtHandlerLayer};
use super::settle::{Settle, SettleLayer};
use crate::clock::Clock;
use crate::delivery::{Local, Unstored, forward, store};
use crate::envelope::Opener;
use crate::inbound::{
    Admitted, Decrypted, Disposition, Fresh, Gate, InboundMessage, Parsed, Recorded, Rules, Valid,
    Verified, Weighed, decrypt, deserialize, rate_limit, record, seen, validate, verify, weigh,
};
use crate::journal::Journal;
use crate::pipeline::{OnPool, OnPoolLayer, Stage, StageLayer, pass};
use crate::rates::Rates;
use crate::refusal::Refusal;
use crate::seen::Seen;

/// All stages of the inbound pipeline, for an application that takes
/// [`DhtInboundMessage`](crate::DhtInboundMessage)s.
#[derive(Clone, Debug)]
pub struct InboundLayer {
    pub(crate) settle: SettleLayer,
    pub(crate) gate: Gate,
    pub(crate) clock: Clock,
    pub(crate) pool: OnPoolLayer,
    pub(crate) journal: Journal,
}

/// The inbound pipeline in front of the application `S`.
pub type InboundService<S> = Settle<Screening<OnPool<Opening<DhtHandler<S>>>>>;

/// What is done where the pipeline runs: nothing in it takes longer than one hash of the message.
pub type Screening<S> = Stage<
    DeserializeLayer,
    Stage<WeighLayer, Stage<DedupLayer, Stage<ValidateLayer, Stage<RateLimitLayer, S>>>>,
>;

/// What is done on the pool.
pub type Opening<S> = Stage<
    VerifyLayer,
    Stage<DecryptLayer, Stage<RecordLayer, Stage<StoreLayer, Stage<ForwardLayer, S>>>>,
>;

impl<S> Layer<S> for InboundLayer {
    type Service = InboundService<S>;

    fn layer(&self, application: S) -> InboundService<S> {
        let Self { settle, gate, clock, pool, journal } = self;
        let handler = DhtHandlerLayer::journaled(journal.clone()).letting_go(settle.clone());
        let handled = handler.layer(application);
        let passed_on = StoreLayer::default().layer(ForwardLayer::default().layer(handled));
        let recorded = RecordLayer::new(gate.seen().clone()).layer(passed_on);
        let opened = DecryptLayer::new(Arc::clone(gate.opener())).layer(recorded);
        let on_pool = pool.layer(VerifyLayer::default().layer(opened));
        let limited = RateLimitLayer::new(gate.rates().clone()).layer(on_pool);
        let valid = ValidateLayer::new(*gate.rules()).layer(limited);
        let fresh = DedupLayer::new(gate.seen().clone()).layer(valid);
        let weighed = WeighLayer::new(gate.rates().clone(), clock.clone()).layer(fresh);
        settle.layer(DeserializeLayer::new(*gate.rules()).layer(weighed))
    }
}

/// Makes one of these stages.
type InboundStage<C, I, O> = StageLayer<C, I, O, Disposition, Refusal>;

/// Reads envelopes: [`deserialize`].
pub type DeserializeLayer = InboundStage<Rules, InboundMessage, Parsed>;

impl DeserializeLayer {
    /// Under these rules.
    pub const fn new(rules: Rules) -> Self {
        Self::of(rules, |rules, message| pass(deserialize(rules, message)))
    }
}

/// Takes bytes off what their links may bring: [`weigh`]. Reads the clock for all stages.
pub type WeighLayer = InboundStage<(Rates, Clock), Parsed, Weighed>;

impl WeighLayer {
    /// With these allowances, by this clock.
    pub const fn new(rates: Rates, clock: Clock) -> Self {
        Self::of((rates, clock), |(rates, clock), parsed| pass(weigh(rates, parsed, clock.read())))
    }
}

/// Refuses what came before, before anything dear is done with it: [`seen`].
pub type DedupLayer = InboundStage<Seen, Weighed, Fresh>;

impl DedupLayer {
    /// With this memory, in which [`RecordLayer`] enters what is verified.
    pub const fn new(memory: Seen) -> Self {
        Self::of(memory, |memory, parsed| pass(seen(memory, parsed)))
    }
}

/// Checks times, hops and what a message was brought for: [`validate`].
pub type ValidateLayer = InboundStage<Rules, Fresh, Valid>;

impl ValidateLayer {
    /// Under these rules.
    pub const fn new(rules: Rules) -> Self {
        Self::of(rules, |rules, fresh| pass(validate(rules, fresh)))
    }
}

/// Takes messages off what their links may bring: [`rate_limit`].
pub type RateLimitLayer = InboundStage<Rates, Valid, Admitted>;

impl RateLimitLayer {
    /// With these allowances.
    pub const fn new(rates: Rates) -> Self {
        Self::of(rates, |rates, valid| pass(rate_limit(rates, valid)))
    }
}

/// Checks the authors' signatures: [`verify`].
pub type VerifyLayer = InboundStage<(), Admitted, Verified>;

impl Default for VerifyLayer {
    fn default() -> Self {
        Self::of((), |(), admitted| pass(verify(admitted)))
    }
}

/// Opens what is for this node: [`decrypt`].
pub type DecryptLayer = InboundStage<Arc<Opener>, Verified, Decrypted>;

impl DecryptLayer {
    /// With this key.
    pub const fn new(opener: Arc<Opener>) -> Self {
        Self::of(opener, |opener, verified| pass(Ok(decrypt(opener, verified))))
    }
}

/// Enters what is verified: [`record`].
pub type RecordLayer = InboundStage<Seen, Decrypted, Recorded>;

impl RecordLayer {
    /// Into this memory.
    pub const fn new(memory: Seen) -> Self {
        Self::of(memory, |memory, decrypted| pass(record(memory, decrypted)))
    }
}

/// Takes out what is to be kept for others: [`store`].
pub type StoreLayer = InboundStage<(), Recorded, Unstored>;

impl Default for StoreLayer {
    fn default() -> Self {
        Self::of((), |(), recorded| store(recorded).map_break(Ok))
    }
}

/// Takes out what is to be carried on: [`forward`].
pub type ForwardLayer = InboundStage<(), Unstored, Local>;

impl Default for ForwardLayer {
    fn default() -> Self {
        Self::of((), |(), unstored| forward(unstored).map_break(Ok))
    }
}

impl From<PoolError> for Refusal {
    /// What is wrong is here, and may be right again when another brings the message.
    fn from(_: PoolError) -> Self {
        Self::Busy
    }
}
