//! What the crate does as a whole.

mod core;
mod counting;
mod dht;
mod envelope;
mod inbound;
mod mailbox;
mod pipeline;
mod scenarios;
mod settings;
mod table;
