//! Writes an object in its one spelling.

use std::fmt;

use crate::{Address, U256, decimal, hex};

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
