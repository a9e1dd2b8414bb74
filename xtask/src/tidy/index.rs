//! Every name that the sources and the protobuf files define or import.

use std::collections::{BTreeMap, BTreeSet};

use super::definitions::{Definitions, Type};
use super::proto::definitions;
use super::tree::{File, Tree};

/// Names that Rust brings along.
const PRELUDE: [&str; 24] = [
    "Box", "Clone", "Copy", "Debug", "Default", "Display", "Drop", "Eq", "Err", "From", "Hash",
    "Into", "Iterator", "None", "Ok", "Option", "Ord", "Result", "Send", "Some", "String", "Sync",
    "Vec", "Self",
];

/// What derives and blanket implementations add to a type.
const DERIVED: [&str; 14] = [
    "clone",
    "cmp",
    "default",
    "deserialize",
    "eq",
    "fmt",
    "from",
    "hash",
    "into",
    "partial_cmp",
    "serialize",
    "source",
    "to_string",
    "try_into",
];

/// The names of the workspace.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Everything, whatever its kind and place.
    names: BTreeSet<String>,
    types: BTreeMap<String, Type>,
    /// What traits of ours declare: a type may have it without saying so.
    of_traits: BTreeSet<String>,
    /// What each crate of ours defines or imports, by each of its names.
    crates: BTreeMap<String, BTreeSet<String>>,
    /// Crates from elsewhere, as code writes them.
    abroad: BTreeSet<String>,
}

impl Index {
    pub(super) fn of(tree: &Tree, sources: &[(&File, syn::File)]) -> Self {
        let mut index = Self::default();
        for (file, syntax) in sources {
            let found = Definitions::of(syntax);
            for name in crate_names(&file.path) {
                index.crates.entry(name).or_default().extend(found.names.iter().cloned());
            }
            index.names.extend(found.names);
            index.of_traits.extend(found.of_traits);
            for (name, of_file) in found.types {
                index.types.entry(name).or_default().merge(of_file);
            }
        }
        for file in tree.files().iter().filter(|file| file.ends_with(".proto")) {
            index.read_proto(&file.text);
        }
        for lock in tree.files().iter().filter(|file| file.path == "Cargo.lock") {
            let packages = lock.text.lines().filter_map(|line| line.strip_prefix("name = "));
            index.abroad.extend(packages.map(|name| name.trim_matches('"').replace('-', "_")));
        }
        index.abroad.extend(["std", "core", "alloc"].map(str::to_owned));
        index.names.extend(PRELUDE.map(str::to_owned));
        index
    }

    /// Whether that single name is defined or imported somewhere.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether there is a package of that name: a crate of ours, or one that we depend on.
    pub(super) fn has_package(&self, package: &str) -> bool {
        self.crates.contains_key(&package.replace('-', "_"))
    }

    /// Whether each word of a path can be found in the one before it.
    pub(super) fn has_path(&self, words: &[&str]) -> bool {
        let relative = |word: &&&str| matches!(**word, "crate" | "self" | "super" | "Self");
        let words: Vec<&str> = words.iter().skip_while(relative).copied().collect();
        let Some(first) = words.first() else { return true };
        if !self.crates.contains_key(*first) {
            if self.abroad.contains(*first) {
                return true;
            }
            if !self.has(first) {
                return false;
            }
        }
        words.windows(2).all(|pair| match *pair {
            [outer, inner] => self.has_inside(outer, inner),
            _ => true,
        })
    }

    fn has_inside(&self, outer: &str, inner: &str) -> bool {
        if let Some(of_crate) = self.crates.get(outer) {
            return of_crate.contains(inner);
        }
        match self.types.get(outer) {
            Some(of_type) if of_type.is_ours => {
                of_type.is_opaque
                    || of_type.members.contains(inner)
                    || self.of_traits.contains(inner)
                    || DERIVED.contains(&inner)
            }
            // What a type from elsewhere holds is not for us to know.
            _ => outer.starts_with(|c: char| c.is_ascii_uppercase()) || self.has(inner),
        }
    }

