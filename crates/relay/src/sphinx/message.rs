//! What a packet carries.

use std::fmt;

use crate::error::MessageTooLong;

/// Bytes for one application of the recipient, which are never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Message {
    tag: u16,
    data: Vec<u8>,
}

impl Message {
    /// Most bytes of one.
    pub const BYTES_MAX: usize = 1_024;

    /// For the application with this number; 0 is for none.
    ///
    /// # Errors
    /// [`MessageTooLong`] above [`Self::BYTES_MAX`].
    pub fn new(tag: u16, data: Vec<u8>) -> Result<Self, MessageTooLong> {
        let given = data.len();
        if given > Self::BYTES_MAX {
            return Err(MessageTooLong { given });
        }
        Ok(Self { tag, data })
    }

    /// Which application it is for.
    pub fn tag(&self) -> u16 {
        self.tag
    }

    /// What it is told.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// What it is told.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tag, bytes) = (self.tag, self.data.len());
        f.debug_struct("Message").field("tag", &tag).field("bytes", &bytes).finish_non_exhaustive()
    }
}
