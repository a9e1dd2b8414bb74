//! The habits of the house as a program: headers, sizes, leftovers, and documents that cannot lie.

mod definitions;
mod exceptions;
mod index;
mod marks;
mod names;
mod pages;
mod proto;
mod sizes;
mod token;
mod tree;

use std::fmt;

use anyhow::bail;
use xshell::Shell;

use self::exceptions::{Exceptions, LIST};
use self::index::Index;
use self::tree::Tree;
use crate::console::{complain, say};

/// One thing to put right.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Finding {
    path: String,
    /// Counted from 1.
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Checks every file that git tracks or would track.
///
/// # Errors
/// When something is to be put right; everything found is printed before.
pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    let tree = Tree::read(sh)?;
    let exceptions = Exceptions::read()?;
    let mut findings: Vec<Finding> = tree.files().iter().flat_map(marks::check).collect();

    let mut sources = Vec::new();
    for file in tree.files().iter().filter(|file| file.is_rust()) {
        match syn::parse_file(&file.text) {
            Ok(syntax) => sources.push((file, syntax)),
            Err(error) => {
                let line = error.span().start().line;
                findings.push(Finding::new(&file.path, line, format!("is no Rust: {error}")));
            }
        }
    }
    findings.extend(sizes::check(&sources, &exceptions));
    findings.extend(names::check(&tree, &Index::of(&tree, &sources), &exceptions));
    findings.extend(pages::check(&tree, &sources));

    findings.sort();
    findings.iter().for_each(complain);
    if !findings.is_empty() {
        bail!(
            "{} things to tidy; {LIST} holds the exceptions and the foreign names",
            findings.len()
        );
    }
    say(format!("tidy: {} files, nothing to put right", tree.files().len()));
    Ok(())
}
