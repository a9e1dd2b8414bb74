//! How a packet of this node's own is made, paid and remembered.

use libp2p_identity::PeerId;
use machine::Instant;
use tickets::ledger::State;

use crate::engine::{Engine, Payee, Sent, Waiting};
use crate::error::BuildError;
use crate::outcome::{Outbound, SendId, Unsent};
use crate::sphinx::{Message, NodeKey, Packet};
use crate::wire::Msg;

impl Engine {
    /// A packet for the last node of `path` by way of the others, and its ticket. What becomes of it
    /// is told once, under `id`, in some [`News`](crate::engine::News).
    ///
    /// # Bounds
    /// One to four nodes.
    ///
    /// # Errors
    /// [`Unsent`]; then nothing more is told of it. Of what was done before, only a ticket index may
    /// be used up.
    pub fn outbound(
        &self,
        id: SendId,
        path: &[PeerId],
        message: &Message,
        now: Instant,
    ) -> Result<Outbound, Unsent> {
        let [to, others @ ..] = path else {
            return Err(BuildError::PathLength { nodes: 0 }.into());
        };
        let hops = u8::try_from(others.len()).unwrap_or(u8::MAX);
        let key = |(position, peer): (usize, &PeerId)| {
            NodeKey::of(peer).map_err(|cause| Unsent::Node { position, cause })
        };
        let keys = path.iter().enumerate().map(key).collect::<Result<Vec<_>, _>>()?;
        let (packet, sent) = Packet::build(&keys, message, &self.draw())?;

        let payee = self.replica.read(|state: &State| Payee::find(state, &self.address(), to));
        let challenge = sent.ticket.address();
        // Else an index would be used up for nothing.
        self.pending().may_insert(&(*to, challenge), None)?;
        let ticket = self.issue(&payee, hops, self.terms.probability, challenge)?;
        let waiting = Waiting::Sent(Sent {
            id,
            acknowledgement: sent.acknowledgement,
            acknowledged: false,
            receipt: sent.receipt,
            veil: sent.veil,
            direct: hops == 0,
            end: now.after(self.params.end_timeout()),
        });
        let due = now.after(self.params.ack_timeout());
        let inserted = self.pending().insert((*to, challenge), None, waiting, due);
        inserted.map_err(|(refused, _)| refused)?;
        self.count().add("sent");
        Ok(Outbound { to: *to, frame: Msg { packet, ticket }.to_frame() })
    }
}
