//! Whether docs/seed-map.md tells the truth about where things are.
//!
//! A row is `| name over there | state | where |`. The state `here` or `partly` promises that every
//! path in the third cell exists; `later` that the crate named first there does not exist yet, so
//! that whoever adds it has to come back to the row; `not` gives a reason.

use super::resolve::Crates;
use crate::tidy::Finding;
use crate::tidy::token::spans;
use crate::tidy::tree::Tree;

pub(super) const PAGE: &str = "docs/seed-map.md";

/// Crates that the design has and the tree may not have yet.
const TO_COME: [&str; 8] =
    ["gossip", "tickets", "relay", "reconcile", "orders", "ordersync", "dht", "storage"];

/// What is wrong with the page.
pub(super) fn check(page: &str, tree: &Tree, crates: &Crates<'_>) -> Vec<Finding> {
    let finding = |line, what: String| Finding::new(PAGE, line, what);
    let mut findings = Vec::new();
    let mut rows = 0_usize;
    for (line, text) in (1..).zip(page.lines()) {
        let Some(cells) = cells(text) else { continue };
        let [name, state, place] = *cells.as_slice() else {
            findings.push(finding(line, format!("{} cells, must be 3", cells.len())));
            continue;
        };
        if is_head(state) {
            continue;
        }
        rows += 1;
        findings.extend(
            complaint(state, place, tree, crates)
                .into_iter()
                .map(|what| finding(line, format!("{name}: {what}"))),
        );
    }
    if rows == 0 {
        findings.push(finding(1, "holds no rows".to_owned()));
    }
    findings
}

/// The cells of a table row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

fn is_head(state: &str) -> bool {
    state == "state" || state.chars().all(|c| matches!(c, '-' | ':'))
}

fn complaint(state: &str, place: &str, tree: &Tree, crates: &Crates<'_>) -> Vec<String> {
    let names: Vec<&str> = spans(place).into_iter().map(|(_, name)| name).collect();
    match state {
        "here" | "partly" => {
            let paths = || names.iter().filter(|name| is_claim(name));
            let gone = paths().filter(|path| !exists(path, tree, crates));
            let mut found: Vec<_> = gone.map(|path| format!("`{path}` does not exist")).collect();
            if paths().next().is_none() {
                found.push("does not say where".to_owned());
            }
            found
        }
        "later" => match names.first().filter(|name| TO_COME.contains(name)) {
            Some(name) if crates.has_crate(name) => {
                vec![format!("the crate `{name}` exists now: say where in it this is")]
            }
            Some(_) => Vec::new(),
            None => vec![format!("must start with one of the crates {}", TO_COME.join(", "))],
        },
        "not" if place.is_empty() => vec!["gives no reason".to_owned()],
        "not" => Vec::new(),
        other => vec![format!("the state {other:?} is none of here, partly, later, not")],
    }
}

/// Whether a span claims that something is in this tree.
fn is_claim(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '/' | '.' | '-');
    name.chars().all(plain) && !name.starts_with('/') && (name.contains("::") || name.contains('/'))
}

fn exists(path: &str, tree: &Tree, crates: &Crates<'_>) -> bool {
    if path.contains('/') { tree.has(path, "") } else { crates.has(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("crates/gate/src/lib.rs", "//! G.\npub struct Gate;\nimpl Gate { fn ban() {} }\n"),
            ("crates/orders/src/lib.rs", "//! O.\n"),
            ("docs/guide.md", ""),
        ]);
        let rust = tree.files().iter().filter(|file| file.is_rust());
        let parsed = rust.map(|file| (file, syn::parse_file(&file.text).unwrap()));
        let parsed: Vec<_> = parsed.collect();
        let page = format!("# Map\n\n| there | state | where |\n|---|---|---|\n{rows}\n");
        let found = check(&page, &tree, &Crates::of(&parsed));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn true_rows_pass() {
        let rows = "| `A` | here | `gate::Gate::ban`, see `docs/guide.md` and `Option` |\n\
                    | `B` | partly | `gate::Gate`; the rest is for `gossip` |\n\
                    | `C` | later | `gossip`: the address book |\n\
                    | `D` | not | nothing here needs it |";
        assert_eq!(found(rows), [""; 0]);
    }

    #[test]
    fn a_row_that_no_longer_holds_is_named_with_its_line() {
        for (row, what) in [
            ("| A | here | `gate::Gate::unban` |", "A: `gate::Gate::unban` does not exist"),
            ("| A | here | `gate::Gate`, `gate::Door` |", "A: `gate::Door` does not exist"),
            ("| A | partly | `docs/gone.md` |", "A: `docs/gone.md` does not exist"),
            ("| A | here | in `Gate` |", "A: does not say where"),
            ("| A | later | `orders` | ", "A: the crate `orders` exists now: say where in it"),
            ("| A | later | one day |", "A: must start with one of the crates gossip, "),
            ("| A | not | |", "A: gives no reason"),
            ("| A | done | `gate::Gate` |", "A: the state \"done\" is none of here"),
            ("| A | here |", "2 cells, must be 3"),
        ] {
            let found = found(&format!("| Z | not | no |\n{row}"));
            let expected = format!("{PAGE}:6: {what}");
            assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
        }
    }

    #[test]
    fn a_page_without_rows_is_no_map() {
        assert_eq!(found(""), [format!("{PAGE}:1: holds no rows")]);
    }
}
