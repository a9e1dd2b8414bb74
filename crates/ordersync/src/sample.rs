//! Notes: items that are not orders, for tests and examples.

use machine::UnixTime;
use meshwork_ordersync::{BadItem, Filter, Item, ItemId};
use serde::{Deserialize, Serialize};

/// A text and a number.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// At most [`Note::TEXT_MAX`] bytes.
    pub text: String,
    /// The second since 1970 at which it ends being of use; 0 if never.
    pub number: u64,
}

/// Notes whose text begins with these words; empty for all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Prefix(pub String);

impl Note {
    /// Most bytes of a text.
    pub const TEXT_MAX: usize = 8 << 10;

    /// A note that never ends being of use.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), number: 0 }
    }

    fn check(self) -> Result<Self, BadItem> {
        let len = self.text.len();
        if len > Self::TEXT_MAX {
            let problem = format!("{len} bytes, must be at most {}", Self::TEXT_MAX);
            return Err(BadItem::new("text", problem));
        }
        Ok(self)
    }
}

impl Item for Note {
    type Filter = Prefix;

    fn id(&self) -> ItemId {
        ItemId(*blake3::hash(self.to_json().as_bytes()).as_bytes())
    }

    fn expires(&self) -> Option<UnixTime> {
        (self.number != 0).then(|| UnixTime::from_millis(self.number.saturating_mul(1000)))
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a text and a number are JSON")
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        let note: Self = serde_json::from_str(raw).map_err(|error| BadItem::new("note", error))?;
        note.check()
    }

    /// Of each note its number, the length of its text, and its text.
    fn encode_batch(items: &[&Self]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for Self { text, number } in items {
            let len = u16::try_from(text.len()).expect("a text is at most 8 KiB");
            bytes.extend(number.to_le_bytes());
            bytes.extend(len.to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    fn decode_batch(mut bytes: &[u8], items_max: usize) -> Result<Vec<Self>, BadItem> {
        let truncated = || BadItem::new("batch", "ends inside a note");
        let mut notes = Vec::new();
        while !bytes.is_empty() {
            if notes.len() >= items_max {
                return Err(BadItem::new("batch", format!("more than {items_max} notes")));
            }
            let (number, rest) = bytes.split_first_chunk().ok_or_else(truncated)?;
            let (len, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
            let len = u16::from_le_bytes(*len).into();
            let (text, rest) = rest.split_at_checked(len).ok_or_else(truncated)?;
            let text = std::str::from_utf8(text).map_err(|error| BadItem::new("text", error))?;
            let number = u64::from_le_bytes(*number);
            notes.push(Self { text: text.to_owned(), number }.check()?);
            bytes = rest;
        }
        Ok(notes)
    }
}

impl Filter<Note> for Prefix {
    fn matches(&self, item: &Note) -> bool {
        item.text.starts_with(&self.0)
    }

    fn cost(&self, _item: &Note) -> usize {
        (self.0.len() / 16).saturating_add(1)
    }

    fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("a text is JSON")
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        let prefix: Option<String> =
            serde_json::from_str(raw).map_err(|error| BadItem::new("prefix", error))?;
        Ok(Self(prefix.unwrap_or_default()))
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, BadItem> {
        let prefix = std::str::from_utf8(bytes).map_err(|error| BadItem::new("prefix", error))?;
        Ok(Self(prefix.to_owned()))
    }
}
