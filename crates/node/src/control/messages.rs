//! Messages in the control API: sent, and told of as they go; received, and kept until given up.

mod client;
mod convert;
mod service;
#[cfg(test)]
mod tests;

pub(super) use self::service::Service;
use crate::messaging::PAYLOAD_MAX;

/// Most received messages in one reply: all but the last have less than 1 MiB together, beside which
/// each has some 150 bytes, and all must fit 4 MiB.
pub(crate) const INBOX_LIST_MAX: u32 = 1_000;

/// Most sent messages in one reply: each may have 64 news of some 100 bytes, and all must fit 4 MiB.
pub(crate) const SENT_LIST_MAX: u32 = 100;

/// Most bytes in a request: a message, and what stands around it.
pub(super) const MESSAGES_REQUEST_BYTES_MAX: usize = PAYLOAD_MAX + 1024;
