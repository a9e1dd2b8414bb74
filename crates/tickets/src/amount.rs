//! Amounts of the token.

use std::fmt;
use std::str::FromStr;

use crate::OutOfRange;

/// An amount of the token in its base units, of which 10¹⁸ are one token.
///
/// Text is decimal digits.
///
/// # Bounds
/// Less than 10²⁵, one hundredth of all there is; so no channel and no ticket holds more.
///
/// ```
/// use meshwork_tickets::Amount;
///
/// let price = Amount::new(10_000_000_000_000_000)?;
/// assert_eq!(price.checked_add(price).map(Amount::get), Some(20_000_000_000_000_000));
/// assert_eq!(Amount::MAX.checked_add(Amount::new(1)?), None);
/// # Ok::<_, meshwork_tickets::OutOfRange>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Amount(u128);

/// Why text is not an amount.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum BadAmount {
    /// Nothing, a sign, a point, a unit, or more digits than any amount has.
    #[error("amount is not decimal digits, 1 to 25 of them")]
    NotDecimal,
    /// Too much.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The largest.
    pub const MAX: Self = Self(9_999_999_999_999_999_999_999_999);

    /// The amount of so many base units.
    ///
    /// # Errors
    /// [`OutOfRange`] above [`Amount::MAX`].
    pub const fn new(units: u128) -> Result<Self, OutOfRange> {
        if units <= Self::MAX.0 {
            Ok(Self(units))
        } else {
            Err(OutOfRange { what: "amount", value: units, min: 0, max: Self::MAX.0 })
        }
    }

    /// How many base units there are.
    pub const fn get(self) -> u128 {
        self.0
    }

    /// Whether there is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Both together, if that is an amount.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(|sum| Self::new(sum).ok())
    }

    /// What is left without `other`, if there is that much.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// So many times as much, if that is an amount.
    #[must_use]
    pub fn checked_mul(self, times: u64) -> Option<Self> {
        self.0.checked_mul(u128::from(times)).and_then(|product| Self::new(product).ok())
    }

    /// All together, if that is an amount.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// As a ticket carries it, the highest byte first.
    pub fn to_bytes(self) -> [u8; 12] {
        let [_, _, _, _, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    /// From what a ticket carries.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_bytes(bytes: [u8; 12]) -> Result<Self, OutOfRange> {
        let mut wide = [0; 16];
        let [_, _, _, _, number @ ..] = &mut wide;
        *number = bytes;
        Self::new(u128::from_be_bytes(wide))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Amount {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let digits = (1..=25).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
        let units = if digits { text.parse().ok() } else { None };
        Ok(Self::new(units.ok_or(BadAmount::NotDecimal)?)?)
    }
}
