//! Gossip in a swarm.

use crate::Core;

/// Runs a [`Core`] over conversations.
pub type Behaviour = transport::conversation::Behaviour<Core>;
