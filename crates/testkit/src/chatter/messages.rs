//! What peers say, and how it looks on the wire.

use bytes::{Buf, BufMut, Bytes, BytesMut, TryGetError};
use wire::{Defect, Frame, Malformed};

/// Most items that fit one answer: a frame of 16 KiB less the kind and the number.
pub const ITEMS_LIMIT: u16 = 16 * 1024 - 5;

/// One message. `id` is the number that the asker chose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// Which items do you have? Kind 0, `id` in 4 bytes, `wanted` in 2.
    Ask {
        /// To be quoted in the answer.
        id: u32,
        /// How many are wanted, at most [`ITEMS_LIMIT`].
        wanted: u16,
    },
    /// These. Kind 1, `id` in 4 bytes, then the items.
    Answer {
        /// As in the ask.
        id: u32,
        /// One byte each, at most [`ITEMS_LIMIT`].
        items: Bytes,
    },
    /// Cannot say now. Kind 2, `id` in 4 bytes.
    Busy {
        /// As in the ask.
        id: u32,
    },
}

impl Frame for Message {
    const MAX: usize = 16 * 1024;

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Ask { id, wanted } => {
                out.put_u8(0);
                out.put_u32(*id);
                out.put_u16(*wanted);
            }
            Self::Answer { id, items } => {
                out.put_u8(1);
                out.put_u32(*id);
                out.put_slice(items);
            }
            Self::Busy { id } => {
                out.put_u8(2);
                out.put_u32(*id);
            }
        }
    }

    fn decode(mut frame: Bytes) -> Result<Self, Malformed> {
        let kind = frame.try_get_u8().map_err(truncated("message.kind"))?;
        let id = frame.try_get_u32().map_err(truncated("message.id"))?;
        let message = match kind {
            0 => {
                let wanted = frame.try_get_u16().map_err(truncated("ask.wanted"))?;
                if wanted > ITEMS_LIMIT {
                    return Err(Malformed::new("ask.wanted", Defect::TooMany));
                }
                Self::Ask { id, wanted }
            }
            1 if frame.len() > usize::from(ITEMS_LIMIT) => {
                return Err(Malformed::new("answer.items", Defect::TooMany));
            }
            1 => return Ok(Self::Answer { id, items: frame }),
            2 => Self::Busy { id },
            _ => return Err(Malformed::new("message.kind", Defect::Invalid)),
        };
        if !frame.is_empty() {
            return Err(Malformed::new("message", Defect::TooLong));
        }
        Ok(message)
    }
}

fn truncated(field: &'static str) -> impl Fn(TryGetError) -> Malformed {
    move |_| Malformed::new(field, Defect::Truncated)
}
