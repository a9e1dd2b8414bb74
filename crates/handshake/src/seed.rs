//! The seed protocol: how a node that knows nobody finds its first peers.
//!
//! One visit:
//! 1. the node has fewer peers than it wants: [`Command::Seek`];
//! 2. it dials a few of its seeds at once, those that were good first ([`Job::Dial`]);
//! 3. behind the gate it asks `GetAddrs` with a wished count, and gets `Addrs`: signed records of
//!    nodes that the seed itself has reached;
//! 4. the signatures are checked ([`Job::Verify`]), what holds is told ([`Event::Learned`]), and it
//!    hangs up;
//! 5. when all visits have ended: [`Event::Sought`]. A seed that failed rests, longer each time.
//!
//! What became of each visit is kept ([`Job::Remember`]), so that the next run begins with the seeds
//! that were good ([`Setup::memory`]).
//!
//! A seed probes each visitor's addresses before it tells anybody of them ([`Job::Probe`]).
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`Config::fan_out`] | seeds asked at once | 3 | 1 to 16 |
//! | [`Config::wish`] | records asked for | 64 | 1 to 250 |
//! | [`Config::visit_timeout`] | time for one visit | 8 s | 100 ms to 60 s |
//! | [`Config::retry_min`], [`Config::retry_max`] | rest after a failure | 1 s, 10 min | min ≤ max |
//! | [`Config::ask_gap`] | time between visits of one node | 1 s | |
//! | [`Config::answer_max`] | records in an answer | 250 | 1 to 250 |
//! | [`Config::book_max`] | nodes a seed remembers | 4,096 | 1 to 65,536 |

mod config;
mod core;
mod event;
mod fault;
mod messages;
mod store;
mod worker;

pub use self::config::{Config, ConfigError, Params, Seed};
pub use self::core::{Core, Setup};
pub use transport::records::BadRecord;

pub use self::event::{Command, Done, Event, Job, ProbeError, SeekError, VisitError};
pub use self::fault::Fault;
pub use self::messages::{Addrs, GetAddrs};
pub use self::store::{MemorySeeds, SeedMemory, SeedStore, SeedStoreError};
pub use self::worker::Worker;

/// The seed protocol in a swarm.
pub type Behaviour = transport::question::Behaviour<Core>;
