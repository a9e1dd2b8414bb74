//! Where a path such as `handshake::Gate::ban` leads, followed through the sources.

use std::collections::BTreeMap;

use syn::{Fields, ImplItem, Item, ItemMacro, TraitItem, UseTree};

use crate::tidy::sizes::type_name;
use crate::tidy::tree::File;

/// Most imports followed one after the other: two that name each other lead nowhere.
const HOPS_MAX: usize = 16;

/// The crates of the workspace.
pub(super) struct Crates<'a> {
    files: BTreeMap<&'a str, &'a [Item]>,
}

/// A module: what it holds, and the folder in which the files of its children lie.
struct Module<'a> {
    items: &'a [Item],
    folder: String,
}

/// What a name means in a module.
enum Meaning<'a> {
    Module(Module<'a>),
    Item(&'a Item),
    Import(Vec<String>),
}

impl<'a> Crates<'a> {
    pub(super) fn of(sources: &'a [(&'a File, syn::File)]) -> Self {
        let items = |(file, syntax): &'a (&File, syn::File)| (&*file.path, &*syntax.items);
        Self { files: sources.iter().map(items).collect() }
    }

    /// Whether a crate of that name exists, as its folder or as code writes it.
    pub(super) fn has_crate(&self, name: &str) -> bool {
        self.root(name).is_some()
    }

    /// Whether a path that starts with a crate leads to an item, or to a member of one.
    pub(super) fn has(&self, path: &str) -> bool {
        let words: Vec<String> = path.split("::").map(str::to_owned).collect();
        self.leads(&words, HOPS_MAX)
    }

    fn leads(&self, words: &[String], hops: usize) -> bool {
        let Some((name, words)) = words.split_first() else { return false };
        let (Some((folder, mut module)), Some(hops)) = (self.root(name), hops.checked_sub(1))
        else {
            return false;
        };
        for (at, word) in words.iter().enumerate() {
            let (before, rest) = (&words[..at], &words[at + 1..]);
            match self.meaning(&module, word) {
                Some(Meaning::Module(inner)) => module = inner,
                Some(Meaning::Item(item)) => return self.holds(&folder, item, rest),
                Some(Meaning::Import(target)) => {
                    let from: Vec<_> = std::iter::once(name).chain(before).cloned().collect();
                    return match self.absolute(&from, &module, &target) {
                        Some(target) => self.leads(&[target, rest.to_vec()].concat(), hops),
                        // What others define is not for us to know.
                        None => true,
                    };
                }
                None => return false,
            }
        }
        true
    }

    /// The target of an import from its crate on; none when it is a crate from elsewhere.
    fn absolute(
        &self,
        from: &[String],
        module: &Module<'_>,
        target: &[String],
    ) -> Option<Vec<String>> {
        let up = target.iter().take_while(|word| *word == "super").count();
        let (base, skipped) = match target.first().map(String::as_str) {
            Some("crate") => (&from[..1], 1),
            Some("self") => (from, 1),
            Some("super") => (&from[..from.len().saturating_sub(up)], up),
            Some(first) if self.meaning(module, first).is_some() => (from, 0),
            Some(first) if self.has_crate(first) => (&from[..0], 0),
            _ => return None,
        };
        Some(base.iter().chain(&target[skipped..]).cloned().collect())
    }

    /// The folder of a crate's sources, and its outermost module.
    fn root(&self, name: &str) -> Option<(String, Module<'a>)> {
        let folder = match name.strip_prefix("meshwork") {
            Some("") => "node",
            Some(rest) => rest.strip_prefix('_')?,
            None => name,
        };
        let folder = format!("crates/{folder}/src");
        let items = self.files.get(&*format!("{folder}/lib.rs"))?;
        Some((folder.clone(), Module { items, folder }))
    }

    fn meaning(&self, module: &Module<'a>, name: &str) -> Option<Meaning<'a>> {
        module.items.iter().find_map(|item| match item {
            Item::Mod(inner) if inner.ident == name => {
                self.enter(module, inner).map(Meaning::Module)
            }
            Item::Use(import) => imported(&import.tree, name).map(Meaning::Import),
            item => defines(item, name).then_some(Meaning::Item(item)),
        })
    }

    fn enter(&self, outer: &Module<'a>, inner: &'a syn::ItemMod) -> Option<Module<'a>> {
        let name = inner.ident.to_string();
        let below = format!("{}/{name}", outer.folder);
        if let Some((_, items)) = &inner.content {
            return Some(Module { items, folder: below });
        }
        let (file, folder) = match attribute_path(inner) {
            Some(path) => {
                let file = format!("{}/{path}", outer.folder);
                let folder = file.rsplit_once('/')?.0.to_owned();
                (file, folder)
            }
            None => (format!("{below}.rs"), below.clone()),
        };
        let other = format!("{below}/mod.rs");
        let items = self.files.get(&*file).or_else(|| self.files.get(&*other))?;
        Some(Module { items, folder })
    }

    /// Whether an item has the member that `rest` names; every item has none.
    fn holds(&self, folder: &str, item: &Item, rest: &[String]) -> bool {
        let [member] = rest else { return rest.is_empty() };
        let of_crate = || self.files.iter().filter(|(path, _)| path.starts_with(folder));
        match item {
            Item::Macro(made) => mentions(made, member),
            Item::Trait(made) => made.items.iter().any(|item| declares(item, member)),
            Item::Struct(syn::ItemStruct { ident, fields, .. }) => {
                has_field(fields, member)
                    || of_crate().any(|(_, items)| implements(items, &ident.to_string(), member))
            }
            Item::Enum(syn::ItemEnum { ident, variants, .. }) => {
                variants.iter().any(|variant| variant.ident == member)
                    || of_crate().any(|(_, items)| implements(items, &ident.to_string(), member))
            }
            _ => false,
        }
    }
}

