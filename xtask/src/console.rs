//! The one file that prints: results to stdout, complaints to stderr.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

/// Prints one line of result.
pub(crate) fn say(line: impl Display) {
    // A reader that closed the pipe has seen what it wanted.
    writeln!(stdout(), "{line}").unwrap_or_default();
}

/// Prints one line of complaint.
pub(crate) fn complain(line: impl Display) {
    writeln!(stderr(), "{line}").unwrap_or_default();
}
