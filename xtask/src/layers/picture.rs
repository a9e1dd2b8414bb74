//! The picture that the table of layers draws, and its place in a document.

use anyhow::Context as _;

use super::law::{Kind, Layer, May, Row};

const BEGIN: &str = "<!-- layers:begin -->";
const END: &str = "<!-- layers:end -->";

/// The layers as text, top first, one line each: a crate that imports another of its own layer
/// is drawn with an arrow to it.
pub(crate) fn draw(layers: &[Layer]) -> String {
    let lines: Vec<(String, &str)> = layers.iter().rev().map(line).collect();
    let width = lines.iter().map(|(crates, _)| crates.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (crates, remark) in lines {
        let padded = format!(" {crates:<width$}    {remark}");
        text.push_str(padded.trim_end());
        text.push('\n');
    }
    text
}

fn line(layer: &Layer) -> (String, &'static str) {
    let remark = match layer.kind {
        Kind::Library => "",
        Kind::Harness => "imported by the tools, and by anybody's tests",
        Kind::Tool => "import anything, imported by nobody",
    };
    let is_target =
        |row: &Row| layer.rows.iter().any(|other| siblings(layer, other).contains(&row.name));
    let mut parts = Vec::new();
    for row in layer.rows {
        let beside = siblings(layer, row);
        if !beside.is_empty() {
            parts.push(format!("{} → {}", row.name, beside.join(", ")));
        } else if !is_target(row) {
            parts.push(row.name.to_owned());
        }
    }
    let gap = if layer.kind == Kind::Library { "      " } else { ", " };
    (parts.join(gap), remark)
}

/// What a row imports of its own layer.
fn siblings(layer: &Layer, row: &Row) -> Vec<&'static str> {
    match row.may {
        May::Only(names) => {
            let here = |name: &&str| layer.rows.iter().any(|other| other.name == *name);
            names.iter().copied().filter(here).collect()
        }
        May::Below | May::Anything => Vec::new(),
    }
}

/// The document with the drawing between its markers.
///
/// # Errors
/// When a marker is missing.
pub(crate) fn placed(document: &str, drawing: &str) -> anyhow::Result<String> {
    let markers = || format!("needs the lines {BEGIN} and {END} around the picture of the layers");
    let (before, rest) = document.split_once(BEGIN).with_context(markers)?;
    let (_, after) = rest.split_once(END).with_context(markers)?;
    Ok(format!("{before}{BEGIN}\n```text\n{drawing}```\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: &[Layer] = &[
        Layer { kind: Kind::Library, rows: &[Row { name: "ground", may: May::Only(&[]) }] },
        Layer {
            kind: Kind::Library,
            rows: &[
                Row { name: "left", may: May::Only(&["ground"]) },
                Row { name: "right", may: May::Only(&["ground", "left"]) },
                Row { name: "alone", may: May::Only(&["ground"]) },
            ],
        },
        Layer {
            kind: Kind::Tool,
            rows: &[
                Row { name: "bench", may: May::Anything },
                Row { name: "tasks", may: May::Anything },
            ],
        },
    ];

    #[test]
    fn the_top_is_first_and_arrows_show_imports_within_a_layer() {
        let expected = " bench, tasks               import anything, imported by nobody\n \
                        right → left      alone\n ground\n";
        assert_eq!(draw(LAYERS), expected);
    }

    #[test]
    fn the_drawing_replaces_what_stood_between_the_markers() -> anyhow::Result<()> {
        let document = format!("# Map\n{BEGIN}\nold\n{END}\ntext\n");
        let once = placed(&document, " a\n")?;
        assert_eq!(once, format!("# Map\n{BEGIN}\n```text\n a\n```\n{END}\ntext\n"));
        assert_eq!(placed(&once, " a\n")?, once, "drawing again changes nothing");
        Ok(())
    }

    #[test]
    fn a_document_without_markers_is_refused() {
        for document in ["# Map\n".to_owned(), format!("{END}{BEGIN}")] {
            assert!(placed(&document, " a\n").is_err(), "{document}");
        }
    }
}
