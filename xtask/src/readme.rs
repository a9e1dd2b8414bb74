//! The commands that README.md promises: fenced shell blocks, read as a stranger would type them.

use std::fs;

use anyhow::{Context as _, ensure};

const README: &str = "README.md";

/// The words of README's test command, its second fenced one.
///
/// # Errors
/// When README.md is missing, or its second command is not one plain `cargo test …`.
pub(crate) fn test_command() -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(README).with_context(|| format!("cannot read {README}"))?;
    second_command(&text)
}

fn second_command(readme: &str) -> anyhow::Result<Vec<String>> {
    let command = commands(readme)
        .nth(1)
        .with_context(|| format!("{README} has no second command in a fenced shell block"))?;
    let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    ensure!(
        words.starts_with(&["cargo".to_owned(), "test".to_owned()]),
        "{README}: the second fenced command is `{command}`, expected the test command, `cargo test …`",
    );
    ensure!(
        !command.contains(['|', '&', ';', '<', '>', '$', '`', '"', '\'', '\\', '*']),
        "{README}: the test command `{command}` needs a shell; keep it to plain words",
    );
    Ok(words)
}

/// Every command in the fenced shell blocks, in order, without prompt and trailing comment.
fn commands(markdown: &str) -> impl Iterator<Item = &str> {
    let mut fence: Option<&str> = None;
    markdown.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(language) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language.trim()) };
            return None;
        }
        match fence? {
            "sh" | "bash" | "shell" => command(line),
            "console" => command(line.strip_prefix("$ ")?),
            _ => None,
        }
    })
}

fn command(line: &str) -> Option<&str> {
    let bare = line.split_once(" #").map_or(line, |(bare, _)| bare).trim();
    (!bare.is_empty() && !bare.starts_with('#')).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(readme: &str) -> Result<String, String> {
        second_command(readme).map(|words| words.join(" ")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_second_command_is_found_in_one_block_or_two() {
        let one =
            "```sh\n# five nodes\ncargo run -- testnet\n\ncargo test --workspace  # tests\n```";
        let two = "```sh\ncargo run\n```\ntext\n```bash\ncargo test --workspace\n```\n";
        let prompts = "```console\n$ cargo run\nready\n$ cargo test --workspace\nok\n```\n";
        for readme in [one, two, prompts] {
            assert_eq!(check(readme), Ok("cargo test --workspace".to_owned()));
        }
    }

    #[test]
    fn other_fences_hold_no_commands() {
        let readme = "```text\na\nb\n```\n```sh\ncargo run\n```\n```toml\nx = 1\n```\n";
        assert!(check(readme).is_err_and(|error| error.contains("no second command")));
    }

    #[test]
    fn a_second_command_that_is_no_test_is_refused() {
        let readme = "```sh\ncargo run\ncargo build\n```\n";
        assert!(check(readme).is_err_and(|error| error.contains("`cargo build`")));
    }

    #[test]
    fn a_test_command_that_needs_a_shell_is_refused() {
        let readme = "```sh\ncargo run\ncargo test && echo well\n```\n";
        assert!(check(readme).is_err_and(|error| error.contains("needs a shell")));
    }
}
