//! What sets the tickets of one contract on one chain apart from all others.

use ecdsa::{Address, hex_text, keccak256, typed};

/// The separator that EIP-712 has of a domain. All that is signed or proven of a ticket has it in it.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DomainSeparator(pub [u8; 32]);

hex_text!(DomainSeparator);

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
        let [name, version] = [name, version].map(|it| keccak256(it.as_bytes()));
        Self(typed::separator(name, version, chain_id, contract))
    }
}
