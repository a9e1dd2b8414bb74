//! Reads an object strictly.

use serde::de::DeserializeSeed;

use super::INPUT_LEN_MAX;
use super::object::{Object, Value};
use crate::{Address, Defect, OrderError, U256, decimal, hex};

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
        let object =
            Object::new(keys).deserialize(&mut read).and_then(|object| read.end().map(|()| object));
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

    /// Whether the next field is there, whatever it is.
    pub(crate) fn is_there(&mut self) -> bool {
        self.fields.next().is_some_and(|(_, value)| value.is_some())
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
