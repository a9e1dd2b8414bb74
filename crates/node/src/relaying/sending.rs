//! Messages of this node, over relays.

use std::time::Duration;

use libp2p::PeerId;
use relay::engine::{Outcome as End, Terms};
use relay::sphinx::Message;
use relay::{FailureCode, Route, SendError};
use tickets::Amount;
use tokio::time::Instant;

use super::TAG;
use super::following::Keeper;
use crate::payments::{Outcome, Outgoing, Sent, Trouble};

/// Longest time for which a message without a path waits for links to those whom this node pays. They
/// are dialled soon after their channels are opened, and after the start.
const LINKS_PATIENCE: Duration = Duration::from_secs(5);

/// Sends a message, and waits for what becomes of it; `None` when the node ends before that.
pub(super) async fn send(
    relay: &relay::Relay,
    keeper: &Keeper,
    terms: Terms,
    outgoing: Outgoing,
) -> Option<Sent> {
    let begun = Instant::now();
    let sent = |outcome, path, paid| Sent { outcome, path, paid, time: begun.elapsed() };
    let unsent = |trouble| sent(Outcome::Unsent(trouble), Vec::new(), Amount::ZERO);
    let Outgoing { to, data, relays } = outgoing;
    let message = match Message::new(TAG, data.into()) {
        Ok(message) => message,
        Err(error) => return Some(unsent(Trouble::new("too_long", error))),
    };
    let path = match choose(relay, keeper, to, relays).await {
        Ok(path) => path,
        Err(error) => return trouble(&error).map(unsent),
    };
    let outcome = match relay.send(message, Route::Over(path.clone())).await {
        Ok(end) => outcome(end),
        Err(error) => Outcome::Unsent(trouble(&error)?),
    };
    let paid = match &outcome {
        Outcome::Unsent(_) => Amount::ZERO,
        _ => terms.amount(relays, terms.probability).unwrap_or_default(),
    };
    Some(sent(outcome, path, paid))
}

/// Chooses a path, if need be as soon as there is a link that it can begin with.
async fn choose(
    relay: &relay::Relay,
    keeper: &Keeper,
    to: PeerId,
    relays: u8,
) -> Result<Vec<PeerId>, SendError> {
    let begun = Instant::now();
    loop {
        let missing = keeper.missing();
        let chosen = relay.choose(to, relays).await;
        if missing.is_empty() || !matches!(chosen, Err(SendError::NoPath(_))) {
            return chosen;
        }
        let left = LINKS_PATIENCE.saturating_sub(begun.elapsed());
        if !keeper.link.peers.wait_for_any(&missing, left).await {
            return chosen;
        }
    }
}

/// Why a message did not leave; `None` when the node ends.
fn trouble(error: &SendError) -> Option<Trouble> {
    let code = match error {
        SendError::NoPath(_) => FailureCode::NoRoute.label(),
        SendError::Overloaded(_) => FailureCode::Overloaded.label(),
        SendError::Stopped => return None,
        _ => "unsent",
    };
    Some(Trouble::new(code, error))
}

fn outcome(end: End) -> Outcome {
    match end {
        End::Delivered => Outcome::Delivered,
        End::Refused(code) => Outcome::Refused(Trouble::new(code.label(), code)),
        End::Failed(code) => Outcome::Failed(Trouble::new(code.label(), code)),
        End::TimedOut { .. } => Outcome::TimedOut,
        End::Unsent(code) => Outcome::Unsent(Trouble::new(code.label(), code)),
    }
}
