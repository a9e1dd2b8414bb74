//! Orders of version 3 of the protocol.

mod json;
mod signature;

use std::fmt;

pub use self::signature::Signature;
use crate::domain::Domain;
use crate::keccak::{Word, keccak256, number};
use crate::{
    Address, AssetData, Network, ORDER_LEN_MAX, OrderError, OrderHash, Refusal, SignatureCheck,
    Signing, U256, Version, check,
};

/// `Order(address makerAddress,…,bytes takerFeeAssetData)`, hashed.
const TYPE_HASH: Word = [
    0xf8, 0x03, 0x22, 0xeb, 0x83, 0x76, 0xaa, 0xfb, 0x64, 0xea, 0xdf, 0x8f, 0x0d, 0x76, 0x23, 0xf2,
    0x21, 0x30, 0xfd, 0x94, 0x91, 0xa2, 0x21, 0xe9, 0x02, 0xb7, 0x13, 0xcb, 0x98, 0x4a, 0x75, 0x34,
];

/// What a maker offers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Order {
    /// The chain, 1 to 2⁶³ − 1.
    pub chain_id: u64,
    /// The contract that trades it.
    pub exchange: Address,
    /// Who offers.
    pub maker: Address,
    /// Who may take; [`Address::ZERO`] for anybody.
    pub taker: Address,
    /// Who may bring it to the exchange; [`Address::ZERO`] for anybody.
    pub sender: Address,
    /// Who gets the fees.
    pub fee_recipient: Address,
    /// How much is offered, in base units.
    pub maker_asset_amount: U256,
    /// How much is asked, in base units.
    pub taker_asset_amount: U256,
    /// What the maker pays for the whole trade, in base units.
    pub maker_fee: U256,
    /// What the taker pays for the whole trade, in base units.
    pub taker_fee: U256,
    /// When it ends, in seconds of Unix time.
    pub expiration_time_seconds: U256,
    /// What tells it from other orders that say the same.
    pub salt: U256,
    /// What is offered.
    pub maker_asset_data: AssetData,
    /// What is asked.
    pub taker_asset_data: AssetData,
    /// What the maker pays in.
    pub maker_fee_asset_data: AssetData,
    /// What the taker pays in.
    pub taker_fee_asset_data: AssetData,
}

impl Order {
    /// The EIP-712 hash of the fields, without the domain.
    fn struct_hash(&self) -> Word {
        let words = [
            TYPE_HASH,
            self.maker.to_word(),
            self.taker.to_word(),
            self.fee_recipient.to_word(),
            self.sender.to_word(),
            number(&self.maker_asset_amount),
            number(&self.taker_asset_amount),
            number(&self.maker_fee),
            number(&self.taker_fee),
            number(&self.expiration_time_seconds),
            number(&self.salt),
            self.maker_asset_data.keccak256(),
            self.taker_asset_data.keccak256(),
            self.maker_fee_asset_data.keccak256(),
            self.taker_fee_asset_data.keccak256(),
        ];
        keccak256(words.as_flattened())
    }

    /// The hash by which it is known. The separator of its domain is remembered.
    pub fn hash(&self) -> OrderHash {
        let domain =
            Domain { version: Version::V3, chain_id: self.chain_id, contract: self.exchange };
        domain.order_hash(&self.struct_hash())
    }

    /// Signs it, with the key of its maker.
    pub fn sign(self, how: Signing, key: &secp256k1::SecretKey) -> SignedOrder {
        let signature = Signature::sign(how, &self.hash(), key);
        SignedOrder { order: self, signature }
    }
}

/// An order and the proof that its maker wants it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedOrder {
    /// What is offered.
    pub order: Order,
    /// The proof.
    pub signature: Signature,
}

impl SignedOrder {
    /// Reads JSON.
    ///
    /// Strict: whatever a lenient reader would have repaired is refused with the name of the field.
    /// Hexadecimal digits may be of either case, and keys that no order has are passed over; neither
    /// comes back in [`SignedOrder::to_json`].
    ///
    /// # Bounds
    ///
    /// Twice [`ORDER_LEN_MAX`] bytes as received, [`ORDER_LEN_MAX`] as written.
    ///
    /// # Errors
    ///
    /// [`OrderError`].
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Self, OrderError> {
        let json = json.as_ref();
        let order = json::read(json)?;
        crate::json::bound(json.len(), || order.json_len())?;
        Ok(order)
    }

