//! The law itself: one table of layers, and one of foreign crates that only a few may name.

use std::fmt;

/// This file, as an error names it.
const TABLE: &str = "xtask/src/layers/law.rs";

/// The whole law.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Law {
    /// Bottom up.
    pub(crate) layers: &'static [Layer],
    /// Crates from elsewhere that not everybody may name; all others are free.
    pub(crate) foreign: &'static [Foreign],
}

/// Crates of one height.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    pub(crate) kind: Kind,
    pub(crate) rows: &'static [Row],
}

/// Who may import the crates of a layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Whoever's row says so.
    Library,
    /// Whoever's row says so, and everybody for its tests.
    Harness,
    /// Nobody.
    Tool,
}

/// One crate of ours and what it may import.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) may: May,
}

/// What a crate may import of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) enum May {
    /// The crates named.
    Only(&'static [&'static str]),
    /// Every library in a lower layer.
    Below,
    /// Everything but tools.
    Anything,
}

/// A crate from elsewhere and the crates of ours that may name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreign {
    pub(crate) name: &'static str,
    pub(crate) only: &'static [&'static str],
    /// Whether tests are held to it as well.
    pub(crate) in_tests: bool,
    pub(crate) reason: &'static str,
}

/// The law of this workspace. A crate is named by its folder.
pub(crate) const LAW: Law = Law {
    layers: &[
        Layer { kind: Kind::Library, rows: &[Row { name: "ecdsa", may: May::Only(&[]) }] },
        Layer { kind: Kind::Library, rows: &[Row { name: "wire", may: May::Only(&[]) }] },
        Layer { kind: Kind::Library, rows: &[Row { name: "machine", may: May::Only(&[]) }] },
        Layer {
            kind: Kind::Library,
            rows: &[Row { name: "transport", may: May::Only(&["machine", "wire"]) }],
        },
        Layer {
            kind: Kind::Library,
            rows: &[
                Row { name: "handshake", may: May::Only(&["transport", "machine", "wire"]) },
                Row {
                    name: "session",
                    may: May::Only(&["handshake", "transport", "machine", "wire"]),
                },
            ],
        },
        Layer {
            kind: Kind::Library,
            rows: &[
                Row {
                    name: "gossip",
                    may: May::Only(&["handshake", "transport", "machine", "wire"]),
                },
                Row { name: "topics", may: May::Only(&["transport", "machine", "wire"]) },
                Row { name: "reconcile", may: May::Only(&[]) },
                Row { name: "orders", may: May::Only(&["ecdsa"]) },
                Row {
                    name: "ordersync",
                    may: May::Only(&["reconcile", "orders", "transport", "machine", "wire"]),
                },
                Row { name: "tickets", may: May::Only(&["ecdsa", "transport", "machine", "wire"]) },
                Row {
                    name: "relay",
                    may: May::Only(&["tickets", "ecdsa", "transport", "machine", "wire"]),
                },
                Row { name: "dht", may: May::Only(&["transport", "machine", "wire"]) },
            ],
        },
        Layer {
            kind: Kind::Library,
            rows: &[Row {
                name: "storage",
                may: May::Only(&[
                    "dht",
                    "gossip",
                    "handshake",
                    "machine",
                    "ordersync",
                    "tickets",
                    "relay",
                    "ecdsa",
                ]),
            }],
        },
        Layer { kind: Kind::Library, rows: &[Row { name: "node", may: May::Below }] },
        Layer {
            kind: Kind::Harness,
            rows: &[
                Row { name: "simnet", may: May::Only(&["machine"]) },
                Row { name: "testkit", may: May::Only(&["simnet", "machine", "wire"]) },
            ],
        },
        Layer {
            kind: Kind::Tool,
            rows: &[
                Row { name: "scenarios", may: May::Anything },
                Row { name: "benches", may: May::Anything },
                Row { name: "sim", may: May::Anything },
                Row { name: "xtask", may: May::Anything },
            ],
        },
    ],
    foreign: &[
        Foreign {
            name: "libp2p",
            only: &["transport", "node", "scenarios", "benches"],
            in_tests: true,
            reason: "protocol crates name libp2p-swarm, libp2p-core and their like directly",
        },
        Foreign {
            name: "anyhow",
            only: &["node", "benches", "sim", "xtask"],
            in_tests: false,
            reason: "a library's errors are types that its caller can branch on",
        },
        Foreign {
            name: "tokio",
            only: &[
                "transport",
                "handshake",
                "session",
                "relay",
                "dht",
                "node",
                "scenarios",
                "benches",
            ],
            in_tests: false,
            reason: "a core has no tasks, no sockets and no clock",
        },
    ],
};

