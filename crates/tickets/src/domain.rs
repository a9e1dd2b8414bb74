//! What sets the tickets of one contract on one chain apart from all others.

use ecdsa::{Address, hex_text, keccak256, keccak256_of};

/// The separator that EIP-712 has of a domain. All that is signed or proven of a ticket has it in it.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DomainSeparator(pub [u8; 32]);

hex_text!(DomainSeparator);

/// What EIP-712 hashes for the type of a domain.
const TYPE: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";

impl DomainSeparator {
    /// The separator of a contract.
    ///
    /// ```
    /// use meshwork_tickets::{Address, DomainSeparator};
    ///
    /// let contract = Address([7; 20]);
    /// let gnosis = DomainSeparator::of("HoprChannels", "2.0.0", 100, &contract);
    /// assert_ne!(gnosis, DomainSeparator::of("HoprChannels", "2.0.0", 1, &contract));
    /// ```
    pub fn of(name: &str, version: &str, chain_id: u64, contract: &Address) -> Self {
        let [type_hash, name, version] = [TYPE, name, version].map(|it| keccak256(it.as_bytes()));
        let chain_id = chain_id.to_be_bytes();
        // Number and address fill words of 32 bytes from the right.
        let words: [&[u8]; 4] = [&[0; 24], &chain_id, &[0; 12], &contract.0];
        let [number_padding, number, address_padding, address] = words;
        Self(keccak256_of([
            &type_hash,
            &name,
            &version,
            number_padding,
            number,
            address_padding,
            address,
        ]))
    }
}
