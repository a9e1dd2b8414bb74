//! Which orders a node takes.

use machine::UnixTime;
use orders::v3::SignedOrder;
use orders::{Network, OrderHash, Refusal, SignatureCheck, SignatureKind};

use super::Wanted;
use crate::{Entry, Filter, Rejected, Validator};

/// Takes the orders of one network that its filter lets pass and that could be traded, as far as that
/// can be told without asking the chain: everything but balances, allowances and cancellations.
#[derive(Clone, Debug)]
pub struct Rules {
    network: Network,
    wanted: Wanted,
    accept_unverifiable: bool,
}

impl Rules {
    /// The code of an order whose filter does not let it pass.
    pub const UNMATCHED: &str = "filter";

    /// Takes what `wanted` lets pass of `network`.
    ///
    /// # Security
    /// With `accept_unverifiable`, orders are taken whose signature only a contract can check: anybody
    /// can make up any number of them.
    pub const fn new(network: Network, wanted: Wanted, accept_unverifiable: bool) -> Self {
        Self { network, wanted, accept_unverifiable }
    }

    fn check_one(&self, entry: &Entry<SignedOrder>, now: u64) -> Result<(), Rejected> {
        let signed = &*entry.item;
        signed.check(&self.network, now).map_err(rejected)?;
        if !self.wanted.matches(signed) {
            let detail = "order does not pass the filter of this node".to_owned();
            return Err(Rejected::Unwanted { code: Self::UNMATCHED, detail });
        }
        let hash = OrderHash(*entry.id.as_bytes());
        match signed.signature.check(&hash, &signed.order.maker) {
            SignatureCheck::Valid => Ok(()),
            SignatureCheck::Invalid(bad) => Err(rejected(bad.into())),
            SignatureCheck::NotCheckableOffline(_) if self.accept_unverifiable => Ok(()),
            SignatureCheck::NotCheckableOffline(kind) => {
                Err(rejected(Refusal::NotCheckableOffline { kind }))
            }
        }
    }
}

impl Validator<SignedOrder> for Rules {
    fn check(&self, items: &[Entry<SignedOrder>], now: UnixTime) -> Vec<Result<(), Rejected>> {
        let now = now.as_millis().div_euclid(1000);
        items.iter().map(|entry| self.check_one(entry, now)).collect()
    }

    fn is_still_wanted(&self, entry: &Entry<SignedOrder>) -> bool {
        let order = &entry.item.order;
        let Network { chain_id, exchange } = self.network;
        let kind = entry.item.signature.kind();
        let is_checkable = matches!(kind, Some(SignatureKind::Eip712 | SignatureKind::EthSign));
        order.chain_id == chain_id
            && order.exchange == exchange
            && (self.accept_unverifiable || is_checkable)
            && self.wanted.matches(&entry.item)
    }
}

/// Only what no node may have taken, whatever its network and its rules, counts against a peer.
pub(super) fn rejected(refusal: Refusal) -> Rejected {
    let (code, detail) = (refusal.code(), refusal.to_string());
    match refusal {
        Refusal::Expired { .. } => Rejected::Expired,
        Refusal::Signature(_) | Refusal::MakerAmount | Refusal::TakerAmount => {
            Rejected::Invalid { code, detail }
        }
        Refusal::ChainId { .. }
        | Refusal::Exchange { .. }
        | Refusal::TooLong { .. }
        | Refusal::Sender { .. }
        | Refusal::Taker { .. }
        | Refusal::MakerAsset(_)
        | Refusal::TakerAsset(_)
        | Refusal::MakerFeeAsset(_)
        | Refusal::TakerFeeAsset(_)
        | Refusal::Expiry
        | Refusal::NotCheckableOffline { .. } => Rejected::Unwanted { code, detail },
    }
}
