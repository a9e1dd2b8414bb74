//! Traps of substreams whose name was negotiated lazily.
//!
//! With one name on offer, a substream is handed out before the remote has confirmed the name, which
//! saves a round trip. A refusal then shows only in the first read, as an [`std::io::Error`]; after
//! *any* read error the stream must not be touched again.

use std::io;

use libp2p_core::upgrade::NegotiationError;

/// Whether a read failed because the remote does not know the offered name.
#[must_use]
pub fn is_refused_name(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<NegotiationError>());
    matches!(cause, Some(NegotiationError::Failed))
}
