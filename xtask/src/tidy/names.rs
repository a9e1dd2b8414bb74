//! Whether the names in the documents exist.

use std::collections::BTreeSet;

use super::Finding;
use super::exceptions::Exceptions;
use super::index::Index;
use super::token::{ENDINGS, Name, classify, spans};
use super::tree::{File, Tree};

/// Documents at the root; beside them every one below docs/.
const AT_ROOT: [&str; 3] = ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"];

/// Every name that is nowhere defined, and every foreign name of the list that is not needed.
pub(super) fn check(tree: &Tree, index: &Index, exceptions: &Exceptions) -> Vec<Finding> {
    let foreign = &exceptions.foreign;
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut findings = Vec::new();
    for document in tree.files().iter().filter(|file| is_document(file)) {
        if foreign.pages.contains(&document.path) {
            continue;
        }
        for (line, span) in spans(&document.text) {
            let Some(name) = classify(span) else { continue };
            if exists(&name, document, tree, index) {
                continue;
            }
            let listed = foreign.names.iter().find(|entry| stands_for(entry, &name));
            match listed {
                Some(entry) => {
                    needed.insert(entry);
                }
                None => findings.push(Finding::new(&document.path, line, complaint(span, &name))),
            }
        }
    }
    for entry in foreign.names.iter().filter(|entry| !needed.contains(entry.as_str())) {
        let what = format!("no document needs the foreign name `{entry}` any more: remove it");
        findings.push(exceptions.complaint(entry, what));
    }
    for page in &foreign.pages {
        if !tree.files().iter().any(|file| is_document(file) && file.path == *page) {
            let what = format!("there is no document `{page}`: remove it");
            findings.push(exceptions.complaint(page, what));
        }
    }
    findings
}

fn is_document(file: &File) -> bool {
    AT_ROOT.contains(&file.path.as_str())
        || (file.path.starts_with("docs/") && file.ends_with(".md"))
}

fn exists(name: &Name<'_>, document: &File, tree: &Tree, index: &Index) -> bool {
    match name {
        Name::Path(path) => {
            let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            tree.has(path, folder) || !is_surely_path(path, tree)
        }
        Name::Package(package) => index.has_package(package),
        Name::Function(function) => index.has(function),
        Name::Item(words) => match words.as_slice() {
            [word] => index.has(word),
            words => index.has_path(words),
        },
    }
}

/// Whether a word with a slash cannot be anything but a path of this tree: `min/max` can.
fn is_surely_path(path: &str, tree: &Tree) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    ENDINGS.iter().any(|ending| path.ends_with(ending)) || tree.has_at_root(first)
}

/// Whether an entry of the foreign list covers a name: itself, or the crate or type it starts with.
fn stands_for(entry: &str, name: &Name<'_>) -> bool {
    match name {
        Name::Path(whole) | Name::Package(whole) | Name::Function(whole) => entry == *whole,
        Name::Item(words) => words.first() == Some(&entry) || words.join("::") == entry,
    }
}

fn complaint(span: &str, name: &Name<'_>) -> String {
    let span = span.split_whitespace().collect::<Vec<_>>().join(" ");
    let kind = match name {
        Name::Path(_) => "is no path of this tree",
        Name::Package(_) => "is no package of this workspace",
        Name::Item(_) | Name::Function(_) => "is defined nowhere",
    };
    format!("`{span}` {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a document below docs/ beside one crate, with a list of exceptions.
    fn check(document: &str, list: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/guide.md", document),
            ("crates/wire/src/lib.rs", "//! W.\npub struct Frame;\nimpl Frame { fn read() {} }\n"),
        ]);
        let parsed = tree.files().iter().filter(|file| file.is_rust());
        let parsed = parsed.map(|file| (file, syn::parse_file(&file.text).unwrap()));
        let index = Index::of(&tree, &parsed.collect::<Vec<_>>());
        let exceptions = Exceptions::parse(list).unwrap();
        let findings = super::check(&tree, &index, &exceptions);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_that_exist_and_unclear_ones_pass() {
        let document = "`Frame`, `Frame::read`, `read()`, `wire::Frame`, `crates/wire`, `lib.rs`,\n\
                        `meshwork-wire`, `Vec<u8>`, `std::fmt::Debug`, `min/max`, `limits.total`,\n\
                        `guide.md`, `/meshwork/seed/1`, `some_key`\n```rust\n`Nothing`\n```\n";
        assert_eq!(check(document, ""), [""; 0]);
    }

    #[test]
    fn names_that_do_not_exist_are_found_with_their_line() {
        for (span, kind) in [
            ("Frames", "is defined nowhere"),
            ("Frame::write", "is defined nowhere"),
            ("write()", "is defined nowhere"),
            ("gossip::Core", "is defined nowhere"),
            ("crates/gossip", "is no path of this tree"),
            ("gossip.rs", "is no path of this tree"),
            ("meshwork-gossip", "is no package of this workspace"),
        ] {
            let found = check(&format!("# Guide\n\nsee `{span}`\n"), "");
            assert_eq!(found, [format!("docs/guide.md:3: `{span}` {kind}")]);
        }
    }

    #[test]
    fn a_foreign_name_is_listed_once_and_only_while_it_is_needed() {
        let list = "[foreign]\nnames = [\n  \"Rustc\",\n  \"Frame\",\n]\n";
        let found = check("`Rustc` and `Rustc::new`, `Frame`", list);
        let expected =
            "xtask/exceptions.toml:4: no document needs the foreign name `Frame` any more";
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}");
    }

    #[test]
    fn a_page_about_others_is_not_searched_and_has_to_exist() {
        let list = "[foreign]\npages = [\"docs/guide.md\", \"docs/gone.md\"]\n";
        let found = check("`Nothing`", list);
        assert!(found.len() == 1 && found[0].contains("no document `docs/gone.md`"), "{found:?}");
    }
}
