//! Where the workspace is, and how cargo is called on it.

use std::env;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::Context as _;
use cargo_metadata::{Metadata, MetadataCommand};
use xshell::{Cmd, Shell};

/// Makes the root of the workspace the current directory, so that every path in xtask is relative
/// to it and commands work from any folder.
pub(crate) fn enter_root() -> anyhow::Result<()> {
    let own = env::var_os("CARGO_MANIFEST_DIR").context("run me as `cargo xtask`")?;
    let root = Path::new(&own).parent().context("xtask has no parent folder")?;
    env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))
}

/// A call of cargo as it would be made from a shell.
///
/// `cargo run` tells its child about the package that it runs. Build scripts that ask for those
/// variables (ring's does) would see other values than under a plain `cargo test`, and everything
/// above them would be built again at each change of hands.
pub(crate) fn cargo(sh: &Shell) -> Cmd<'_> {
    env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| describes_xtask(name))
        .fold(sh.cmd("cargo"), Cmd::env_remove)
}

fn describes_xtask(variable: &OsStr) -> bool {
    variable.to_str().is_some_and(|name| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|part| name.starts_with(part))
    })
}

/// The members of the workspace and what they declare; resolves nothing, so it needs no network.
pub(crate) fn members() -> anyhow::Result<Metadata> {
    MetadataCommand::new().no_deps().exec().context("cargo metadata failed")
}

/// Whether a program can be started.
pub(crate) fn is_installed(sh: &Shell, program: &str) -> bool {
    sh.cmd(program).arg("--version").quiet().ignore_stderr().read().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cargo_says_about_xtask_is_kept_from_the_child() {
        for variable in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_BIN_NAME"] {
            assert!(describes_xtask(OsStr::new(variable)), "{variable}");
        }
        for variable in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_INCREMENTAL", "RUSTFLAGS", "PATH"]
        {
            assert!(!describes_xtask(OsStr::new(variable)), "{variable}");
        }
    }
}