/// The name of a package in the law: its folder.
pub(crate) fn short(package: &str) -> String {
    match package {
        "meshwork" => "node".to_owned(),
        other => other.strip_prefix("meshwork-").unwrap_or(other).to_owned(),
    }
}

/// One declared dependency.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Whether `to` is a member of this workspace.
    pub(crate) ours: bool,
    /// Whether it is a dev-dependency.
    pub(crate) for_tests: bool,
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let purpose = if self.for_tests { " (for tests)" } else { "" };
        write!(f, "{} → {}{purpose}", self.from, self.to)
    }
}

/// Every breach of the law, each a line that names the import and the rule.
pub(crate) fn offences(law: &Law, members: &[String], edges: &[Edge]) -> Vec<String> {
    let mut found = Vec::new();
    for name in members {
        if law.find(name).is_none() {
            found.push(format!("{name}: has no row in the table of layers; add one to {TABLE}"));
        }
    }
    for row in law.layers.iter().flat_map(|layer| layer.rows) {
        if !members.iter().any(|name| name == row.name) {
            found.push(format!("{}: has a row but is no crate; remove it from {TABLE}", row.name));
        }
    }
    for edge in edges {
        let broken = if edge.ours { law.broken_by(edge) } else { law.broken_abroad_by(edge) };
        found.extend(broken.map(|rule| format!("{edge}: {rule}")));
    }
    found
}

impl Law {
    fn find(&self, name: &str) -> Option<(usize, &'static Layer, &'static Row)> {
        self.layers.iter().enumerate().find_map(|(height, layer)| {
            layer.rows.iter().find(|row| row.name == name).map(|row| (height, layer, row))
        })
    }

    /// The rule that an import among ours breaks, if any. A member without a row is reported once,
    /// by itself.
    fn broken_by(&self, edge: &Edge) -> Option<String> {
        let (height, _, from) = self.find(&edge.from)?;
        let (depth, target, to) = self.find(&edge.to)?;
        if target.kind == Kind::Tool {
            return Some(format!("{} is imported by nobody", to.name));
        }
        if edge.for_tests && target.kind == Kind::Harness {
            return None;
        }
        match from.may {
            May::Anything => None,
            May::Below if depth < height && target.kind == Kind::Library => None,
            May::Below => Some(format!("{} may import only what is drawn below it", from.name)),
            May::Only(names) if names.contains(&to.name) => None,
            May::Only([]) => Some(format!("{} may import no crate of ours", from.name)),
            May::Only(names) => Some(format!("{} may import only {}", from.name, names.join(", "))),
        }
    }

