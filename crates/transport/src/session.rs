//! The session: one substream, turns in both directions.
//!
//! Whoever wants to talk [opens](Behaviour::open) a substream on a connection it knows, offering one
//! or several names; the other side accepts the names it chose for that connection. Both are handed
//! the same thing, a [`Substream`], and take turns on it with [`Turns`].
//!
//! A name is asked of the remote and answered before [`Event::Opened`]: one round trip, also when it
//! is refused. So an open never has to be found out by a failing read, and the remote has its half
//! of the substream even if it is the one to speak first.

mod behaviour;
mod handler;
mod offer;
mod substream;
#[cfg(test)]
mod tests;
mod turns;

pub use self::behaviour::{Behaviour, Config, Event, OpenError, OpenId, RefusalReason};
pub use self::handler::{Handler, Notice, Order};
pub use self::offer::{Accept, NotConfirmed, Offer, Offered};
pub use self::substream::Substream;
pub use self::turns::{TurnError, TurnReader, TurnWriter, Turns};
