//! Every check of the project as a named step with its time; what continuous integration runs.

use std::fmt;
use std::time::Duration;

use clap::{Parser as _, ValueEnum};
use xshell::Shell;

use crate::console::say;
use crate::workspace::cargo;
use crate::{codegen, docs, layers, readme, tidy};

/// Which checks to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Steps to run, always in the order of the full run; all of them when none is named.
    #[arg(value_enum, value_name = "STEP")]
    steps: Vec<Step>,
}

/// One check. The order of the variants is the order of the run: what fails fastest comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Step {
    /// `cargo fmt --all --check`
    Format,
    /// `cargo clippy` over all targets, warnings denied
    Clippy,
    /// `cargo xtask codegen --check`
    Codegen,
    /// The import law
    Layers,
    /// Headers, sizes, leftovers, names in the documents
    Tidy,
    /// The test command of README.md
    Test,
    /// Reference documentation, warnings denied
    Docs,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Format => "format",
            Self::Clippy => "clippy",
            Self::Codegen => "codegen",
            Self::Layers => "layers",
            Self::Tidy => "tidy",
            Self::Test => "test",
            Self::Docs => "docs",
        })
    }
}

impl Step {
    fn run(self, sh: &Shell) -> anyhow::Result<()> {
        match self {
            Self::Format => cargo(sh).args(["fmt", "--all", "--check"]).run()?,
            Self::Clippy => cargo(sh)
                .args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
                .run()?,
            Self::Codegen => codegen::run(&Check::parse_from(["codegen", "--check"]).codegen)?,
            Self::Layers => layers::run(&layers::Args::default())?,
            Self::Tidy => tidy::run(sh)?,
            Self::Test => {
                let words = readme::test_command()?;
                cargo(sh).args(words.iter().skip(1)).run()?;
            }
            Self::Docs => docs::reference(sh, false)?,
        }
        Ok(())
    }
}

/// The flags of codegen, given as a person gives them.
#[derive(clap::Parser)]
struct Check {
    #[command(flatten)]
    codegen: codegen::Args,
}

/// How one step ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(took) => write!(f, "passed   {:>7.1} s", took.as_secs_f64()),
            Self::Failed(took) => write!(f, "FAILED   {:>7.1} s", took.as_secs_f64()),
            Self::NotRun => f.write_str("not run"),
        }
    }
}

/// Runs the chosen steps up to the first that fails.
///
/// # Errors
/// The failing step with its reason; the table printed before says which steps were not run.
pub(crate) fn run(sh: &Shell, args: &Args) -> anyhow::Result<()> {
    let (rows, result) = run_steps(&chosen(&args.steps), |step| {
        say(format!("\n== {step}"));
        let (outcome, took) = timed(|| step.run(sh));
        say(format!("== {step}: {:.1} s", took.as_secs_f64()));
        (outcome, took)
    });
    say(format!("\n== summary\n{}", table(&rows)));
    result
}

fn chosen(named: &[Step]) -> Vec<Step> {
    let wanted = |step: &Step| named.is_empty() || named.contains(step);
    Step::value_variants().iter().copied().filter(wanted).collect()
}

fn run_steps(
    steps: &[Step],
    mut run: impl FnMut(Step) -> (anyhow::Result<()>, Duration),
) -> (Vec<(Step, Outcome)>, anyhow::Result<()>) {
    let mut result = Ok(());
    let mut rows = Vec::new();
    for step in steps {
        let outcome = if result.is_err() {
            Outcome::NotRun
        } else {
            match run(*step) {
                (Ok(()), took) => Outcome::Passed(took),
                (Err(error), took) => {
                    result = Err(error.context(format!("step `{step}` failed")));
                    Outcome::Failed(took)
                }
            }
        };
        rows.push((*step, outcome));
    }
    (rows, result)
}

fn table(rows: &[(Step, Outcome)]) -> String {
    let lines: Vec<String> =
        rows.iter().map(|(step, outcome)| format!("  {step:<8} {outcome}")).collect();
    lines.join("\n")
}

#[expect(clippy::disallowed_types, reason = "a person wants to know how long a step took")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = std::time::Instant::now();
    let result = work();
    (result, begun.elapsed())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn named_steps_run_in_the_order_of_the_full_run() {
        assert_eq!(chosen(&[Step::Docs, Step::Format]), [Step::Format, Step::Docs]);
        assert_eq!(chosen(&[]), Step::value_variants());
    }

    #[test]
    fn the_first_failing_step_ends_the_run_and_the_table_names_the_rest() {
        let (rows, result) =
            run_steps(&[Step::Format, Step::Tidy, Step::Test], |step| match step {
                Step::Format => (Ok(()), Duration::from_millis(1500)),
                Step::Tidy => (Err(anyhow!("untidy")), Duration::from_secs(61)),
                later => panic!("{later} was run"),
            });
        assert_eq!(format!("{:#}", result.unwrap_err()), "step `tidy` failed: untidy");
        let expected =
            "  format   passed       1.5 s\n  tidy     FAILED      61.0 s\n  test     not run";
        assert_eq!(table(&rows), expected);
    }

    #[test]
    fn the_check_of_the_generated_code_can_be_asked_for() {
        assert!(Check::try_parse_from(["codegen", "--check"]).is_ok());
    }
}
