//! What the two sides say, and how it looks in our own envelope.
//!
//! Lengths are enforced from the tables in `proto/meshwork/ordersync/v1/riblt.proto` before anything
//! is decoded; what the tables cannot say is checked here.

use bytes::Bytes;
use prost::Message as _;
use reconcile::{Estimator, Key, Summary};
use wire::bounds;
use wire::proto::ordersync::v1 as proto;
use wire::proto::ordersync::v1::riblt_request::Body as Asked;
use wire::proto::ordersync::v1::riblt_response::Body as Answered;

use super::{BLOCK_MAX, WANTED_MAX, json};
use crate::{BadMetadata, Metadata, Raw};

/// What a requester says.
#[derive(Clone, Debug, PartialEq)]
pub enum RibltRequest {
    /// Begins.
    Open(Open),
    /// Asks for the cells that follow those sent.
    More {
        /// How many were sent.
        first: usize,
        /// How many more. 1 to [`BLOCK_MAX`].
        cells: usize,
    },
    /// Asks for items, while others may be given away.
    Fetch {
        /// Short ids, ascending. At most [`WANTED_MAX`].
        wanted: Vec<u64>,
    },
}

/// How a requester begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// The filter, as the item type writes it in the form of the envelope.
    pub filter: Raw,
    /// Of the requester's items that the filter wants.
    pub summary: Summary,
    /// Of the same items.
    pub estimator: [u8; Estimator::LEN],
    /// A key for this session; `None` leaves the choice to the provider.
    pub key: Option<Key>,
}

/// What a provider says.
#[derive(Clone, Debug, PartialEq)]
pub enum RibltResponse {
    /// The digests are the same.
    Equal,
    /// Cells.
    Block {
        /// What the first block says of all.
        head: Option<Head>,
        /// How many cells. 1 to [`BLOCK_MAX`].
        cells: usize,
        /// The cells, as [`reconcile::packed`] writes them.
        packed: Bytes,
    },
    /// Paging costs less.
    Page {
        /// Of the provider's items that the filter wants.
        summary: Summary,
    },
    /// The items of a fetch are in the response.
    Items {
        /// Those that the provider no longer has, ascending. At most [`WANTED_MAX`].
        gone: Vec<u64>,
        /// Of what the provider has now; under a filter, of what was compared.
        summary: Summary,
    },
}

/// What the first block says of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The key, if the provider chose it.
    pub key: Option<Key>,
    /// Of the set that the cells are of.
    pub summary: Summary,
}

impl Metadata for RibltRequest {
    fn to_json(&self) -> String {
        json::write_request(self)
    }

    fn from_json(raw: &str) -> Result<Self, BadMetadata> {
        json::read_request(raw)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let body = match self {
            Self::Open(open) => Asked::Open(proto::RibltOpen {
                filter: match &open.filter {
                    Raw::Json(text) => Bytes::copy_from_slice(text.as_bytes()),
                    Raw::Binary(bytes) => bytes.clone(),
                },
                digest: Bytes::copy_from_slice(&open.summary.hash),
                count: open.summary.count,
                estimator: Bytes::copy_from_slice(&open.estimator),
                key: key_bytes(open.key),
            }),
            Self::More { first, cells } => {
                Asked::More(proto::RibltMore { first: small(*first), cells: small(*cells) })
            }
            Self::Fetch { wanted } => Asked::Fetch(proto::RibltFetch { wanted: pack(wanted) }),
        };
        proto::RibltRequest { body: Some(body) }.encode_to_vec()
    }

    fn from_bytes(raw: &[u8]) -> Result<Self, BadMetadata> {
        let message: proto::RibltRequest = decode(raw)?;
        match message.body.ok_or_else(|| BadMetadata::new("body", "is missing"))? {
            Asked::Open(open) => Ok(Self::Open(Open {
                filter: Raw::Binary(open.filter),
                summary: summary(&open.digest, open.count)?,
                estimator: exact("estimator", &open.estimator)?,
                key: key(&open.key)?,
            })),
            Asked::More(more) => more_of(u64::from(more.first), u64::from(more.cells)),
            Asked::Fetch(fetch) => Ok(Self::Fetch { wanted: unpack("wanted", &fetch.wanted)? }),
        }
    }
}

impl Metadata for RibltResponse {
    fn to_json(&self) -> String {
        json::write_response(self)
    }

