//! What the application asks and is told, and the slow work between.

use bytes::Bytes;
use machine::PeerId;

use super::AskError;

/// A request. Each ends in exactly one [`Event`].
#[derive(Clone, Debug)]
pub enum Command {
    /// Ask `peer` for items.
    Ask {
        /// Whom.
        peer: PeerId,
        /// How many, at most [`Config::items_max`](super::Config::items_max).
        wanted: u16,
    },
}

/// The end of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The end of [`Command::Ask`].
    Asked {
        /// Whom.
        peer: PeerId,
        /// The items, one byte each, at most as many as were wanted.
        outcome: Result<Bytes, AskError>,
    },
}

/// The one job: count the items in stock, `wanted` at most. Its outcome is their number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Count {
    /// Where the count may stop.
    pub wanted: u16,
}
