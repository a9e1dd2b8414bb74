//! The payments in the control API: channels, tickets, packets over relays.

mod client;
mod convert;
mod service;
#[cfg(test)]
mod tests;

pub(super) use self::service::Service;

/// Most channels in one reply: each has some 300 bytes, and all must fit 4 MiB.
pub(crate) const CHANNELS_LIST_MAX: u32 = 5_000;
