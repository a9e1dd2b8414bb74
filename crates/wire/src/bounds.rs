//! Bounds of protobuf messages, checked on the wire bytes before anything is decoded.
//!
//! Each generated message has a [`Schema`], made from the options in its proto file. [`scan`] walks
//! the bytes against it in one pass without allocating; only what passes is decoded.

mod scan;

use bytes::{Bytes, BytesMut};

pub use self::scan::{Scanned, scan};
use crate::{Defect, Frame, Malformed};

/// Most slots of one [`Schema`]. The scanner keeps a counter for each on its stack, 128 bytes for
/// each level of nesting.
pub const SLOTS: usize = 32;

/// A decoded message may take this many times its bytes on the wire, and [`GROWTH_FREE`] beside.
/// Strings come to 1. Lists of tiny messages can come to 6 with the spare room of a growing list:
/// short ones live on [`GROWTH_FREE`], and a message that needs thousands has to be encoded more
/// tightly. At half, ordinary lists of names would be refused; at double, 1 MiB could become 8.
pub const GROWTH_MAX: usize = 4;

/// Bytes that any decoded message may take, however short it was on the wire: enough for every list
/// within its own bounds in a small frame, and little beside the frame limit of 1 MiB.
pub const GROWTH_FREE: usize = 64 * 1024;

/// The bounds of one message type.
#[derive(Debug)]
pub struct Schema {
    name: &'static str,
    len_max: usize,
    size: usize,
    fields: &'static [Field],
}

/// One field of a message type.
#[derive(Debug)]
pub struct Field {
    /// Its number on the wire.
    pub number: u32,
    /// How a [`Malformed`] names it: `message.field`.
    pub path: &'static str,
    /// Which counter it shares: members of one oneof have the same, all other fields their own.
    pub slot: usize,
    /// Most elements of a repeated field; `None` when the field may come once.
    pub count_max: Option<u32>,
    /// How one value looks on the wire.
    pub shape: Shape,
}

/// How one value looks on the wire, and its bound.
#[derive(Debug)]
pub enum Shape {
    /// An integer of variable length.
    Varint {
        /// Largest value that the decoded type holds.
        max: u64,
        /// Bytes of one decoded value.
        size: usize,
    },
    /// Four bytes.
    Fixed32,
    /// Eight bytes.
    Fixed64,
    /// A UTF-8 string.
    Text {
        /// Most bytes.
        len_max: usize,
    },
    /// A byte string, decoded without a copy.
    Bytes {
        /// Most bytes.
        len_max: usize,
    },
    /// A nested message.
    Message(&'static Schema),
}

impl Schema {
    /// The bounds of a message of at most `len_max` bytes that takes `size` bytes decoded, without
    /// its heap.
    ///
    /// # Panics
    ///
    /// When `fields` are not in the order of their numbers, or a slot is not below [`SLOTS`]. In a
    /// constant that is a compile error.
    pub const fn new(
        name: &'static str,
        len_max: usize,
        size: usize,
        fields: &'static [Field],
    ) -> Self {
        let mut last = 0;
        let mut left = fields;
        while let [field, behind @ ..] = left {
            assert!(field.number > last, "fields are not in the order of their numbers");
            assert!(field.slot < SLOTS, "a slot is too high");
            last = field.number;
            left = behind;
        }
        Self { name, len_max, size, fields }
    }

    /// How a [`Malformed`] names the message.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Most bytes of the encoded message.
    pub const fn len_max(&self) -> usize {
        self.len_max
    }
}

/// A protobuf message with bounds.
pub trait Bounded: prost::Message + Default {
    /// Its bounds.
    const SCHEMA: &'static Schema;
    /// Most bytes of the encoded message.
    const LEN_MAX: usize = Self::SCHEMA.len_max();
}

/// Checks every bound of a message, then decodes it. Byte strings in it share the memory of
/// `message`.
///
/// # Bounds
///
/// Those of the proto file; unknown fields are skipped. The decoded message takes at most
/// [`GROWTH_MAX`] times the length of `message` plus [`GROWTH_FREE`].
///
/// # Errors
///
/// [`Malformed`], naming the first field that is wrong.
pub fn decode<P: Bounded>(message: Bytes) -> Result<P, Malformed> {
    scan(P::SCHEMA, &message)?;
    P::decode(message).map_err(|_| Malformed::new(P::SCHEMA.name, Defect::Invalid))
}

/// Every bounded message is a frame by itself.
impl<P: Bounded> Frame for P {
    const MAX: usize = P::LEN_MAX;

    fn encode(&self, out: &mut BytesMut) {
        prost::Message::encode(self, out).expect("the buffer grows as needed");
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        decode(frame)
    }
}
