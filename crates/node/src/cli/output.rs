//! The one place that prints: results to standard output, everything else to standard error.

use std::error::Error;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

use super::exit::Exit;
use super::failure::Failure;
use crate::config::Environment;
use crate::logging;
use crate::printable::{is_harmful, printable_json};

/// A result that can be shown to people and to programs.
pub(super) trait Report: Serialize {
    /// For people: lines, without the last line break.
    fn text(&self) -> String;
}

/// How this process prints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// As JSON.
    pub(super) json: bool,
    /// With colours on standard error.
    pub(super) colour: bool,
    /// Somebody watches standard error.
    live: bool,
}

/// Who reads how far a command has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Audience {
    /// A person, now.
    Terminal,
    /// A person, later.
    Log,
    /// A program, which waits for the result.
    Program,
}

impl Output {
    pub(super) fn of_process(environment: &Environment) -> Self {
        let colour = logging::takes_colour(environment.get("NO_COLOR").is_some());
        let dumb = environment.get("TERM").is_some_and(|term| term == "dumb");
        Self { json: false, colour, live: io::stderr().is_terminal() && !dumb }
    }

    /// Prints a result.
    pub(super) fn report(self, report: &impl Report) -> Result<(), Failure> {
        self.line(report).map(drop)
    }

    /// Prints one result of many, and says whether somebody reads them.
    pub(super) fn line(self, report: &impl Report) -> Result<bool, Failure> {
        let text = self.form(report).map_err(Failure::Output)?;
        self.wanted(format!("{text}\n").as_bytes())
    }

    /// Prints a result that has one form only.
    pub(super) fn raw(self, result: &[u8]) -> Result<(), Failure> {
        self.wanted(result).map(drop)
    }

    /// Prints part of a result that has one form only, and says whether somebody reads it.
    #[expect(clippy::unused_self, reason = "printing is a right that is handed on")]
    pub(super) fn wanted(self, part: &[u8]) -> Result<bool, Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(part).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(true),
            // Whoever closed the pipe has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::Output(error)),
        }
    }

    /// Says what is no result, but belongs to it.
    pub(super) fn remark(self, remark: &impl Report) {
        self.progress("");
        // What cannot be said as JSON is said all the same.
        complain(&self.form(remark).unwrap_or_else(|_| escaped(&remark.text())));
    }

    /// Who reads how far it has come.
    pub(super) const fn audience(self) -> Audience {
        match (self.json, self.live) {
            (true, _) => Audience::Program,
            (false, true) => Audience::Terminal,
            (false, false) => Audience::Log,
        }
    }

    /// Shows how far it has come, in place of what was shown before; an empty text takes that away. Only
    /// somebody who watches sees it.
    pub(super) fn progress(self, text: &str) {
        if self.audience() == Audience::Terminal {
            let mut stderr = io::stderr().lock();
            let _unread =
                write!(stderr, "\r\u{1b}[K{}", escaped(text)).and_then(|()| stderr.flush());
        }
    }

    fn form(self, report: &impl Report) -> io::Result<String> {
        if self.json {
            Ok(printable_json(&serde_json::to_string(report)?))
        } else {
            Ok(report.text())
        }
    }

    /// Tells how it goes, to whoever watches.
    #[expect(clippy::unused_self, reason = "printing is a right that is handed on")]
    pub(super) fn note(self, text: &str) {
        complain(&escaped(text));
    }

    /// Says why a command failed, and with which code it ends.
    pub(super) fn failure(self, failure: &Failure) -> Exit {
        let exit = failure.exit();
        let (message, hint) = (chain(failure), failure.hint());
        if self.json {
            let error = json!({ "error": message, "hint": hint, "exit": exit.code() });
            complain(&printable_json(&error.to_string()));
        } else {
            let hint =
                hint.map_or_else(String::new, |hint| format!("\n{} {hint}", self.dim("hint:")));
            complain(&format!("{} {}{hint}", self.red("error:"), escaped(&message)));
        }
        exit
    }

    /// Prints what clap has to say: help that was asked for, or what is wrong with the arguments.
    #[expect(clippy::unused_self, reason = "printing is a right that is handed on")]
    pub(super) fn usage(self, usage: &clap::Error) -> Exit {
        // Help for a pipe that is closed, or a complaint that nobody can read, is no failure.
        let _unread = usage.print();
        if usage.use_stderr() { Exit::Usage } else { Exit::Done }
    }

    /// Says that the panic, which has just been reported, is nobody's fault but ours.
    pub(super) fn bug(self) -> Exit {
        let report = "this is a bug in meshwork; please report it with the lines above";
        complain(&format!("{} {report}", self.red("error:")));
        Exit::Bug
    }

    fn red(self, text: &str) -> String {
        self.styled("1;31", text)
    }

    fn dim(self, text: &str) -> String {
        self.styled("1;36", text)
    }

    fn styled(self, style: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Writes to standard error, where nobody can be told that it failed.
fn complain(text: &str) {
    let _unread = writeln!(io::stderr().lock(), "{text}");
}

/// An error and what caused it, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors already show their cause.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// `text` with everything that steers a terminal escaped, but for line breaks, which are ours.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) && character != '\n' {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("no milk: {source}")]
        struct Outer {
            source: io::Error,
        }
        #[derive(Debug, thiserror::Error)]
        #[error("no breakfast")]
        struct Outermost(#[source] Outer);
        let error = Outermost(Outer { source: io::Error::other("the cow is asleep") });
        assert_eq!(chain(&error), "no breakfast: no milk: the cow is asleep");
    }
}
