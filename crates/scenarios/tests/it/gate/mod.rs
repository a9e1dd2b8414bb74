//! The gate between honest nodes.

mod bans;
mod dialing;
mod guests;
mod kinds;
mod refusals;
mod rivals;
mod slots;
mod traffic;
