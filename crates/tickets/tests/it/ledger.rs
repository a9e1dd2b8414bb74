//! The ledger: its rules, its histories, its crashes.

mod announce;
mod crash;
mod follow;
mod history;
mod redeem;
mod rules;
mod vectors;
mod wire;
mod world;
