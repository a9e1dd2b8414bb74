//! The `meshwork` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    meshwork::cli::main()
}
