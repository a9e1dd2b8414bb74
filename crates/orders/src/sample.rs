//! Two hundred orders to try things on.

/// 200 v3 orders of [`crate::Network::MAINNET`], one a line, signed with another implementation:
/// both kinds of signature of a key, with and without fees, salts of time and random ones. They end
/// in 2100.
pub const SAMPLE_V3: &str = include_str!("../data/sample-v3.jsonl");
