//! Messages: what the pipelines and the core have for each other, and which links are for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use dht::{Command, Core, Event};
use handshake::{SessionInfo, SessionKind};
use libp2p::PeerId;
use machine::{Blame, Verdict};
use tokio::sync::oneshot;
use wire::signed::SignedRecord;

use super::Node;
use super::events::MALFORMED_PRICE;
use super::wishes::answer;
use crate::messaging::{Desk, Inner};

/// What is wanted of the core.
pub(super) enum Ask {
    /// That it does something.
    Do(Box<Command>),
    /// That it says how it is.
    Look(oneshot::Sender<Inner>),
}

/// What is wanted next; nothing where no messages are carried.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped.
pub(super) async fn next_of(messages: &mut Option<Desk>) -> Option<Ask> {
    let Desk { front, asks } = messages.as_mut()?;
    Some(tokio::select! {
        command = front.next() => Ask::Do(Box::new(command)),
        Some(reply) = asks.recv() => Ask::Look(reply),
    })
}

impl Node {
    pub(super) fn on_message_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Do(command) => self.dht(*command),
            Ask::Look(reply) => {
                if let Some(core) = self.carrier() {
                    let table = core.table().gauges();
                    answer(reply, Inner { core: core.gauges(), table, mail: core.mail() });
                }
            }
        }
    }

    /// Asks something of the DHT, if there is one.
    pub(super) fn dht(&mut self, command: Command) {
        if let Some(dht) = self.gated().dht.as_mut() {
            dht.command(command);
        }
    }

    fn carrier(&self) -> Option<&Core> {
        Some(self.swarm.behaviour().gate.inner().dht.as_ref()?.core())
    }

    /// A peer that is linked said where it is.
    pub(super) fn met(&mut self, record: &Arc<SignedRecord>) {
        // What the DHT knows it tells, and a private node tells of nobody.
        if self.messages.is_some() && !self.params.config().network.private {
            self.met.insert(record.peer(), Arc::clone(record));
        }
    }

    /// Tells the DHT where those are that take part in it: others are nobody's to ask for messages.
    pub(super) fn introduce(&mut self) {
        let Some(core) = self.carrier() else { return };
        let take_part = |peer: &PeerId| core.links().contains(peer);
        let new: Vec<_> = self.met.keys().copied().filter(take_part).collect();
        for record in new.iter().filter_map(|peer| self.met.remove(peer)).collect::<Vec<_>>() {
            self.dht(Command::Met(record));
        }
    }

    /// Has others learn where this node is, if they can reach it anywhere.
    pub(super) fn announce(&mut self, record: SignedRecord) {
        if !record.addresses().is_empty() && !self.params.config().network.private {
            self.dht(Command::Announce(Arc::new(record)));
        }
    }

    /// Whether a link is of use for messages.
    pub(super) fn is_for_messages(&self, peer: &PeerId) -> bool {
        self.carrier().is_some_and(|core| core.needs(peer))
    }

    pub(super) fn on_dht(&mut self, event: transport::Event<Core>) {
        match event {
            transport::Event::Core(event) => self.on_message(event),
            transport::Event::Fault { peer, fault } => {
                let verdict = fault.verdict();
                if verdict == Verdict::Note {
                    tracing::debug!(%peer, %fault, "odd, and nobody's fault");
                } else {
                    tracing::warn!(%peer, %fault, ?verdict, "broke a rule of the DHT");
                }
                self.on_verdict(peer, verdict, "DHT");
            }
            transport::Event::Malformed { peer, error } => {
                tracing::warn!(%peer, %error, "malformed message of the DHT");
                self.on_verdict(peer, Verdict::Charge(MALFORMED_PRICE), "malformed message");
            }
        }
    }

    fn on_message(&mut self, event: Event) {
        if let Event::Release { peer } = event {
            self.release(peer);
        }
        let Some(desk) = &mut self.messages else { return };
        if let Some(command) = desk.front.tell(event) {
            self.dht(command);
        }
    }

    /// Lets go of links that were opened for messages and that the DHT never says it has no more use
    /// for: the peer takes no part in it, or the link came when nobody waited for it any more.
    pub(super) fn look_after_strays(&mut self) {
        let Some(core) = self.carrier() else { return };
        let is_stray =
            |info: &SessionInfo| info.kind == SessionKind::Direct && !core.needs(&info.peer);
        let sessions = self.sessions.all();
        let strays: BTreeSet<_> =
            sessions.iter().filter(|info| is_stray(info)).map(|info| info.peer).collect();
        // The DHT itself lets go of its own sooner.
        let patience = self.params.config().dht.link_idle.saturating_mul(2);
        for peer in self.strays.look(strays, self.clock.now(), patience) {
            self.release(peer);
        }
    }

    /// Messages have no more use for a link. It is closed if it was opened for them alone; else the
    /// core says so again after some time.
    fn release(&mut self, peer: PeerId) {
        let sessions = self.sessions.all();
        let mut sessions = sessions.iter().filter(|info| info.peer == peer);
        let ours = sessions.all(|info| info.kind == SessionKind::Direct);
        // Those who relay close it when it is of no use for packets either.
        let relayed = self.relays.as_ref().is_some_and(|relays| relays.reaches(&peer));
        // One that counts among those of the overlay is the overlay's to close.
        let counted = self.overlay().links().any(|link| link.peer == peer && !link.provisional);
        if ours && !relayed && !counted && !self.trusts(&peer) {
            tracing::debug!(%peer, "a link for messages has nothing to carry");
            self.swarm.behaviour_mut().gate.disconnect(peer);
        }
    }

    /// Writes down which messages came. Those who carry them hear that it is over.
    pub(super) async fn let_messages_end(&mut self) {
        let Some(desk) = self.messages.take() else { return };
        if let Err(error) = desk.front.finish().await {
            tracing::error!(%error, "which messages came last is not written down");
        }
    }
}
