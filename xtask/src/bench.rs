//! The benchmarks, and the page that keeps their ratios.

mod page;
mod simulation;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use cargo_metadata::{Metadata, TargetKind};
use xshell::Shell;

use self::page::{Circumstances, Page, whose};
use crate::console::say;
use crate::workspace::{cargo, members};

const PACKAGE: &str = "meshwork-benches";
const PAGE: &str = "docs/benchmarks.md";

/// Which benchmarks, how thoroughly, and whether to keep the result.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Benchmarks to run, by file name; all of them when none is named.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Take few samples: shows that a benchmark works, measures roughly.
    #[arg(long)]
    quick: bool,
    /// Write the ratios into docs/benchmarks.md, where those of benchmarks that are not run stay, or
    /// the figures into docs/simulation.md.
    #[arg(long)]
    report: bool,
    /// Orders as lines of JSON, for the figures of encoded orders; those of the sample in the tree,
    /// 200 lines, when none is named.
    #[arg(long, value_name = "FILE", conflicts_with = "figures")]
    orders: Option<PathBuf>,
    /// Run the figures of the simulator instead: a quarter of an hour, or a minute with `--quick`.
    #[arg(long, conflicts_with = "names")]
    figures: bool,
}

/// Runs the benchmarks.
///
/// # Errors
/// When a name is unknown, a benchmark fails, or a report has no ratio to keep.
pub(crate) fn run(sh: &Shell, args: &Args) -> anyhow::Result<()> {
    if args.figures {
        return simulation::run(sh, args.quick, args.report);
    }
    let orders = args.orders.as_ref().map(|file| file.canonicalize()).transpose();
    let orders = orders.context("cannot read the file of orders")?;
    let mut page = Page::read(&fs::read_to_string(PAGE).unwrap_or_default());
    let circumstances = Circumstances::read(sh, args.quick, Some(whose(orders.as_deref())?))?;
    for name in &chosen(&targets(&members()?), &args.names)? {
        // Named: `cargo bench` would also start the test harness of the library, which refuses the
        // arguments of a benchmark.
        let mut call = cargo(sh).args(["bench", "-p", PACKAGE, "--bench", name]);
        if let Some(orders) = &orders {
            // Benchmarks run in the folder of their package.
            call = call.env("ORDERS_FILE", orders);
        }
        if args.quick {
            call = call.args(["--", "--quick"]);
        }
        let ratios = ratios_of(call.into())?;
        if args.report && !ratios.is_empty() {
            page.set(name, &circumstances, &ratios);
            // After each, so that one that fails does not cost those before it.
            fs::write(PAGE, page.text()).with_context(|| format!("cannot write {PAGE}"))?;
            say(format!("bench: wrote {} ratios of {name} to {PAGE}", ratios.len()));
        }
    }
    Ok(())
}

/// The benchmarks that the package declares, sorted.
fn targets(metadata: &Metadata) -> Vec<String> {
    let package = metadata.packages.iter().filter(|package| package.name == PACKAGE);
    let mut names: Vec<String> = package
        .flat_map(|package| &package.targets)
        .filter(|target| target.kind.contains(&TargetKind::Bench))
        .map(|target| target.name.clone())
        .collect();
    names.sort();
    names
}

fn chosen(known: &[String], named: &[String]) -> anyhow::Result<Vec<String>> {
    ensure!(!known.is_empty(), "{PACKAGE} declares no benchmark");
    if let Some(unknown) = named.iter().find(|name| !known.contains(name)) {
        bail!("no benchmark `{unknown}`; there are: {}", known.join(", "));
    }
    Ok(if named.is_empty() { known.to_vec() } else { named.to_vec() })
}

/// Runs a command and keeps the lines of its output that state a ratio.
fn ratios_of(mut command: Command) -> anyhow::Result<Vec<String>> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = child.stdout.take().context("the output was not piped")?;
    let ratios = ratios_in(BufReader::new(output), |line| say(line))?;
    let status = child.wait()?;
    ensure!(status.success(), "the benchmarks failed: {status}");
    Ok(ratios)
}

/// Passes every line on as it comes and keeps those that state a ratio.
fn ratios_in(output: impl BufRead, mut pass_on: impl FnMut(&str)) -> anyhow::Result<Vec<String>> {
    let mut ratios = Vec::new();
    for line in output.lines() {
        let line = line?;
        pass_on(&line);
        if line.starts_with("ratio ") {
            ratios.push(line);
        }
    }
    Ok(ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn without_names_every_benchmark_is_chosen() -> anyhow::Result<()> {
        let known = names(&["conversation", "stream"]);
        assert_eq!(chosen(&known, &[])?, known);
        assert_eq!(chosen(&known, &names(&["stream"]))?, names(&["stream"]));
        Ok(())
    }

    #[test]
    fn an_unknown_benchmark_is_refused_with_the_known_ones() {
        let error = chosen(&names(&["conversation", "stream"]), &names(&["steam"]));
        let text = error.expect_err("steam is no benchmark").to_string();
        assert_eq!(text, "no benchmark `steam`; there are: conversation, stream");
    }

    #[test]
    fn only_lines_that_state_a_ratio_are_kept() -> anyhow::Result<()> {
        let output = "ratio bulk 0.97\nthe ratio of it\n  ratio indented\nratio trips 1.01";
        let mut passed_on = Vec::new();
        let kept = ratios_in(output.as_bytes(), |line| passed_on.push(line.to_owned()))?;
        assert_eq!(kept, ["ratio bulk 0.97", "ratio trips 1.01"]);
        assert_eq!(passed_on.join("\n"), output);
        Ok(())
    }
}