    /// The rule that an import from elsewhere breaks, if any.
    fn broken_abroad_by(&self, edge: &Edge) -> Option<String> {
        let rule = self.foreign.iter().find(|rule| rule.name == edge.to)?;
        let held = rule.in_tests || !edge.for_tests;
        (held && !rule.only.contains(&edge.from.as_str())).then(|| {
            format!("only {} may name {}: {}", rule.only.join(", "), rule.name, rule.reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Law = Law {
        layers: &[
            Layer { kind: Kind::Library, rows: &[Row { name: "ground", may: May::Only(&[]) }] },
            Layer {
                kind: Kind::Library,
                rows: &[
                    Row { name: "left", may: May::Only(&["ground"]) },
                    Row { name: "right", may: May::Only(&["ground", "left"]) },
                ],
            },
            Layer { kind: Kind::Library, rows: &[Row { name: "roof", may: May::Below }] },
            Layer {
                kind: Kind::Harness,
                rows: &[Row { name: "kit", may: May::Only(&["ground"]) }],
            },
            Layer { kind: Kind::Tool, rows: &[Row { name: "bench", may: May::Anything }] },
        ],
        foreign: &[
            Foreign { name: "heavy", only: &["roof"], in_tests: true, reason: "it is heavy" },
            Foreign { name: "async", only: &["roof"], in_tests: false, reason: "it is async" },
        ],
    };

    fn members() -> Vec<String> {
        ["ground", "left", "right", "roof", "kit", "bench"].map(str::to_owned).to_vec()
    }

    /// `from → to`, with `~>` for a dev-dependency; a target that is no member is foreign.
    fn check(imports: &[&str]) -> String {
        let edges: Vec<Edge> = imports
            .iter()
            .map(|import| {
                let for_tests = import.contains("~>");
                let (from, to) = import.split_once(if for_tests { "~>" } else { "->" }).unwrap();
                let (from, to) = (from.trim().to_owned(), to.trim().to_owned());
                Edge { ours: members().contains(&to), from, to, for_tests }
            })
            .collect();
        offences(&SMALL, &members(), &edges).join("\n")
    }

    #[test]
    fn imports_along_the_arrows_are_lawful() {
        let lawful = [
            "left -> ground",
            "right -> left",
            "roof -> ground",
            "roof -> right",
            "kit -> ground",
            "bench -> roof",
            "bench -> kit",
            "left ~> kit",
            "ground ~> kit",
            "roof -> heavy",
            "left ~> async",
            "left -> anything-else",
        ];
        assert_eq!(check(&lawful), "");
    }

    #[test]
    fn an_import_upwards_or_sideways_is_named_with_its_rule() {
        for (import, rule) in [
            ("ground -> left", "ground → left: ground may import no crate of ours"),
            ("left -> right", "left → right: left may import only ground"),
            ("right -> roof", "right → roof: right may import only ground, left"),
            ("roof -> kit", "roof → kit: roof may import only what is drawn below it"),
            ("left ~> right", "left → right (for tests): left may import only ground"),
        ] {
            assert_eq!(check(&[import]), rule);
        }
    }

    #[test]
    fn a_tool_is_imported_by_nobody() {
        for import in ["roof -> bench", "left ~> bench"] {
            assert!(check(&[import]).ends_with("bench is imported by nobody"), "{import}");
        }
    }

    #[test]
    fn a_guarded_foreign_crate_is_named_only_where_allowed() {
        for import in ["left -> heavy", "left ~> heavy"] {
            assert!(check(&[import]).contains("only roof may name heavy: it is heavy"), "{import}");
        }
        assert!(check(&["left -> async"]).contains("only roof may name async"));
    }

    #[test]
    fn a_crate_without_a_row_names_the_file_to_edit() {
        let mut more = members();
        more.push("gossip".to_owned());
        let found = offences(&SMALL, &more, &[]);
        assert_eq!(
            found,
            ["gossip: has no row in the table of layers; add one to xtask/src/layers/law.rs"]
        );
    }

    #[test]
    fn a_row_without_a_crate_must_go() {
        let fewer: Vec<String> = members().into_iter().filter(|name| name != "kit").collect();
        let found = offences(&SMALL, &fewer, &[]);
        assert!(found.len() == 1 && found.concat().starts_with("kit: has a row but is no crate"));
    }

    /// The table cannot contradict itself: an arrow points down, or sideways to an earlier row.
    #[test]
    fn the_arrows_of_the_real_table_point_down() {
        let rows: Vec<&Row> = LAW.layers.iter().flat_map(|layer| layer.rows).collect();
        for (position, row) in rows.iter().enumerate() {
            let earlier = &rows[..position];
            assert!(earlier.iter().all(|other| other.name != row.name), "{} twice", row.name);
            let May::Only(names) = row.may else { continue };
            for name in names {
                assert!(earlier.iter().any(|other| other.name == *name), "{} → {name}", row.name);
            }
        }
        for name in LAW.foreign.iter().flat_map(|rule| rule.only) {
            assert!(rows.iter().any(|row| row.name == *name), "{name} is no crate of ours");
        }
    }
}
