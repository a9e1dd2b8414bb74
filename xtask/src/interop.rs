//! A JavaScript libp2p client against our node, as its visitor and to exchange orders with it.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use xshell::{Shell, cmd};

use crate::console::{complain, say};
use crate::workspace::{cargo, is_installed, members};

const FOLDER: &str = "interop/js";

/// Builds the node, installs the client's packages and runs its checks.
///
/// The exit code is the client's; 0 when node or npm is missing, and then a line says so.
pub(crate) fn run(sh: &Shell) -> anyhow::Result<ExitCode> {
    if !(is_installed(sh, "node") && is_installed(sh, "npm")) {
        say("interop: skipped, node/npm not found");
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(Path::new(FOLDER).join("run.mjs").exists(), "{FOLDER}/run.mjs is missing");
    // `ci` installs exactly what the lock file says, and fails without one.
    let locked = Path::new(FOLDER).join("package-lock.json").exists();
    let install = if locked { "ci" } else { "install" };
    cmd!(sh, "npm {install} --prefix {FOLDER} --no-audit --no-fund").run()?;
    cargo(sh).args(["build", "--release", "-p", "meshwork"]).run()?;
    let binary = members()?.target_directory.join("release").join("meshwork");
    sh.change_dir(FOLDER);
    let mut client = Command::from(cmd!(sh, "node --import ./polyfill.mjs run.mjs {binary}"));
    let status = client.status().context("cannot start node")?;
    if !status.success() {
        complain(format!("interop: failed, {status}"));
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