    fn from_json(raw: &str) -> Result<Self, BadMetadata> {
        json::read_response(raw)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let body = match self {
            Self::Equal => Answered::Equal(proto::RibltEqual {}),
            Self::Block { head, cells, packed } => Answered::Block(proto::RibltBlock {
                key: key_bytes(head.as_ref().and_then(|head| head.key)),
                digest: head.as_ref().map(|head| hash_bytes(&head.summary)).unwrap_or_default(),
                count: head.as_ref().map_or(0, |head| head.summary.count),
                cells: small(*cells),
                packed: packed.clone(),
            }),
            Self::Page { summary } => Answered::Page(proto::RibltPage {
                digest: hash_bytes(summary),
                count: summary.count,
            }),
            Self::Items { gone, summary } => Answered::Items(proto::RibltItems {
                gone: pack(gone),
                digest: hash_bytes(summary),
                count: summary.count,
            }),
        };
        proto::RibltResponse { body: Some(body) }.encode_to_vec()
    }

    fn from_bytes(raw: &[u8]) -> Result<Self, BadMetadata> {
        let message: proto::RibltResponse = decode(raw)?;
        match message.body.ok_or_else(|| BadMetadata::new("body", "is missing"))? {
            Answered::Equal(proto::RibltEqual {}) => Ok(Self::Equal),
            Answered::Block(block) => {
                let summary = (!block.digest.is_empty())
                    .then(|| summary(&block.digest, block.count))
                    .transpose()?;
                let head = match (summary, key(&block.key)?) {
                    (Some(summary), key) => Some(Head { key, summary }),
                    (None, None) => None,
                    (None, Some(_)) => return Err(BadMetadata::new("key", "without a digest")),
                };
                Self::block(head, u64::from(block.cells), block.packed)
            }
            Answered::Page(page) => Ok(Self::Page { summary: summary(&page.digest, page.count)? }),
            Answered::Items(items) => Ok(Self::Items {
                gone: unpack("gone", &items.gone)?,
                summary: summary(&items.digest, items.count)?,
            }),
        }
    }
}

impl RibltResponse {
    pub(super) fn block(
        head: Option<Head>,
        cells: u64,
        packed: Bytes,
    ) -> Result<Self, BadMetadata> {
        Ok(Self::Block { head, cells: in_block(cells)?, packed })
    }
}

pub(super) fn more_of(first: u64, cells: u64) -> Result<RibltRequest, BadMetadata> {
    let first = usize::try_from(first).map_err(|error| BadMetadata::new("first", error))?;
    Ok(RibltRequest::More { first, cells: in_block(cells)? })
}

fn in_block(cells: u64) -> Result<usize, BadMetadata> {
    let cells = usize::try_from(cells).unwrap_or(usize::MAX);
    if (1..=BLOCK_MAX).contains(&cells) {
        return Ok(cells);
    }
    Err(BadMetadata::new("cells", format_args!("is {cells}, must be 1 to {BLOCK_MAX}")))
}

fn decode<P: bounds::Bounded>(raw: &[u8]) -> Result<P, BadMetadata> {
    bounds::decode(Bytes::copy_from_slice(raw))
        .map_err(|malformed| BadMetadata::new("metadata", malformed))
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn hash_bytes(summary: &Summary) -> Bytes {
    Bytes::copy_from_slice(&summary.hash)
}

fn key_bytes(key: Option<Key>) -> Bytes {
    key.map(|key| Bytes::copy_from_slice(&key.to_bytes())).unwrap_or_default()
}

pub(super) fn exact<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], BadMetadata> {
    <[u8; N]>::try_from(bytes)
        .map_err(|_| BadMetadata::new(field, format_args!("is {} bytes, must be {N}", bytes.len())))
}

pub(super) fn summary(hash: &[u8], count: u64) -> Result<Summary, BadMetadata> {
    Ok(Summary { hash: exact("digest", hash)?, count })
}

pub(super) fn key(bytes: &[u8]) -> Result<Option<Key>, BadMetadata> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(Key::from_bytes(exact("key", bytes)?)))
}

pub(super) fn pack(ids: &[u64]) -> Bytes {
    ids.iter().flat_map(|id| id.to_le_bytes()).collect()
}

pub(super) fn unpack(field: &str, bytes: &[u8]) -> Result<Vec<u64>, BadMetadata> {
    let (ids, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() || ids.len() > WANTED_MAX {
        let problem =
            format_args!("is {} bytes, must be 8 for each of at most {WANTED_MAX}", bytes.len());
        return Err(BadMetadata::new(field, problem));
    }
    let ids: Vec<_> = ids.iter().map(|id| u64::from_le_bytes(*id)).collect();
    if ids.is_sorted_by(|a, b| a < b) {
        return Ok(ids);
    }
    Err(BadMetadata::new(field, "is not ascending"))
}
