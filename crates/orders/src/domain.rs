//! What sets the orders of one exchange on one chain apart from all others.

use std::cell::RefCell;

use ecdsa::typed;

use crate::keccak::Word;
use crate::{Address, OrderHash, Version};

/// `0x Protocol` and `3.0.0`, hashed.
const V3: [Word; 2] = [
    [
        0xf0, 0xf2, 0x46, 0x18, 0xf4, 0xc4, 0xbe, 0x1e, 0x62, 0xe0, 0x26, 0xfb, 0x03, 0x9a, 0x20,
        0xef, 0x96, 0xf4, 0x49, 0x52, 0x94, 0x81, 0x7d, 0x10, 0x27, 0xff, 0xaa, 0x6d, 0x1f, 0x70,
        0xe6, 0x1e,
    ],
    [
        0xd7, 0xa1, 0xce, 0x68, 0x30, 0x65, 0x97, 0x57, 0x71, 0xbe, 0xdf, 0x40, 0x1e, 0xca, 0xb0,
        0x37, 0xf4, 0xf4, 0xc6, 0x2c, 0xc5, 0x1f, 0xef, 0xdc, 0x8b, 0x39, 0xdd, 0x24, 0x6f, 0xf0,
        0x34, 0x3a,
    ],
];

/// `ZeroEx` and `1.0.0`, hashed.
const V4: [Word; 2] = [
    [
        0x9e, 0x5d, 0xae, 0x0a, 0xdd, 0xaf, 0x20, 0x57, 0x8a, 0xeb, 0x5d, 0x70, 0x34, 0x1d, 0x09,
        0x2b, 0x53, 0xb4, 0xe1, 0x44, 0x80, 0xac, 0x57, 0x26, 0x43, 0x8f, 0xd4, 0x36, 0xdf, 0x7b,
        0xa4, 0x27,
    ],
    [
        0x06, 0xc0, 0x15, 0xbd, 0x22, 0xb4, 0xc6, 0x96, 0x90, 0x93, 0x3c, 0x10, 0x58, 0x87, 0x8e,
        0xbd, 0xfe, 0xf3, 0x1f, 0x9a, 0xaa, 0xe4, 0x0b, 0xbe, 0x86, 0xd8, 0xa0, 0x9f, 0xe1, 0xb2,
        0x97, 0x2c,
    ],
];

/// Separators that each thread remembers: an honest book has one or two domains, and a remote that
/// names a new one with each order makes us hash five blocks more for it, no worse.
const REMEMBERED: usize = 4;

/// The domain of an order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Domain {
    pub(crate) version: Version,
    pub(crate) chain_id: u64,
    pub(crate) contract: Address,
}

thread_local! {
    /// The separators used last, latest first.
    static SEPARATORS: RefCell<[Option<(Domain, Word)>; REMEMBERED]> =
        const { RefCell::new([None; REMEMBERED]) };
}

impl Domain {
    /// The separator, computed.
    fn compute(&self) -> Word {
        let [name, version] = match self.version {
            Version::V3 => V3,
            Version::V4 => V4,
        };
        typed::separator(name, version, self.chain_id, &self.contract)
    }

    /// The separator, remembered.
    pub(crate) fn separator(&self) -> Word {
        SEPARATORS.with_borrow_mut(|entries| {
            let known = entries
                .iter()
                .position(|entry| matches!(entry, Some((domain, _)) if domain == self));
            // A new one goes where the oldest was; either way it comes to the front.
            let end = known.unwrap_or(REMEMBERED.saturating_sub(1));
            if let Some(recent) = entries.get_mut(..=end) {
                recent.rotate_right(1);
            }
            match entries.first_mut() {
                Some(Some((_, separator))) if known.is_some() => *separator,
                first => {
                    let separator = self.compute();
                    if let Some(first) = first {
                        *first = Some((*self, separator));
                    }
                    separator
                }
            }
        })
    }

    /// The hash of what is signed, for a struct of this domain.
    pub(crate) fn order_hash(&self, struct_hash: &Word) -> OrderHash {
        OrderHash(typed::digest(&self.separator(), struct_hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(version: Version, chain_id: u64, contract: &str) -> Domain {
        Domain { version, chain_id, contract: contract.parse().unwrap() }
    }

    fn text(word: Word) -> String {
        OrderHash(word).to_string()
    }

    #[test]
    fn constants_are_the_hashes_of_their_texts() {
        let of = |text: &str| ecdsa::keccak256(text.as_bytes());
        assert_eq!(V3, [of("0x Protocol"), of("3.0.0")]);
        assert_eq!(V4, [of("ZeroEx"), of("1.0.0")]);
    }

    #[test]
    fn separators_are_those_of_the_reference() {
        for (version, chain_id, contract, separator) in [
            (
                Version::V3,
                1,
                "0x61935cbdd02287b511119ddb11aeb42f1593b7ef",
                "0xaa81d881b1adbbf115e15b849cb9cdc643cad3c6a90f30eb505954af943247e6",
            ),
            (
                Version::V3,
                1337,
                "0x48bacb9266a570d521063ef5dd96e61686dbe788",
                "0xe3d32f429168d7483313528091a636fb934ad5abca137a4f28830d64e38e580f",
            ),
            (
                Version::V3,
                1337,
                "0x1dc4c1cefef38a777b15aa20260a54e584b16c48",
                "0x406892a0afd18048719bf902002707048a6bf9efd6d0efc4db73d953bda9e3dc",
            ),
            (
                Version::V4,
                1,
                "0xdef1c0ded9bec7f1a1670819833240f027b25eff",
                "0xfe3a8808ff7909b8c36164e6e9a076597c21c3fc2ec6f2c8ac04529c41ce507e",
            ),
        ] {
            assert_eq!(text(domain(version, chain_id, contract).separator()), separator);
        }
    }

    #[test]
    fn what_is_remembered_is_what_would_be_computed() {
        let contract = "0x61935cbdd02287b511119ddb11aeb42f1593b7ef";
        // More domains than are remembered, in an order that hits and misses.
        for round in 0..50_u64 {
            for chain_id in [1, 2, round % 7, 1, round % 5, 3] {
                for version in [Version::V3, Version::V4] {
                    let domain = domain(version, chain_id, contract);
                    assert_eq!(domain.separator(), domain.compute());
                }
            }
        }
    }
}
