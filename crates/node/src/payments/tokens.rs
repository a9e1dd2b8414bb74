//! Amounts as people write them: in tokens, with a decimal point.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tickets::Amount;

/// Digits behind the point: a base unit is 10⁻¹⁸ of a token.
const DIGITS: usize = 18;

/// Base units of a token.
const UNIT: u128 = 1_000_000_000_000_000_000;

/// Digits before the point, at most: no amount has ten million tokens.
const WHOLE_DIGITS_MAX: usize = 7;

/// An amount in tokens, exact to the base unit: decimal digits, and up to 18 more behind a point.
///
/// This is the one form in which amounts are written by people and shown to them, on the command
/// line, in its JSON and in the configuration.
///
/// ```
/// use meshwork::payments::Tokens;
///
/// let tokens: Tokens = "1.50".parse()?;
/// assert_eq!(tokens.0.get(), 1_500_000_000_000_000_000);
/// assert_eq!(tokens.to_string(), "1.5");
/// # Ok::<_, meshwork::payments::BadTokens>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tokens(pub Amount);

/// Why text is no amount in tokens.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{given:?} is no amount, must be tokens in decimal, as 2 or 0.05, below 10000000 and with at \
     most {DIGITS} digits behind the point"
)]
pub struct BadTokens {
    /// What was given.
    pub given: String,
}

impl Tokens {
    /// So many thousandths of a token.
    pub(crate) fn milli(thousandths: u32) -> Self {
        let units = u128::from(thousandths).checked_mul(UNIT / 1000);
        let amount = units.and_then(|units| Amount::new(units).ok());
        Self(amount.expect("four billion thousandths are less than ten million tokens"))
    }
}

impl FromStr for Tokens {
    type Err = BadTokens;

    fn from_str(text: &str) -> Result<Self, BadTokens> {
        amount(text).map(Self).ok_or_else(|| BadTokens { given: text.to_owned() })
    }
}

fn amount(text: &str) -> Option<Amount> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let whole = number(whole, WHOLE_DIGITS_MAX)?.checked_mul(UNIT)?;
    // "5" behind the point is five tenths.
    let scale = 10_u128.checked_pow(DIGITS.checked_sub(rest.len())?.try_into().ok()?)?;
    let rest = number(rest, DIGITS)?.checked_mul(scale)?;
    Amount::new(whole.checked_add(rest)?).ok()
}

fn number(text: &str, digits_max: usize) -> Option<u128> {
    let digits =
        (1..=digits_max).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

impl fmt::Display for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&in_tokens(self.0.get()))
    }
}

/// So many base units, in tokens: also more than any one amount.
pub(crate) fn in_tokens(units: u128) -> String {
    let (whole, rest) = (units / UNIT, units % UNIT);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = format!("{rest:0DIGITS$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

impl TryFrom<String> for Tokens {
    type Error = BadTokens;

    fn try_from(text: String) -> Result<Self, BadTokens> {
        text.parse()
    }
}

impl From<Tokens> for String {
    fn from(tokens: Tokens) -> Self {
        tokens.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_meant() {
        let units = |text: &str| text.parse::<Tokens>().expect(text).0.get();
        assert_eq!(units("2"), 2 * UNIT);
        assert_eq!(units("0.05"), UNIT / 20);
        assert_eq!(units("0.000000000000000001"), 1);
        assert_eq!(units("9999999.999999999999999999"), Amount::MAX.get());
        assert_eq!(units("007.10"), 7 * UNIT + UNIT / 10);
        let bad = ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "1 ", "0x1", "10000000"];
        for bad in bad.into_iter().chain(["0.0000000000000000001", "1.5.5", "1_000", "٣"]) {
            assert_eq!(bad.parse::<Tokens>(), Err(BadTokens { given: bad.to_owned() }));
        }
    }

    #[test]
    fn what_is_shown_can_be_given_back() {
        for text in ["0", "1", "1.5", "0.01", "9999999.999999999999999999", "0.000000000000000001"]
        {
            assert_eq!(text.parse::<Tokens>().expect(text).to_string(), text);
        }
        assert_eq!(Tokens::milli(10).to_string(), "0.01");
    }
}
