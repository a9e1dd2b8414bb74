//! What a subprotocol says beside the items, in the two forms that the envelopes carry.

use bytes::Bytes;

use crate::BadItem;

/// In which form an envelope carries metadata.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Form {
    /// As JSON text.
    Json,
    /// As bytes.
    Binary,
}

/// Metadata as it came, or as it goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Raw {
    /// JSON text: one whole value.
    Json(String),
    /// Bytes.
    Binary(Bytes),
}

impl Raw {
    /// Its form.
    pub const fn form(&self) -> Form {
        match self {
            Self::Json(_) => Form::Json,
            Self::Binary(_) => Form::Binary,
        }
    }
}

/// Metadata that is not what the subprotocol expects.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("metadata: {0}")]
pub struct BadMetadata(#[from] pub BadItem);

impl BadMetadata {
    /// `problem` is lower case, without a full stop.
    pub fn new(field: &str, problem: impl std::fmt::Display) -> Self {
        Self(BadItem::new(field, problem))
    }
}

/// Metadata of a subprotocol, in both forms.
pub trait Metadata: Sized + Clone + std::fmt::Debug + PartialEq + Send + 'static {
    /// As JSON text.
    fn to_json(&self) -> String;

    /// Reads JSON text.
    ///
    /// # Errors
    /// [`BadMetadata`], which names the field.
    fn from_json(raw: &str) -> Result<Self, BadMetadata>;

    /// As bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads bytes.
    ///
    /// # Errors
    /// [`BadMetadata`], which names the field.
    fn from_bytes(raw: &[u8]) -> Result<Self, BadMetadata>;

    /// In the form that an envelope carries.
    fn to_raw(&self, form: Form) -> Raw {
        match form {
            Form::Json => Raw::Json(self.to_json()),
            Form::Binary => Raw::Binary(self.to_bytes().into()),
        }
    }

    /// Reads either form.
    ///
    /// # Errors
    /// [`BadMetadata`].
    fn from_raw(raw: &Raw) -> Result<Self, BadMetadata> {
        match raw {
            Raw::Json(text) => Self::from_json(text),
            Raw::Binary(bytes) => Self::from_bytes(bytes),
        }
    }
}
