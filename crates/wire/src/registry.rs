//! The messages that an application has registered: which tag is which type, and how long it may
//! be.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::proto::app::v1::AppMessage;
use crate::{Defect, Malformed};

/// Most bytes of one payload: a frame of 1 MiB less 64 bytes for what is around it.
pub const PAYLOAD_MAX: usize = 1024 * 1024 - 64;

/// One type of message among those of `A`, which is usually an enum with a variant for each.
pub struct Entry<A> {
    /// Number on the wire.
    pub tag: u32,
    /// Name for logs and metrics.
    pub name: &'static str,
    /// Most bytes of the encoded message, 1 to [`PAYLOAD_MAX`].
    pub len_max: usize,
    /// Reads the message. Called only for payloads of at most `len_max` bytes.
    pub decode: fn(Bytes) -> Result<A, Malformed>,
    /// Writes the message; `None` when it is of another type.
    pub encode: fn(&A) -> Option<Bytes>,
}

/// The messages of one application, by tag.
pub struct Registry<A> {
    entries: BTreeMap<u32, Entry<A>>,
}

/// Why entries do not make a registry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RegistryError {
    /// Two messages with one tag.
    #[error("tag {tag} is taken by {first} and by {second}")]
    Tag {
        /// The tag.
        tag: u32,
        /// Who has it.
        first: &'static str,
        /// Who wants it as well.
        second: &'static str,
    },
    /// Two messages with one name.
    #[error("name {name} is taken twice")]
    Name {
        /// The name.
        name: &'static str,
    },
    /// A bound that no frame can hold, or none at all.
    #[error("len_max of {name} is {given}, must be 1 to {PAYLOAD_MAX}")]
    LenMax {
        /// The message.
        name: &'static str,
        /// Its bound, in bytes.
        given: usize,
    },
}

/// Why a received message is none of the application's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// No message has this tag. Not a fault: a newer peer may know more.
    #[error("no message has tag {tag}")]
    Unknown {
        /// The tag received.
        tag: u32,
    },
    /// The payload is longer than its type allows, or not a message of it. The sender is at fault.
    #[error("message {name} is unreadable")]
    Malformed {
        /// The type of message.
        name: &'static str,
        /// What is wrong.
        #[source]
        cause: Malformed,
    },
}

/// Why a message of the application cannot be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EncodeError {
    /// No entry encodes it.
    #[error("message is of no registered type")]
    Unregistered,
    /// Longer than its type allows.
    #[error("message {name} is {len} bytes, must be at most {max}")]
    TooLong {
        /// The type of message.
        name: &'static str,
        /// Bytes of the encoded message.
        len: usize,
        /// Most that it may have.
        max: usize,
    },
}

impl<A> Registry<A> {
    /// Registers `entries`.
    ///
    /// # Errors
    ///
    /// [`RegistryError`], for the first entry that does not fit.
    pub fn new(entries: impl IntoIterator<Item = Entry<A>>) -> Result<Self, RegistryError> {
        let mut registry = Self { entries: BTreeMap::new() };
        for entry in entries {
            let (tag, name) = (entry.tag, entry.name);
            if entry.len_max == 0 || entry.len_max > PAYLOAD_MAX {
                return Err(RegistryError::LenMax { name, given: entry.len_max });
            }
            if registry.entries.values().any(|taken| taken.name == name) {
                return Err(RegistryError::Name { name });
            }
            if let Some(first) = registry.entries.insert(tag, entry) {
                return Err(RegistryError::Tag { tag, first: first.name, second: name });
            }
        }
        Ok(registry)
    }

    /// Reads a received message. Its length is checked before its decoder sees it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(&self, message: AppMessage) -> Result<A, DecodeError> {
        let tag = message.tag;
        let entry = self.entries.get(&tag).ok_or(DecodeError::Unknown { tag })?;
        let read = if message.payload.len() > entry.len_max {
            Err(Malformed::new("app_message.payload", Defect::TooLong))
        } else {
            (entry.decode)(message.payload)
        };
        read.map_err(|cause| DecodeError::Malformed { name: entry.name, cause })
    }

    /// Writes a message to send.
    ///
    /// # Errors
    ///
    /// [`EncodeError`].
    pub fn encode(&self, message: &A) -> Result<AppMessage, EncodeError> {
        let (entry, payload) = self
            .entries
            .values()
            .find_map(|entry| Some((entry, (entry.encode)(message)?)))
            .ok_or(EncodeError::Unregistered)?;
        let (name, len, max) = (entry.name, payload.len(), entry.len_max);
        if len > max {
            return Err(EncodeError::TooLong { name, len, max });
        }
        Ok(AppMessage { tag: entry.tag, payload })
    }

    /// The name of the message with this tag, for logs and metrics.
    pub fn name(&self, tag: u32) -> Option<&'static str> {
        self.entries.get(&tag).map(|entry| entry.name)
    }
}

impl<A> fmt::Debug for Entry<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("tag", &self.tag)
            .field("name", &self.name)
            .field("len_max", &self.len_max)
            .finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for Registry<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.values()).finish()
    }
}
