//! The same in the JSON envelope: objects with one key that says what it is, and bytes in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::messages::{
    Head, Open, RibltRequest, RibltResponse, exact, key, more_of, pack, summary, unpack,
};
use crate::{BadMetadata, Raw};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Asked {
    Open {
        orderfilter: Box<RawValue>,
        digest: String,
        count: u64,
        estimator: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    More {
        first: u64,
        cells: u64,
    },
    Fetch {
        wanted: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Answered {
    Equal,
    Block {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        head: Option<Heading>,
        cells: u64,
        packed: String,
    },
    Page {
        digest: String,
        count: u64,
    },
    Items {
        gone: String,
        digest: String,
        count: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heading {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    digest: String,
    count: u64,
}

pub(super) fn write_request(request: &RibltRequest) -> String {
    write(&match request {
        RibltRequest::Open(open) => Asked::Open {
            orderfilter: raw_value(&open.filter),
            digest: STANDARD.encode(open.summary.hash),
            count: open.summary.count,
            estimator: STANDARD.encode(open.estimator),
            key: open.key.map(|key| STANDARD.encode(key.to_bytes())),
        },
        RibltRequest::More { first, cells } => {
            Asked::More { first: wide(*first), cells: wide(*cells) }
        }
        RibltRequest::Fetch { wanted } => Asked::Fetch { wanted: STANDARD.encode(pack(wanted)) },
    })
}

pub(super) fn read_request(raw: &str) -> Result<RibltRequest, BadMetadata> {
    match read(raw)? {
        Asked::Open { orderfilter, digest, count, estimator, key: chosen } => {
            Ok(RibltRequest::Open(Open {
                filter: Raw::Json(orderfilter.get().to_owned()),
                summary: summary(&bytes("digest", &digest)?, count)?,
                estimator: exact("estimator", &bytes("estimator", &estimator)?)?,
                key: chosen
                    .map(|text| bytes("key", &text))
                    .transpose()?
                    .map_or(Ok(None), |bytes| key(&bytes))?,
            }))
        }
        Asked::More { first, cells } => more_of(first, cells),
        Asked::Fetch { wanted } => {
            Ok(RibltRequest::Fetch { wanted: unpack("wanted", &bytes("wanted", &wanted)?)? })
        }
    }
}

pub(super) fn write_response(response: &RibltResponse) -> String {
    let heading = |head: &Head| Heading {
        key: head.key.map(|key| STANDARD.encode(key.to_bytes())),
        digest: STANDARD.encode(head.summary.hash),
        count: head.summary.count,
    };
    write(&match response {
        RibltResponse::Equal => Answered::Equal,
        RibltResponse::Block { head, cells, packed } => Answered::Block {
            head: head.as_ref().map(heading),
            cells: wide(*cells),
            packed: STANDARD.encode(packed),
        },
        RibltResponse::Page { summary } => {
            Answered::Page { digest: STANDARD.encode(summary.hash), count: summary.count }
        }
        RibltResponse::Items { gone, summary } => Answered::Items {
            gone: STANDARD.encode(pack(gone)),
            digest: STANDARD.encode(summary.hash),
            count: summary.count,
        },
    })
}

pub(super) fn read_response(raw: &str) -> Result<RibltResponse, BadMetadata> {
    match read(raw)? {
        Answered::Equal => Ok(RibltResponse::Equal),
        Answered::Block { head, cells, packed } => {
            let head = head.map(heading).transpose()?;
            RibltResponse::block(head, cells, Bytes::from(bytes("packed", &packed)?))
        }
        Answered::Page { digest, count } => {
            Ok(RibltResponse::Page { summary: summary(&bytes("digest", &digest)?, count)? })
        }
        Answered::Items { gone, digest, count } => Ok(RibltResponse::Items {
            gone: unpack("gone", &bytes("gone", &gone)?)?,
            summary: summary(&bytes("digest", &digest)?, count)?,
        }),
    }
}

/// `null`, which wants everything, if a filter in the other form got here.
fn raw_value(filter: &Raw) -> Box<RawValue> {
    let text = match filter {
        Raw::Json(text) => text.clone(),
        Raw::Binary(_) => "null".to_owned(),
    };
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn heading(heading: Heading) -> Result<Head, BadMetadata> {
    let Heading { key: chosen, digest, count } = heading;
    let chosen = chosen.map(|text| bytes("key", &text)).transpose()?.unwrap_or_default();
    Ok(Head { key: key(&chosen)?, summary: summary(&bytes("digest", &digest)?, count)? })
}

/// The text is bounded by the envelope, and what comes of it is shorter.
fn bytes(field: &str, text: &str) -> Result<Vec<u8>, BadMetadata> {
    STANDARD.decode(text).map_err(|error| BadMetadata::new(field, error))
}

fn read<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, BadMetadata> {
    serde_json::from_str(raw).map_err(|error| BadMetadata::new("metadata", error))
}

fn write(value: &impl Serialize) -> String {
    // Strings and numbers: there is nothing in it that cannot be written.
    serde_json::to_string(value).unwrap_or_default()
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
