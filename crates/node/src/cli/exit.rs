//! How the program ends, for whoever called it.

use std::process::ExitCode;

/// The exit codes of `meshwork`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed in a way that has no code of its own.
    Failed = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// No node could be reached.
    Unreachable = 3,
    /// The node does not obey this user.
    Unauthorised = 4,
    /// What was asked for is not there.
    NotFound = 5,
    /// The node did not answer in time.
    TimedOut = 6,
    /// The node refused, by policy or quota.
    Refused = 7,
    /// The node is of another version.
    Incompatible = 8,
    /// A mistake in Meshwork.
    Bug = 70,
    /// A mistake in the configuration, the identity or the data directory.
    Configuration = 78,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
