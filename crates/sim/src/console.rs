//! The one file that prints: results to stdout, progress and complaints to stderr.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::Duration;

/// Prints one line of result.
pub(crate) fn say(line: impl Display) {
    // A reader that closed the pipe has seen what it wanted.
    writeln!(stdout(), "{line}").unwrap_or_default();
}

/// Prints one line of complaint.
pub(crate) fn complain(line: impl Display) {
    writeln!(stderr(), "{line}").unwrap_or_default();
}

/// How far a run has come: a bar on a terminal, a line for every tenth elsewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    bar: Bar,
    /// Tenths, or fiftieths of the bar, that were shown.
    shown: u128,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Bar {
    Silent,
    Lines,
    Drawn,
}

impl Bar {
    const fn parts(self) -> u128 {
        match self {
            Self::Silent => 1,
            Self::Lines => 10,
            Self::Drawn => 50,
        }
    }
}

impl Progress {
    /// Of a run with this name.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        let bar = if stderr().is_terminal() { Bar::Drawn } else { Bar::Lines };
        Self { what: what.into(), bar, shown: 0 }
    }

    /// Of a run that nobody watches.
    pub(crate) fn silent() -> Self {
        Self { what: String::new(), bar: Bar::Silent, shown: 0 }
    }

    /// The run has come to `done` of `total`; `note` says how things are.
    pub(crate) fn at(&mut self, done: Duration, total: Duration, note: impl Display) {
        let parts = self.bar.parts();
        let part = done.as_nanos() * parts / total.as_nanos().max(1);
        if self.bar == Bar::Silent || part <= self.shown {
            return;
        }
        self.shown = part;
        let (what, minutes) = (&self.what, done.as_secs() / 60);
        if self.bar == Bar::Drawn {
            let full: String = (0..parts).map(|at| if at < part { '#' } else { '.' }).collect();
            let end = if part >= parts { "\n" } else { "" };
            write!(stderr(), "\r{what} [{full}] {minutes} min  {note}\x1b[K{end}")
                .unwrap_or_default();
        } else {
            complain(format!("{what}: {} %, {minutes} min  {note}", part * 100 / parts));
        }
    }
}

impl Drop for Progress {
    /// A bar that was left unfinished does not stay in the way of the next line.
    fn drop(&mut self) {
        if self.bar == Bar::Drawn && self.shown > 0 && self.shown < self.bar.parts() {
            complain("");
        }
    }
}
