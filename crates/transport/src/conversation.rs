//! The conversation: one long-lived substream in each direction, and a bounded outbox.
//!
//! Each side opens a substream for what it says and accepts one for what it hears. The core is told
//! [`machine::Input::Joined`] once both are there: *a connection is not yet a protocol*. Frames wait
//! in an outbox bounded in messages and bytes; what does not fit, or never left when the link broke,
//! comes back as [`machine::Input::Undelivered`].

mod behaviour;
mod handler;
mod offer;
mod outbox;

pub use self::behaviour::{Behaviour, Config};
pub use self::handler::{Handler, Leave, Notice, Pending};
pub use self::offer::Offer;
