//! Which subprotocols a service has, and which one answers a request.

use std::fmt;
use std::sync::Arc;

use crate::json::Envelope;
use crate::message::{NAMES_MAX, RawRequest, RequestMetadata};
use crate::service::Protocol;
use crate::subprotocol::AnySubprotocol;
use crate::{Form, ID_V4, Item, Raw, Subprotocol};

/// The subprotocols of a service, the most preferred first. Clones share them.
pub struct Subprotocols<I> {
    all: Arc<Vec<Arc<dyn AnySubprotocol<I>>>>,
}

/// Two subprotocols of one name, or too many.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadSubprotocols {
    /// Two of one name.
    #[error("there is a subprotocol {name:?} already")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// More than a request can name.
    #[error("there are {max} subprotocols already")]
    TooMany {
        /// [`NAMES_MAX`].
        max: usize,
    },
}

/// Two peers have no subprotocol in common.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoMatchingSubprotocols {
    /// What the requester offered.
    pub requested: Vec<String>,
    /// What the provider has.
    pub supported: Vec<String>,
}

impl fmt::Display for NoMatchingSubprotocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no subprotocol in common: requested [{}], supported [{}]",
            self.requested.join(" "),
            self.supported.join(" ")
        )
    }
}

impl std::error::Error for NoMatchingSubprotocols {}

impl<I: Item> Subprotocols<I> {
    /// None yet.
    pub fn new() -> Self {
        Self { all: Arc::default() }
    }

    /// Adds one, less preferred than those before it.
    ///
    /// # Errors
    /// [`BadSubprotocols`].
    pub fn with(mut self, subprotocol: impl Subprotocol<I>) -> Result<Self, BadSubprotocols> {
        let name = subprotocol.name();
        if self.all.iter().any(|known| known.name() == name) {
            return Err(BadSubprotocols::Duplicate { name: name.to_owned() });
        }
        if self.all.len() >= NAMES_MAX {
            return Err(BadSubprotocols::TooMany { max: NAMES_MAX });
        }
        let mut all = self.all.to_vec();
        all.push(Arc::new(subprotocol));
        self.all = Arc::new(all);
        Ok(self)
    }

    /// Their names, the most preferred first.
    pub fn names(&self) -> Vec<String> {
        self.all.iter().map(|subprotocol| subprotocol.name().to_owned()).collect()
    }

    /// The first name of the request that this service has, and its place in the request.
    ///
    /// The requester's preference wins: where the provider has a name in its own list is of no
    /// importance.
    ///
    /// # Errors
    /// [`NoMatchingSubprotocols`].
    pub fn matching_subprotocol(
        &self,
        request: &RawRequest<I>,
    ) -> Result<(String, usize), NoMatchingSubprotocols> {
        let names = request.subprotocols.iter().enumerate();
        let mut known = names.filter(|(_, name)| self.get(name).is_some());
        known.next().map(|(index, name)| (name.clone(), index)).ok_or_else(|| {
            NoMatchingSubprotocols {
                requested: request.subprotocols.clone(),
                supported: self.names(),
            }
        })
    }

    /// Those that one protocol carries.
    pub(crate) fn of(&self, protocol: Protocol) -> Self {
        let carried = |subprotocol: &&Arc<dyn AnySubprotocol<I>>| match protocol {
            Protocol::Binary => subprotocol.speaks(Form::Binary),
            Protocol::Json(Envelope::Negotiated) => {
                subprotocol.speaks(Form::Json) && subprotocol.name() != ID_V4
            }
            Protocol::Json(Envelope::Bare) => subprotocol.name() == ID_V4,
        };
        Self { all: Arc::new(self.all.iter().filter(carried).cloned().collect()) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<dyn AnySubprotocol<I>>> {
        self.all.iter().find(|subprotocol| subprotocol.name() == name).cloned()
    }
}

impl RequestMetadata {
    /// That of the name at `index` of the request.
    pub(crate) fn of(self, index: usize) -> Option<Raw> {
        match self {
            Self::Bare(raw) => Some(raw),
            Self::First(mut first) => {
                (index < first.metadata.len()).then(|| first.metadata.swap_remove(index))
            }
        }
    }
}

impl<I: Item> Default for Subprotocols<I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I> Clone for Subprotocols<I> {
    fn clone(&self) -> Self {
        Self { all: Arc::clone(&self.all) }
    }
}

impl<I: Item> fmt::Debug for Subprotocols<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subprotocols").field(&self.names()).finish()
    }
}