/// The file that an attribute gives a module.
fn attribute_path(module: &syn::ItemMod) -> Option<String> {
    module.attrs.iter().find_map(|attribute| {
        let named = attribute.meta.require_name_value().ok()?;
        let syn::Expr::Lit(literal) = &named.value else { return None };
        match &literal.lit {
            syn::Lit::Str(path) if named.path.is_ident("path") => Some(path.value()),
            _ => None,
        }
    })
}

/// The whole path under which an import brings in `name`.
fn imported(tree: &UseTree, name: &str) -> Option<Vec<String>> {
    match tree {
        UseTree::Name(import) if import.ident == name => Some(vec![import.ident.to_string()]),
        UseTree::Rename(import) if import.rename == name => Some(vec![import.ident.to_string()]),
        UseTree::Path(path) => {
            let mut inner = imported(&path.tree, name)?;
            inner.insert(0, path.ident.to_string());
            Some(inner)
        }
        UseTree::Group(group) => group.items.iter().find_map(|tree| imported(tree, name)),
        UseTree::Name(_) | UseTree::Rename(_) | UseTree::Glob(_) => None,
    }
}

fn defines(item: &Item, name: &str) -> bool {
    match item {
        Item::Const(item) => item.ident == name,
        Item::Enum(item) => item.ident == name,
        Item::Fn(item) => item.sig.ident == name,
        Item::Macro(item) => mentions(item, name),
        Item::Static(item) => item.ident == name,
        Item::Struct(item) => item.ident == name,
        Item::Trait(item) => item.ident == name,
        Item::Type(item) => item.ident == name,
        Item::Union(item) => item.ident == name,
        _ => false,
    }
}

/// What a macro defines is somewhere among its words.
fn mentions(made: &ItemMacro, name: &str) -> bool {
    let tokens = made.mac.tokens.to_string();
    let mut words = tokens.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    made.ident.as_ref().is_some_and(|ident| ident == name) || words.any(|word| word == name)
}

