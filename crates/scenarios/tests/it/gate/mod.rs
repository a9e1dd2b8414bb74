//! The gate between honest nodes.

mod bans;
mod dialing;
mod kinds;
mod refusals;
mod rivals;
mod slots;
mod traffic;
