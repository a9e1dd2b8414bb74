//! Why text is not an order.

use ecdsa::BadHex;

/// Why JSON is not an order. Whoever sent it is at fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OrderError {
    /// Too long, in the spelling received or in its canonical one.
    #[error("order is {len} bytes of JSON, must be at most {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// Most that it may have.
        max: usize,
    },
    /// Not JSON, not an object, or something after it.
    #[error("order is not one JSON object: wrong at line {line}, column {column}")]
    Syntax {
        /// Line, from 1; 0 if the text is not UTF-8.
        line: usize,
        /// Byte in the line, from 1; in the text, if the text is not UTF-8.
        column: usize,
    },
    /// One field is not what it must be.
    #[error("{field} {defect}")]
    Field {
        /// Its key.
        field: &'static str,
        /// What is wrong with it.
        defect: Defect,
    },
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Defect {
    /// Not there.
    #[error("is missing")]
    Missing,
    /// There more than once.
    #[error("is there twice")]
    Duplicate,
    /// There beside the same of the other version of the protocol.
    #[error("is there in an order of version 3")]
    OtherVersion,
    /// There under a key that differs in case, which some would take for it and some not.
    #[error("is there under another spelling of its key")]
    Spelling,
    /// `null`.
    #[error("is null")]
    Null,
    /// Not a string.
    #[error("is not a string")]
    NotText,
    /// Not a whole number in digits.
    #[error("is not a whole number of 1 to 9223372036854775807")]
    NotChainId,
    /// Not bytes in hexadecimal digits, or not as many.
    #[error(transparent)]
    Hex(#[from] BadHex),
    /// Not decimal digits.
    #[error("is not decimal digits")]
    NotDecimal,
    /// A zero in front.
    #[error("has a leading zero")]
    LeadingZero,
    /// More bits than its type has.
    #[error("has more than {bits} bits")]
    TooLarge {
        /// The bits of its type.
        bits: u32,
    },
}
