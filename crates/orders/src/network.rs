//! The exchanges that orders are for, and the other addresses that everybody knows.

use crate::Address;

/// The only taker that an order may name: the exchange proxy trades through it.
pub const FLASH_WALLET: Address = address(0x22f9_dcf4, 0x6470_84d6_c31b_2765_f691_0cd8_5c17_8c18);

/// The exchange proxy, on all chains but test chains.
const PROXY: Address = address(0xdef1_c0de, 0xd9be_c7f1_a167_0819_8332_40f0_27b2_5eff);

/// Where orders are traded: a chain, and the contract on it.
///
/// ```
/// use meshwork_orders::Network;
///
/// assert_eq!(Network::v3(1), Some(Network::MAINNET));
/// assert_eq!(Network::v3(2), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Network {
    /// The chain, as EIP-155 numbers them, 1 to 2⁶³ − 1.
    pub chain_id: u64,
    /// Of v3 orders the exchange, of v4 orders the exchange proxy.
    pub exchange: Address,
}

impl Network {
    /// v3 orders on Ethereum.
    pub const MAINNET: Self = Self {
        chain_id: 1,
        exchange: address(0x6193_5cbd, 0xd022_87b5_1111_9ddb_11ae_b42f_1593_b7ef),
    };

    /// v3 orders on a local chain as developers run it.
    pub const GANACHE: Self = Self {
        chain_id: 1337,
        exchange: address(0x48ba_cb92, 0x66a5_70d5_2106_3ef5_dd96_e616_86db_e788),
    };

    /// The exchange of v3 orders on a chain, if it is one that everybody knows.
    pub const fn v3(chain_id: u64) -> Option<Self> {
        let exchange = match chain_id {
            1 => Self::MAINNET.exchange,
            3 => address(0xfb2d_d2a1, 0x366d_e37f_7241_c83d_47da_58fd_503e_2c64),
            4 => address(0x1988_05e9, 0x682f_ceec_2941_3059_b685_50f9_2868_c129),
            42 => address(0x4eac_d0af, 0x3354_5170_9e1e_7b57_0b8e_a68e_dec8_bc97),
            1337 => Self::GANACHE.exchange,
            _ => return None,
        };
        Some(Self { chain_id, exchange })
    }

    /// The exchange proxy of v4 orders on a chain, if it is one that everybody knows.
    pub const fn v4(chain_id: u64) -> Option<Self> {
        let exchange = match chain_id {
            1 | 3 | 4 | 42 => PROXY,
            1337 => address(0x5315_e447, 0x9839_5d4a_9525_30d1_3124_9fe0_0f55_4565),
            _ => return None,
        };
        Some(Self { chain_id, exchange })
    }
}

/// An address from its first 4 and its last 16 bytes.
const fn address(first: u32, last: u128) -> Address {
    let mut bytes = [0; 20];
    let (head, tail) = bytes.split_at_mut(4);
    head.copy_from_slice(&first.to_be_bytes());
    tail.copy_from_slice(&last.to_be_bytes());
    Address(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_reference() {
        for (chain_id, v3, v4) in [
            (
                1,
                "0x61935cbdd02287b511119ddb11aeb42f1593b7ef",
                "0xdef1c0ded9bec7f1a1670819833240f027b25eff",
            ),
            (
                3,
                "0xfb2dd2a1366de37f7241c83d47da58fd503e2c64",
                "0xdef1c0ded9bec7f1a1670819833240f027b25eff",
            ),
            (
                4,
                "0x198805e9682fceec29413059b68550f92868c129",
                "0xdef1c0ded9bec7f1a1670819833240f027b25eff",
            ),
            (
                42,
                "0x4eacd0af335451709e1e7b570b8ea68edec8bc97",
                "0xdef1c0ded9bec7f1a1670819833240f027b25eff",
            ),
            (
                1337,
                "0x48bacb9266a570d521063ef5dd96e61686dbe788",
                "0x5315e44798395d4a952530d131249fe00f554565",
            ),
        ] {
            assert_eq!(Network::v3(chain_id).unwrap().exchange.to_string(), v3);
            assert_eq!(Network::v4(chain_id).unwrap().exchange.to_string(), v4);
        }
        assert_eq!(FLASH_WALLET.to_string(), "0x22f9dcf4647084d6c31b2765f6910cd85c178c18");
    }
}
