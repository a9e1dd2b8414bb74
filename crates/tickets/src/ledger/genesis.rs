//! What a ledger begins with.

use crate::{Address, Amount, DomainSeparator};

/// What a ledger begins with. All who follow it have to agree on the first three.
///
/// # Security
/// Nothing costs the sender anything, and any key may claim: accounts and channels are bounded so that
/// a flood of them fills the ledger and not the memory. Who may submit, and how often, is for whoever
/// serves it to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Genesis {
    /// What sets its transactions and tickets apart from those of all others. A ledger that is begun
    /// anew needs another one: on what has the same, old tickets and transactions are good again.
    pub separator: DomainSeparator,
    /// What each account may claim once. At least 1.
    pub grant: Amount,
    /// Seconds between the wish to close a channel and its end, in which tickets are still redeemed.
    /// At least 1.
    pub notice: u64,
    /// Most accounts, 2 to 2²⁰. An account takes up to some 3 KB of memory. None is ever removed.
    pub accounts_max: u32,
    /// Most channels, 1 to 2²⁰; closed ones count. A channel takes some 400 bytes. None is ever
    /// removed: its epoch is what keeps old tickets from being worth something again.
    pub channels_max: u32,
}

impl Default for Genesis {
    /// That of a test network: 1,000 tokens for everybody, 5 minutes of notice.
    fn default() -> Self {
        Self {
            separator: DomainSeparator::of("MeshworkLedger", "1", 0, &Address::ZERO),
            grant: Amount::new(1_000_000_000_000_000_000_000).expect("below 10²⁵"),
            notice: 300,
            accounts_max: 1 << 16,
            channels_max: 1 << 16,
        }
    }
}

/// Why no ledger can begin so.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GenesisError {
    /// Nobody would have anything.
    #[error("grant is 0, must be at least 1")]
    Grant,
    /// Whoever pays could take everything out before it is redeemed.
    #[error("notice is 0 s, must be at least 1 s")]
    InvalidNoticePeriod,
    /// Too few or too many accounts.
    #[error("accounts_max is {given}, must be 2 to {}", Params::ROWS_MAX)]
    AccountsMax {
        /// What was given.
        given: u32,
    },
    /// Too few or too many channels.
    #[error("channels_max is {given}, must be 1 to {}", Params::ROWS_MAX)]
    ChannelsMax {
        /// What was given.
        given: u32,
    },
}

/// A [`Genesis`] that was checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Params(Genesis);

impl Genesis {
    /// Checks it.
    ///
    /// # Errors
    /// The first [`GenesisError`] found.
    pub fn check(self) -> Result<Params, GenesisError> {
        let Self { separator: _, grant, notice, accounts_max, channels_max } = self;
        if grant.is_zero() {
            return Err(GenesisError::Grant);
        }
        if notice == 0 {
            return Err(GenesisError::InvalidNoticePeriod);
        }
        if !(2..=Params::ROWS_MAX).contains(&accounts_max) {
            return Err(GenesisError::AccountsMax { given: accounts_max });
        }
        if !(1..=Params::ROWS_MAX).contains(&channels_max) {
            return Err(GenesisError::ChannelsMax { given: channels_max });
        }
        Ok(Params(self))
    }
}

impl Params {
    /// Most of either, whatever the operator says.
    const ROWS_MAX: u32 = 1 << 20;

    /// What was checked.
    pub const fn get(&self) -> &Genesis {
        &self.0
    }

    /// The separator.
    pub const fn separator(&self) -> &DomainSeparator {
        &self.0.separator
    }

    /// A hash of what all who follow the ledger have to agree on.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork ledger genesis 1");
        hasher.update(&self.0.separator.0);
        hasher.update(&self.0.grant.to_bytes());
        hasher.update(&self.0.notice.to_be_bytes());
        *hasher.finalize().as_bytes()
    }
}
