//! A seeded network in virtual time for any set of protocol cores.
//!
//! One run:
//! 1. [`Net::new`] takes a seed and a [`Setup`]; [`Net::insert`] adds cores, [`Net::join`] links
//!    them, and both ends hear `Joined`;
//! 2. [`Net::command`] asks a core for something; what it sends travels with the delay, loss and
//!    order of the [`Weather`], what it starts is answered by the model given to [`Net::jobs`];
//! 3. [`Net::run_for`] and [`Net::run_until`] let virtual time pass: arrivals and timers happen
//!    in order of time, and no clock is read;
//! 4. links break with [`Net::cut`], whole regions with [`Net::partition`], nodes with
//!    [`Net::crash`]; who is left hears `Left`;
//! 5. [`Net::events`], [`Net::reports`], [`Net::counts`] and [`Net::trace`] tell what happened, and
//!    a hook given to [`Net::watch`] sees the network after every step.
//!
//! A simulator of a whole world takes over with [`Net::drive`]: what the cores ask and tell then
//! waits in order as [`News`].
//!
//! Equal seed, cores and calls give an equal trace, byte by byte.
//!
//! A link is ordered and reliable, as a substream is, unless the weather says otherwise. Hanging up
//! takes time: what was sent before arrives first, and who hangs up hears the other end until then.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`Weather::delay_min`], [`Weather::delay_max`] | time one way | 10 ms, 50 ms | min ≤ max |
//! | [`Weather::loss_permille`] | messages per thousand | 0 | from 1,000 on, all |
//! | [`Setup::outbox_max`] | messages in flight, per link and direction | 1,024 | |
//! | [`Setup::jobs_max`] | jobs under way, per node | 64 | |
//! | [`Setup::job_deadline`] | time | 30 s | |
//! | [`Setup::log_max`] | reports kept; events kept, per node | 4,096 | |
//! | [`Record::Lines`] | trace lines kept | off | |
//!
//! ```
//! use machine::{Effect, Effects, Input, Instant, Machine};
//! use meshwork_simnet::{Net, Setup, peer};
//! use std::{convert::Infallible, time::Duration};
//!
//! /// Passes a number on, one less, until it is nought.
//! #[derive(Debug, Default)]
//! struct Countdown(Effects<Self>);
//!
//! impl Machine for Countdown {
//!     const NAMES: &'static [&'static str] = &["/countdown/1"];
//!     type Message = u32;
//!     type Command = (machine::PeerId, u32);
//!     type Event = &'static str;
//!     type Fault = Infallible;
//!     type Job = Infallible;
//!     type Done = Infallible;
//!
//!     fn handle(&mut self, input: Input<Self>, _now: Instant) {
//!         match input {
//!             Input::Command((peer, message)) => self.0.push(Effect::Send { peer, message }),
//!             Input::Received { message: 0, .. } => self.0.push(Effect::Emit("nought")),
//!             Input::Received { peer, message } => {
//!                 self.0.push(Effect::Send { peer, message: message - 1 });
//!             }
//!             _ => {}
//!         }
//!     }
//! #   fn tick(&mut self, _now: Instant) {}
//! #   fn next_deadline(&self) -> Option<Instant> { None }
//! #   fn poll_effect(&mut self) -> Option<Effect<Self>> { self.0.pop() }
//! }
//!
//! let mut net = Net::new(7, Setup::default());
//! let (a, b) = (peer(0), peer(1));
//! net.insert(a, Countdown::default());
//! net.insert(b, Countdown::default());
//! net.join(a, b);
//! net.command(a, (b, 3));
//! assert!(net.run_until(Duration::from_secs(1), |net| net.events(a).len() == 1));
//! assert_eq!(net.counts().delivered, 4);
//! ```
//!
//! *Not here*: the laws a core is tested against, and the histories that do it (`testkit`).

mod book;
mod driver;
mod net;
mod node;
mod run;
mod setup;
mod trace;
mod wheel;

pub use self::book::{Counts, Report};
pub use self::driver::{News, Ticket};
pub use self::net::{Net, Split};
pub use self::node::peer;
pub use self::setup::{Record, Setup, Wall, Weather};
