//! A v4 order in bytes: as many for each, one field after the other in the order of its JSON, numbers
//! with their lowest byte first.

use super::{LimitOrder, Signature, SignedOrder};
use crate::batch::BadBatch;
use crate::{Address, U256};

/// Bytes of every v4 order.
pub const RECORD_LEN: usize = 334;

impl SignedOrder {
    /// Adds the [`RECORD_LEN`] bytes of this order.
    pub fn write_record(&self, out: &mut Vec<u8>) {
        let Self { order, signature } = self;
        out.extend(order.chain_id.to_le_bytes());
        for Address(address) in [order.verifying_contract, order.maker_token, order.taker_token] {
            out.extend(address);
        }
        for amount in [order.maker_amount, order.taker_amount, order.taker_token_fee_amount] {
            out.extend(amount.to_le_bytes());
        }
        for Address(address) in [order.maker, order.taker, order.sender, order.fee_recipient] {
            out.extend(address);
        }
        out.extend(order.pool);
        out.extend(order.expiry.to_le_bytes());
        out.extend(order.salt.to_le_bytes::<32>());
        out.push(signature.kind);
        out.extend(signature.r);
        out.push(signature.v);
        out.extend(signature.s);
    }

    /// Reads what [`write_record`](Self::write_record) makes. There is one such record of an order.
    ///
    /// # Errors
    ///
    /// [`BadBatch`]: another length, or a chain that none can have.
    pub fn from_record(mut bytes: &[u8]) -> Result<Self, BadBatch> {
        let from = &mut bytes;
        let order = LimitOrder {
            chain_id: u64::from_le_bytes(take(from)?),
            verifying_contract: Address(take(from)?),
            maker_token: Address(take(from)?),
            taker_token: Address(take(from)?),
            maker_amount: u128::from_le_bytes(take(from)?),
            taker_amount: u128::from_le_bytes(take(from)?),
            taker_token_fee_amount: u128::from_le_bytes(take(from)?),
            maker: Address(take(from)?),
            taker: Address(take(from)?),
            sender: Address(take(from)?),
            fee_recipient: Address(take(from)?),
            pool: take(from)?,
            expiry: u64::from_le_bytes(take(from)?),
            salt: U256::from_le_bytes(take::<32>(from)?),
        };
        let [kind] = take(from)?;
        let r = take(from)?;
        let [v] = take(from)?;
        let s = take(from)?;
        if !from.is_empty() {
            return Err(BadBatch::Trailing { bytes: from.len() });
        }
        if order.chain_id == 0 || i64::try_from(order.chain_id).is_err() {
            return Err(BadBatch::ChainId);
        }
        Ok(Self { order, signature: Signature { kind, v, r, s } })
    }
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], BadBatch> {
    let (bytes, rest) = from.split_first_chunk().ok_or(BadBatch::Truncated)?;
    *from = rest;
    Ok(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Config, Generator};

    #[test]
    fn an_order_comes_back_from_its_record_and_nothing_else_does() {
        let mut made = Generator::new([3; 32], Config::default());
        for order in std::iter::repeat_with(|| made.limit_order()).take(20) {
            let mut record = Vec::new();
            order.write_record(&mut record);
            assert_eq!(record.len(), RECORD_LEN);
            assert_eq!(SignedOrder::from_record(&record), Ok(order));
            let short = &record[..RECORD_LEN - 1];
            assert_eq!(SignedOrder::from_record(short), Err(BadBatch::Truncated));
            let long = [&record[..], &[0]].concat();
            assert_eq!(SignedOrder::from_record(&long), Err(BadBatch::Trailing { bytes: 1 }));
            for chain_id in [0, 1 << 63, u64::MAX] {
                record[..8].copy_from_slice(&u64::to_le_bytes(chain_id));
                assert_eq!(SignedOrder::from_record(&record), Err(BadBatch::ChainId));
            }
        }
    }
}
