//! The contract of a protocol core: inputs, effects, time and blame, without a socket.
//!
//! A core is a plain state machine. It opens no socket, spawns no task, reads no clock and draws no
//! ambient randomness: whoever runs it brings the time and a seed. The same core object therefore
//! runs in the node, in the simulator, in the fuzzer and in the property tests.
//!
//! One exchange:
//! 1. the runner hands over an [`Input`] and the present [`Instant`];
//! 2. the core changes its state and queues [`Effect`]s;
//! 3. the runner takes the effects until there are none, and carries them out;
//! 4. what could not be sent comes back as [`Input::Undelivered`], what was slow as
//!    [`Input::Done`]: always a later input, never a nested one;
//! 5. when [`Machine::next_deadline`] has come, the runner calls [`Machine::tick`].
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`Effects::LIMIT`] | effects queued by one input or tick | | 1,024 |
//! | [`Instant`] | time since the core was built | zero | 584 years, then it stops |
//! | [`UnixTime`] | milliseconds since 1970 | | `u64` |
//!
//! ```
//! use meshwork_machine::{Blame, Effect, Effects, Input, Instant, JobError, Machine, Verdict};
//! use std::convert::Infallible;
//!
//! /// Answers every ping with a pong.
//! #[derive(Debug, Default)]
//! struct Echo {
//!     effects: Effects<Self>,
//! }
//!
//! #[derive(Clone, Debug, PartialEq)]
//! enum Message {
//!     Ping,
//!     Pong,
//! }
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("unasked pong")]
//! struct Unasked;
//!
//! impl Blame for Unasked {
//!     fn verdict(&self) -> Verdict {
//!         Verdict::Note
//!     }
//! }
//!
//! impl Machine for Echo {
//!     const NAMES: &'static [&'static str] = &["/echo/1"];
//!     type Message = Message;
//!     type Command = Infallible;
//!     type Event = Infallible;
//!     type Fault = Unasked;
//!     type Job = Infallible;
//!     type Done = Infallible;
//!
//!     fn handle(&mut self, input: Input<Self>, _now: Instant) {
//!         match input {
//!             Input::Received { peer, message: Message::Ping } => {
//!                 self.effects.push(Effect::Send { peer, message: Message::Pong });
//!             }
//!             Input::Received { peer, message: Message::Pong } => {
//!                 self.effects.push(Effect::Report { peer, fault: Unasked });
//!             }
//!             Input::Joined { .. } | Input::Left { .. } | Input::Undelivered { .. } => {}
//!             Input::Command(never) => match never {},
//!             Input::Done { .. } | Input::Wall(_) => {}
//!         }
//!     }
//!
//!     fn tick(&mut self, _now: Instant) {}
//!
//!     fn next_deadline(&self) -> Option<Instant> {
//!         None
//!     }
//!
//!     fn poll_effect(&mut self) -> Option<Effect<Self>> {
//!         self.effects.pop()
//!     }
//! }
//!
//! let mut core = Echo::default();
//! let peer = meshwork_machine::PeerId::random();
//! core.handle(Input::Received { peer, message: Message::Ping }, Instant::START);
//! assert!(matches!(core.poll_effect(), Some(Effect::Send { message: Message::Pong, .. })));
//! assert!(core.poll_effect().is_none());
//! ```
//!
//! *Not here*: how messages look on the wire (`wire`), who runs a core (`transport`, `simnet`), the
//! laws a core is tested against (`testkit`).
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

mod blame;
mod effects;
mod exchange;
mod job;
mod machine;
mod time;

pub use libp2p_identity::PeerId;

pub use self::blame::{Blame, Verdict};
pub use self::effects::Effects;
pub use self::exchange::{Effect, Input, Undelivered};
pub use self::job::{JobError, JobId, JobIds};
pub use self::machine::Machine;
pub use self::time::{Instant, UnixTime};
