//! Which orders a node takes.

use std::sync::Arc;

use machine::UnixTime;
use orders::{Claim, Network, OrderHash, Refusal, SignatureCheck, SignatureKind, Verifier};

use super::{Order, Wanted};
use crate::{Entry, Filter, Rejected, Validator};

/// Takes the orders of one network that its filter lets pass and that could be traded, as far as that
/// can be told without asking the chain: everything but balances, allowances and cancellations.
///
/// Signatures are checked together, and the keys of makers are remembered: [`Verifier`] says how, and
/// what an attacker gains by that. Clones share the keys.
#[derive(Clone, Debug)]
pub struct Rules {
    network: Network,
    wanted: Wanted,
    accept_unverifiable: bool,
    verifier: Arc<Verifier>,
}

impl Rules {
    /// The code of an order whose filter does not let it pass.
    pub const UNMATCHED: &str = "filter";

    /// Takes what `wanted` lets pass of the v3 orders of `network`, and of the v4 orders of the network
    /// that it names itself.
    ///
    /// # Security
    /// With `accept_unverifiable`, orders are taken whose signature only a contract can check: anybody
    /// can make up any number of them.
    pub fn new(network: Network, wanted: Wanted, accept_unverifiable: bool) -> Self {
        Self { network, wanted, accept_unverifiable, verifier: Arc::default() }
    }

    /// Everything but the signature.
    fn terms(&self, entry: &Entry<Order>, now: u64) -> Result<(), Rejected> {
        match (&*entry.item, self.wanted.v4()) {
            (Order::V3(signed), _) => signed.check(&self.network, now).map_err(rejected)?,
            (Order::V4(signed), Some(network)) => signed.check(&network, now).map_err(rejected)?,
            (Order::V4(_), None) => {
                return Err(unmatched("is of version 4, of which this node takes none"));
            }
        }
        if self.wanted.matches(&entry.item) {
            Ok(())
        } else {
            Err(unmatched("does not pass the filter of this node"))
        }
    }

    fn signature(&self, checked: SignatureCheck) -> Result<(), Rejected> {
        match checked {
            SignatureCheck::Valid => Ok(()),
            SignatureCheck::Invalid(bad) => Err(rejected(bad.into())),
            SignatureCheck::NotCheckableOffline(_) if self.accept_unverifiable => Ok(()),
            SignatureCheck::NotCheckableOffline(kind) => {
                Err(rejected(Refusal::NotCheckableOffline { kind }))
            }
        }
    }
}

impl Validator<Order> for Rules {
    fn check(&self, items: &[Entry<Order>], now: UnixTime) -> Vec<Result<(), Rejected>> {
        let now = now.as_millis().div_euclid(1000);
        let terms: Vec<_> = items.iter().map(|entry| self.terms(entry, now)).collect();
        let open = items.iter().zip(&terms).filter(|(_, terms)| terms.is_ok());
        let claims: Vec<_> = open.map(|(entry, _)| claim(entry)).collect();
        let mut checks = self.verifier.check(&claims).into_iter();
        let mut signature = || match checks.next() {
            Some(checked) => self.signature(checked),
            None => Err(Rejected::Later { reason: "the check was lost".to_owned() }),
        };
        terms.into_iter().map(|terms| terms.and_then(|()| signature())).collect()
    }

    fn is_still_wanted(&self, entry: &Entry<Order>) -> bool {
        let of_today = match &*entry.item {
            Order::V3(signed) => {
                let kind = signed.signature.kind();
                let Network { chain_id, exchange } = self.network;
                let is_checkable =
                    matches!(kind, Some(SignatureKind::Eip712 | SignatureKind::EthSign));
                signed.order.chain_id == chain_id
                    && signed.order.exchange == exchange
                    && (self.accept_unverifiable || is_checkable)
            }
            Order::V4(_) => self.wanted.v4().is_some(),
        };
        of_today && self.wanted.matches(&entry.item)
    }
}

fn claim(entry: &Entry<Order>) -> Claim {
    let hash = OrderHash(*entry.id.as_bytes());
    match &*entry.item {
        Order::V3(signed) => signed.signature.claim(&hash, &signed.order.maker),
        Order::V4(signed) => signed.signature.claim(&hash, &signed.order.maker),
    }
}

fn unmatched(problem: &str) -> Rejected {
    Rejected::Unwanted { code: Rules::UNMATCHED, detail: format!("order {problem}") }
}

/// Only what no node may have taken, whatever its network and its rules, counts against a peer.
fn rejected(refusal: Refusal) -> Rejected {
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
