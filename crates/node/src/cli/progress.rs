//! How far a command has come: a bar for whoever watches, now and then a line for whoever reads the
//! log later, and nothing for programs.

use std::time::Duration;

use machine::Instant;
use transport::clock::Clock;

use super::output::{Audience, Output};

/// How often a bar is drawn at most. What is faster nobody sees, and over a slow line it costs.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// How often a line is written. A command that takes less than this writes none.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Cells of a bar: each is five percent.
const CELLS: usize = 20;

/// How far a command has come.
#[derive(Debug)]
pub(super) struct Progress {
    output: Output,
    clock: Clock,
    /// When something was shown last; for lines, when it began.
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn of(output: Output) -> Self {
        let clock = Clock::start();
        let shown = match output.audience() {
            Audience::Terminal | Audience::Program => None,
            Audience::Log => Some(clock.now()),
        };
        Self { output, clock, shown }
    }

    /// Shows that so much is done, of how much if that is known, with what there is to say of it. What
    /// comes too soon after the last is left out.
    pub(super) fn show(&mut self, done: u64, of: Option<u64>, text: &str) {
        let (audience, now) = (self.output.audience(), self.clock.now());
        if !is_due(audience, self.shown, now) {
            return;
        }
        self.shown = Some(now);
        match audience {
            Audience::Terminal => self.output.progress(&bar(done, of, text)),
            Audience::Log => self.output.note(&line(done, of, text)),
            Audience::Program => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.output.progress("");
    }
}

fn is_due(audience: Audience, shown: Option<Instant>, now: Instant) -> bool {
    let every = match audience {
        Audience::Terminal => DRAW_EVERY,
        Audience::Log => LINE_EVERY,
        Audience::Program => return false,
    };
    shown.is_none_or(|shown| now.since(shown) >= every)
}

/// The percentage, if there is anything to be a part of.
fn percent(done: u64, of: Option<u64>) -> Option<u64> {
    let of = of.filter(|of| *of > 0)?;
    // In tens of thousands at most, so that it cannot overflow.
    let percent = u128::from(done.min(of)) * 100 / u128::from(of);
    u64::try_from(percent).ok()
}

fn bar(done: u64, of: Option<u64>, text: &str) -> String {
    let Some(percent) = percent(done, of) else { return text.to_owned() };
    let full = usize::try_from(percent / 5).unwrap_or(CELLS).min(CELLS);
    format!("[{:-<CELLS$}] {percent:>3}%  {text}", "#".repeat(full))
}

fn line(done: u64, of: Option<u64>, text: &str) -> String {
    let part = percent(done, of).map(|percent| format!("{percent}%  "));
    format!("{}{text}", part.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::at(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_bar_is_as_long_as_the_part_that_is_done() {
        assert_eq!(bar(0, Some(7), "eggs"), "[--------------------]   0%  eggs");
        assert_eq!(bar(3, Some(7), "eggs"), "[########------------]  42%  eggs");
        assert_eq!(bar(7, Some(7), "eggs"), "[####################] 100%  eggs");
        assert_eq!(bar(9, Some(7), "eggs"), "[####################] 100%  eggs");
        assert_eq!(bar(u64::MAX, Some(u64::MAX), "eggs"), "[####################] 100%  eggs");
        assert_eq!(line(3, Some(7), "eggs"), "42%  eggs");
    }

    #[test]
    fn what_may_have_no_end_has_no_bar() {
        for of in [None, Some(0)] {
            assert_eq!((bar(3, of, "eggs"), line(3, of, "eggs")), ("eggs".into(), "eggs".into()));
        }
    }

    #[test]
    fn a_terminal_is_drawn_at_once_and_a_log_has_a_line_now_and_then() {
        assert!(is_due(Audience::Terminal, None, at(0)));
        assert!(!is_due(Audience::Terminal, Some(at(0)), at(99)));
        assert!(is_due(Audience::Terminal, Some(at(0)), at(100)));
        assert!(!is_due(Audience::Log, Some(at(0)), at(9_999)));
        assert!(is_due(Audience::Log, Some(at(0)), at(10_000)));
        assert!(!is_due(Audience::Program, None, at(u64::MAX)));
    }
}
