//! Errors, by who has to act: the operator when the file cannot be opened, the caller when a change
//! is not taken.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The file cannot be used. Nothing was lost by trying.
#[derive(Debug, Error)]
#[error("cannot open {}: {refusal}", path.display())]
pub struct OpenError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub refusal: Refusal,
}

/// Why a file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another process uses it, or another handle of this one.
    #[error("it is in use by another process")]
    InUse,
    /// A later version of the software wrote it.
    #[error("its schema is {found}, this version knows none after {known}: update the software")]
    Newer {
        /// The schema of the file.
        found: u32,
        /// The latest that we know.
        known: u32,
    },
    /// No version of the software ever wrote such a schema, so nothing is guessed from it.
    #[error("its schema is {found}, which never was one")]
    UnknownSchema {
        /// The schema of the file.
        found: u32,
    },
    /// Something else wrote it.
    #[error("it is no store of meshwork: {reason}")]
    NotOurs {
        /// How it can be told.
        reason: String,
    },
    /// Bytes of it are missing or have changed since they were written.
    #[error("it is damaged ({reason}): put back a copy, or move it away to begin anew")]
    Corrupt {
        /// What is wrong with it.
        reason: String,
    },
    /// Others may read or write it.
    #[error("it is open to others (mode {mode:04o}, must be 0600)")]
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
    /// The system refuses.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Why a change was not taken, or nothing could be read.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum StoreError {
    /// As much waits as may; nothing of this change was kept. Later is better.
    #[error("{tasks_max} tasks or {bytes_max} bytes wait for the disk already")]
    Busy {
        /// Most tasks that wait.
        tasks_max: usize,
        /// Most bytes that wait.
        bytes_max: usize,
    },
    /// A value is longer than its bound; nothing of its change set was kept.
    #[error("{what} has {given} bytes, must have at most {max}")]
    TooLong {
        /// Which.
        what: &'static str,
        /// Bytes found.
        given: usize,
        /// Most.
        max: usize,
    },
    /// A change set is too large; nothing of it was kept.
    #[error("{given} {what}, must be at most {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        given: usize,
        /// Most.
        max: usize,
    },
    /// The disk failed, now or earlier. Nothing is written or read until the file is opened anew; a
    /// change that ended so may or may not be found then.
    #[error("the disk failed: {reason}")]
    Failed {
        /// What it said when it failed.
        reason: String,
    },
    /// The store is closed. A change that ended so may or may not have been kept.
    #[error("the store is closed")]
    Closed,
}
