//! The vectors of the specification page, as it writes them.

use crate::common::hex;

/// Digits in a line.
const WIDTH: usize = 96;

const PAGE: &str = include_str!("../../../../docs/protocols/tickets.md");

/// Whether the page has a block of just these values, in this order: each begins a line, and groups
/// of them have an empty line between.
pub(crate) fn has(groups: &[&[&[u8]]]) {
    let groups: Vec<_> = groups.iter().map(|values| group(values)).collect();
    let block = format!("```text\n{}\n```\n", groups.join("\n\n"));
    assert!(PAGE.contains(&block), "not on the page:\n{block}");
}

fn group(values: &[&[u8]]) -> String {
    let mut lines = Vec::new();
    for value in values {
        let digits = hex(value).into_bytes();
        lines.extend(digits.chunks(WIDTH).map(|line| String::from_utf8_lossy(line).into_owned()));
    }
    lines.join("\n")
}
