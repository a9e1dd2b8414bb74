//! What a line betrays: a missing header, a leftover, the path of somebody's machine.

use super::Finding;
use super::tree::File;

/// Words that put something off. Split, so that this file does not find itself.
const LEFTOVERS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Folders that exist on one machine only.
const MACHINE_FOLDERS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ho", "me/")];
const NEIGHBOUR: &str = concat!("../sha", "red");

/// What a file's lines give reason to complain about.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.is_rust() && !file.is_generated() && !file.text.starts_with("//!") {
        findings.push(Finding::new(&file.path, 1, "does not start with a `//!` line"));
    }
    let is_ours = [".rs", ".proto", ".toml"].iter().any(|ending| file.ends_with(ending));
    for (line, text) in (1..).zip(file.text.lines()) {
        if is_ours && !file.is_generated() {
            let words = LEFTOVERS.iter().filter(|word| has_bare_word(text, word));
            findings.extend(words.map(|word| {
                Finding::new(&file.path, line, format!("{word} without an issue, as in {word}(#1)"))
            }));
        }
        if names_a_machine(text) {
            findings.push(Finding::new(&file.path, line, "names a path of somebody's machine"));
        }
    }
    findings
}

/// Whether the line holds the word by itself, without the number of an issue.
fn has_bare_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, rest) = line.split_at(at);
        let after = rest.strip_prefix(word).unwrap_or_default();
        !before.ends_with(is_part) && !after.starts_with(is_part) && !after.starts_with("(#")
    })
}

fn names_a_machine(line: &str) -> bool {
    // In `https://host/home/` or `a/home/b` the folder is not the first of an absolute path.
    let is_absolute = |at: usize| {
        let (before, _) = line.split_at(at);
        !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
    let is_named = |folder: &str| line.match_indices(folder).any(|(at, _)| is_absolute(at));
    line.contains(NEIGHBOUR) || MACHINE_FOLDERS.into_iter().any(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        super::check(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rust_file_starts_with_its_sentence() {
        assert_eq!(check("a.rs", "//! A.\n#![allow(x)]\n"), [""; 0]);
        assert_eq!(check("src/gen/a.rs", "struct A;\n"), [""; 0]);
        for text in ["", "\n//! A.\n", "#![allow(x)]\n//! A.\n", "// A.\n"] {
            assert_eq!(check("a.rs", text), ["a.rs:1: does not start with a `//!` line"], "{text}");
        }
    }

    #[test]
    fn a_leftover_is_found_unless_it_names_an_issue() {
        let [todo, fixme, xxx] = LEFTOVERS;
        let text = format!("//! A.\n// {todo}: later\n// {todo}(#7): later\n// {fixme}\nx{xxx}x\n");
        let found = check("a.rs", &text);
        assert!(found.len() == 2 && found[0].starts_with("a.rs:2:"), "{found:?}");
        assert!(found[1].starts_with("a.rs:4:"), "{found:?}");
        assert_eq!(check("a.md", &text), [""; 0], "prose may speak of it");
    }

    #[test]
    fn the_path_of_a_machine_is_found_in_any_file() {
        let [work, home] = MACHINE_FOLDERS;
        for line in [format!("see {work}a"), format!("\"{home}me\""), format!("`{NEIGHBOUR}/x`")] {
            assert_eq!(check("a.md", &line), ["a.md:1: names a path of somebody's machine"]);
        }
        for line in [format!("https://example.org{home}"), format!("net{work}y")] {
            assert_eq!(check("a.md", &line), [""; 0], "{line}");
        }
    }
}