fn has_field(fields: &Fields, name: &str) -> bool {
    fields.iter().any(|field| field.ident.as_ref().is_some_and(|ident| ident == name))
}

fn declares(item: &TraitItem, name: &str) -> bool {
    match item {
        TraitItem::Const(item) => item.ident == name,
        TraitItem::Fn(item) => item.sig.ident == name,
        TraitItem::Type(item) => item.ident == name,
        _ => false,
    }
}

/// Whether an implementation among `items` gives the type of that name the member.
fn implements(items: &[Item], type_of: &str, member: &str) -> bool {
    items.iter().any(|item| match item {
        Item::Mod(inner) => {
            inner.content.as_ref().is_some_and(|(_, items)| implements(items, type_of, member))
        }
        Item::Impl(block) if type_name(&block.self_ty).is_some_and(|name| name == type_of) => {
            block.items.iter().any(|item| match item {
                ImplItem::Const(item) => item.ident == member,
                ImplItem::Fn(item) => item.sig.ident == member,
                ImplItem::Type(item) => item.ident == member,
                _ => false,
            })
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;

    const GATE: &str = "//! G.
pub use self::event::Event;
pub use self::shapes::{Kind as Shape, Opened};
mod event;
mod shapes { pub enum Kind { Round { width: u8 }, Flat } pub use wire::Opened; }
#[path = \"gen/mod.rs\"]
pub mod proto;
pub mod seed;
pub type Alias = Event;
made! { pub struct Made { pub width: u8 } }
";
    const SEED: &str = "//! S.
mod core;
pub use self::core::Core;
pub use super::Event as Outer;
pub use std::fmt::Debug;
";

    fn check(path: &str) -> bool {
        let tree = Tree::of(&[
            ("crates/gate/src/lib.rs", GATE),
            ("crates/gate/src/event.rs", "//! E.\npub enum Event { Opened }\n"),
            ("crates/gate/src/seed.rs", SEED),
            ("crates/gate/src/seed/core.rs", "//! C.\npub struct Core { size: u8 }\nmod parts;\n"),
            ("crates/gate/src/seed/core/parts.rs", "//! P.\nimpl Core { pub fn tick(&self) {} }"),
            ("crates/gate/src/gen/mod.rs", "//! M.\npub mod app { pub mod v1; }"),
            ("crates/gate/src/gen/app/v1.rs", "//! V.\npub struct Message;"),
            ("crates/wire/src/lib.rs", "//! W.\npub trait Opened { fn close(); }"),
            ("crates/node/src/lib.rs", "//! N.\npub fn run() {}"),
        ]);
        let parsed = tree.files().iter().map(|file| (file, syn::parse_file(&file.text).unwrap()));
        let parsed: Vec<_> = parsed.collect();
        Crates::of(&parsed).has(path)
    }

    #[test]
    fn a_path_is_followed_through_files_imports_and_crates() {
        for path in [
            "gate",
            "gate::Event",
            "gate::Event::Opened",
            "meshwork_gate::event::Event",
            "gate::Shape::Round",
            "gate::Opened::close",
            "gate::seed::Core::size",
            "gate::seed::Core::tick",
            "gate::seed::Outer::Opened",
            "gate::seed::Debug::anything",
            "gate::proto::app::v1::Message",
            "gate::Alias",
            "gate::Made::width",
            "meshwork::run",
        ] {
            assert!(check(path), "{path}");
        }
    }

    #[test]
    fn what_is_gone_is_found_out_even_if_its_name_is_used_elsewhere() {
        for path in [
            "door",
            "gate::Core",
            "gate::Event::Closed",
            "gate::Event::tick",
            "gate::Shape::Square",
            "gate::seed::Core::Opened",
            "gate::seed::Core::size::more",
            "gate::seed::Event",
            "gate::proto::app::v2::Message",
            "gate::Opened::open",
        ] {
            assert!(!check(path), "{path}");
        }
    }
}
