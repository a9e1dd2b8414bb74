//! How a section is written down once: as a struct, as its defaults and as its manual.

/// One key of a section, as the manual tells it.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// What it does, its unit and its bound: the lines of its doc comment.
    pub doc: &'static [&'static str],
}

/// One section, as the manual tells it.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its name in the file.
    pub name: &'static str,
    /// What its keys have in common: the lines of its doc comment.
    pub doc: &'static [&'static str],
    /// Its keys, in the order in which they are explained.
    pub keys: &'static [Key],
}

/// Declares the struct of one section: each field with its doc comment and its default.
///
/// Serde reads the fields, rustdoc shows the comments, and `MANUAL` carries both to `meshwork init`,
/// so that the three cannot drift apart.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $section:ident($name:literal) {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)+)])?
                pub $key:ident: $type:ty = $default:expr,
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $section {
            $(
                $(#[doc = $doc])+
                $(#[serde($($serde)+)])?
                pub $key: $type,
            )+
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        impl $section {
            pub(super) const MANUAL: $crate::config::Section = $crate::config::Section {
                name: $name,
                doc: &[$($about),+],
                keys: &[$($crate::config::Key { name: stringify!($key), doc: &[$($doc),+] }),+],
            };
        }
    };
}

pub(super) use section;
