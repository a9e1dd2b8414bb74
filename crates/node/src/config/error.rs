//! What can be wrong with a configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use libp2p::Multiaddr;
use transport::address::AddressFault;

use super::{KeyPath, OrdersError, PaymentsError, Source};

/// Why there is no configuration to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is longer than any honest one.
    #[error("the configuration file {} is longer than {most} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Most bytes read.
        most: u64,
    },
    /// Something in it, in the environment or on the command line is wrong. Holds at least one
    /// problem, and all of them.
    #[error("{}", Lines(problems))]
    Invalid {
        /// What is wrong.
        problems: Vec<Problem>,
    },
}

/// Shows one problem on each line.
struct Lines<'a>(&'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(out, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {mistake}")]
pub struct Problem {
    /// Where it was found.
    pub place: Source,
    /// What is wrong.
    #[source]
    pub mistake: Mistake,
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// The file is not TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// A section that does not exist.
    #[error("unknown section [{given}]{}", Nearest(nearest.as_deref()))]
    UnknownSection {
        /// What was written.
        given: String,
        /// The known section that looks most like it.
        nearest: Option<String>,
    },
    /// A key that does not exist.
    #[error("unknown key {given}{}", Nearest(nearest.as_deref()))]
    UnknownKey {
        /// What was written, with its section.
        given: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// An environment variable that starts like ours and is none.
    #[error("unknown environment variable{}", Nearest(nearest.as_deref()))]
    UnknownVariable {
        /// The known variable that looks most like it.
        nearest: Option<String>,
    },
    /// An environment variable whose value is not Unicode.
    #[error("{key}: the value is not Unicode")]
    NotUnicode {
        /// The key that it would set.
        key: KeyPath,
    },
    /// A section that is not a table.
    #[error("{section} must be a section with keys, not a value of type {found}")]
    NotASection {
        /// The section.
        section: &'static str,
        /// The type found.
        found: &'static str,
    },
    /// A value of the wrong type.
    #[error("{key} must be {expected}, not a value of type {found}")]
    Type {
        /// The key.
        key: KeyPath,
        /// What is wanted.
        expected: &'static str,
        /// The type found.
        found: &'static str,
    },
    /// A value of the right type that means nothing.
    #[error("{key}: {detail}")]
    Value {
        /// The key.
        key: KeyPath,
        /// What is wrong with it.
        detail: String,
    },
    /// A value that is out of its range.
    #[error("{key} {error}")]
    Range {
        /// The key.
        key: KeyPath,
        /// The range.
        #[source]
        error: RangeError,
    },
    /// An address to tell others that they would not believe.
    #[error("{key}: {given} is nothing that others could dial: {error}")]
    External {
        /// The key.
        key: KeyPath,
        /// The address.
        given: Multiaddr,
        /// What is wrong with it.
        #[source]
        error: AddressFault,
    },
    /// A value that the gate refuses.
    #[error("{key}: {error}")]
    Handshake {
        /// The key.
        key: KeyPath,
        /// Why.
        #[source]
        error: handshake::ConfigError,
    },
    /// A value that the seed protocol refuses.
    #[error("{key}: {error}")]
    Seed {
        /// The key.
        key: KeyPath,
        /// Why.
        #[source]
        error: handshake::seed::ConfigError,
    },
    /// A value that gossip refuses.
    #[error("{key}: {error}")]
    Gossip {
        /// The key.
        key: KeyPath,
        /// Why.
        #[source]
        error: gossip::ConfigError,
    },
    /// A value with which no orders can be kept.
    #[error("{key} {error}")]
    Orders {
        /// The key.
        key: KeyPath,
        /// Why.
        #[source]
        error: OrdersError,
    },
    /// A value with which nobody can pay or be paid.
    #[error("{key} {error}")]
    Payments {
        /// The key.
        key: KeyPath,
        /// Why.
        #[source]
        error: PaymentsError,
    },
    /// A value that the DHT refuses.
    #[error("{key}: {error}")]
    Dht {
        /// The key.
        key: KeyPath,
        /// Why.
        #[source]
        error: dht::ConfigError,
    },
}

impl Mistake {
    /// The key that it is about, where it is about one that exists.
    pub fn key(&self) -> Option<KeyPath> {
        match self {
            Self::NotUnicode { key }
            | Self::Type { key, .. }
            | Self::Value { key, .. }
            | Self::Range { key, .. }
            | Self::External { key, .. }
            | Self::Handshake { key, .. }
            | Self::Seed { key, .. }
            | Self::Gossip { key, .. }
            | Self::Orders { key, .. }
            | Self::Payments { key, .. }
            | Self::Dht { key, .. } => Some(*key),
            Self::Syntax(_)
            | Self::UnknownSection { .. }
            | Self::UnknownKey { .. }
            | Self::UnknownVariable { .. }
            | Self::NotASection { .. } => None,
        }
    }

    pub(super) fn meaningless(key: KeyPath, detail: &str) -> Self {
        Self::Value { key, detail: detail.trim_end().to_owned() }
    }
}

/// A value that is out of its range. Reads as the rest of a sentence that starts with the key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// A number.
    #[error("is {given}, must be {min} to {max}")]
    Count {
        /// The value.
        given: u32,
        /// Least allowed.
        min: u32,
        /// Most allowed.
        max: u32,
    },
    /// A number, or the length of a list, that another one bounds.
    #[error("is {given}, must be at most {other}, which is {max}")]
    Above {
        /// The value.
        given: usize,
        /// The key of the other.
        other: &'static str,
        /// Its value.
        max: u32,
    },
    /// A duration.
    #[error("is {given:?}, must be {min:?} to {max:?}")]
    Time {
        /// The value.
        given: Duration,
        /// Least allowed.
        min: Duration,
        /// Most allowed.
        max: Duration,
    },
    /// A list.
    #[error("has {given} entries, must have at most {max}")]
    Entries {
        /// How many it has.
        given: usize,
        /// Most allowed.
        max: usize,
    },
}

/// Shows the suggestion, if there is one.
struct Nearest<'a>(Option<&'a str>);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |name| write!(out, "; did you mean {name}?"))
    }
}
