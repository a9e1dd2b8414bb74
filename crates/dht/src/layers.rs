//! The stages of both pipelines as tower layers.

mod handler;
mod hands;
mod inbound;
mod outbound;
mod settle;

pub use self::handler::{DhtHandler, DhtHandlerLayer};
pub use self::inbound::{
    DecryptLayer, DedupLayer, DeserializeLayer, ForwardLayer, InboundLayer, InboundService,
    Opening, RateLimitLayer, RecordLayer, Screening, StoreLayer, ValidateLayer, VerifyLayer,
    WeighLayer,
};
pub use self::outbound::{
    Broadcast, BroadcastLayer, EncryptLayer, OutboundLayer, OutboundService, Replying,
    SerializeLayer,
};
pub use self::settle::{Settle, SettleLayer, Settlement, Settling};
