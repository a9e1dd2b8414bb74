//! The fuzz targets: listed, run on a nightly compiler, or their corpora replayed by the suite.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use xshell::{Shell, cmd};

use crate::console::say;
use crate::workspace::cargo;

const TARGETS: &str = "fuzz/fuzz_targets";

/// What to do with the fuzz targets.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print the name of every target.
    List,
    /// Feed the committed corpora through the targets' functions, as the normal suite does.
    Replay,
    /// Search for new inputs; needs a nightly compiler and cargo-fuzz.
    Run {
        /// Name of the target.
        target: String,
        /// How long to search, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

/// Carries out the chosen action.
///
/// # Errors
/// When the target does not exist, a needed tool is missing, or the target found a failing input.
pub(crate) fn run(sh: &Shell, args: &Args) -> anyhow::Result<()> {
    match &args.action {
        Action::List => targets(Path::new(TARGETS))?.iter().for_each(say),
        Action::Replay => replay(sh)?,
        Action::Run { target, seconds } => search(sh, target, *seconds)?,
    }
    Ok(())
}

fn replay(sh: &Shell) -> anyhow::Result<()> {
    let suite = ["test", "-p", "meshwork-scenarios", "corpus"];
    let tests = cargo(sh).args(suite).args(["--", "--list"]).read()?;
    // A filter that matches nothing passes, and would for ever after somebody renames the tests.
    ensure!(tests.lines().any(|line| line.ends_with(": test")), "no test replays a corpus");
    cargo(sh).args(suite).run()?;
    Ok(())
}

fn search(sh: &Shell, target: &str, seconds: u64) -> anyhow::Result<()> {
    let known = targets(Path::new(TARGETS))?;
    ensure!(
        known.iter().any(|name| name == target),
        "no fuzz target `{target}`; there are: {}",
        known.join(", "),
    );
    // Asked through `rustup run`, which never starts a download: only the person decides on that.
    if cmd!(sh, "rustup run nightly cargo --version").quiet().ignore_stderr().read().is_err() {
        bail!("fuzzing needs a nightly compiler: rustup toolchain install nightly");
    }
    if cmd!(sh, "rustup run nightly cargo fuzz --version").quiet().ignore_stderr().read().is_err() {
        bail!("fuzzing needs cargo-fuzz: cargo install cargo-fuzz");
    }
    cargo(sh)
        .args(["+nightly", "fuzz", "run", target, "--"])
        .arg(format!("-max_total_time={seconds}"))
        .run()?;
    Ok(())
}

/// The names of the targets in `folder`, sorted.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_rust_files_of_the_folder() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        for name in ["seed.rs", "frame.rs", "notes.md"] {
            fs::write(folder.path().join(name), "")?;
        }
        assert_eq!(targets(folder.path())?, ["frame", "seed"]);
        Ok(())
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = targets(Path::new("no/such/folder")).expect_err("there is no such folder");
        assert!(error.to_string().contains("no/such/folder"));
    }
}
