//! Signed orders in any number, the same from equal seeds: for benchmarks, simulations and tests.

use std::num::NonZeroU16;
use std::ops::Range;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secp256k1::{PublicKey, SecretKey};

use crate::v3::{Order, SignedOrder};
use crate::{Address, AssetData, Network, Signing, U256, v4};

/// What a salt is like; it decides how far an order can be compressed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Salts {
    /// The time at which the order was made, in milliseconds of Unix time.
    Timestamp,
    /// 256 random bits.
    Random,
}

/// What orders are made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Where they are traded.
    pub network: Network,
    /// How many makers there are.
    pub makers: NonZeroU16,
    /// How many tokens there are.
    pub tokens: NonZeroU16,
    /// What salts are like.
    pub salts: Salts,
    /// How makers sign.
    pub signing: Signing,
    /// When orders end, in seconds of Unix time. At an empty range all end at its start.
    pub expiries: Range<u64>,
}

impl Default for Config {
    /// 200 makers and 20 tokens on [`Network::MAINNET`], salts of time, orders that end in 2100.
    fn default() -> Self {
        Self {
            network: Network::MAINNET,
            makers: const { NonZeroU16::new(200).unwrap() },
            tokens: const { NonZeroU16::new(20).unwrap() },
            salts: Salts::Timestamp,
            signing: Signing::Eip712,
            expiries: 4_102_444_800..4_133_980_800,
        }
    }
}

/// Makes signed orders, without end.
///
/// Each sells 0.001 to 1,000 of one token, of 18 decimals, for another; every fourth pays fees.
///
/// ```
/// use meshwork_orders::generate::{Config, Generator};
///
/// let orders: Vec<_> = Generator::new([1; 32], Config::default()).take(3).collect();
/// let again: Vec<_> = Generator::new([1; 32], Config::default()).take(3).collect();
/// assert_eq!(orders, again);
/// for order in orders {
///     order.verify(&Config::default().network, 1_800_000_000)?;
/// }
/// # Ok::<_, meshwork_orders::Refusal>(())
/// ```
#[derive(Debug)]
pub struct Generator {
    config: Config,
    makers: Vec<(Address, SecretKey)>,
    tokens: Vec<Address>,
    relayers: [Address; 3],
    rng: ChaCha8Rng,
    made: u64,
}

impl Generator {
    /// Draws the makers, their keys and the tokens.
    pub fn new(seed: [u8; 32], config: Config) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let makers = (0..config.makers.get()).map(|_| maker(&mut rng)).collect();
        let tokens = (0..config.tokens.get()).map(|_| Address(rng.random())).collect();
        let relayers = std::array::from_fn(|_| Address(rng.random()));
        Self { config, makers, tokens, relayers, rng, made: 0 }
    }

    /// The next order. Takes some 100 µs, nearly all of it for the signature.
    pub fn order(&mut self) -> SignedOrder {
        let pays = self.made.is_multiple_of(4);
        self.made = self.made.wrapping_add(1);
        let (maker, key) = *pick(&self.makers, &mut self.rng);
        let order = Order {
            chain_id: self.config.network.chain_id,
            exchange: self.config.network.exchange,
            maker,
            fee_recipient: if pays { *pick(&self.relayers, &mut self.rng) } else { Address::ZERO },
            maker_asset_amount: self.amount(),
            taker_asset_amount: self.amount(),
            maker_fee: if pays { self.amount() } else { U256::ZERO },
            expiration_time_seconds: U256::from(self.expiry()),
            salt: self.salt(),
            maker_asset_data: self.token(),
            taker_asset_data: self.token(),
            maker_fee_asset_data: if pays { self.token() } else { AssetData::default() },
            ..Order::default()
        };
        order.sign(self.config.signing, &key)
    }

    /// The next one as a limit order of version 4, whose exchange is the proxy.
    pub fn limit_order(&mut self) -> v4::SignedOrder {
        let pays = self.made.is_multiple_of(4);
        self.made = self.made.wrapping_add(1);
        let (maker, key) = *pick(&self.makers, &mut self.rng);
        let order = v4::LimitOrder {
            chain_id: self.config.network.chain_id,
            verifying_contract: self.config.network.exchange,
            maker_token: *pick(&self.tokens, &mut self.rng),
            taker_token: *pick(&self.tokens, &mut self.rng),
            maker_amount: self.units(),
            taker_amount: self.units(),
            taker_token_fee_amount: if pays { self.units() } else { 0 },
            maker,
            fee_recipient: if pays { *pick(&self.relayers, &mut self.rng) } else { Address::ZERO },
            expiry: self.expiry(),
            salt: self.salt(),
            ..v4::LimitOrder::default()
        };
        order.sign(self.config.signing, &key)
    }

    fn amount(&mut self) -> U256 {
        U256::from(self.units())
    }

    fn units(&mut self) -> u128 {
        let thousandths: u64 = self.rng.random_range(1..=1_000_000);
        u128::from(thousandths).saturating_mul(1_000_000_000_000_000)
    }

    fn token(&mut self) -> AssetData {
        AssetData::erc20(*pick(&self.tokens, &mut self.rng))
    }

    fn expiry(&mut self) -> u64 {
        let Range { start, end } = self.config.expiries;
        if start < end { self.rng.random_range(start..end) } else { start }
    }

    fn salt(&mut self) -> U256 {
        match self.config.salts {
            // Thirty days of the year 2025.
            Salts::Timestamp => {
                U256::from(self.rng.random_range(1_756_684_800_000..1_759_276_800_000_u64))
            }
            Salts::Random => U256::from_be_bytes(self.rng.random::<[u8; 32]>()),
        }
    }
}

impl Iterator for Generator {
    type Item = SignedOrder;

    fn next(&mut self) -> Option<SignedOrder> {
        Some(self.order())
    }
}

fn pick<'a, T>(from: &'a [T], rng: &mut ChaCha8Rng) -> &'a T {
    from.choose(rng).expect("there is at least one: the number is not zero")
}

fn maker(rng: &mut ChaCha8Rng) -> (Address, SecretKey) {
    // All but one of 2¹²⁸ draws are keys.
    let key = std::iter::repeat_with(|| SecretKey::from_secret_bytes(rng.random()))
        .find_map(Result::ok)
        .expect("the draws do not end");
    (ecdsa::address(&PublicKey::from_secret_key(&key)), key)
}
