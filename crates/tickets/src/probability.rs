//! How likely a ticket wins.

use std::cmp::Ordering;
use std::fmt;

use crate::{Amount, Luck, OutOfRange};

/// How likely a ticket wins: a number of 56 bits, and the ticket wins if its [`Luck`] is not above it.
///
/// The number is what the contract compares. From and to floating point it goes by 52 of its bits,
/// the mantissa of one more than the probability.
///
/// ```
/// use meshwork_tickets::{Amount, WinProbability};
///
/// let half = WinProbability::from_f64(0.5)?;
/// assert_eq!(half.get(), 0x7f_ffff_ffff_ffff);
/// assert_eq!(half.divide(Amount::new(3)?)?, Amount::new(6)?);
/// assert_eq!(WinProbability::from_f64(1e-17)?, WinProbability::NEVER);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WinProbability(u64);

/// Not the probability of anything.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("probability is {given}, must be 0 to 1")]
pub struct BadProbability {
    /// What was given.
    pub given: f64,
}

/// The price of a ticket cannot be made up for by its amount.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("amount {amount} at a probability of {probability} is more than any ticket can carry")]
pub struct TooUnlikely {
    /// What a ticket was to be worth on average.
    pub amount: Amount,
    /// How likely it was to win.
    pub probability: WinProbability,
}

/// Bits of the mantissa of a double.
const MANTISSA_BITS: u32 = 52;

/// The mantissa of a double.
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;

/// The bits of 1.0: the exponent of everything from there to 2.
const ONE: u64 = 0x3ff0_0000_0000_0000;

/// Below it a probability is none, and as near to 1 it is 1.
const TOLERANCE: f64 = 1e-8;

/// [`TOLERANCE`] as a number of 56 bits.
const TOLERANCE_BITS: u64 = 720_575_940;

impl WinProbability {
    /// Of a ticket that does not win, or by one chance in 2⁵⁶.
    pub const NEVER: Self = Self(0);

    /// Of a ticket that wins whatever its luck.
    pub const ALWAYS: Self = Self((1 << 56) - 1);

    /// The probability of this number.
    ///
    /// # Errors
    /// [`OutOfRange`] above [`WinProbability::ALWAYS`].
    pub fn new(number: u64) -> Result<Self, OutOfRange> {
        if number <= Self::ALWAYS.0 {
            return Ok(Self(number));
        }
        let (value, max) = (number.into(), Self::ALWAYS.0.into());
        Err(OutOfRange { what: "win probability", value, min: 0, max })
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number that stands for `given`. Less than 10⁻⁸ from 0 or 1 it is that.
    ///
    /// # Errors
    /// [`BadProbability`] for what is not 0 to 1.
    #[expect(clippy::float_arithmetic, reason = "what is signed is defined by it")]
    pub fn from_f64(given: f64) -> Result<Self, BadProbability> {
        if !(0.0..=1.0).contains(&given) {
            return Err(BadProbability { given });
        }
        if given < TOLERANCE {
            return Ok(Self::NEVER);
        }
        if 1.0 - given < TOLERANCE {
            return Ok(Self::ALWAYS);
        }
        let mantissa = (given + 1.0).to_bits() & MANTISSA;
        // Neither near 0 nor near 1, the mantissa is not 0.
        Ok(Self((mantissa.saturating_sub(1) << 4) | 0xf))
    }

    /// The probability as a double, 0 to 1.
    #[expect(clippy::float_arithmetic, reason = "the inverse of `from_f64`")]
    pub fn to_f64(self) -> f64 {
        if self == Self::ALWAYS { 1.0 } else { f64::from_bits(ONE | self.mantissa()) - 1.0 }
    }

    /// Which is greater; equal if they are within 10⁻⁸ of each other, as two computations of one
    /// probability may be. This is no order: of three, each may equal the next and the ends differ.
    #[must_use]
    pub fn approx_cmp(self, other: Self) -> Ordering {
        if self.0.abs_diff(other.0) <= TOLERANCE_BITS {
            Ordering::Equal
        } else {
            self.0.cmp(&other.0)
        }
    }

    /// What a ticket of this probability must carry to be worth `amount` on average, rounded down.
    ///
    /// # Errors
    /// [`TooUnlikely`] if that is more than [`Amount::MAX`].
    pub fn divide(self, amount: Amount) -> Result<Amount, TooUnlikely> {
        if self == Self::ALWAYS {
            return Ok(amount);
        }
        let quotient = || {
            let (amount, mantissa) = (amount.get(), u128::from(self.mantissa()));
            let (whole, rest) = (amount.checked_div(mantissa)?, amount.checked_rem(mantissa)?);
            // The rest is of 52 bits, so this is of 104.
            let rest = (rest << MANTISSA_BITS).checked_div(mantissa)?;
            let whole = whole.checked_mul(1 << MANTISSA_BITS)?;
            Amount::new(whole.checked_add(rest)?).ok()
        };
        quotient().ok_or(TooUnlikely { amount, probability: self })
    }

    /// Whether a ticket with this luck wins.
    pub fn is_met_by(self, luck: Luck) -> bool {
        luck.get() <= self.0
    }

    /// As a ticket carries it, the highest byte first.
    pub fn to_bytes(self) -> [u8; 7] {
        let [_, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    /// From what a ticket carries.
    pub fn from_bytes(bytes: [u8; 7]) -> Self {
        let mut wide = [0; 8];
        let [_, number @ ..] = &mut wide;
        *number = bytes;
        Self(u64::from_be_bytes(wide))
    }

    /// The probability times 2⁵², of all but [`WinProbability::ALWAYS`]: 52 bits.
    fn mantissa(self) -> u64 {
        (self.0.saturating_add(1) >> 4) & MANTISSA
    }
}

impl fmt::Display for WinProbability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_f64().fmt(f)
    }
}
