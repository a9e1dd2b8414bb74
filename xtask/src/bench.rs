//! The benchmarks, and the page that keeps their ratios.

mod simulation;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, bail, ensure};
use cargo_metadata::{Metadata, TargetKind};
use xshell::{Shell, cmd};

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
    /// Write the ratios into docs/benchmarks.md, or the figures into docs/simulation.md.
    #[arg(long, conflicts_with = "names")]
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
    let names = chosen(&targets(&members()?), &args.names)?;
    let mut call = cargo(sh).args(["bench", "-p", PACKAGE]);
    // Named one by one: `cargo bench` would also start the test harness of the library, which
    // refuses the arguments of a benchmark.
    for name in &names {
        call = call.args(["--bench", name]);
    }
    if let Some(orders) = &args.orders {
        // Benchmarks run in the folder of their package.
        let orders = orders.canonicalize();
        call = call.env("ORDERS_FILE", orders.context("cannot read the file of orders")?);
    }
    if args.quick {
        call = call.args(["--", "--quick"]);
    }
    let ratios = ratios_of(call.into())?;
    if args.report {
        ensure!(!ratios.is_empty(), "no benchmark printed a line that starts with `ratio `");
        let page = page(
            &Circumstances::read(sh, args.quick, Some(orders(args.orders.as_deref())?))?,
            &ratios,
        );
        fs::write(PAGE, page).with_context(|| format!("cannot write {PAGE}"))?;
        say(format!("bench: wrote {} ratios to {PAGE}", ratios.len()));
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

/// Where and when a report was made.
#[derive(Debug)]
struct Circumstances {
    machine: String,
    compiler: String,
    commit: String,
    date: String,
    /// Whose orders were encoded, where some were.
    orders: Option<String>,
    quick: bool,
}

impl Circumstances {
    fn read(sh: &Shell, quick: bool, orders: Option<String>) -> anyhow::Result<Self> {
        let cores = thread::available_parallelism()?;
        let changed = !cmd!(sh, "git status --porcelain --untracked-files=no").read()?.is_empty();
        let commit = cmd!(sh, "git rev-parse --short=12 HEAD").read()?;
        Ok(Self {
            machine: format!("{}, {cores} cores", cpu_model()),
            compiler: cmd!(sh, "rustc --version").read()?,
            commit: if changed { format!("{commit}, with local changes") } else { commit },
            date: cmd!(sh, "date -u +%Y-%m-%d").read()?,
            orders,
            quick,
        })
    }

    fn table(&self) -> String {
        let Self { machine, compiler, commit, date, orders, quick } = self;
        let samples = if *quick { "few (`--quick`): rough figures" } else { "as many as it takes" };
        let orders = orders.iter().map(|orders| format!("| orders | {orders} |\n"));
        let orders: String = orders.collect();
        format!(
            "| | |\n|---|---|\n\
             | machine | {machine} |\n| compiler | {compiler} |\n| commit | {commit} |\n\
             | date | {date} |\n{orders}| samples | {samples} |\n"
        )
    }
}

/// Whose orders the figures of encoded ones are of.
fn orders(file: Option<&Path>) -> anyhow::Result<String> {
    let Some(file) = file else {
        return Ok("the sample in the tree; `--orders FILE` names others".to_owned());
    };
    let text = fs::read_to_string(file).context("cannot read the file of orders")?;
    let name = file.file_name().unwrap_or_default().display();
    Ok(format!("{name}, {} lines", text.lines().count()))
}

/// What Linux calls the processor; its architecture elsewhere.
fn cpu_model() -> String {
    let described = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = described.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

fn page(circumstances: &Circumstances, ratios: &[String]) -> String {
    format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench --report`; do not edit. Both sides of a ratio were measured in\n\
         one run on one machine, so it carries over better than the time of either side.\n\n\
         {}\n\
         ```text\n{}\n```\n",
        circumstances.table(),
        ratios.join("\n"),
    )
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
    fn whose_orders_were_encoded_is_said() -> anyhow::Result<()> {
        assert!(orders(None)?.starts_with("the sample"));
        let sample =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/orders/data/sample-v3.jsonl");
        assert_eq!(orders(Some(&sample))?, "sample-v3.jsonl, 200 lines");
        assert!(orders(Some(Path::new("no such file"))).is_err());
        Ok(())
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

    #[test]
    fn the_page_says_under_which_circumstances_it_was_written() {
        let circumstances = Circumstances {
            machine: "Abacus, 2 cores".to_owned(),
            compiler: "rustc 1.95.0".to_owned(),
            commit: "0123456789ab".to_owned(),
            date: "2026-11-21".to_owned(),
            orders: Some("some.jsonl, 7 lines".to_owned()),
            quick: true,
        };
        let page = page(&circumstances, &names(&["ratio bulk 0.97"]));
        for part in [
            "Abacus, 2 cores",
            "1.95.0",
            "0123456789ab",
            "2026-11-21",
            "some.jsonl, 7 lines",
            "--quick",
        ] {
            assert!(page.contains(part), "{part} is missing");
        }
        assert!(page.contains("```text\nratio bulk 0.97\n```"));
    }
}
