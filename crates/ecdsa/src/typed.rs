//! What EIP-712 puts around what is signed.

use crate::{Address, keccak256, keccak256_of};

/// The hash of
/// `EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)`.
const DOMAIN_TYPE: [u8; 32] = [
    0x8b, 0x73, 0xc3, 0xc6, 0x9b, 0xb8, 0xfe, 0x3d, 0x51, 0x2e, 0xcc, 0x4c, 0xf7, 0x59, 0xcc, 0x79,
    0x23, 0x9f, 0x7b, 0x17, 0x9b, 0x0f, 0xfa, 0xca, 0xa9, 0xa7, 0x5d, 0x52, 0x2b, 0x39, 0x40, 0x0f,
];

/// What sets all that is signed for one contract on one chain apart from all else. `name` and
/// `version` are the hashes of the two texts.
pub fn separator(name: [u8; 32], version: [u8; 32], chain_id: u64, contract: &Address) -> [u8; 32] {
    let mut chain = [0; 32];
    if let Some(low) = chain.last_chunk_mut() {
        *low = chain_id.to_be_bytes();
    }
    keccak256([DOMAIN_TYPE, name, version, chain, contract.to_word()].as_flattened())
}

/// What is signed of the structure that hashes to `structure`, in the domain of this separator.
pub fn digest(separator: &[u8; 32], structure: &[u8; 32]) -> [u8; 32] {
    keccak256_of([b"\x19\x01", separator, structure])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_is_the_hash_of_its_text() {
        let text =
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
        assert_eq!(DOMAIN_TYPE, keccak256(text.as_bytes()));
    }

    /// The example of EIP-712 itself: a mail in the domain `Ether Mail`.
    #[test]
    fn the_example_of_the_specification_comes_out() {
        let hash = |text: &str| crate::hex::read_array::<32>(text).unwrap();
        let contract = "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC".parse().unwrap();
        let made = separator(keccak256(b"Ether Mail"), keccak256(b"1"), 1, &contract);
        let expected = hash("0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f");
        assert_eq!(made, expected);
        let mail = hash("0xc52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e");
        let signed = hash("0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
        assert_eq!(digest(&made, &mail), signed);
    }
}
