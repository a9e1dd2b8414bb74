//! The figures of the simulator, and the page that keeps them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use xshell::Shell;

use super::page::Circumstances;
use crate::console::say;
use crate::workspace::cargo;

const PAGE: &str = "docs/simulation.md";
const BEGIN: &str = "<!-- figures:begin -->\n";
const END: &str = "<!-- figures:end -->";

/// Runs every figure of the simulator; with `report`, keeps the table in the page.
///
/// # Errors
/// When the simulator fails, a figure is missed, or the page has no place for them.
pub(super) fn run(sh: &Shell, quick: bool, report: bool) -> anyhow::Result<()> {
    let mut call = cargo(sh).args(["run", "--release", "-p", "meshwork-sim", "--", "figures"]);
    if quick {
        call = call.arg("--quick");
    }
    let mut child = Command::from(call).stdout(Stdio::piped()).spawn().context("no cargo")?;
    let output = child.stdout.take().context("the output was not piped")?;
    let mut table = String::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        say(&line);
        if line.starts_with('|') {
            table.push_str(&line);
            table.push('\n');
        }
    }
    let status = child.wait()?;
    if report {
        let circumstances = Circumstances::read(sh, quick, None)?.line();
        let page = fs::read_to_string(PAGE).with_context(|| format!("cannot read {PAGE}"))?;
        let page = replaced(&page, &format!("\n{circumstances}\n\n{table}\n"));
        let page = page.with_context(|| format!("{PAGE} has no {BEGIN}"))?;
        fs::write(PAGE, page).with_context(|| format!("cannot write {PAGE}"))?;
        say(format!("bench: wrote the figures to {PAGE}"));
    }
    ensure!(status.success(), "the simulator says {status}");
    Ok(())
}

/// `page` with `figures` between its marks.
fn replaced(page: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{figures}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("above\n{BEGIN}old\n{END}\nbelow\n");
        let kept = format!("above\n{BEGIN}new\n{END}\nbelow\n");
        assert_eq!(replaced(&page, "new\n"), Some(kept));
        assert_eq!(replaced("no marks", "new\n"), None);
    }
}
