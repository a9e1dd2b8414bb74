//! The checks that orders of both versions share.

use crate::network::FLASH_WALLET;
use crate::{Address, Claim, Network, OrderHash, Refusal, SignatureCheck, Verifier};

/// Whether an order is for `network`.
pub(crate) fn network(chain_id: u64, exchange: Address, network: &Network) -> Result<(), Refusal> {
    if chain_id != network.chain_id {
        return Err(Refusal::ChainId { chain_id, expected: network.chain_id });
    }
    if exchange != network.exchange {
        return Err(Refusal::Exchange { exchange, expected: network.exchange });
    }
    Ok(())
}

/// Whether anybody can trade an order.
pub(crate) fn open(sender: Address, taker: Address) -> Result<(), Refusal> {
    if !sender.is_zero() {
        return Err(Refusal::Sender { sender });
    }
    if !taker.is_zero() && taker != FLASH_WALLET {
        return Err(Refusal::Taker { taker });
    }
    Ok(())
}

/// Whether an order has not ended, `now` in seconds of Unix time.
pub(crate) fn expiry<T>(expiry: T, now: u64) -> Result<(), Refusal>
where
    i64: TryFrom<T>,
{
    let expiry = i64::try_from(expiry).map_err(|_| Refusal::Expiry)?;
    let expiry = u64::try_from(expiry).map_err(|_| Refusal::Expiry)?;
    if expiry > now { Ok(()) } else { Err(Refusal::Expired { expiry, now }) }
}

/// Whether a signature holds, by what its check said.
pub(crate) fn signed(check: SignatureCheck) -> Result<(), Refusal> {
    match check {
        SignatureCheck::Valid => Ok(()),
        SignatureCheck::Invalid(bad) => Err(bad.into()),
        SignatureCheck::NotCheckableOffline(kind) => Err(Refusal::NotCheckableOffline { kind }),
    }
}

/// Which of many orders hold, by what their claims come to.
pub(crate) fn signed_together(
    orders: Vec<Result<(OrderHash, Claim), Refusal>>,
) -> Vec<Result<OrderHash, Refusal>> {
    let claims: Vec<_> = orders.iter().flatten().map(|(_, claim)| *claim).collect();
    let mut checks = Verifier::new().check(&claims).into_iter();
    let mut signed = |(hash, claim): (OrderHash, Claim)| {
        signed(checks.next().unwrap_or_else(|| claim.check())).map(|()| hash)
    };
    orders.into_iter().map(|order| order.and_then(&mut signed)).collect()
}
