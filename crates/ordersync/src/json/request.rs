//! Requests as 0x-Mesh writes them, and as it reads them.

use super::escape::escape;
use super::{
    BadMessage, Elements, Envelope, Members, NAME_BYTES_MAX, NotJson, REQUEST_BYTES_MAX, text,
};
use crate::message::{
    FirstRequestsForSubprotocols, ID_V4, NAMES_MAX, RawRequest, RequestMetadata, TYPE_REQUEST,
};
use crate::{Item, Raw};

impl Envelope {
    /// A request as text, without a line feed.
    ///
    /// What the request gives away is left out: 0x-Mesh has no place for it. First metadata for one
    /// subprotocol only is sent bare, because a 0x-Mesh provider would not look inside the list.
    ///
    /// # Errors
    /// [`NotJson`].
    pub fn encode_request<I: Item>(self, request: &RawRequest<I>) -> Result<String, NotJson> {
        let metadata = match &request.metadata {
            RequestMetadata::Bare(raw) => json(raw)?.to_owned(),
            RequestMetadata::First(first) => first_json(first)?,
        };
        let text = match self {
            Self::Bare => metadata,
            Self::Negotiated => {
                let names = serde_json::Value::from(request.subprotocols.clone());
                format!(
                    r#"{{"type":"{TYPE_REQUEST}","subprotocols":{names},"metadata":{metadata}}}"#
                )
            }
        };
        Ok(escape(&text).into_owned())
    }

    /// Reads a request.
    ///
    /// First metadata has an entry for each name: where the list is too short, or there is none,
    /// the entry is the metadata as it came, which is what requesters up to 9.4.0 mean. A list of
    /// one for one name is unwrapped, though 0x-Mesh itself forgets to.
    ///
    /// # Errors
    /// [`BadMessage`].
    ///
    /// # Bounds
    /// Refuses what is over [`REQUEST_BYTES_MAX`], more than [`NAMES_MAX`] names, and names over
    /// [`NAME_BYTES_MAX`].
    pub fn decode_request<I: Item>(self, object: &str) -> Result<RawRequest<I>, BadMessage> {
        if object.len() > REQUEST_BYTES_MAX {
            return Err(BadMessage::TooLong { max: REQUEST_BYTES_MAX });
        }
        let (subprotocols, metadata) = match self {
            Self::Bare => {
                Members::of(object, []).map_err(shape("request"))?;
                (vec![ID_V4.to_owned()], RequestMetadata::Bare(Raw::Json(object.to_owned())))
            }
            Self::Negotiated => {
                let members = Members::of(object, ["type", "subprotocols", "metadata"]);
                let [kind, names, metadata] = members.map_err(shape("request"))?.values;
                let kind: Option<String> = text(kind).map_err(shape("type"))?;
                if kind.as_deref() != Some(TYPE_REQUEST) {
                    return Err(BadMessage::NotARequest);
                }
                let names = decode_names(names)?;
                let metadata = metadata.ok_or(BadMessage::Missing { field: "metadata" })?;
                let metadata = unwrap_first(metadata, names.len());
                (names, metadata)
            }
        };
        Ok(RawRequest { subprotocols, metadata, pushed: Vec::new() })
    }
}

/// Metadata that is JSON.
pub(super) fn json(raw: &Raw) -> Result<&str, NotJson> {
    match raw {
        Raw::Json(text) => Ok(text),
        Raw::Binary(_) => Err(NotJson),
    }
}

/// Says which part of a message is wrong, and none of what it holds.
pub(super) fn shape(field: &'static str) -> impl Fn(serde_json::Error) -> BadMessage {
    move |error| BadMessage::Shape { field, at: error.column() }
}

fn first_json(first: &FirstRequestsForSubprotocols) -> Result<String, NotJson> {
    let entries = first.metadata.iter().map(json).collect::<Result<Vec<_>, _>>()?;
    match entries.as_slice() {
        [only] => Ok((*only).to_owned()),
        entries => Ok(format!(r#"{{"metadata":[{}]}}"#, entries.join(","))),
    }
}

fn decode_names(names: Option<&str>) -> Result<Vec<String>, BadMessage> {
    let Some(names) = names else { return Ok(Vec::new()) };
    let names = Elements::of(names, NAMES_MAX).map_err(shape("subprotocols"))?;
    if names.count > NAMES_MAX {
        return Err(BadMessage::TooManyNames { names: names.count, max: NAMES_MAX });
    }
    names.kept.into_iter().map(decode_name).collect()
}

pub(super) fn decode_name(name: &str) -> Result<String, BadMessage> {
    let name: String = serde_json::from_str(name).map_err(shape("subprotocol"))?;
    if name.len() > NAME_BYTES_MAX {
        return Err(BadMessage::NameTooLong { bytes: name.len(), max: NAME_BYTES_MAX });
    }
    Ok(name)
}

/// The metadata of a request with so many names: a list of first metadata is looked inside.
fn unwrap_first(metadata: &str, names: usize) -> RequestMetadata {
    let bare = || RequestMetadata::Bare(Raw::Json(metadata.to_owned()));
    let Ok(Members { values: [Some(list)], others }) = Members::of(metadata, ["metadata"]) else {
        return bare();
    };
    let Ok(list) = Elements::of(list, names) else { return bare() };
    let mut entries = list.kept.into_iter().map(|entry| Raw::Json(entry.to_owned()));
    if names > 1 {
        let untouched = || Raw::Json(metadata.to_owned());
        let metadata = (0..names).map(|_| entries.next().unwrap_or_else(untouched)).collect();
        return RequestMetadata::First(FirstRequestsForSubprotocols { metadata });
    }
    match entries.next() {
        Some(only) if !others && list.count == 1 => RequestMetadata::Bare(only),
        _ => bare(),
    }
}
