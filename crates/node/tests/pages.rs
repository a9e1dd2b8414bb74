//! What the pages say about the command line is what it does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn path(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page)
}

fn page(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What `meshwork` prints, run with these arguments and an environment of nothing.
fn stdout_of(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshwork"));
    let output = command.env_clear().args(arguments).output().expect("the binary runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_operations_page_has_the_file_that_init_writes() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = temporary.path().join("node");
    stdout_of(&["--data-dir", dir.to_str().expect("a plain path"), "init"]);
    let written = fs::read_to_string(dir.join("config.toml")).expect("init wrote it");
    let page = page("operations.md");
    let (before, rest) = page.split_once("```toml\n").expect("the page shows the file");
    let (shown, after) = rest.split_once("```").expect("the file ends");
    if shown != written && std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path("operations.md"), format!("{before}```toml\n{written}```{after}"))
            .expect("ours");
    } else {
        assert_eq!(shown, written, "UPDATE_EXPECT=1 cargo test -p meshwork --test pages writes it");
    }
}

/// The help of `command` and of each below it, one after another.
fn help_of(command: &[&str], all: &mut String) {
    let help = stdout_of(&[command, &["--help"]].concat());
    all.push_str(&[&["$ meshwork"], command, &["--help\n"]].concat().join(" "));
    all.push_str(&help);
    all.push('\n');
    let commands = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
    let commands = commands.split("\n\n").next().unwrap_or_default().lines();
    let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        help_of(&[command, &[name]].concat(), all);
    }
}

#[test]
fn every_command_says_how_it_is_used() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help.txt");
    let mut help = String::new();
    help_of(&[], &mut help);
    let kept = fs::read_to_string(&file).unwrap_or_default();
    if kept != help && std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&file, &help).expect("ours");
    } else {
        assert_eq!(kept, help, "UPDATE_EXPECT=1 cargo test -p meshwork --test pages writes it");
    }
}

#[test]
fn the_operations_page_has_every_exit_code_and_option() {
    let page = page("operations.md");
    let help = stdout_of(&["--help"]);
    let (_, codes) = help.split_once("Exit codes: ").expect("the help lists them");
    for code in codes.split(", ") {
        let (number, _) = code.trim().split_once(' ').expect("a number and its meaning");
        assert!(page.contains(&format!("| {number} | ")), "exit code {number}");
    }
    for word in stdout_of(&["run", "--help"]).split_whitespace() {
        let known = ["--json", "--help", "--version", "--data-dir"];
        if word.starts_with("--") && !known.contains(&word) {
            assert!(page.contains(&format!("| `{word}")), "option {word}");
        }
    }
}
