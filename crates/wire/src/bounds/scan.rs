//! One pass over the protobuf wire format, against a schema.

use super::{Field, GROWTH_FREE, GROWTH_MAX, SLOTS, Schema, Shape};
use crate::varint::{self, Unreadable};
use crate::{Defect, Malformed};

/// Shortest heap block that a list of small elements takes, in elements.
const LIST_MIN: usize = 4;

/// Shortest heap block that a non-empty string takes, in bytes.
const TEXT_MIN: usize = 8;

/// What a scan found beside that all is well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scanned {
    /// Bytes of memory that the decoded message takes, byte strings not counted: they share the
    /// frame.
    pub decoded: usize,
    /// Fields that the schema does not know. A newer minor version may send some; they were
    /// skipped.
    pub unknown: usize,
}

/// Checks `message` against `schema` without allocating.
///
/// Looks at each byte at most once, and nests no deeper than the schema does.
///
/// # Errors
///
/// The first field that is longer, more numerous or more often there than it may be, is cut off,
/// has another wire type, is not UTF-8 or not in its one shortest form; or the field at which the
/// decoded size passes `GROWTH_MAX × bytes + GROWTH_FREE`.
pub fn scan(schema: &Schema, message: &[u8]) -> Result<Scanned, Malformed> {
    if message.len() > schema.len_max {
        return Err(Malformed::new(schema.name, Defect::TooLong));
    }
    let mut scan = Scan {
        decoded: schema.size,
        decoded_max: message.len().saturating_mul(GROWTH_MAX).saturating_add(GROWTH_FREE),
        unknown: 0,
    };
    scan.message(schema, message)?;
    Ok(Scanned { decoded: scan.decoded, unknown: scan.unknown })
}

/// How a value is delimited on the wire. The two group types are left out: proto3 has no groups.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum WireType {
    Varint,
    Fixed64,
    Delimited,
    Fixed32,
}

struct Scan {
    decoded: usize,
    decoded_max: usize,
    unknown: usize,
}

