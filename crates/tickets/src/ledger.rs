//! The ledger: who has how much, which channels there are, and the rules by which that changes.
//!
//! A replicated state machine. [`State`] is a value that only an [`Entry`] changes, by the rules of
//! the contract: [`State::apply`]. Whoever serves the ledger gives each transaction its number and its
//! time and makes it durable before anybody is told ([`LocalLedger`]); everybody else plays the same
//! entries into a [`Replica`], begins with a [`Snapshot`] if they are too many, and so checks
//! whatever it is told.
//!
//! The life of a transaction:
//! 1. a [`Signer`] counts it, signs its bytes and submits it to a [`Ledger`], near or far;
//! 2. that reads it, compares the nonce, recovers who signed, and looks at what is asked
//!    ([`State::check`]); what is against the rules is [`Rejected`] by name, and changes nothing;
//! 3. the changed rows become durable together ([`Store::commit`]);
//! 4. then the replica shows them, those who [`follow`] get the entry, the signer its [`Receipt`].
//!
//! At all times the balances of all accounts and channels sum to what was granted.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`Genesis::accounts_max`], [`Genesis::channels_max`] | rows | 65,536 | 2²⁰ |
//! | [`Genesis::grant`] | base units | 10²¹ | 1 to [`Amount::MAX`](crate::Amount::MAX) |
//! | [`Genesis::notice`] | seconds | 300 | at least 1 |
//! | addresses of an account, each | addresses, bytes | | 8, 256 |
//! | body of a transaction | bytes | | [`SignedTransaction::BODY_MAX`], 3,072 |
//! | frame of an update | bytes | | [`Update::FRAME_MAX`], 256 KiB |
//! | transactions that wait | | | [`LocalLedger::WAITING_MAX`], 1,024 |
//! | entries remembered for followers | entries | | 1,024 |
//! | a check, with a ticket to redeem | µs | 35, 240 | |
//!
//! ```
//! use std::sync::Arc;
//!
//! use futures::executor::block_on;
//! use meshwork_tickets::ledger::{Call, Code, Genesis, LocalLedger, MemoryStore, Signer};
//! use meshwork_tickets::{Amount, ChainKey, ChannelId, UnixTime};
//!
//! let params = Genesis::default().check()?;
//! let store = Arc::new(MemoryStore::default());
//! let clock = Box::new(|| UnixTime(1_700_000_000));
//! let ledger = block_on(LocalLedger::open(params, store, clock))?;
//!
//! let (alice, bob) = (ChainKey::from_bytes(&[1; 32])?, ChainKey::from_bytes(&[2; 32])?);
//! let bob = bob.address();
//! let signer = Signer::new(alice, Arc::new(ledger.clone()), ledger.replica().clone());
//! block_on(signer.submit(&Call::Claim))?;
//! block_on(signer.submit(&Call::Open { destination: bob, amount: Amount::new(5)? }))?;
//!
//! let id = ChannelId::between(&signer.address(), &bob);
//! let balance = ledger.replica().read(|state| state.channel(&id).map(|channel| channel.balance));
//! assert_eq!(balance, Some(Amount::new(5)?));
//!
//! let twice = block_on(signer.submit(&Call::Claim)).unwrap_err();
//! assert_eq!(twice.code(), Some(Code::AlreadyClaimed));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod account;
mod call;
mod encoding;
mod entry;
mod genesis;
mod local;
mod rejected;
mod replica;
mod row;
mod service;
mod signer;
mod state;
mod store;

pub use self::account::{Account, Announcement, BadAnnouncement, SignedAnnouncement};
pub use self::call::{Call, Redemption, SignedTransaction, Transaction};
pub use self::entry::{BadUpdate, Entry, Snapshot, Update, UpdateReader};
pub use self::genesis::{Genesis, GenesisError, Params};
pub use self::local::{Clock, LocalLedger, OpenLedgerError};
pub use self::rejected::{Code, Rejected};
pub use self::replica::{BadHistory, Change, Changed, Changes, Entries, Replica};
pub use self::row::{Head, Key, Row};
pub use self::service::{FollowError, Ledger, LedgerGone, Receipt, SubmitError, follow};
pub use self::signer::Signer;
pub use self::state::{Applied, Inconsistent, State};
pub use self::store::{MemoryStore, Store, StoreError};
