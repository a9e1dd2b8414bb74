//! Which protocols there are, and on which connections.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use handshake::{SessionKind, SessionKinds};
use libp2p_swarm::StreamProtocol;

use crate::Protocol;
use crate::runner::{self, Outcome, Start};

/// Longest name of a protocol, in bytes. Negotiation would take more; a peer's log should not.
pub const NAME_MAX: usize = 128;

/// The protocols of a node.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Vec<Entry>,
}

/// One protocol.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    kinds: SessionKinds,
    runner: Arc<dyn Fn(Start) -> BoxFuture<'static, Outcome> + Send + Sync>,
}

/// Why a protocol was not registered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RegisterError {
    /// There is one of this name.
    #[error("protocol {name:?} is registered already")]
    Duplicate {
        /// The name.
        name: &'static str,
    },
    /// It could not be negotiated.
    #[error("protocol name {name:?} must start with a slash and have at most {NAME_MAX} bytes")]
    Name {
        /// The name.
        name: &'static str,
    },
}

impl Registry {
    /// A registry without protocols.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a protocol for connections of `kinds`; [`SessionKinds::DEFAULT`] are the lasting ones.
    ///
    /// Who dialled opens it if `kinds` has the kind it dialled for; who was dialled accepts it if
    /// they have [`SessionKind::Inbound`]. `make` is called once for each channel, on its task.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn register<P: Protocol>(
        &mut self,
        kinds: impl Into<SessionKinds>,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        let name = P::NAME;
        if !name.starts_with('/') || name.len() > NAME_MAX {
            return Err(RegisterError::Name { name });
        }
        if self.entries.iter().any(|entry| entry.name == name) {
            return Err(RegisterError::Duplicate { name });
        }
        let make = Arc::new(make);
        let runner = Arc::new(move |start| runner::run(Arc::clone(&make), start));
        self.entries.push(Entry { name, kinds: kinds.into(), runner });
        Ok(())
    }

    /// The names a remote may open: the gate has to know them.
    pub fn accepted(&self) -> Vec<StreamProtocol> {
        self.of(SessionKind::Inbound).map(Entry::stream_protocol).collect()
    }

    /// The protocols for connections of `kind`, in the order of their registration.
    pub(crate) fn of(&self, kind: SessionKind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.kinds.contains(kind))
    }

    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Entry {
    pub(crate) fn stream_protocol(&self) -> StreamProtocol {
        StreamProtocol::new(self.name)
    }

    /// The protocol's life on one channel, not yet begun.
    pub(crate) fn start(&self, start: Start) -> BoxFuture<'static, Outcome> {
        (self.runner)(start)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Note;
    use crate::{Channel, Jobs, Stop};

    struct Silent<const N: usize>;

    macro_rules! silent {
        ($number:literal, $name:expr) => {
            impl Protocol for Silent<$number> {
                const NAME: &'static str = $name;
                type Message = Note;

                async fn run(self, _: Channel<Note>, _: Jobs) -> Result<(), Stop> {
                    Ok(())
                }
            }
        };
    }

    silent!(1, "/silent/1");
    silent!(2, "/silent/2");
    silent!(3, "silent");
    silent!(
        4,
        "/4567890123456789012345678901234567890123456789012345678901234567890123456789\
         0123456789012345678901234567890123456789012345678901"
    );

    #[test]
    fn kinds_say_what_is_opened_and_inbound_says_what_is_accepted() {
        let mut registry = Registry::new();
        registry.register(SessionKinds::DEFAULT, || Silent::<1>).unwrap();
        registry.register(SessionKind::Seed, || Silent::<2>).unwrap();
        let opened = |kind| registry.of(kind).map(|entry| entry.name).collect::<Vec<_>>();
        assert_eq!(opened(SessionKind::Outbound), ["/silent/1"]);
        assert_eq!(opened(SessionKind::Seed), ["/silent/2"]);
        assert_eq!(opened(SessionKind::Refine), [""; 0]);
        assert_eq!(registry.accepted(), ["/silent/1"]);
    }

    #[test]
    fn names_are_unique_and_can_be_negotiated() {
        let mut registry = Registry::new();
        registry.register(SessionKinds::DEFAULT, || Silent::<1>).unwrap();
        let again = registry.register(SessionKind::Seed, || Silent::<1>);
        assert_eq!(again, Err(RegisterError::Duplicate { name: "/silent/1" }));
        let slashless = registry.register(SessionKinds::DEFAULT, || Silent::<3>);
        assert_eq!(slashless, Err(RegisterError::Name { name: "silent" }));
        assert_eq!(<Silent<4> as Protocol>::NAME.len(), NAME_MAX + 1);
        registry.register(SessionKinds::DEFAULT, || Silent::<4>).unwrap_err();
        assert_eq!(registry.len(), 1);
    }
}
