//! Hexadecimal text: strict on the way in, lower case on the way out.

use std::fmt;

/// Why text is not hexadecimal bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum BadHex {
    /// Does not start with `0x`.
    #[error("does not start with 0x")]
    NoPrefix,
    /// Half a byte at the end.
    #[error("has an odd number of hexadecimal digits")]
    OddHex,
    /// Something that is no hexadecimal digit.
    #[error("has something other than hexadecimal digits after 0x")]
    NotHex,
    /// Not as many bytes as it must have.
    #[error("is {len} bytes, must be {expected}")]
    Length {
        /// Bytes there.
        len: usize,
        /// Bytes it must have.
        expected: usize,
    },
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// Bytes that are written at once.
const STEP: usize = 32;

fn value(digit: u8) -> Result<u8, BadHex> {
    let value = char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    value.ok_or(BadHex::NotHex)
}

fn digits(text: &str) -> Result<&[[u8; 2]], BadHex> {
    let digits = text.strip_prefix("0x").ok_or(BadHex::NoPrefix)?;
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    if odd.is_empty() { Ok(pairs) } else { Err(BadHex::OddHex) }
}

fn byte([high, low]: [u8; 2]) -> Result<u8, BadHex> {
    Ok((value(high)? << 4) | value(low)?)
}

/// Reads `0x` and any number of pairs of digits, of either case.
///
/// # Errors
/// All of [`BadHex`] but [`BadHex::Length`].
pub fn read(text: &str) -> Result<Vec<u8>, BadHex> {
    digits(text)?.iter().map(|pair| byte(*pair)).collect()
}

/// Reads `0x` and exactly `2 * N` digits, of either case.
///
/// # Errors
/// [`BadHex`].
pub fn read_array<const N: usize>(text: &str) -> Result<[u8; N], BadHex> {
    let pairs = digits(text)?;
    if pairs.len() != N {
        return Err(BadHex::Length { len: pairs.len(), expected: N });
    }
    let mut bytes = [0; N];
    for (to, pair) in bytes.iter_mut().zip(pairs) {
        *to = byte(*pair)?;
    }
    Ok(bytes)
}

fn digit(value: u8) -> u8 {
    DIGITS.get(usize::from(value)).copied().unwrap_or(b'?')
}

/// Writes `0x` and the digits of `bytes`.
///
/// # Errors
/// Those of `out`.
pub fn write(bytes: &[u8], out: &mut impl fmt::Write) -> fmt::Result {
    out.write_str("0x")?;
    for part in bytes.chunks(STEP) {
        let mut text = [[0; 2]; STEP];
        for (to, byte) in text.iter_mut().zip(part) {
            *to = [digit(byte >> 4), digit(byte & 0xf)];
        }
        let text = text.get(..part.len()).unwrap_or_default().as_flattened();
        out.write_str(str::from_utf8(text).map_err(|_| fmt::Error)?)?;
    }
    Ok(())
}

/// Gives a type of bytes its text: `0x` and lower case digits out, either case in.
#[macro_export]
macro_rules! hex_text {
    ($name:ident) => {
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::hex::write(&self.0, f)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::hex::write(&self.0, f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::BadHex;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::hex::read_array(text).map(Self)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cases_in_and_lower_case_out() {
        let mut text = String::new();
        write(&read("0xaBCdef0123").unwrap(), &mut text).unwrap();
        assert_eq!(text, "0xabcdef0123");
    }

    #[test]
    fn what_is_not_hexadecimal_is_refused() {
        assert_eq!(read("abcd"), Err(BadHex::NoPrefix));
        assert_eq!(read("0Xab"), Err(BadHex::NoPrefix));
        assert_eq!(read(""), Err(BadHex::NoPrefix));
        assert_eq!(read("0xabc"), Err(BadHex::OddHex));
        assert_eq!(read("0xag"), Err(BadHex::NotHex));
        assert_eq!(read("0x+1"), Err(BadHex::NotHex));
        assert_eq!(read("0xé"), Err(BadHex::NotHex), "two bytes, no digit");
        assert_eq!(read("0x"), Ok(vec![]));
        assert_eq!(read_array::<2>("0xab"), Err(BadHex::Length { len: 1, expected: 2 }));
    }

    #[test]
    fn long_and_uneven_lengths_are_written_whole() {
        for len in [0, 1, 31, 32, 33, 64, 100] {
            let bytes: Vec<u8> = (0..len).collect();
            let mut text = String::new();
            write(&bytes, &mut text).unwrap();
            assert_eq!(read(&text).unwrap(), bytes);
        }
    }
}
