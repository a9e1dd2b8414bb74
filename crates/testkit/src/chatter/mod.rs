//! The sample core: ask a neighbour for a number of items.
//!
//! One exchange:
//! 1. [`Command::Ask`] sends `Ask` with a random number that the answer has to quote;
//! 2. the neighbour starts [`Count`], a job, to see how many items it has;
//! 3. it answers with that many at most, or with `Busy` if the count fails;
//! 4. the asker emits [`Event::Asked`], once, whatever happens;
//! 5. after [`Config::answer_timeout`] the asker hangs up: on an ordered link, a neighbour that has
//!    not answered is stuck, and asking again would only queue behind.
//!
//! Two asks of one peer are [`Config::ask_gap`] apart, and its neighbours hold it to that. Delay
//! that changes on the way brings honest asks closer together, so one may come a whole gap early;
//! and since only one per link is ever unanswered, a stalled link cannot pile up more. A pace
//! belongs to the peer, not to the link: reconnecting does not renew it.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`Config::items_max`] | items (bytes) per answer | 1,024 | 1 to [`ITEMS_LIMIT`] |
//! | [`Config::ask_gap`] | time between asks of one peer | 30 s | 0: no pace |
//! | [`Config::answer_timeout`] | time | 10 s | > 0 |
//! | [`Config::paces_max`] | peers whose pace is remembered | 1,024 | ≥ 1, and no fewer than links |
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_in_result,
    clippy::panic_in_result_fn,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic
)]

mod config;
mod core;
mod error;
mod event;
mod messages;

pub use self::config::{Config, Params};
pub use self::core::Core;
pub use self::error::{AskError, ConfigError, Fault};
pub use self::event::{Command, Count, Event};
pub use self::messages::{ITEMS_LIMIT, Message};
