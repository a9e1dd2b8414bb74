//! Entries of a ledger, and what it tells whoever follows it.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use wire::proto::tickets::v1 as proto;
use wire::proto::tickets::v1::ledger_update::News;
use wire::{Malformed, bounds};

use super::call::SignedTransaction;
use super::encoding;
use super::genesis::Params;
use super::row::Row;
use crate::UnixTime;

/// A transaction that a ledger has taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub version: u64,
    /// When it was taken. Never before the one before.
    pub at: UnixTime,
    /// [`State::chain`](super::State::chain) before it: what it was taken after.
    pub before: [u8; 32],
    /// The transaction.
    pub transaction: SignedTransaction,
}

/// What a ledger tells whoever follows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Update {
    /// All that it knows, for one who knows too little or nothing.
    Snapshot(Box<Snapshot>),
    /// The next entry.
    Entry(Entry),
}

/// All that a ledger knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// As [`State::rows`](super::State::rows) has them.
    pub rows: Arc<[Row]>,
}

/// Most rows of a part of a snapshot: as long as they can be, they fit a quarter of the largest
/// frame; as short as they can be, what is made of them stays below what any message may take.
const PART_ROWS: usize = 96;

impl Entry {
    /// The hash of all entries up to this one.
    pub(super) fn chain(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork ledger chain 1");
        hasher.update(&self.before);
        hasher.update(&self.version.to_be_bytes());
        hasher.update(&self.at.0.to_be_bytes());
        // The last, so its end needs no mark.
        hasher.update(&self.transaction.to_bytes());
        *hasher.finalize().as_bytes()
    }

    fn to_proto(&self) -> proto::LedgerEntry {
        proto::LedgerEntry {
            version: self.version,
            at: self.at.0,
            before: encoding::field(&self.before),
            transaction: Some(self.transaction.to_proto()),
        }
    }

    fn from_proto(message: proto::LedgerEntry) -> Result<Self, Malformed> {
        let proto::LedgerEntry { version, at, before, transaction } = message;
        let transaction = encoding::present("ledger_entry.transaction", transaction)?;
        let transaction = SignedTransaction::from_proto(&transaction)?;
        let before = encoding::array("ledger_entry.before", &before)?;
        Ok(Self { version, at: UnixTime(at), before, transaction })
    }
}

impl Update {
    /// Most bytes of one frame.
    pub const FRAME_MAX: usize = <proto::LedgerUpdate as bounds::Bounded>::LEN_MAX;

    /// As it travels: one frame, or of a snapshot as many as it takes. [`UpdateReader`] puts it
    /// together.
    pub fn into_frames(self) -> impl Iterator<Item = Bytes> + Send + 'static {
        let (entry, rows) = match self {
            Self::Entry(entry) => (Some(News::Entry(entry.to_proto())), Arc::default()),
            Self::Snapshot(snapshot) => (None, snapshot.rows),
        };
        let mut told: usize = 0;
        let part = std::iter::from_fn(move || {
            let part: Vec<_> = rows.iter().skip(told).take(PART_ROWS).map(Row::to_proto).collect();
            told = told.saturating_add(part.len());
            let left = u64::try_from(rows.len().saturating_sub(told)).ok()?;
            let part = proto::LedgerSnapshotPart { left, rows: part };
            (!part.rows.is_empty()).then_some(News::Part(part))
        });
        let news = entry.into_iter().chain(part);
        news.map(|news| proto::LedgerUpdate { news: Some(news) }.encode_to_vec().into())
    }
}

/// Why frames are no update.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadUpdate {
    /// A frame by itself.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// More rows than the ledger may have.
    #[error("snapshot has {rows} rows, must have at most {max}")]
    TooManyRows {
        /// How many it would have.
        rows: u64,
        /// How many it may have.
        max: u64,
    },
    /// A snapshot breaks off, or a part of it is missing or has nothing in it.
    #[error("parts of a snapshot do not follow each other")]
    Parts,
}

/// Puts together what [`Update::into_frames`] took apart. After an error it is of no use.
///
/// # Bounds
/// Holds the rows of one snapshot: no more than the genesis has room for, and only those that came.
#[derive(Debug)]
pub struct UpdateReader {
    rows_max: u64,
    /// Rows that came, and how many are left.
    begun: Option<(Vec<Row>, u64)>,
}

impl UpdateReader {
    /// Reads what a ledger with this genesis tells.
    pub fn new(params: &Params) -> Self {
        let genesis = params.get();
        let rows = u64::from(genesis.accounts_max).saturating_add(genesis.channels_max.into());
        Self { rows_max: rows.saturating_add(1), begun: None }
    }

    /// Takes one frame; an update, if that is its last.
    ///
    /// # Errors
    /// [`BadUpdate`].
    pub fn push(&mut self, frame: Bytes) -> Result<Option<Update>, BadUpdate> {
        let proto::LedgerUpdate { news } = bounds::decode(frame)?;
        let proto::LedgerSnapshotPart { rows, left } =
            match encoding::present("ledger_update.news", news)? {
                News::Entry(_) if self.begun.is_some() => return Err(BadUpdate::Parts),
                News::Entry(entry) => return Ok(Some(Update::Entry(Entry::from_proto(entry)?))),
                News::Part(part) => part,
            };
        let came = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let (mut so_far, expected) = match self.begun.take() {
            Some((so_far, left)) => (so_far, left),
            None => (Vec::new(), left.saturating_add(came)),
        };
        if came == 0 || expected.checked_sub(came) != Some(left) {
            return Err(BadUpdate::Parts);
        }
        let held = u64::try_from(so_far.len()).unwrap_or(u64::MAX);
        let (rows_all, max) = (held.saturating_add(expected), self.rows_max);
        if rows_all > max {
            return Err(BadUpdate::TooManyRows { rows: rows_all, max });
        }
        for row in rows {
            so_far.push(Row::from_proto(row)?);
        }
        if left == 0 {
            return Ok(Some(Update::Snapshot(Box::new(Snapshot { rows: so_far.into() }))));
        }
        self.begun = Some((so_far, left));
        Ok(None)
    }
}
