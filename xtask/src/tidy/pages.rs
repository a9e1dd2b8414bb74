//! What single pages promise beyond names that exist.

mod excerpts;
mod reasons;
mod resolve;
mod seed_map;

use self::resolve::Crates;
use super::Finding;
use super::tree::{File, Tree};

/// Every promise that is not kept. A page that is missing keeps none.
pub(super) fn check(tree: &Tree, sources: &[(&File, syn::File)]) -> Vec<Finding> {
    let text = |path: &str| tree.files().iter().find(|file| file.path == path).map(|it| &*it.text);
    let gone = |page| vec![Finding::new(page, 1, "is missing")];
    let mut findings = match text(seed_map::PAGE) {
        Some(page) => seed_map::check(page, tree, &Crates::of(sources)),
        None => gone(seed_map::PAGE),
    };
    findings.extend(match (text(reasons::PAGE), text("Cargo.toml")) {
        (Some(page), Some(manifest)) => reasons::check(page, manifest),
        _ => gone(reasons::PAGE),
    });
    let pages = tree.files().iter().filter(|file| file.ends_with(".md"));
    findings.extend(pages.flat_map(|page| excerpts::check(page, tree)));
    findings
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What the pages of this very tree promise holds. Reads the tree without git, so that the
    /// suite passes in an exported copy as well.
    #[test]
    fn the_pages_of_this_tree_keep_their_promises() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root");
        let mut read = Vec::new();
        for file in ["Cargo.toml", "ARCHITECTURE.md"] {
            read.push((file.to_owned(), fs::read_to_string(root.join(file)).expect(file)));
        }
        for folder in ["crates", "docs", "proto", "xtask/src"] {
            collect(root, &root.join(folder), &mut read);
        }
        let files: Vec<(&str, &str)> = read.iter().map(|(path, text)| (&**path, &**text)).collect();
        let tree = Tree::of(&files);
        let rust = tree.files().iter().filter(|file| file.is_rust());
        let parsed = rust.map(|file| (file, syn::parse_file(&file.text).expect(&file.path)));
        let findings = check(&tree, &parsed.collect::<Vec<_>>());
        let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }

    fn collect(root: &Path, folder: &Path, read: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("a folder of the tree") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(root, &path, read);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root).expect("below the root");
                read.push((path.to_string_lossy().into_owned(), text));
            }
        }
    }
}
