//! The two kinds of order that there are.

use std::fmt;

use crate::json::Reader;
use crate::{Defect, OrderError};

/// A version of the protocol: which kind of order one is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// [`v3::Order`](crate::v3::Order).
    V3,
    /// [`v4::LimitOrder`](crate::v4::LimitOrder).
    V4,
}

/// The contract that an order is for, which each version calls by another name.
const CONTRACTS: [&str; 2] = ["exchangeAddress", "verifyingContract"];

impl Version {
    /// Of which version an order in JSON is, by the key under which it has its contract. Nothing else
    /// of it is looked at; one without a contract is taken for a v3 order, whose reader says what is
    /// missing.
    ///
    /// # Errors
    ///
    /// [`OrderError`]: no JSON object, or one that is an order of both.
    ///
    /// # Bounds
    ///
    /// Twice [`crate::ORDER_LEN_MAX`] bytes.
    ///
    /// ```
    /// use meshwork_orders::{Version, sample::SAMPLE_V3};
    ///
    /// let line = SAMPLE_V3.lines().next().expect("200 lines");
    /// assert_eq!(Version::of_json(line)?, Version::V3);
    /// assert_eq!(Version::of_json(r#"{"verifyingContract":""}"#)?, Version::V4);
    /// assert!(Version::of_json(r#"{"verifyingContract":"","exchangeAddress":""}"#).is_err());
    /// # Ok::<_, meshwork_orders::OrderError>(())
    /// ```
    pub fn of_json(json: impl AsRef<[u8]>) -> Result<Self, OrderError> {
        let mut fields = Reader::new(json.as_ref(), &CONTRACTS)?;
        match (fields.is_there(), fields.is_there()) {
            (_, false) => Ok(Self::V3),
            (false, true) => Ok(Self::V4),
            (true, true) => {
                let [_, field] = CONTRACTS;
                Err(OrderError::Field { field, defect: Defect::OtherVersion })
            }
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3 => "3",
            Self::V4 => "4",
        })
    }
}
