//! Reference documentation with warnings denied, and the book.

use xshell::{Shell, cmd};

use crate::console::say;
use crate::workspace::{cargo, is_installed};

/// What to do with the result.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Open the reference documentation in a browser.
    #[arg(long)]
    open: bool,
}

/// Builds the reference documentation, then the book where mdbook is installed.
pub(crate) fn run(sh: &Shell, args: &Args) -> anyhow::Result<()> {
    reference(sh, args.open)?;
    if is_installed(sh, "mdbook") {
        cmd!(sh, "mdbook build docs").run()?;
    } else {
        say("docs: the book was not built, mdbook is not on PATH (cargo install mdbook)");
    }
    Ok(())
}

/// Builds the reference documentation of the workspace; a warning is an error.
pub(crate) fn reference(sh: &Shell, open: bool) -> anyhow::Result<()> {
    cargo(sh)
        .args(["doc", "--workspace", "--no-deps"])
        .args(open.then_some("--open"))
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    Ok(())
}
