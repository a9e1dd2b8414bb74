//! The fields of an order as a schema sees them: one integer, and texts.

use std::cell::OnceCell;
use std::fmt;

use crate::v3::SignedOrder;
use crate::{AssetData, ORDER_LEN_MAX, decimal, hex};

/// A field of a signed v3 order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Field {
    ChainId,
    Text(Text),
}

/// A field that is text in JSON: an address, bytes, or a whole number in decimal.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Text {
    Exchange,
    Maker,
    MakerAssetData,
    MakerFeeAssetData,
    MakerAssetAmount,
    MakerFee,
    Taker,
    TakerAssetData,
    TakerFeeAssetData,
    TakerAssetAmount,
    TakerFee,
    Sender,
    FeeRecipient,
    Expiration,
    Salt,
    Signature,
}

/// How many fields are text.
pub(super) const TEXTS: usize = 16;

const TEXT_NAMES: [(&str, Text); TEXTS] = [
    ("exchangeAddress", Text::Exchange),
    ("makerAddress", Text::Maker),
    ("makerAssetData", Text::MakerAssetData),
    ("makerFeeAssetData", Text::MakerFeeAssetData),
    ("makerAssetAmount", Text::MakerAssetAmount),
    ("makerFee", Text::MakerFee),
    ("takerAddress", Text::Taker),
    ("takerAssetData", Text::TakerAssetData),
    ("takerFeeAssetData", Text::TakerFeeAssetData),
    ("takerAssetAmount", Text::TakerAssetAmount),
    ("takerFee", Text::TakerFee),
    ("senderAddress", Text::Sender),
    ("feeRecipientAddress", Text::FeeRecipient),
    ("expirationTimeSeconds", Text::Expiration),
    ("salt", Text::Salt),
    ("signature", Text::Signature),
];

const CHAIN_ID: &str = "chainId";

impl Field {
    /// Every field with its name. An order has all of them and no other.
    pub(super) fn all() -> impl Iterator<Item = (&'static str, Self)> {
        let texts = TEXT_NAMES.into_iter().map(|(name, text)| (name, Self::Text(text)));
        std::iter::once((CHAIN_ID, Self::ChainId)).chain(texts)
    }

    /// The field of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::all().find(|(known, _)| *known == name).map(|(_, field)| field)
    }
}

impl Text {
    /// Letters that it may have.
    pub(super) fn length_max(self) -> usize {
        match self {
            Self::Exchange | Self::Maker | Self::Taker | Self::Sender | Self::FeeRecipient => 42,
            Self::MakerAssetAmount
            | Self::MakerFee
            | Self::TakerAssetAmount
            | Self::TakerFee
            | Self::Expiration
            | Self::Salt => 78,
            Self::MakerAssetData
            | Self::MakerFeeAssetData
            | Self::TakerAssetData
            | Self::TakerFeeAssetData
            | Self::Signature => ORDER_LEN_MAX,
        }
    }

    /// Letters that it has in an order, or, of those that cannot be long, may have.
    pub(super) fn length_in(self, signed: &SignedOrder) -> usize {
        let order = &signed.order;
        let data = |data: &AssetData| data.with_bytes(<[u8]>::len);
        let bytes = match self {
            Self::MakerAssetData => data(&order.maker_asset_data),
            Self::MakerFeeAssetData => data(&order.maker_fee_asset_data),
            Self::TakerAssetData => data(&order.taker_asset_data),
            Self::TakerFeeAssetData => data(&order.taker_fee_asset_data),
            Self::Signature => signed.signature.as_bytes().len(),
            Self::Exchange
            | Self::Maker
            | Self::MakerAssetAmount
            | Self::MakerFee
            | Self::Taker
            | Self::TakerAssetAmount
            | Self::TakerFee
            | Self::Sender
            | Self::FeeRecipient
            | Self::Expiration
            | Self::Salt => return self.length_max(),
        };
        // 0x, and two digits for each byte.
        bytes.saturating_mul(2).saturating_add(2)
    }

    fn index(self) -> usize {
        TEXT_NAMES.iter().position(|(_, text)| *text == self).unwrap_or(TEXTS)
    }

    /// The field as canonical JSON has it, without the quotes: nothing in it needs an escape.
    fn of(self, signed: &SignedOrder) -> String {
        let order = &signed.order;
        let mut out = String::new();
        let written = match self {
            Self::Exchange => hex::write(&order.exchange.0, &mut out),
            Self::Maker => hex::write(&order.maker.0, &mut out),
            Self::MakerAssetData => data(&order.maker_asset_data, &mut out),
            Self::MakerFeeAssetData => data(&order.maker_fee_asset_data, &mut out),
            Self::MakerAssetAmount => decimal::write(&order.maker_asset_amount, &mut out),
            Self::MakerFee => decimal::write(&order.maker_fee, &mut out),
            Self::Taker => hex::write(&order.taker.0, &mut out),
            Self::TakerAssetData => data(&order.taker_asset_data, &mut out),
            Self::TakerFeeAssetData => data(&order.taker_fee_asset_data, &mut out),
            Self::TakerAssetAmount => decimal::write(&order.taker_asset_amount, &mut out),
            Self::TakerFee => decimal::write(&order.taker_fee, &mut out),
            Self::Sender => hex::write(&order.sender.0, &mut out),
            Self::FeeRecipient => hex::write(&order.fee_recipient.0, &mut out),
            Self::Expiration => decimal::write(&order.expiration_time_seconds, &mut out),
            Self::Salt => decimal::write(&order.salt, &mut out),
            Self::Signature => hex::write(signed.signature.as_bytes(), &mut out),
        };
        debug_assert!(written.is_ok(), "a String takes all text");
        out
    }
}

fn data(data: &AssetData, out: &mut String) -> fmt::Result {
    data.with_bytes(|bytes| hex::write(bytes, out))
}

/// One order while it is checked: each text is written once, and only if a check asks for it.
#[derive(Debug)]
pub(super) struct View<'a> {
    order: &'a SignedOrder,
    texts: [OnceCell<String>; TEXTS],
}

impl<'a> View<'a> {
    pub(super) fn new(order: &'a SignedOrder) -> Self {
        Self { order, texts: [const { OnceCell::new() }; TEXTS] }
    }

    pub(super) fn text(&self, text: Text) -> &str {
        self.texts
            .get(text.index())
            .map_or("", |cell| cell.get_or_init(|| text.of(self.order)).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_canonical_json() {
        let line = crate::sample::SAMPLE_V3.lines().next().unwrap();
        let order = SignedOrder::from_json(line).unwrap();
        let json: serde_json::Value = serde_json::from_str(&order.to_json()).unwrap();
        let json = json.as_object().unwrap();
        assert_eq!(json.len(), Field::all().count());
        let view = View::new(&order);
        for (name, field) in Field::all() {
            match field {
                Field::ChainId => assert_eq!(json[name], order.order.chain_id),
                Field::Text(text) => {
                    assert_eq!(json[name], view.text(text), "{name}");
                    let len = view.text(text).len();
                    assert!(len <= text.length_in(&order), "{name}");
                    assert!(text.length_in(&order) <= text.length_max(), "{name}");
                }
            }
        }
    }
}
