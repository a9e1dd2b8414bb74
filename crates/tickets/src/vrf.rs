//! The verifiable random number of a redeemer: its share of the luck of a ticket.
//!
//! `B` is a point of the curve hashed from the redeemer's address and the ticket's hash, and the
//! output `V` is `a` times `B`, with `a` the redeemer's secret. A proof shows that whoever made it
//! knows the factor between the two: `R` is `r` times `B` for a random `r`, `h` is a hash of all of
//! them, `s` is `r + h a`; then `s B - h V = R`.
//!
//! ```
//! use meshwork_tickets::vrf::{Statement, prove, verify_batch};
//! use meshwork_tickets::{ChainKey, DomainSeparator, TicketHash};
//!
//! let key = ChainKey::from_bytes(&[7; 32])?;
//! let statement = Statement {
//!     redeemer: key.address(),
//!     ticket: TicketHash([1; 32]),
//!     separator: DomainSeparator([2; 32]),
//! };
//! let proof = prove(&key, &statement, &[3; 64]);
//! assert_eq!(proof.verify(&statement), Ok(()));
//!
//! // The two forms say the same.
//! let short = proof.hash_form(&statement);
//! assert_eq!(short.verify(&statement), Ok(proof));
//!
//! // Of many, which are bad?
//! let other = Statement { ticket: TicketHash([4; 32]), ..statement };
//! assert_eq!(verify_batch(&[(statement, proof), (other, proof)]), vec![1]);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Security
//! Only the address of the redeemer enters the hashes, never its public key. So a proof does not
//! show that `V` was made with the redeemer's own key: one who takes another secret for `a` has a
//! proof as good, and may try secrets until the ticket wins. Ledgers take such proofs, and so does
//! [`Proof::verify`]. [`KeyProof`] shows that the outputs for many tickets are all of the key that
//! has the redeemer's address; whoever pays for tickets without a ledger has to ask for it.

mod batch;
mod evaluation;
mod hash;
mod key_proof;
mod point;
mod proof;
#[cfg(test)]
mod tests;

pub use self::batch::verify_batch;
pub use self::evaluation::Evaluation;
pub use self::key_proof::{KeyProof, NotOfKey};
pub use self::point::Output;
pub use self::proof::{HashProof, Malformed, Proof, Statement, Unproven, prove};
