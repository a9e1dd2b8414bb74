//! The JSON of a v3 order.

use std::fmt;

use super::{Order, Signature, SignedOrder};
use crate::OrderError;
use crate::json::{Reader, Writer};

/// The keys as 0x-Mesh writes them, in its order; that of the fields read and written below.
const KEYS: [&str; 17] = [
    "chainId",
    "exchangeAddress",
    "makerAddress",
    "makerAssetData",
    "makerFeeAssetData",
    "makerAssetAmount",
    "makerFee",
    "takerAddress",
    "takerAssetData",
    "takerFeeAssetData",
    "takerAssetAmount",
    "takerFee",
    "senderAddress",
    "feeRecipientAddress",
    "expirationTimeSeconds",
    "salt",
    "signature",
];

pub(super) fn read(json: &[u8]) -> Result<SignedOrder, OrderError> {
    let mut fields = Reader::new(json, &KEYS)?;
    let order = Order {
        chain_id: fields.chain_id()?,
        exchange: fields.address()?,
        maker: fields.address()?,
        maker_asset_data: fields.bytes()?.into(),
        maker_fee_asset_data: fields.bytes()?.into(),
        maker_asset_amount: fields.number()?,
        maker_fee: fields.number()?,
        taker: fields.address()?,
        taker_asset_data: fields.bytes()?.into(),
        taker_fee_asset_data: fields.bytes()?.into(),
        taker_asset_amount: fields.number()?,
        taker_fee: fields.number()?,
        sender: fields.address()?,
        fee_recipient: fields.address()?,
        expiration_time_seconds: fields.number()?,
        salt: fields.number()?,
    };
    Ok(SignedOrder { order, signature: Signature::from(fields.bytes()?) })
}

pub(super) fn write(signed: &SignedOrder, out: &mut impl fmt::Write) -> fmt::Result {
    let SignedOrder { order, signature } = signed;
    let mut fields = Writer::new(&KEYS, out);
    fields.bare(order.chain_id)?;
    fields.address(&order.exchange)?;
    fields.address(&order.maker)?;
    order.maker_asset_data.with_bytes(|bytes| fields.bytes(bytes))?;
    order.maker_fee_asset_data.with_bytes(|bytes| fields.bytes(bytes))?;
    fields.number(&order.maker_asset_amount)?;
    fields.number(&order.maker_fee)?;
    fields.address(&order.taker)?;
    order.taker_asset_data.with_bytes(|bytes| fields.bytes(bytes))?;
    order.taker_fee_asset_data.with_bytes(|bytes| fields.bytes(bytes))?;
    fields.number(&order.taker_asset_amount)?;
    fields.number(&order.taker_fee)?;
    fields.address(&order.sender)?;
    fields.address(&order.fee_recipient)?;
    fields.number(&order.expiration_time_seconds)?;
    fields.number(&order.salt)?;
    fields.bytes(signature.as_bytes())?;
    fields.end()
}
