//! Which versions go together, and which features two sides share.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of an application.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct Semver {
    /// Changes when old and new cannot talk at all.
    pub major: u32,
    /// Changes when something is added that the other side has to know of.
    pub minor: u32,
    /// Compared by nobody.
    pub patch: u32,
}

impl Semver {
    /// The version two sides speak: equal major versions, and the lower of the minor versions,
    /// which the side that has the higher one must still speak.
    ///
    /// `minor_min` is the oldest minor version that `self` still speaks. Each side applies the
    /// rule with its own; the stricter one decides.
    ///
    /// ```
    /// use meshwork_handshake::Semver;
    ///
    /// let ours = Semver { major: 2, minor: 7, patch: 0 };
    /// assert_eq!(ours.compatible(5, Semver { major: 2, minor: 5, patch: 9 }), Some((2, 5)));
    /// assert_eq!(ours.compatible(5, Semver { major: 2, minor: 9, patch: 0 }), Some((2, 7)));
    /// assert_eq!(ours.compatible(5, Semver { major: 2, minor: 4, patch: 0 }), None);
    /// assert_eq!(ours.compatible(5, Semver { major: 3, minor: 7, patch: 0 }), None);
    /// ```
    #[must_use]
    pub fn compatible(self, minor_min: u32, theirs: Self) -> Option<(u32, u32)> {
        let both = self.minor.min(theirs.minor);
        (self.major == theirs.major && both >= minor_min).then_some((self.major, both))
    }
}

impl fmt::Display for Semver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A capability with a version of its own.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Its name. 1 to 32 bytes.
    pub name: String,
    /// The highest version spoken; once agreed, the one to use.
    pub version: u32,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.version)
    }
}

/// The features that both lists name, each at the lower version; in the order of the names, so
/// that both sides find the same.
#[must_use]
pub fn shared_features(ours: &[Feature], theirs: &[Feature]) -> Vec<Feature> {
    let mut shared: Vec<_> = ours
        .iter()
        .filter_map(|ours| {
            let theirs = theirs.iter().find(|theirs| theirs.name == ours.name)?;
            let version = ours.version.min(theirs.version);
            Some(Feature { name: ours.name.clone(), version })
        })
        .collect();
    shared.sort();
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_features_are_the_same_seen_from_both_sides() {
        let list = |pairs: &[(&str, u32)]| -> Vec<_> {
            pairs
                .iter()
                .map(|(name, version)| Feature { name: (*name).to_owned(), version: *version })
                .collect()
        };
        let (a, b) = (list(&[("z", 3), ("b", 1), ("only-a", 9)]), list(&[("b", 2), ("z", 2)]));
        assert_eq!(shared_features(&a, &b), list(&[("b", 1), ("z", 2)]));
        assert_eq!(shared_features(&a, &b), shared_features(&b, &a));
    }
}
