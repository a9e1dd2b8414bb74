//! Why a filter is refused.

/// Why a filter is refused. Nothing was compiled, and no order was asked about.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BadFilter {
    /// The filter as JSON is longer than [`Filter::JSON_MAX`](super::Filter::JSON_MAX).
    #[error("filter is {given} bytes, must be at most {bound}")]
    TooLong {
        /// Its bytes.
        given: usize,
        /// Bytes at most.
        bound: usize,
    },
    /// The schema is longer than [`Filter::SCHEMA_MAX`](super::Filter::SCHEMA_MAX).
    #[error("schema is {given} bytes, must be at most {bound}")]
    SchemaTooLong {
        /// Its bytes.
        given: usize,
        /// Bytes at most.
        bound: usize,
    },
    /// The text is not JSON.
    #[error("not JSON at line {line}, column {column}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Values, or schemas with their references followed, lie too deep in each other.
    #[error("nested deeper than {bound}")]
    TooDeep {
        /// Levels at most.
        bound: usize,
    },
    /// A key stands twice in one object.
    #[error("key {key:?} stands twice")]
    Duplicate {
        /// The key, cut short.
        key: String,
    },
    /// A number has a fraction, an exponent, or more than 64 bits.
    #[error("a number is not an integer of 64 bits")]
    NotAnInteger,
    /// The filter lacks a key.
    #[error("filter lacks {key}")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// The filter has a key that filters do not have.
    #[error("filter has no key {key:?}")]
    UnknownKey {
        /// The key, cut short.
        key: String,
    },
    /// A key of the filter does not hold what it must.
    #[error("{key} must be {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The schema uses a keyword that filters do not evaluate.
    #[error("schema keyword {keyword:?} is not supported")]
    UnknownKeyword {
        /// The keyword, cut short.
        keyword: String,
    },
    /// A keyword does not hold what it must.
    #[error("schema keyword {keyword:?} must be {expected}")]
    BadKeyword {
        /// The keyword.
        keyword: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A reference is not `#/definitions/NAME` or `#/$defs/NAME` with a definition of that name.
    #[error("reference {reference:?} is not to a definition of this schema")]
    BadReference {
        /// The reference, cut short.
        reference: String,
    },
    /// A definition leads back to itself.
    #[error("reference {reference:?} leads back to itself")]
    Recursive {
        /// The reference, cut short.
        reference: String,
    },
    /// A reference stands beside keywords that some drafts would ignore and others apply.
    #[error("reference {reference:?} must stand alone")]
    ReferenceNotAlone {
        /// The reference, cut short.
        reference: String,
    },
    /// A pattern is not one that all dialects read alike, or its automaton is too large.
    #[error("pattern {pattern:?}: {defect}")]
    BadPattern {
        /// The pattern, cut short.
        pattern: String,
        /// What is wrong with it.
        #[source]
        defect: PatternDefect,
    },
    /// Too many patterns.
    #[error("schema has more than {bound} patterns")]
    TooManyPatterns {
        /// Patterns at most.
        bound: usize,
    },
    /// Too many checks once every reference is followed.
    #[error("schema needs more than {bound} checks")]
    TooManyChecks {
        /// Checks at most.
        bound: usize,
    },
    /// What the schema compiles to is too large.
    #[error("compiled schema needs more than {bound} bytes")]
    TooLarge {
        /// Bytes at most.
        bound: usize,
    },
    /// The costliest order would take too many steps.
    #[error("an order can take {given} steps, must be at most {bound}")]
    TooCostly {
        /// Steps for the costliest order.
        given: usize,
        /// Steps at most.
        bound: usize,
    },
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternDefect {
    /// A letter outside ASCII: no field of an order has one.
    #[error("not ASCII")]
    NotAscii,
    /// An escape that dialects read differently or do not have, such as a back-reference.
    #[error("escape \\{0} is not supported")]
    Escape(char),
    /// A group with `?` that is not `(?:`: look-around, flags, names.
    #[error("groups with ? other than (?: are not supported")]
    Group,
    /// A class that dialects read differently: a bracket, `&&`, `--` or `~~` in it, or empty.
    #[error("this class is read differently by other dialects")]
    Class,
    /// A brace that is not a count, or a repetition of a repetition.
    #[error("this repetition is read differently by other dialects")]
    Repetition,
    /// Not a regular expression.
    #[error("not a regular expression")]
    Syntax,
    /// Its automaton is larger than what the filter has left.
    #[error("its automaton is too large")]
    TooLarge,
}

/// The start of a remote's text, for an error that stays small.
pub(super) fn quote(text: &str) -> String {
    const LETTERS: usize = 64;
    text.chars().take(LETTERS).collect()
}
