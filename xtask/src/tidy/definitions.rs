//! The names that a Rust file defines or imports.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::sizes::type_name;

/// Derives whose additions every type may have.
const PLAIN_DERIVES: [&str; 12] = [
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Deserialize",
    "Eq",
    "Error",
    "Hash",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Serialize",
];

/// What one file defines.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    /// Everything, whatever its kind and place, and every import.
    pub(super) names: BTreeSet<String>,
    /// Types and traits, also those of others that get an implementation here.
    pub(super) types: BTreeMap<String, Type>,
    /// What traits declare: a type may have it without saying so.
    pub(super) of_traits: BTreeSet<String>,
}

/// What a type holds: fields, variants, methods, associated items.
#[derive(Debug, Default)]
pub(super) struct Type {
    pub(super) members: BTreeSet<String>,
    /// Defined by us, so that its members can be known.
    pub(super) is_ours: bool,
    /// A macro or another type adds members that the source does not show.
    pub(super) is_opaque: bool,
}

impl Type {
    /// Takes in another type of the same name: prose seldom says which of the two it means.
    pub(super) fn merge(&mut self, other: Self) {
        self.members.extend(other.members);
        self.is_ours |= other.is_ours;
        self.is_opaque |= other.is_opaque;
    }
}

impl Definitions {
    pub(super) fn of(file: &syn::File) -> Self {
        let mut collecting = Collecting::default();
        collecting.visit_file(file);
        collecting.found
    }
}

#[derive(Default)]
struct Collecting {
    /// The type or trait around.
    owner: Option<String>,
    found: Definitions,
}

impl Collecting {
    fn name(&mut self, name: &impl ToString) {
        self.found.names.insert(name.to_string());
    }

    fn member(&mut self, name: &impl ToString) {
        let name = name.to_string();
        if let Some(owner) = &self.owner {
            self.found.types.entry(owner.clone()).or_default().members.insert(name.clone());
        }
        self.found.names.insert(name);
    }

    fn define(&mut self, name: &syn::Ident, attributes: &[syn::Attribute]) {
        self.name(name);
        let of_type = self.found.types.entry(name.to_string()).or_default();
        of_type.is_ours = true;
        of_type.is_opaque |= attributes.iter().any(adds_members);
    }

    fn within(&mut self, owner: Option<String>, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.owner, owner);
        visit(self);
        self.owner = outer;
    }

    fn words_of(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(word) => self.name(&word),
                TokenTree::Group(group) => self.words_of(group.stream()),
                _ => {}
            }
        }
    }
}

/// Whether an attribute is a derive beyond the plain ones.
fn adds_members(attribute: &syn::Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("derive") {
        // What cannot be read may add anything.
        let read = attribute.parse_nested_meta(|derive| {
            let last = derive.path.segments.last().map(|last| last.ident.to_string());
            found |= !last.is_some_and(|name| PLAIN_DERIVES.contains(&name.as_str()));
            Ok(())
        });
        found |= read.is_err();
    }
    found
}

impl<'ast> Visit<'ast> for Collecting {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.define(&item.ident, &item.attrs);
        let owner = Some(item.ident.to_string());
        self.within(owner, |inner| visit::visit_item_struct(inner, item));
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.define(&item.ident, &item.attrs);
        let owner = Some(item.ident.to_string());
        self.within(owner, |inner| visit::visit_item_enum(inner, item));
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.define(&item.ident, &item.attrs);
        let owner = Some(item.ident.to_string());
        self.within(owner, |inner| visit::visit_item_union(inner, item));
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.define(&item.ident, &item.attrs);
        let owner = Some(item.ident.to_string());
        self.within(owner, |inner| visit::visit_item_trait(inner, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.within(type_name(&item.self_ty), |inner| visit::visit_item_impl(inner, item));
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.define(&item.ident, &item.attrs);
        if let Some(alias) = self.found.types.get_mut(&item.ident.to_string()) {
            alias.is_opaque = true;
        }
        visit::visit_item_type(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.name(&item.sig.ident);
        self.within(None, |inner| visit::visit_item_fn(inner, item));
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.name(&item.ident);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.name(&item.ident);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.name(&item.ident);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        item.ident.iter().for_each(|name| self.name(name));
        // What a macro defines is somewhere among its words.
        self.words_of(item.mac.tokens.clone());
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.member(&variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        field.ident.iter().for_each(|name| self.member(name));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.member(&item.sig.ident);
        self.within(None, |inner| visit::visit_impl_item_fn(inner, item));
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.member(&item.ident);
    }

    fn visit_impl_item_type(&mut self, item: &'ast syn::ImplItemType) {
        self.member(&item.ident);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.member(&item.sig.ident);
        self.found.of_traits.insert(item.sig.ident.to_string());
    }

    fn visit_trait_item_const(&mut self, item: &'ast syn::TraitItemConst) {
        self.member(&item.ident);
        self.found.of_traits.insert(item.ident.to_string());
    }

    fn visit_trait_item_type(&mut self, item: &'ast syn::TraitItemType) {
        self.member(&item.ident);
        self.found.of_traits.insert(item.ident.to_string());
    }

    fn visit_use_name(&mut self, import: &'ast syn::UseName) {
        self.name(&import.ident);
    }

    fn visit_use_rename(&mut self, import: &'ast syn::UseRename) {
        self.name(&import.rename);
        self.name(&import.ident);
    }
}