impl Scan {
    fn message(&mut self, schema: &Schema, message: &[u8]) -> Result<(), Malformed> {
        let mut counts = [0_u32; SLOTS];
        let mut left = Left { bytes: message, place: schema.name };
        while !left.bytes.is_empty() {
            left.place = schema.name;
            let (number, wire) = left.key()?;
            if let Some(field) = schema.fields.iter().find(|field| field.number == number) {
                left.place = field.path;
                self.field(field, wire, &mut left, &mut counts)?;
            } else {
                left.skip(wire)?;
                self.unknown = self.unknown.saturating_add(1);
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &Field,
        wire: WireType,
        left: &mut Left<'_>,
        counts: &mut [u32; SLOTS],
    ) -> Result<(), Malformed> {
        if wire == WireType::Delimited && field.count_max.is_some() && field.shape.is_number() {
            let mut packed = Left { bytes: left.delimited(usize::MAX)?, place: field.path };
            while !packed.bytes.is_empty() {
                self.element(field, counts)?;
                self.value(field, field.shape.wire_type(), &mut packed)?;
            }
            return Ok(());
        }
        self.element(field, counts)?;
        self.value(field, wire, left)
    }

    /// Counts one more value of a field, with its place in a list.
    fn element(&mut self, field: &Field, counts: &mut [u32; SLOTS]) -> Result<(), Malformed> {
        let count = counts.get_mut(field.slot).expect("Schema::new checked the slot");
        let before = *count;
        *count = before.saturating_add(1);
        match field.count_max {
            None if before > 0 => Err(Malformed::new(field.path, Defect::Repeated)),
            None => Ok(()),
            Some(max) if before >= max => Err(Malformed::new(field.path, Defect::TooMany)),
            Some(_) => {
                let more = list_room(*count).saturating_sub(list_room(before));
                self.grow(field, more.saturating_mul(field.shape.size()))
            }
        }
    }

    fn value(
        &mut self,
        field: &Field,
        wire: WireType,
        left: &mut Left<'_>,
    ) -> Result<(), Malformed> {
        if wire != field.shape.wire_type() {
            return Err(Malformed::new(field.path, Defect::WrongType));
        }
        match field.shape {
            Shape::Varint { max, .. } => {
                if left.varint()? > max {
                    return Err(Malformed::new(field.path, Defect::Invalid));
                }
            }
            Shape::Fixed32 => drop(left.take(4)?),
            Shape::Fixed64 => drop(left.take(8)?),
            Shape::Bytes { len_max } => drop(left.delimited(len_max)?),
            Shape::Text { len_max } => {
                let text = left.delimited(len_max)?;
                if std::str::from_utf8(text).is_err() {
                    return Err(Malformed::new(field.path, Defect::NotUtf8));
                }
                if !text.is_empty() {
                    self.grow(field, text.len().max(TEXT_MIN))?;
                }
            }
            Shape::Message(schema) => {
                let message = left.delimited(schema.len_max)?;
                self.message(schema, message)?;
            }
        }
        Ok(())
    }

    fn grow(&mut self, field: &Field, bytes: usize) -> Result<(), Malformed> {
        self.decoded = self.decoded.saturating_add(bytes);
        if self.decoded > self.decoded_max {
            return Err(Malformed::new(field.path, Defect::Overgrown));
        }
        Ok(())
    }
}

impl Shape {
    const fn wire_type(&self) -> WireType {
        match self {
            Self::Varint { .. } => WireType::Varint,
            Self::Fixed32 => WireType::Fixed32,
            Self::Fixed64 => WireType::Fixed64,
            Self::Text { .. } | Self::Bytes { .. } | Self::Message(_) => WireType::Delimited,
        }
    }

    /// Whether a list of it may be packed into one delimited value.
    const fn is_number(&self) -> bool {
        match self {
            Self::Varint { .. } | Self::Fixed32 | Self::Fixed64 => true,
            Self::Text { .. } | Self::Bytes { .. } | Self::Message(_) => false,
        }
    }

    /// Bytes of one decoded value in a list, without its heap.
    const fn size(&self) -> usize {
        match self {
            Self::Varint { size, .. } => *size,
            Self::Fixed32 => size_of::<u32>(),
            Self::Fixed64 => size_of::<u64>(),
            Self::Text { .. } => size_of::<String>(),
            Self::Bytes { .. } => size_of::<bytes::Bytes>(),
            Self::Message(schema) => schema.size,
        }
    }
}

/// Elements for which a list of `count` has room: it doubles when it is full.
fn list_room(count: u32) -> usize {
    match usize::try_from(count).unwrap_or(usize::MAX) {
        0 => 0,
        count => count.checked_next_power_of_two().unwrap_or(usize::MAX).max(LIST_MIN),
    }
}

/// What is left to scan of one message.
struct Left<'a> {
    bytes: &'a [u8],
    /// Where a defect is reported.
    place: &'static str,
}

impl<'a> Left<'a> {
    fn defect(&self, defect: Defect) -> Malformed {
        Malformed::new(self.place, defect)
    }

    fn key(&mut self) -> Result<(u32, WireType), Malformed> {
        let key = u32::try_from(self.varint()?).map_err(|_| self.defect(Defect::Invalid))?;
        let wire = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Delimited,
            5 => WireType::Fixed32,
            _ => return Err(self.defect(Defect::WrongType)),
        };
        match key >> 3 {
            0 => Err(self.defect(Defect::Invalid)),
            number => Ok((number, wire)),
        }
    }

    fn skip(&mut self, wire: WireType) -> Result<(), Malformed> {
        match wire {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.take(8).map(drop),
            WireType::Delimited => self.delimited(usize::MAX).map(drop),
            WireType::Fixed32 => self.take(4).map(drop),
        }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let (value, behind) = varint::read(self.bytes).map_err(|why| {
            self.defect(match why {
                Unreadable::Incomplete => Defect::Truncated,
                Unreadable::Overlong => Defect::Invalid,
            })
        })?;
        self.bytes = behind;
        Ok(value)
    }

    /// A value behind its own length. Too long is said before cut off: the bound is the better
    /// news.
    fn delimited(&mut self, len_max: usize) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if len > len_max {
            return Err(self.defect(Defect::TooLong));
        }
        self.take(len)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, behind) =
            self.bytes.split_at_checked(len).ok_or_else(|| self.defect(Defect::Truncated))?;
        self.bytes = behind;
        Ok(taken)
    }
}
