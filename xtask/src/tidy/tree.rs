//! The files of the project: what git tracks, or would track if it were added.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context as _;
use xshell::{Shell, cmd};

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// Below the root, with `/` between its parts.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    pub(super) fn is_rust(&self) -> bool {
        self.ends_with(".rs")
    }

    pub(super) fn ends_with(&self, ending: &str) -> bool {
        self.path.ends_with(ending)
    }

    /// Whether `cargo xtask codegen` writes it; a person is not held to account for its style.
    pub(super) fn is_generated(&self) -> bool {
        self.path.contains("/gen/")
    }
}

/// Every file of the project.
#[derive(Debug)]
pub(super) struct Tree {
    files: Vec<File>,
    /// Files, text or not, and folders.
    paths: BTreeSet<String>,
}

impl Tree {
    /// Reads the tree below the current directory.
    ///
    /// # Errors
    /// When git cannot list it.
    pub(super) fn read(sh: &Shell) -> anyhow::Result<Self> {
        let list = cmd!(sh, "git ls-files -z --cached --others --exclude-standard")
            .quiet()
            .read()
            .context("tidy asks git for the list of files")?;
        let mut files = Vec::new();
        let mut paths = Vec::new();
        for path in list.split('\0').filter(|path| !path.is_empty()) {
            // A file that is tracked but deleted is listed all the same.
            let Ok(bytes) = fs::read(path) else { continue };
            paths.push(path.to_owned());
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File { path: path.to_owned(), text });
            }
        }
        Ok(Self { files, paths: with_folders(paths) })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() });
        let files: Vec<File> = files.collect();
        let paths = files.iter().map(|file| file.path.clone()).collect();
        Self { files, paths: with_folders(paths) }
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// Whether a file or folder of that path exists: from the root, from `folder`, or anywhere,
    /// when the text before leaves no doubt about which crate is meant.
    pub(super) fn has(&self, path: &str, folder: &str) -> bool {
        let path = path.trim_end_matches('/').trim_start_matches("./");
        let tail = format!("/{path}");
        self.paths.contains(path)
            || self.paths.contains(&resolved(folder, path))
            || self.paths.iter().any(|known| known.ends_with(&tail))
    }

    /// Whether something lies directly below the root under that name.
    pub(super) fn has_at_root(&self, name: &str) -> bool {
        self.paths.contains(name)
    }
}

fn with_folders(files: Vec<String>) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for file in files {
        let ends = file.match_indices('/').map(|(at, _)| at);
        paths.extend(ends.filter_map(|at| file.get(..at)).map(str::to_owned));
        paths.insert(file);
    }
    paths
}

/// `path` as seen from `folder`, `..` taken back.
fn resolved(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_from_the_root_from_its_folder_and_by_its_tail() {
        let tree = Tree::of(&[("docs/guide/start.md", ""), ("crates/wire/src/frame.rs", "")]);
        for path in ["docs/guide/start.md", "docs/", "crates/wire", "src/frame.rs", "frame.rs"] {
            assert!(tree.has(path, ""), "{path}");
        }
        assert!(tree.has("start.md", "docs/guide"));
        assert!(tree.has("../guide/start.md", "docs/other"));
        for path in ["crates/wires", "rame.rs", "docs/start", "wire/frame.rs"] {
            assert!(!tree.has(path, "docs"), "{path}");
        }
    }
}
