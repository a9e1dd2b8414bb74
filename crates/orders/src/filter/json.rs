//! JSON as filters use it: bounded in depth, no key twice, integers only, canonical on the way out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::{BadFilter, quote};

/// A JSON value. Object keys are in order of their code points.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Integer(i128),
    Text(String),
    Array(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Json {
    /// Reads one value and nothing after it. The caller has bounded the text, hence the memory.
    pub(super) fn parse(text: &str, depth_max: usize) -> Result<Self, BadFilter> {
        let defect = RefCell::new(None);
        let mut source = serde_json::Deserializer::from_str(text);
        let seed = Value { depth_left: depth_max, depth_max, defect: &defect };
        let parsed = seed.deserialize(&mut source).and_then(|value| source.end().map(|()| value));
        parsed.map_err(|error| {
            let syntax = BadFilter::Syntax { line: error.line(), column: error.column() };
            defect.take().unwrap_or(syntax)
        })
    }

    /// The canonical text: no spaces, keys sorted, escapes only where JSON demands them.
    pub(super) fn canonical(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    pub(super) fn as_integer(&self) -> Option<i128> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(values) = self { Some(values) } else { None }
    }

    pub(super) fn as_object(&self) -> Option<&BTreeMap<String, Self>> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Integer(value) => out.push_str(&value.to_string()),
            Self::Text(text) => write_text(text, out),
            Self::Array(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => {
                let code = u32::from(control);
                out.extend(["\\u00", if code < 16 { "0" } else { "1" }]);
                out.extend(char::from_digit(code & 15, 16).map(|digit| digit.to_ascii_uppercase()));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

/// Reads one value at a known depth. What serde cannot say is left in `defect`.
#[derive(Clone, Copy)]
struct Value<'a> {
    depth_left: usize,
    depth_max: usize,
    defect: &'a RefCell<Option<BadFilter>>,
}

impl Value<'_> {
    fn refuse<E: Error>(self, defect: BadFilter) -> E {
        self.defect.replace(Some(defect));
        E::custom("refused")
    }

    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => Err(self.refuse(BadFilter::TooDeep { bound: self.depth_max })),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Json, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<Json, E> {
        Err(self.refuse(BadFilter::NotAnInteger))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = source.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut members = BTreeMap::new();
        while let Some(key) = source.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(self.refuse(BadFilter::Duplicate { key: quote(&key) }));
            }
            let value = source.next_value_seed(inner)?;
            members.insert(key, value);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_text_depends_on_neither_spaces_nor_order_nor_spelling() {
        let given = r#" { "b" : [ 1 , -2, true ,null ] , "a\u0062" : "\u0041\u001f\n/\"é<" } "#;
        let value = Json::parse(given, 4).unwrap();
        assert_eq!(value.canonical(), r#"{"ab":"A\u001F\n/\"é<","b":[1,-2,true,null]}"#);
        assert_eq!(Json::parse(&value.canonical(), 4), Ok(value));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let duplicate = BadFilter::Duplicate { key: "a".into() };
        assert_eq!(Json::parse(r#"{"a":1,"\u0061":2}"#, 4), Err(duplicate));
        for fraction in ["1.5", "1.0", "1e3", "-0", "18446744073709551616"] {
            assert_eq!(Json::parse(fraction, 4), Err(BadFilter::NotAnInteger), "{fraction}");
        }
        assert_eq!(Json::parse("[[1]]", 1), Err(BadFilter::TooDeep { bound: 1 }));
        assert!(Json::parse("[[1]]", 2).is_ok());
        for text in ["", "{", "[1,]", "1 2", "{\"a\":1}x", "\"\\ud800\"", "nul", "'a'"] {
            assert!(matches!(Json::parse(text, 4), Err(BadFilter::Syntax { .. })), "{text}");
        }
    }
}
