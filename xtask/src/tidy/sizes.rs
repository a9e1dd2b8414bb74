//! How long files and functions are.

use std::collections::BTreeMap;

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::Finding;
use super::exceptions::Exceptions;
use super::tree::File;

/// Most lines of a file.
const FILE_MAX: usize = 500;

/// Most lines of a function, from its signature to its closing brace.
const FUNCTION_MAX: usize = 70;

/// Every file and function that is longer than its limit, and every exception that is too generous.
pub(super) fn check(sources: &[(&File, syn::File)], exceptions: &Exceptions) -> Vec<Finding> {
    let mut files = BTreeMap::new();
    let mut functions = BTreeMap::new();
    for (file, syntax) in sources.iter().filter(|(file, _)| !file.is_generated()) {
        let whole = Extent { path: &file.path, line: 1, lines: file.text.lines().count() };
        files.insert(file.path.clone(), whole);
        for function in measure(syntax) {
            let extent = Extent { path: &file.path, line: function.line, lines: function.lines };
            let longest = functions.entry(format!("{}::{}", file.path, function.name));
            let longest = longest.or_insert(extent);
            if longest.lines < extent.lines {
                *longest = extent;
            }
        }
    }
    let mut findings = judge("file", FILE_MAX, &files, &exceptions.files, exceptions);
    findings.extend(judge("function", FUNCTION_MAX, &functions, &exceptions.functions, exceptions));
    findings
}

/// Where something starts and how long it is.
#[derive(Clone, Copy, Debug)]
struct Extent<'a> {
    path: &'a str,
    line: usize,
    lines: usize,
}

fn judge(
    kind: &str,
    limit: usize,
    measured: &BTreeMap<String, Extent<'_>>,
    allowed: &BTreeMap<String, usize>,
    exceptions: &Exceptions,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, extent) in measured {
        let most = allowed.get(name).copied().unwrap_or(limit).max(limit);
        if extent.lines > most {
            let what = format!("{kind} of {} lines, {most} allowed: {name}", extent.lines);
            findings.push(Finding::new(extent.path, extent.line, what));
        }
    }
    for (name, most) in allowed {
        let needed = measured.get(name).map_or(0, |extent| extent.lines);
        let remedy = if needed <= limit {
            "remove it".to_owned()
        } else if needed < *most {
            format!("lower it to {needed}")
        } else {
            continue;
        };
        let what = format!("the exception for {name} may only shrink: {remedy}");
        findings.push(exceptions.complaint(name, what));
    }
    findings
}

/// A function and its length.
#[derive(Debug, Eq, PartialEq)]
struct Function {
    /// `name`, or `Type::name` in an impl or a trait.
    name: String,
    line: usize,
    lines: usize,
}

fn measure(file: &syn::File) -> Vec<Function> {
    let mut measuring = Measuring::default();
    measuring.visit_file(file);
    measuring.found
}

#[derive(Default)]
struct Measuring {
    /// The type or trait around.
    owner: Option<String>,
    found: Vec<Function>,
}

impl Measuring {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let line = signature.span().start().line;
        let end = body.brace_token.span.close().end().line;
        let name = &signature.ident;
        let name = self.owner.as_ref().map_or(name.to_string(), |owner| format!("{owner}::{name}"));
        self.found.push(Function { name, line, lines: end.saturating_sub(line).saturating_add(1) });
    }

    /// Visits what is inside an owner, or inside a body, where there is none.
    fn within(&mut self, owner: Option<String>, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.owner, owner);
        visit(self);
        self.owner = outer;
    }
}

impl<'ast> Visit<'ast> for Measuring {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block);
        self.within(None, |inner| visit::visit_item_fn(inner, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        self.within(None, |inner| visit::visit_impl_item_fn(inner, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig, body);
        }
        self.within(None, |inner| visit::visit_trait_item_fn(inner, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.within(type_name(&item.self_ty), |inner| visit::visit_item_impl(inner, item));
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let owner = Some(item.ident.to_string());
        self.within(owner, |inner| visit::visit_item_trait(inner, item));
    }
}

/// The last word of a type's path, references taken off; none for tuples, slices and their like.
pub(super) fn type_name(of: &syn::Type) -> Option<String> {
    match of {
        syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        syn::Type::Reference(reference) => type_name(&reference.elem),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "//! A.

/// Documented
/// at length.
#[must_use]
pub fn free(
    a: u8,
) -> u8 {
    fn nested() {
    }
    a
}

impl<T> From<T> for Thing<T> {
    fn from(_: T) -> Self { Self }
}

trait Shape {
    const SIDES: u8;
    fn required(&self);
    fn provided(&self) {

    }
}
";

    #[test]
    fn a_function_is_measured_from_its_signature_to_its_brace() -> syn::Result<()> {
        let expected =
            [("free", 6, 7), ("nested", 9, 2), ("Thing::from", 15, 1), ("Shape::provided", 21, 3)];
        let expected =
            expected.map(|(name, line, lines)| Function { name: name.into(), line, lines });
        assert_eq!(measure(&syn::parse_file(SOURCE)?), expected);
        Ok(())
    }

    /// A file with one function of that many lines, against a list of exceptions.
    fn check(lines: usize, list: &str) -> anyhow::Result<Vec<String>> {
        let body = "\n".repeat(lines - 1);
        let file =
            File { path: "a.rs".to_owned(), text: format!("//! A.\nfn long() {{{body}}}\n") };
        let syntax = syn::parse_file(&file.text)?;
        let exceptions = Exceptions::parse(list)?;
        let findings = super::check(&[(&file, syntax)], &exceptions);
        Ok(findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_limits_themselves_are_allowed() -> anyhow::Result<()> {
        assert_eq!(check(FUNCTION_MAX, "")?, [""; 0]);
        assert_eq!(
            check(FUNCTION_MAX + 1, "")?,
            ["a.rs:2: function of 71 lines, 70 allowed: a.rs::long"],
        );
        let found = check(FILE_MAX, "")?;
        assert!(found[0].starts_with("a.rs:1: file of 501 lines, 500 allowed"), "{found:?}");
        Ok(())
    }

    #[test]
    fn an_exception_covers_what_it_says_and_no_more() -> anyhow::Result<()> {
        let list = "[functions]\n\"a.rs::long\" = 90\n";
        assert_eq!(check(90, list)?, [""; 0]);
        assert_eq!(check(91, list)?, ["a.rs:2: function of 91 lines, 90 allowed: a.rs::long"]);
        Ok(())
    }

    #[test]
    fn an_exception_may_only_shrink() -> anyhow::Result<()> {
        let list = "[functions]\n\"a.rs::long\" = 90\n";
        let shrink = "xtask/exceptions.toml:2: the exception for a.rs::long may only shrink:";
        assert_eq!(check(80, list)?, [format!("{shrink} lower it to 80")]);
        assert_eq!(check(60, list)?, [format!("{shrink} remove it")]);
        let gone = check(10, "[files]\n\"gone.rs\" = 600\n")?;
        assert!(gone.len() == 1 && gone[0].ends_with("gone.rs may only shrink: remove it"));
        Ok(())
    }

    #[test]
    fn an_unknown_section_of_the_list_is_refused() {
        assert!(Exceptions::parse("[function]\n").is_err());
    }
}
