//! Flat JSON objects with known keys: read strictly, written in one spelling.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{Address, Defect, ORDER_LEN_MAX, OrderError, U256, decimal, hex};

/// The longest spelling of an order that is read, in bytes: room for spaces and unknown keys.
const INPUT_LEN_MAX: usize = 2 * ORDER_LEN_MAX;

/// A value, as far as an order can have one.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Whole(u64),
    Null,
    Other,
}

/// The values of an object, taken key by key in the order of its keys.
#[derive(Debug)]
pub(crate) struct Reader<'a, const N: usize> {
    fields: std::iter::Zip<
        std::slice::Iter<'static, &'static str>,
        std::array::IntoIter<Option<Value<'a>>, N>,
    >,
}

impl<'a, const N: usize> Reader<'a, N> {
    /// Reads an object whose keys are among `keys`. Others are passed over, as every reader of
    /// these orders does.
    ///
    /// # Bounds
    ///
    /// [`INPUT_LEN_MAX`] before anything is read. What is kept is never longer than `json`.
    pub(crate) fn new(
        json: &'a [u8],
        keys: &'static [&'static str; N],
    ) -> Result<Self, OrderError> {
        if json.len() > INPUT_LEN_MAX {
            return Err(OrderError::TooLong { len: json.len(), max: INPUT_LEN_MAX });
        }
        let text = str::from_utf8(json).map_err(|error| OrderError::Syntax {
            line: 0,
            column: error.valid_up_to().saturating_add(1),
        })?;
        let mut read = serde_json::Deserializer::from_str(text);
        let seed = Object { keys, values: [const { None }; N], fault: None };
        let object = seed.deserialize(&mut read).and_then(|object| read.end().map(|()| object));
        let object = object
            .map_err(|error| OrderError::Syntax { line: error.line(), column: error.column() })?;
        match object.fault {
            Some((field, defect)) => Err(OrderError::Field { field, defect }),
            None => Ok(Self { fields: keys.iter().zip(object.values) }),
        }
    }

    /// The next field, as `read` makes it from its value.
    fn next<T>(
        &mut self,
        read: impl FnOnce(Value<'a>) -> Result<T, Defect>,
    ) -> Result<T, OrderError> {
        let (field, value) = self.fields.next().expect("an order takes each of its keys once");
        let made = match value {
            None => Err(Defect::Missing),
            Some(Value::Null) => Err(Defect::Null),
            Some(value) => read(value),
        };
        made.map_err(|defect| OrderError::Field { field, defect })
    }

    fn text<T>(&mut self, read: impl FnOnce(&str) -> Result<T, Defect>) -> Result<T, OrderError> {
        self.next(|value| match value {
            Value::Text(text) => read(&text),
            Value::Whole(_) | Value::Null | Value::Other => Err(Defect::NotText),
        })
    }

    /// The next field, the number of a chain.
    pub(crate) fn chain_id(&mut self) -> Result<u64, OrderError> {
        self.next(|value| match value {
            Value::Whole(id) if id > 0 && i64::try_from(id).is_ok() => Ok(id),
            Value::Whole(_) | Value::Text(_) | Value::Null | Value::Other => {
                Err(Defect::NotChainId)
            }
        })
    }

    /// The next field, an address.
    pub(crate) fn address(&mut self) -> Result<Address, OrderError> {
        self.array().map(Address)
    }

    /// The next field, `N` bytes.
    pub(crate) fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], OrderError> {
        self.text(hex::read_array)
    }

    /// The next field, any bytes.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, OrderError> {
        self.text(hex::read)
    }

    /// The next field, a number of 256 bits.
    pub(crate) fn number(&mut self) -> Result<U256, OrderError> {
        self.text(decimal::read)
    }

    /// The next field, a number of fewer bits.
    pub(crate) fn small<T: TryFrom<U256>>(&mut self, bits: u32) -> Result<T, OrderError> {
        self.text(|text| T::try_from(decimal::read(text)?).map_err(|_| Defect::TooLarge { bits }))
    }
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
struct Object<'a, const N: usize> {
    keys: &'static [&'static str; N],
    values: [Option<Value<'a>>; N],
    /// The first field that is there wrongly; the rest is read on, for JSON that does not end is
    /// the graver fault.
    fault: Option<(&'static str, Defect)>,
}

impl<const N: usize> Object<'_, N> {
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

/// Writes an object, key by key in the order of its keys.
#[derive(Debug)]
pub(crate) struct Writer<'o, W> {
    keys: std::slice::Iter<'static, &'static str>,
    before: &'static str,
    out: &'o mut W,
}

impl<'o, W: fmt::Write> Writer<'o, W> {
    pub(crate) fn new(keys: &'static [&'static str], out: &'o mut W) -> Self {
        Self { keys: keys.iter(), before: "{\"", out }
    }

    fn key(&mut self, after: &str) -> fmt::Result {
        let key = self.keys.next().expect("an order writes each of its keys once");
        self.out.write_str(self.before)?;
        self.before = ",\"";
        self.out.write_str(key)?;
        self.out.write_str(after)
    }

    fn text(&mut self, write: impl FnOnce(&mut W) -> fmt::Result) -> fmt::Result {
        self.key("\":\"")?;
        write(self.out)?;
        self.out.write_str("\"")
    }

    /// The next field, a number without quotes.
    pub(crate) fn bare(&mut self, number: u64) -> fmt::Result {
        self.key("\":")?;
        write!(self.out, "{number}")
    }

    /// The next field, bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        self.text(|out| hex::write(bytes, out))
    }

    /// The next field, an address.
    pub(crate) fn address(&mut self, address: &Address) -> fmt::Result {
        self.bytes(&address.0)
    }

    /// The next field, a number in quotes.
    pub(crate) fn number(&mut self, number: &U256) -> fmt::Result {
        self.text(|out| decimal::write(number, out))
    }

    /// The next field, a number in quotes.
    pub(crate) fn small(&mut self, number: u128) -> fmt::Result {
        self.text(|out| write!(out, "{number}"))
    }

    /// The end of the object.
    pub(crate) fn end(self) -> fmt::Result {
        self.out.write_str("}")
    }
}

/// What is written, as a string.
pub(crate) fn text(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut out = String::with_capacity(1024);
    write(&mut out).expect("a string takes whatever is written");
    out
}

/// Counts what would be written.
#[derive(Debug, Default)]
pub(crate) struct Count(usize);

impl fmt::Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}

/// How many bytes would be written.
pub(crate) fn len(write: impl FnOnce(&mut Count) -> fmt::Result) -> usize {
    let mut count = Count::default();
    write(&mut count).expect("a counter takes whatever is written");
    count.0
}

/// Refuses an order of which more than [`ORDER_LEN_MAX`] bytes would be written.
///
/// What is read is never shorter than what is written of it, so `len` is only counted for what
/// came longer.
pub(crate) fn bound(read: usize, len: impl FnOnce() -> usize) -> Result<(), OrderError> {
    if read <= ORDER_LEN_MAX {
        return Ok(());
    }
    match len() {
        len if len > ORDER_LEN_MAX => Err(OrderError::TooLong { len, max: ORDER_LEN_MAX }),
        _ => Ok(()),
    }
}
