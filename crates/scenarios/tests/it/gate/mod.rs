//! The gate between honest nodes.

mod bans;
mod dialing;
mod guests;
mod kinds;
mod outside;
mod refusals;
mod rivals;
mod slots;
mod traffic;
