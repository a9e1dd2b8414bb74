//! Payloads of an application that has more than one type of message.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message;

use crate::letter::PAYLOAD_MAX;

/// What precedes the message: its type.
const TYPE_LEN: usize = 4;

/// A protobuf message of the application, with the number that says which type it is.
///
/// As a payload: the number as 4 bytes, big-endian, and the message behind it.
///
/// ```
/// use meshwork_dht::domain_message::{DomainMessage, read};
///
/// let greeting = DomainMessage::new(7, "hello".to_owned());
/// let (number, body) = read(greeting.to_payload()?)?;
/// assert_eq!(number, 7);
/// assert_eq!(DomainMessage::<String>::of(number, body)?, greeting);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DomainMessage<T> {
    /// Which type it is: the application's own numbering.
    pub number: u32,
    /// The message.
    pub message: T,
}

impl<T: Message + Default> DomainMessage<T> {
    /// Of this type.
    pub const fn new(number: u32, message: T) -> Self {
        Self { number, message }
    }

    /// The payload of a letter with it.
    ///
    /// # Errors
    /// [`TooLong`] if it would have more than [`PAYLOAD_MAX`] bytes.
    pub fn to_payload(&self) -> Result<Bytes, TooLong> {
        let len = self.message.encoded_len().saturating_add(TYPE_LEN);
        if len > PAYLOAD_MAX {
            return Err(TooLong { len });
        }
        let mut payload = BytesMut::with_capacity(len);
        payload.put_u32(self.number);
        payload.extend_from_slice(&self.message.encode_to_vec());
        Ok(payload.freeze())
    }

    /// What [`read`] found, once its number said that it is a `T`.
    ///
    /// # Errors
    /// [`NoDomainMessage::Body`] if it is none.
    pub fn of(number: u32, body: Bytes) -> Result<Self, NoDomainMessage> {
        let message = T::decode(body).map_err(|_| NoDomainMessage::Body { number })?;
        Ok(Self { number, message })
    }
}

/// The number of a payload's type, and what is behind it.
///
/// # Errors
/// [`NoDomainMessage::Short`] if there is no number.
pub fn read(mut payload: Bytes) -> Result<(u32, Bytes), NoDomainMessage> {
    let len = payload.len();
    let number = payload.try_get_u32().map_err(|_| NoDomainMessage::Short { len })?;
    Ok((number, payload))
}

/// A message that does not fit into a letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("message has {len} bytes with its number, must have at most {PAYLOAD_MAX}")]
pub struct TooLong {
    /// What it would have, its number included.
    pub len: usize,
}

/// A payload that is no message of the application.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoDomainMessage {
    /// Too short for a number.
    #[error("payload has {len} bytes, must have at least {TYPE_LEN}")]
    Short {
        /// What it has.
        len: usize,
    },
    /// What is behind the number is not of that type.
    #[error("body is no message of type {number}")]
    Body {
        /// The number.
        number: u32,
    },
}
