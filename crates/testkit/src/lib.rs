//! The laws that every protocol core obeys, as tests that cost one line.
//!
//! One law, checked:
//! 1. a core's tests implement [`Subject`] once: how to build the core with every bound so small
//!    that it binds, what may be said to it, and which event ends which command;
//! 2. [`laws!`] turns that into one test per [`Law`];
//! 3. each test draws 256 histories of [`Step`]s with several peers and sessions, and a [`World`]
//!    plays them to the core as a runner would, honest or not; L6 plays honest cores to each other
//!    over the simulated network in every weather instead;
//! 4. a breach is shrunk to the fewest steps, and printed with what the core did in each of them;
//!    its seed is appended to `tests/laws.regressions`, to be committed and tried first from then
//!    on.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`Runs::cases`] | histories per law | 256, or `PROPTEST_CASES` | |
//! | [`Runs::seed`] | what the histories are drawn from | fixed, or `PROPTEST_RNG_SEED` | |
//! | [`STEPS_MAX`] | steps of a history; L5 and L6 take more | | 60 |
//! | [`LINKS_MAX`] | links at a time | | 3 |
//! | [`JOBS_MAX`] | jobs under way; one more is refused | | 2 |
//!
//! ```
//! use meshwork_testkit::chatter::{Command, Config, Core, Event, Message};
//! use meshwork_testkit::{CommandOf, Law, MessageOf, Misstep, Runs, Subject, check};
//! use machine::{PeerId, Verdict};
//! use proptest::prelude::*;
//! use std::time::Duration;
//!
//! struct Chatter;
//!
//! impl Subject for Chatter {
//!     type Core = Core;
//!     type Key = PeerId;
//!     const SETTLE: Duration = Duration::from_secs(10);
//!     const SIZE_MAX: usize = 20;
//!
//!     fn build(_me: PeerId, seed: [u8; 32]) -> Core {
//!         let ask_gap = Duration::from_secs(4);
//!         let answer_timeout = Duration::from_secs(3);
//!         let config = Config { items_max: 2, paces_max: 8, ask_gap, answer_timeout };
//!         Core::new(config.check().expect("in range"), seed)
//!     }
//!     fn command(peers: &[PeerId]) -> BoxedStrategy<Command> {
//!         let peer = proptest::sample::select(peers.to_vec());
//!         (peer, 0..4u16).prop_map(|(peer, wanted)| Command::Ask { peer, wanted }).boxed()
//!     }
//!     fn message(_peers: &[PeerId]) -> BoxedStrategy<Message> {
//!         any::<u32>().prop_map(|id| Message::Ask { id, wanted: 1 }).boxed()
//!     }
//!     fn done(job: &meshwork_testkit::chatter::Count, _dice: u32) -> u16 {
//!         job.wanted
//!     }
//!     fn key(Command::Ask { peer, .. }: &Command) -> PeerId {
//!         *peer
//!     }
//!     fn ends(Event::Asked { peer, .. }: &Event) -> Option<PeerId> {
//!         Some(*peer)
//!     }
//!     fn per_peer_entries(core: &Core) -> usize {
//!         core.per_peer_entries()
//!     }
//!     fn size(core: &Core) -> usize {
//!         core.per_peer_entries()
//!     }
//!     fn missteps(_peer: PeerId) -> Vec<Misstep<Self>> {
//!         let message = |_: &[Message]| Message::Busy { id: 7 };
//!         vec![Misstep::new("busy unasked", message, Some(Verdict::Note))]
//!     }
//! }
//!
//! // In the tests of a crate this is one line: `testkit::laws!(Chatter, framed);`
//! let runs = Runs { cases: 16, ..Runs::default() };
//! for law in Law::ALL {
//!     assert_eq!(check::<Chatter>(law, &runs), Ok(()));
//! }
//! ```
//!
//! *Not here*: what only one protocol promises; its own tests say that, over
//! [`simnet`] or on the bare core. [`chatter`] is the sample core, for the kit's own tests and for
//! whoever needs one: adapters, benches, scenarios.

pub mod chatter;
mod codec;
mod honest;
mod laws;
mod misstep;
mod runs;
mod step;
mod subject;
mod world;

pub use self::codec::check_codec;
pub use self::laws::{Law, check};
pub use self::misstep::Misstep;
pub use self::runs::Runs;
pub use self::step::{Ending, STEPS_MAX, Step, StepOf, history};
pub use self::subject::{About, CommandOf, DoneOf, EventOf, JobOf, MessageOf, Subject};
pub use self::world::{JOBS_MAX, LINKS_MAX, World};