    fn read_proto(&mut self, text: &str) {
        for definition in definitions(text) {
            self.names.insert(definition.name.to_owned());
            if definition.is_type {
                self.types.entry(definition.name.to_owned()).or_default().is_ours = true;
            }
            if let Some(owner) = definition.owner {
                let of_type = self.types.entry(owner.to_owned()).or_default();
                of_type.members.insert(definition.name.to_owned());
            }
        }
    }
}

/// The names under which code and prose know the crate of a file.
fn crate_names(path: &str) -> Vec<String> {
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or_default();
    let folder = if first == "crates" { parts.next().unwrap_or_default() } else { first };
    let package =
        if folder == "node" { "meshwork".to_owned() } else { format!("meshwork_{folder}") };
    vec![folder.to_owned(), package]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &str = "//! W.
use bytes::Bytes;
mod frame;
pub const MAX: usize = 1;
#[derive(Clone, Debug)]
pub struct Frame { body: Bytes }
pub enum Shape { Round { width: u8 }, Flat }
pub trait Codec { const ID: u8; fn encode(&self) {} }
impl Frame { pub fn split(&self) { fn inner() {} } }
#[derive(prost::Message)]
pub struct Generated {}
pub type Alias = Frame;
fn free() {}
made_by_macro! { struct Made; }
";
    const PROTO: &str = "message Ask { // one
  repeated string names = 1;
  oneof kind { bytes raw = 2; }
  enum Order { ORDER_FIRST = 0; }
}
service Peers { rpc List(Ask) returns (Ask); }
";

    fn index() -> Index {
        let tree = Tree::of(&[
            ("crates/wire/src/lib.rs", WIRE),
            ("crates/node/src/main.rs", "//! N.\nfn main() {}\nstruct Frame { other: u8 }"),
            ("proto/a.proto", PROTO),
            ("Cargo.lock", "[[package]]\nname = \"libp2p-swarm\"\n"),
        ]);
        let parsed = tree.files().iter().filter(|file| file.is_rust());
        let parsed = parsed.map(|file| (file, syn::parse_file(&file.text).unwrap()));
        Index::of(&tree, &parsed.collect::<Vec<_>>())
    }

    #[test]
    fn every_kind_of_definition_is_known() {
        let index = index();
        for name in [
            "Bytes",
            "frame",
            "MAX",
            "Frame",
            "body",
            "Shape",
            "Round",
            "width",
            "Codec",
            "ID",
            "split",
            "inner",
            "Alias",
            "free",
            "Made",
            "Ask",
            "names",
            "raw",
            "Order",
            "ORDER_FIRST",
            "Peers",
            "List",
        ] {
            assert!(index.has(name), "{name}");
        }
        assert!(!index.has("Missing"));
    }

    #[test]
    fn a_path_is_followed_word_by_word() {
        let index = index();
        for path in [
            "wire::Frame",
            "meshwork_wire::frame::Frame",
            "Frame::split",
            "Shape::Flat",
            "Frame::clone",
            "Frame::encode",
            "Generated::decode",
            "Alias::anything",
            "Ask::names",
            "Peers::List",
            "crate::Frame::body",
            "std::time::Duration",
            "libp2p_swarm::Swarm",
            "Bytes::slice",
            "Vec::new",
            "meshwork::main",
            "node::Frame",
        ] {
            assert!(index.has_path(&path.split("::").collect::<Vec<_>>()), "{path}");
        }
        for path in [
            "gossip::Frame",
            "wire::main",
            "Frame::join",
            "Shape::Square",
            "Ask::count",
            "node::Shape",
            "frame::Missing",
            "Peers::Show",
        ] {
            assert!(!index.has_path(&path.split("::").collect::<Vec<_>>()), "{path}");
        }
    }

    #[test]
    fn a_package_is_known_by_its_folder() {
        let index = index();
        assert!(index.has_package("meshwork-wire") && !index.has_package("meshwork-gossip"));
    }
}
