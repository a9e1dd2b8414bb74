//! The account is kept in order: it has its grant, and others find it.

use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::identity::Keypair;
use tickets::ledger::{Announcement, BadAnnouncement, Call, SignedAnnouncement};
use tokio::time::sleep;

use super::{PaymentError, Payments};

/// How soon it is tried again.
const RETRY_MIN: Duration = Duration::from_millis(250);

/// How late it is tried again.
const RETRY_MAX: Duration = Duration::from_mins(1);

/// Why an account is not in order.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JoinError {
    /// The ledger does not do it, or not now.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// Nobody could be found by that.
    #[error(transparent)]
    Announcement(#[from] BadAnnouncement),
}

impl Payments {
    /// Claims the grant of the account if it had none, and announces it as the account of the peer of
    /// `identity`, which can be reached at `addresses` and `relays` or not, if that is not known. Ends
    /// when the node sees it.
    ///
    /// # Errors
    /// [`JoinError`]. What was done before stays.
    ///
    /// # Cancel safety
    /// May be called again.
    pub async fn join(
        &self,
        identity: &Keypair,
        addresses: Vec<Multiaddr>,
        relays: bool,
    ) -> Result<(), JoinError> {
        let me = self.account();
        let (claimed, announced) = self.replica().read(|state| {
            let account = state.account(&me);
            let announcement = account.and_then(|account| account.announcement.clone());
            (account.is_some_and(|account| account.claimed), announcement)
        });
        if !claimed {
            self.submit_and_see(Call::Claim).await?;
        }
        let peer = identity.public().to_peer_id();
        let wanted = Announcement { peer, addresses: addresses.clone(), relays };
        if announced.as_ref() != Some(&wanted) {
            let separator = self.params().separator;
            let signed = SignedAnnouncement::new(identity, &separator, &me, addresses, relays)?;
            self.submit_and_see(Call::Announce(Box::new(signed))).await?;
        }
        Ok(())
    }

    /// [Joins](Self::join), as often as it takes.
    pub(crate) async fn tend(
        &self,
        identity: &Keypair,
        mut addresses: Vec<Multiaddr>,
        relays: bool,
    ) {
        addresses.truncate(Announcement::ADDRESSES_MAX);
        let mut wait = RETRY_MIN;
        while let Err(error) = self.join(identity, addresses.clone(), relays).await {
            tracing::debug!(%error, "the account is not in order yet");
            sleep(wait).await;
            wait = wait.saturating_mul(2).min(RETRY_MAX);
        }
        tracing::debug!(account = %self.account(), "the account is in order");
    }
}