    /// The JSON that 0x-Mesh writes of this order, byte for byte.
    pub fn to_json(&self) -> String {
        crate::json::text(|out| self.write_json(out))
    }

    /// Writes what [`SignedOrder::to_json`] returns.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_json(&self, out: &mut impl fmt::Write) -> fmt::Result {
        json::write(self, out)
    }

    /// The length in bytes of [`SignedOrder::to_json`], which is not made.
    pub fn json_len(&self) -> usize {
        crate::json::len(|out| self.write_json(out))
    }

    /// The hash of the order.
    pub fn hash(&self) -> OrderHash {
        self.order.hash()
    }

    /// Whether the maker signed this order.
    pub fn signature_check(&self) -> SignatureCheck {
        self.signature.check(&self.hash(), &self.order.maker)
    }

    /// Whether the order is one that this network trades at `now`, in seconds of Unix time. Does
    /// not look at the signature, and cannot know whether the maker has what is offered.
    ///
    /// # Errors
    ///
    /// [`Refusal`], the first that applies.
    pub fn check(&self, network: &Network, now: u64) -> Result<(), Refusal> {
        let order = &self.order;
        check::network(order.chain_id, order.exchange, network)?;
        check::open(order.sender, order.taker)?;
        if order.maker_asset_amount.is_zero() {
            return Err(Refusal::MakerAmount);
        }
        if order.taker_asset_amount.is_zero() {
            return Err(Refusal::TakerAmount);
        }
        check::expiry(order.expiration_time_seconds, now)?;
        self.check_len()?;
        order.maker_asset_data.decode().map_err(Refusal::MakerAsset)?;
        order.taker_asset_data.decode().map_err(Refusal::TakerAsset)?;
        let fee = |amount: &U256, data: &AssetData| {
            let pays = !amount.is_zero() && !data.is_empty();
            if pays { data.decode().map(|_| ()) } else { Ok(()) }
        };
        fee(&order.maker_fee, &order.maker_fee_asset_data).map_err(Refusal::MakerFeeAsset)?;
        fee(&order.taker_fee, &order.taker_fee_asset_data).map_err(Refusal::TakerFeeAsset)
    }

    /// Whether the order is short enough to be passed on.
    fn check_len(&self) -> Result<(), Refusal> {
        let order = &self.order;
        let data = [
            &order.maker_asset_data,
            &order.taker_asset_data,
            &order.maker_fee_asset_data,
            &order.taker_fee_asset_data,
        ];
        let bytes =
            data.iter().map(|data| data.len()).fold(self.signature.len(), usize::saturating_add);
        // All else takes 1,300 bytes at most, so that only odd orders are measured.
        if bytes <= ORDER_LEN_MAX / 4 {
            return Ok(());
        }
        match self.json_len() {
            len if len > ORDER_LEN_MAX => Err(Refusal::TooLong { len }),
            _ => Ok(()),
        }
    }

    /// Both: whether the network trades it, and whether its maker signed it.
    ///
    /// # Errors
    ///
    /// [`Refusal`]. What only the chain can check is refused as
    /// [`Refusal::NotCheckableOffline`], after everything else has been found good.
    pub fn verify(&self, network: &Network, now: u64) -> Result<OrderHash, Refusal> {
        self.check(network, now)?;
        let hash = self.hash();
        check::signed(self.signature.check(&hash, &self.order.maker))?;
        Ok(hash)
    }
}

/// [`SignedOrder::verify`] for each of `orders`, in their order.
///
/// Takes 10 to 50 µs for each, the less the fewer makers there are, on the thread of the caller, who
/// cuts a long list into parts for several threads, and keeps a [`crate::Verifier`] if there will be
/// more.
pub fn verify_batch(
    orders: &[SignedOrder],
    network: &Network,
    now: u64,
) -> Vec<Result<OrderHash, Refusal>> {
    let claim = |order: &SignedOrder| {
        order.check(network, now)?;
        let hash = order.hash();
        Ok((hash, order.signature.claim(&hash, &order.order.maker)))
    };
    check::signed_together(orders.iter().map(claim).collect())
}
