//! An object with known keys, while it is read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::Defect;

/// A value, as far as an order can have one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Whole(u64),
    Null,
    Other,
}

/// What a key is.
#[derive(Clone, Copy, Debug)]
enum Key {
    /// One of ours, by its place.
    Known(usize),
    /// One that a reader who ignores case would take for ours.
    Alike(usize),
    Unknown,
}

/// An object while it is read.
#[derive(Debug)]
pub(super) struct Object<'a, const N: usize> {
    keys: &'static [&'static str; N],
    pub(super) values: [Option<Value<'a>>; N],
    /// The first field that is there wrongly; the rest is read on, for JSON that does not end is
    /// the graver fault.
    pub(super) fault: Option<(&'static str, Defect)>,
}

impl<const N: usize> Object<'_, N> {
    /// Nothing read yet.
    pub(super) const fn new(keys: &'static [&'static str; N]) -> Self {
        Self { keys, values: [const { None }; N], fault: None }
    }

    fn fault(&mut self, place: usize, defect: Defect) {
        if self.fault.is_none() {
            self.fault = self.keys.get(place).map(|key| (*key, defect));
        }
    }
}

impl<'a, const N: usize> DeserializeSeed<'a> for Object<'a, N> {
    type Value = Self;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a, const N: usize> Visitor<'a> for Object<'a, N> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<Self, A::Error> {
        let mut expected = 0;
        while let Some(key) = map.next_key_seed(Keys { keys: self.keys, expected })? {
            let (Key::Known(place) | Key::Alike(place)) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value_seed(Values)?;
            expected = place.saturating_add(1);
            if matches!(key, Key::Alike(_)) {
                self.fault(place, Defect::Spelling);
            } else if let Some(slot) = self.values.get_mut(place)
                && slot.replace(value).is_some()
            {
                self.fault(place, Defect::Duplicate);
            }
        }
        Ok(self)
    }
}

/// Reads a key.
#[derive(Clone, Copy, Debug)]
struct Keys {
    keys: &'static [&'static str],
    /// The place that comes next in the usual order.
    expected: usize,
}

impl<'a> DeserializeSeed<'a> for Keys {
    type Value = Key;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Keys {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        if self.keys.get(self.expected).is_some_and(|expected| *expected == key) {
            return Ok(Key::Known(self.expected));
        }
        let place = |same: &dyn Fn(&str) -> bool| self.keys.iter().position(|known| same(known));
        Ok(if let Some(place) = place(&|known| known == key) {
            Key::Known(place)
        } else if let Some(place) = place(&|known| alike(known, key)) {
            Key::Alike(place)
        } else {
            Key::Unknown
        })
    }
}

/// Whether a reader that folds case takes `key` for `known`, which is ASCII. Two letters beyond
/// ASCII fold into it as well.
fn alike(known: &str, key: &str) -> bool {
    let fold = |letter: char| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        _ => letter.to_ascii_lowercase(),
    };
    known.chars().map(fold).eq(key.chars().map(fold))
}

/// Reads a value.
#[derive(Clone, Copy, Debug)]
struct Values;

impl<'a> DeserializeSeed<'a> for Values {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Values {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'a>, E> {
        Ok(Value::Whole(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Value<'a>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Value<'a>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}
