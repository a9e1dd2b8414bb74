//! What a book is built from.

use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use transport::address::{admissible, transport_name};
use wire::signed::SignedRecord;

use super::keyed::SHARE;

/// Most entries in a bucket. With fewer, chance decides too much; with more, too much is at stake
/// when one bucket falls.
const WIDTH_MAX: usize = 16;

/// What a book is built from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// This node, which is never in its own book.
    pub local: PeerId,
    /// The transports that this node dials, by the names of
    /// [`transport_name`](transport::address::transport_name).
    pub transports: Vec<String>,
    /// Whether private addresses may be kept.
    pub allow_private: bool,
    /// Most entries. Clamped to 64 to 65,536.
    pub entries_max: usize,
    /// How long a peer is left alone after its first failure; doubled for each further one.
    pub retry_min: Duration,
    /// The longest such rest.
    pub retry_max: Duration,
    /// How long a peer is left alone after a connection to it has ended.
    pub rest: Duration,
    /// When a dial of which nothing was heard is taken for lost; longer than any dial lasts.
    pub attempt_max: Duration,
}

impl Setup {
    /// A book of 4,096 public addresses over TCP and QUIC.
    #[must_use]
    pub fn new(local: PeerId) -> Self {
        Self {
            local,
            transports: ["tcp", "quic"].map(str::to_owned).into(),
            allow_private: false,
            entries_max: 4096,
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_mins(10),
            rest: Duration::from_secs(30),
            attempt_max: Duration::from_mins(1),
        }
    }

    /// Entries in a bucket, buckets of the tried table, buckets of the new one: at least 8 and 24,
    /// so that an eighth of them is something.
    pub(super) fn shape(&self) -> (usize, usize, usize) {
        let entries = self.entries_max.clamp(64, 65_536);
        let quarter = entries / 4;
        let width = (quarter / SHARE).min(WIDTH_MAX);
        let tried = quarter.checked_div(width).unwrap_or(SHARE);
        (width, tried, tried.saturating_mul(3))
    }

    /// Whether an address may be kept.
    pub(super) fn keeps(&self, address: &Multiaddr) -> bool {
        admissible(address, self.allow_private).is_ok()
    }

    /// Whether it may also be dialled.
    pub(super) fn dials(&self, address: &Multiaddr) -> bool {
        let name = transport_name(address);
        self.transports.iter().any(|it| it == name) && self.keeps(address)
    }

    /// Whether one of a record's addresses may.
    pub(super) fn reaches(&self, record: &SignedRecord) -> bool {
        record.addresses().iter().any(|address| self.dials(address))
    }
}
