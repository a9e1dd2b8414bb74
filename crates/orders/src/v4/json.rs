//! The JSON of a v4 order, flat: the parts of the signature stand beside the fields.

use std::fmt;

use super::{LimitOrder, Signature, SignedOrder};
use crate::OrderError;
use crate::json::{Reader, Writer};

/// The keys as 0x-Mesh writes them, in its order; that of the fields read and written below.
const KEYS: [&str; 18] = [
    "chainId",
    "verifyingContract",
    "makerToken",
    "takerToken",
    "makerAmount",
    "takerAmount",
    "takerTokenFeeAmount",
    "maker",
    "taker",
    "sender",
    "feeRecipient",
    "pool",
    "expiry",
    "salt",
    "signatureType",
    "signatureR",
    "signatureV",
    "signatureS",
];

pub(super) fn read(json: &[u8]) -> Result<SignedOrder, OrderError> {
    let mut fields = Reader::new(json, &KEYS)?;
    let order = LimitOrder {
        chain_id: fields.chain_id()?,
        verifying_contract: fields.address()?,
        maker_token: fields.address()?,
        taker_token: fields.address()?,
        maker_amount: fields.small(128)?,
        taker_amount: fields.small(128)?,
        taker_token_fee_amount: fields.small(128)?,
        maker: fields.address()?,
        taker: fields.address()?,
        sender: fields.address()?,
        fee_recipient: fields.address()?,
        pool: fields.array()?,
        expiry: fields.small(64)?,
        salt: fields.number()?,
    };
    let kind = fields.small(8)?;
    let r = fields.array()?;
    let v = fields.small(8)?;
    let s = fields.array()?;
    Ok(SignedOrder { order, signature: Signature { kind, v, r, s } })
}

pub(super) fn write(signed: &SignedOrder, out: &mut impl fmt::Write) -> fmt::Result {
    let SignedOrder { order, signature } = signed;
    let mut fields = Writer::new(&KEYS, out);
    fields.bare(order.chain_id)?;
    fields.address(&order.verifying_contract)?;
    fields.address(&order.maker_token)?;
    fields.address(&order.taker_token)?;
    fields.small(order.maker_amount)?;
    fields.small(order.taker_amount)?;
    fields.small(order.taker_token_fee_amount)?;
    fields.address(&order.maker)?;
    fields.address(&order.taker)?;
    fields.address(&order.sender)?;
    fields.address(&order.fee_recipient)?;
    fields.bytes(&order.pool)?;
    fields.small(order.expiry.into())?;
    fields.number(&order.salt)?;
    fields.small(signature.kind.into())?;
    fields.bytes(&signature.r)?;
    fields.small(signature.v.into())?;
    fields.bytes(&signature.s)?;
    fields.end()
}
