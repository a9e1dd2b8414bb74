//! Whether code that a page quotes stands in the file that it is quoted from.
//!
//! A line `<!-- excerpt: PATH -->` before a fenced block promises that the block is in that file,
//! line for line.

use crate::tidy::Finding;
use crate::tidy::tree::{File, Tree};

const BEGIN: &str = "<!-- excerpt: ";
const END: &str = " -->";

/// Every excerpt of a page that is not in its file.
pub(super) fn check(page: &File, tree: &Tree) -> Vec<Finding> {
    let lines: Vec<&str> = page.text.lines().collect();
    let mut findings = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(path) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)) else {
            continue;
        };
        let fence = lines[at + 1..].iter().take_while(|line| **line != "```");
        let quoted: Vec<&str> = fence.skip(1).copied().collect();
        let source = tree.files().iter().find(|file| file.path == path);
        let what = match source {
            None => format!("there is no {path} to quote"),
            Some(_) if quoted.is_empty() => format!("quotes nothing of {path}"),
            Some(source) if holds(&source.text, &quoted) => continue,
            Some(_) => format!("{path} does not hold these lines any more"),
        };
        findings.push(Finding::new(&page.path, at + 1, what));
    }
    findings
}

fn holds(text: &str, quoted: &[&str]) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    lines.windows(quoted.len()).any(|window| window == quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(block: &str) -> Vec<String> {
        let page = format!("# Guide\n\n<!-- excerpt: src/a.rs -->\n{block}\n\nmore\n");
        let tree = Tree::of(&[("docs/guide.md", &page), ("src/a.rs", "//! A.\nfn a() {\n}\n")]);
        let page = tree.files().iter().find(|file| file.path == "docs/guide.md");
        let found = check(page.expect("it is there"), &tree);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_stands_in_the_file_may_be_quoted() {
        assert_eq!(found("```rust\nfn a() {\n}\n```"), [""; 0]);
    }

    #[test]
    fn what_does_not_is_named_with_its_line() {
        let gone = "docs/guide.md:3: src/a.rs does not hold these lines any more";
        assert_eq!(found("```rust\nfn a() {\n\n}\n```"), [gone]);
        assert_eq!(found("```rust\n```"), ["docs/guide.md:3: quotes nothing of src/a.rs"]);
    }
}
