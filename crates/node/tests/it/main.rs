//! The binary, as a stranger runs it.
#![expect(clippy::unwrap_used, reason = "a test")]

mod chain;
mod config;
mod directory;
mod messages;
mod offline;
mod orders;
mod payments;
mod peers;
mod relaying;
mod running;
mod testnet;

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// What a finished process left.
#[derive(Debug)]
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The single line of JSON that a failed command with `--json` leaves.
    fn failure(&self) -> Value {
        assert_eq!(self.stdout, "", "a failure is no result: {self:?}");
        serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// `meshwork` with none of the variables that the tests may have inherited.
fn meshwork() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshwork"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MESHWORK_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG");
    command
}

fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `meshwork` on a data directory.
fn run(dir: &Path, arguments: &[&str]) -> Ended {
    ended(meshwork().arg("--data-dir").arg(dir).args(arguments))
}

/// A place for a data directory that does not exist yet.
fn place() -> (TempDir, std::path::PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("node");
    (temporary, dir)
}
