//! The conversation: one long-lived substream in each direction, and a bounded outbox.
//!
//! Each side opens a substream for what it says and accepts one for what it hears. The core is told
//! [`machine::Input::Joined`] once both are there: *a connection is not yet a protocol*. Frames wait
//! in an outbox bounded in messages and bytes; what does not fit, or never left when the link broke,
//! comes back as [`machine::Input::Undelivered`].
//!
//! A conversation that has not begun within [`Config::open_timeout`], or never will because the
//! remote speaks none of the names, needs its connection no longer and leaves it to others. One that
//! breaks while its connection lives takes the connection along, so that both ends agree. How often
//! either happened is in [`Behaviour::counts`].

mod behaviour;
mod handler;
mod offer;
mod outbox;

pub use self::behaviour::{Behaviour, Config, Counts};
pub use self::handler::{End, Handler, Leave, Notice, Pending};
pub use self::offer::{Offer, Proposal, Refused};
