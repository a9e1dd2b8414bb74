//! Whether every dependency has its line of reason in ARCHITECTURE.md.

use std::collections::BTreeMap;

use crate::tidy::Finding;
use crate::tidy::token::spans;

pub(super) const PAGE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- dependencies:begin -->";
const END: &str = "<!-- dependencies:end -->";

/// Dependencies without a reason, and reasons for what is no dependency.
pub(super) fn check(page: &str, manifest: &str) -> Vec<Finding> {
    let finding = |line, what: String| Finding::new(PAGE, line, what);
    let declared = match declared(manifest) {
        Ok(declared) => declared,
        Err(error) => return vec![finding(1, format!("Cargo.toml: {error}"))],
    };
    let begin = page.lines().position(|line| line == BEGIN);
    let end = page.lines().position(|line| line == END);
    let (Some(begin), Some(end)) = (begin, end) else {
        return vec![finding(1, format!("needs the lines {BEGIN} and {END} around the reasons"))];
    };
    let mut given = BTreeMap::new();
    for (at, line) in page.lines().enumerate().take(end).skip(begin) {
        let Some(row) = line.strip_prefix("| `") else { continue };
        let first = row.split('|').next().unwrap_or_default();
        let first = format!("`{first}");
        given.extend(spans(&first).into_iter().map(|(_, name)| (name.to_owned(), at + 1)));
    }
    let missing = declared.iter().filter(|name| !given.contains_key(*name));
    let idle = given.iter().filter(|(name, _)| !declared.contains(name));
    missing
        .map(|name| finding(begin + 1, format!("no reason for the dependency `{name}`")))
        .chain(idle.map(|(name, line)| finding(*line, format!("`{name}` is no dependency"))))
        .collect()
}

/// What the workspace depends on and is not ours.
fn declared(manifest: &str) -> anyhow::Result<Vec<String>> {
    let manifest: toml::Table = toml::from_str(manifest)?;
    let declared = manifest.get("workspace").and_then(|it| it.get("dependencies"));
    let declared = declared.and_then(toml::Value::as_table).into_iter().flatten();
    Ok(declared.filter(|(_, it)| it.get("path").is_none()).map(|(name, _)| name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[workspace.dependencies]\nwire = { path = \"crates/wire\" }\n\
                            bytes = \"1\"\nprost = { version = \"0.14\" }\nprost-types = \"0.14\"\n";

    fn found(rows: &str) -> Vec<String> {
        let page =
            format!("# Map\n{BEGIN}\n| crate | for |\n|---|---|\n{rows}\n{END}\n| `x` | y |");
        check(&page, MANIFEST).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_dependency_has_one_row_or_shares_one() {
        assert_eq!(found("| `bytes` | `Bytes` |\n| `prost`, `prost-types` | messages |"), [""; 0]);
    }

    #[test]
    fn a_missing_reason_and_an_idle_one_are_found() {
        let found = found("| `prost`, `prost-types` | messages |\n| `serde` | config |");
        let expected = [
            "ARCHITECTURE.md:2: no reason for the dependency `bytes`",
            "ARCHITECTURE.md:6: `serde` is no dependency",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_markers_have_to_be_there() {
        assert_eq!(check("# Map\n", MANIFEST).len(), 1);
    }
}
