//! Limit orders of version 4 of the protocol.

mod json;
mod record;

use std::fmt;

pub use self::record::RECORD_LEN;

use crate::domain::Domain;
use crate::keccak::{Word, keccak256, number};
use crate::{
    Address, BadSignature, Claim, Network, OrderError, OrderHash, Refusal, SignatureCheck,
    SignatureKind, Signing, U256, Version, check,
};

/// `LimitOrder(address makerToken,…,uint256 salt)`, hashed.
const TYPE_HASH: Word = [
    0xce, 0x91, 0x86, 0x27, 0xcb, 0x55, 0x46, 0x2d, 0xdb, 0xb8, 0x5e, 0x73, 0xde, 0x69, 0xa8, 0xb3,
    0x22, 0xf2, 0xbc, 0x88, 0xf4, 0x50, 0x7c, 0x52, 0xfc, 0xad, 0x6d, 0x4c, 0x33, 0xc2, 0x9d, 0x49,
];

/// What a maker offers: an amount of one token for an amount of another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LimitOrder {
    /// The chain, 1 to 2⁶³ − 1.
    pub chain_id: u64,
    /// The contract that trades it, the exchange proxy.
    pub verifying_contract: Address,
    /// What is offered.
    pub maker_token: Address,
    /// What is asked.
    pub taker_token: Address,
    /// How much is offered, in base units.
    pub maker_amount: u128,
    /// How much is asked, in base units.
    pub taker_amount: u128,
    /// What the taker pays in the token asked for the whole trade, in base units.
    pub taker_token_fee_amount: u128,
    /// Who offers.
    pub maker: Address,
    /// Who may take; [`Address::ZERO`] for anybody.
    pub taker: Address,
    /// Who may bring it to the exchange; [`Address::ZERO`] for anybody.
    pub sender: Address,
    /// Who gets the fee.
    pub fee_recipient: Address,
    /// The pool of market makers that this trade counts for.
    pub pool: [u8; 32],
    /// When it ends, in seconds of Unix time.
    pub expiry: u64,
    /// What tells it from other orders that say the same.
    pub salt: U256,
}

impl LimitOrder {
    /// The EIP-712 hash of the fields, without the domain.
    fn struct_hash(&self) -> Word {
        let words = [
            TYPE_HASH,
            self.maker_token.to_word(),
            self.taker_token.to_word(),
            number(&U256::from(self.maker_amount)),
            number(&U256::from(self.taker_amount)),
            number(&U256::from(self.taker_token_fee_amount)),
            self.maker.to_word(),
            self.taker.to_word(),
            self.sender.to_word(),
            self.fee_recipient.to_word(),
            self.pool,
            number(&U256::from(self.expiry)),
            number(&self.salt),
        ];
        keccak256(words.as_flattened())
    }

    /// The hash by which it is known. The separator of its domain is remembered.
    pub fn hash(&self) -> OrderHash {
        let contract = self.verifying_contract;
        let domain = Domain { version: Version::V4, chain_id: self.chain_id, contract };
        domain.order_hash(&self.struct_hash())
    }

    /// Signs it, with the key of its maker.
    pub fn sign(self, how: Signing, key: &secp256k1::SecretKey) -> SignedOrder {
        let made = ecdsa::Signature::sign(how.digest(&self.hash()), key);
        let (r, s) = made.halves();
        let kind = how.kind().to_byte();
        SignedOrder { order: self, signature: Signature { kind, v: made.v, r, s } }
    }
}

/// The proof that a maker wants an order, in parts as it came.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Signature {
    /// How it is to be checked: the number of a [`SignatureKind`], of which v4 orders have
    /// [`SignatureKind::Eip712`] and [`SignatureKind::EthSign`].
    pub kind: u8,
    /// Which of two keys, 27 or 28.
    pub v: u8,
    /// The first half.
    pub r: [u8; 32],
    /// The second half.
    pub s: [u8; 32],
}

impl Signature {
    /// Whether `maker` signed the order of this hash: [`SignedOrder::signature_check`] for whoever has
    /// the hash already.
    pub fn check(&self, hash: &OrderHash, maker: &Address) -> SignatureCheck {
        self.claim(hash, maker).check()
    }

    /// That `maker` signed the order of this hash, to be checked together with others.
    pub fn claim(&self, hash: &OrderHash, maker: &Address) -> Claim {
        let how = match SignatureKind::from_byte(self.kind) {
            Some(SignatureKind::Eip712) => Signing::Eip712,
            Some(SignatureKind::EthSign) => Signing::EthSign,
            Some(
                SignatureKind::Illegal
                | SignatureKind::Invalid
                | SignatureKind::Wallet
                | SignatureKind::Validator
                | SignatureKind::PreSigned
                | SignatureKind::Eip1271Wallet,
            )
            | None => {
                let bad = BadSignature::Kind { byte: self.kind };
                return Claim::settled(SignatureCheck::Invalid(bad));
            }
        };
        Claim::new(how, hash, ecdsa::Signature::join(self.v, &self.r, &self.s), maker)
    }
}

/// A limit order and the proof that its maker wants it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedOrder {
    /// What is offered.
    pub order: LimitOrder,
    /// The proof.
    pub signature: Signature,
}

impl SignedOrder {
    /// Reads JSON, as strictly as [`crate::v3::SignedOrder::from_json`] does.
    ///
    /// # Bounds
    ///
    /// Twice [`crate::ORDER_LEN_MAX`] bytes. No limit order is as long as that when written.
    ///
    /// # Errors
    ///
    /// [`OrderError`].
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Self, OrderError> {
        json::read(json.as_ref())
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
        check::network(order.chain_id, order.verifying_contract, network)?;
        check::open(order.sender, order.taker)?;
        if order.maker_amount == 0 {
            return Err(Refusal::MakerAmount);
        }
        if order.taker_amount == 0 {
            return Err(Refusal::TakerAmount);
        }
        check::expiry(order.expiry, now)
    }

    /// Both: whether the network trades it, and whether its maker signed it.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn verify(&self, network: &Network, now: u64) -> Result<OrderHash, Refusal> {
        self.check(network, now)?;
        let hash = self.hash();
        check::signed(self.signature.check(&hash, &self.order.maker))?;
        Ok(hash)
    }
}

/// [`SignedOrder::verify`] for each of `orders`, in their order.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_hashed_as_the_page_has_it() {
        let page = include_str!("../../../docs/protocols/ordersync.md");
        let mut types = page.lines().filter(|line| line.starts_with("LimitOrder("));
        let of_type = types.next().expect("it stands on the page");
        assert_eq!(keccak256(of_type.as_bytes()), TYPE_HASH);
    }
}
