//! Compiled filters, kept by what they were compiled from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{BadFilter, Filter};
use crate::keccak::keccak256;

/// The filters that were asked for last, each compiled once. Refusals are kept too, so that a
/// refused filter costs its sender's budget and not ours.
///
/// # Bounds
///
/// As many filters and bytes as it was made for; the one just asked for always stays.
#[derive(Clone, Debug)]
pub struct FilterCache {
    filters_max: usize,
    bytes_max: usize,
    bytes: usize,
    /// Grows with each question; says which entry was asked for last.
    turn: u64,
    /// By the hash of the JSON text.
    entries: BTreeMap<[u8; 32], Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    asked: u64,
    bytes: usize,
    outcome: Result<Arc<Filter>, BadFilter>,
}

impl Default for FilterCache {
    /// 64 filters, 16 MiB.
    fn default() -> Self {
        Self::new(64, 16 << 20)
    }
}

impl FilterCache {
    fn new(filters_max: usize, bytes_max: usize) -> Self {
        Self { filters_max, bytes_max, bytes: 0, turn: 0, entries: BTreeMap::new() }
    }

    /// What is known of that JSON text, without compiling it. Caches that are shared are not to be
    /// locked for as long as that takes.
    pub fn kept(&mut self, text: &str) -> Option<Result<Arc<Filter>, BadFilter>> {
        let given = text.len();
        if given > Filter::JSON_MAX {
            return Some(Err(BadFilter::TooLong { given, bound: Filter::JSON_MAX }));
        }
        self.turn = self.turn.saturating_add(1);
        let entry = self.entries.get_mut(&keccak256(text.as_bytes()))?;
        entry.asked = self.turn;
        Some(entry.outcome.clone())
    }

    /// Keeps what came of compiling `text`.
    pub fn keep(&mut self, text: &str, outcome: Result<Arc<Filter>, BadFilter>) {
        let filter_bytes = outcome.as_ref().map_or(0, |filter| filter.memory());
        let bytes = size_of::<(Entry, [u8; 32])>().saturating_add(filter_bytes);
        self.make_room(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        let entry = Entry { asked: self.turn, bytes, outcome };
        if let Some(before) = self.entries.insert(keccak256(text.as_bytes()), entry) {
            self.bytes = self.bytes.saturating_sub(before.bytes);
        }
    }

    /// Forgets what was not asked for the longest, until one more of `bytes` fits.
    fn make_room(&mut self, bytes: usize) {
        while self.entries.len() >= self.filters_max.max(1)
            || self.bytes.saturating_add(bytes) > self.bytes_max
        {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.asked);
            let Some(key) = oldest.map(|(key, _)| *key) else { return };
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes = self.bytes.saturating_sub(entry.bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;

    fn filter(letter: char) -> String {
        let schema = format!(r#"{{"properties":{{"salt":{{"pattern":"{letter}"}}}}}}"#);
        Filter::new(Network::MAINNET, &schema).unwrap().to_json()
    }

    /// The filter of that text, compiled unless it is there.
    fn get(cache: &mut FilterCache, text: &str) -> Result<Arc<Filter>, BadFilter> {
        if let Some(outcome) = cache.kept(text) {
            return outcome;
        }
        let outcome = Filter::from_json(text).map(Arc::new);
        cache.keep(text, outcome.clone());
        outcome
    }

    #[test]
    fn a_filter_is_compiled_once_while_it_is_asked_for() {
        let mut cache = FilterCache::new(2, usize::MAX);
        let (a, b, c) = (filter('1'), filter('2'), filter('3'));
        let first = get(&mut cache, &a).unwrap();
        get(&mut cache, &b).unwrap();
        assert!(Arc::ptr_eq(&first, &get(&mut cache, &a).unwrap()));
        // The third drives out the second, which was not asked for the longest.
        get(&mut cache, &c).unwrap();
        assert_eq!(cache.entries.len(), 2);
        assert!(Arc::ptr_eq(&first, &get(&mut cache, &a).unwrap()));
    }

    #[test]
    fn bytes_are_bounded_whatever_is_asked_for() {
        let one = Filter::from_json(&filter('0')).unwrap().memory();
        let bytes_max = 3 * one;
        let mut cache = FilterCache::new(100, bytes_max);
        for letter in "0123456789".chars() {
            get(&mut cache, &filter(letter)).unwrap();
            assert!(cache.bytes <= bytes_max && !cache.entries.is_empty());
        }
        // One that is larger than the cache stands alone in it.
        let mut cache = FilterCache::new(100, 1);
        get(&mut cache, &filter('1')).unwrap();
        get(&mut cache, &filter('2')).unwrap();
        assert_eq!(cache.entries.len(), 1);
    }

    #[test]
    fn refusals_are_kept_as_well() {
        let mut cache = FilterCache::default();
        let refused = get(&mut cache, "{}").unwrap_err();
        assert_eq!(refused, BadFilter::Missing { key: "customOrderSchema" });
        assert_eq!(get(&mut cache, "{}"), Err(refused));
        assert_eq!(cache.entries.len(), 1);
    }
}
