//! Objects and arrays of raw JSON, read as Go's decoder reads them.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The members of an object that have one of `N` names, as text.
///
/// Names are compared without regard to the case of ASCII letters; of members of one name the last
/// counts; `null` is an object without members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members<'a, const N: usize> {
    /// The value under the n-th name.
    pub(crate) values: [Option<&'a str>; N],
    /// Whether it had members of other names.
    pub(crate) others: bool,
}

impl<'a, const N: usize> Members<'a, N> {
    pub(crate) fn of(json: &'a str, names: [&str; N]) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let members = deserializer.deserialize_any(MembersVisitor { names })?;
        deserializer.end()?;
        Ok(members)
    }
}

struct MembersVisitor<'n, const N: usize> {
    names: [&'n str; N],
}

impl<'a, const N: usize> Visitor<'a> for MembersVisitor<'_, N> {
    type Value = Members<'a, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Members { values: [None; N], others: false })
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members { values: [None; N], others: false };
        while let Some(place) = map.next_key_seed(Name(&self.names))? {
            if let Some(value) = place.and_then(|place| members.values.get_mut(place)) {
                *value = Some(map.next_value::<&RawValue>()?.get());
            } else {
                map.next_value::<IgnoredAny>()?;
                members.others = true;
            }
        }
        Ok(members)
    }
}

/// Which of the names a key is.
struct Name<'n>(&'n [&'n str]);

impl<'a> DeserializeSeed<'a> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| name.eq_ignore_ascii_case(key)))
    }
}

/// The elements of an array, as text; `null` is an array without elements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elements<'a> {
    /// The first of them, at most as many as asked for.
    pub(crate) kept: Vec<&'a str>,
    /// How many there are.
    pub(crate) count: usize,
}

impl<'a> Elements<'a> {
    /// Keeps no more than `max` of them.
    pub(crate) fn of(json: &'a str, max: usize) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let elements = deserializer.deserialize_any(ElementsVisitor { max })?;
        deserializer.end()?;
        Ok(elements)
    }
}

struct ElementsVisitor {
    max: usize,
}

impl<'a> Visitor<'a> for ElementsVisitor {
    type Value = Elements<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Elements::default())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut elements = Elements::default();
        while let Some(element) = array.next_element::<&RawValue>()? {
            elements.count = elements.count.saturating_add(1);
            if elements.kept.len() < self.max {
                elements.kept.push(element.get());
            }
        }
        Ok(elements)
    }
}

/// Reads one value; `null` and nothing read as `None`, which Go takes for the empty value.
pub(crate) fn text<'a, T: Deserialize<'a>>(
    json: Option<&'a str>,
) -> Result<Option<T>, serde_json::Error> {
    json.map_or(Ok(None), serde_json::from_str::<Option<T>>)
}
