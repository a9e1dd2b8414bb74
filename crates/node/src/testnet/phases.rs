//! What a network must manage, one thing after the other. A later capability adds a line to
//! [`PHASES`].

use std::io;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all, ready, try_join_all};
use rand::RngExt;
use tokio::time::{Instant, interval};

use super::checks::{Shortcoming, View, Views, all_agree, all_in_band, books_agree};
use super::deal::{Unopened, lines};
use super::watch::{Progress, no_swaps, swaps};
use super::{Member, MemberError, Testnet};
use crate::handle::{BookQuery, Colour, Ending};

/// Longest time for every node to have its links. A node that finds the seed empty asks again after
/// one, two, four seconds.
const FILL_PATIENCE: Duration = Duration::from_mins(1);

/// Longest time for both ends of each connection, and the books, to say the same.
const AGREE_PATIENCE: Duration = Duration::from_secs(20);

/// Longest time that anybody may be outside their band while the network is watched: what a dial, a
/// handshake and the next look at the links take, and some.
const OUTSIDE_MAX: Duration = Duration::from_secs(15);

/// How long a network must have been watched for an exchange of links to be expected of it: three
/// times the wait before the first one.
const SWAP_EXPECTED: Duration = Duration::from_secs(30);

/// Nodes that are started at a time. Each waits for the disk, and checks its file.
const START_AT_ONCE: usize = 8;

/// How often the nodes are asked.
const LOOK: Duration = Duration::from_millis(100);

/// How often it is told how things go.
const TELL: Duration = Duration::from_secs(1);

/// What a phase comes to: a few words, or why it failed.
type Outcome<'a> = BoxFuture<'a, Result<String, PhaseError>>;

/// One thing that a network must manage.
#[derive(Clone, Copy)]
pub struct Phase {
    /// One word.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    run: for<'a> fn(&'a mut Testnet) -> Outcome<'a>,
}

impl std::fmt::Debug for Phase {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Phase").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All of them, in their order.
pub const PHASES: &[Phase] = &[
    Phase {
        name: "start",
        about: "a seed and every node listen on TCP and QUIC",
        run: |testnet| testnet.start_all().boxed(),
    },
    Phase {
        name: "fill",
        about: "every node finds its links through the seed",
        run: |testnet| testnet.fill().boxed(),
    },
    Phase {
        name: "hold",
        about: "nobody is outside their band for long",
        run: |testnet| testnet.hold().boxed(),
    },
    Phase {
        name: "swap",
        about: "neighbours have exchanged links meanwhile",
        run: |testnet| testnet.swap().boxed(),
    },
    Phase {
        name: "heal",
        about: "killed nodes come back to their anchors, and remember whom they banned",
        run: |testnet| testnet.unless_enough(|it| it.heal().boxed()),
    },
    Phase {
        name: "agree",
        about: "both ends of each connection, and the books, say the same",
        run: |testnet| testnet.unless_enough(|it| it.agree().boxed()),
    },
    Phase {
        name: "band",
        about: "nobody has too few links or too many",
        run: |testnet| testnet.unless_enough(|it| it.within_band("band").boxed()),
    },
    Phase {
        name: "orders",
        about: "orders that are dealt out unevenly are on every node in the end",
        run: |testnet| testnet.unless_enough(|it| it.orders().boxed()),
    },
    Phase {
        name: "pay",
        about: "messages go over relays, whose tickets are traded and paid to the unit",
        run: |testnet| testnet.unless_enough(|it| it.pay().boxed()),
    },
    Phase {
        name: "mail",
        about: "messages for a node that is away are there once when it is back",
        run: |testnet| testnet.unless_enough(|it| it.mail().boxed()),
    },
];

/// Why a network did not manage something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhaseError {
    /// A node did not start.
    #[error("node-{number} did not start")]
    Start {
        /// Which.
        number: u8,
        /// Why.
        source: MemberError,
    },
    /// The seed did not start.
    #[error("the seed did not start")]
    Seed(#[source] MemberError),
    /// A node ended on its own.
    #[error("a node has ended")]
    Ended(#[from] Ending),
    /// A node does not ban as it is asked.
    #[error("a node does not ban")]
    Ban(#[from] crate::handle::BanError),
    /// A node does not let in again whom it banned.
    #[error("a node does not lift a ban")]
    Unban(#[from] crate::handle::UnbanError),
    /// The operator did not want to wait.
    #[error("interrupted")]
    Interrupted,
    /// The file of orders cannot be opened.
    #[error(transparent)]
    Unopened(#[from] Unopened),
    /// The file of orders cannot be read on.
    #[error("cannot read the orders")]
    Read(#[from] io::Error),
    /// It took too long.
    #[error("after {waited:?}: {shortcoming}")]
    TooLong {
        /// How long it was waited for.
        waited: Duration,
        /// What was still missing.
        shortcoming: Shortcoming,
    },
    /// Something is not as it should be.
    #[error("{0}")]
    Short(#[from] Shortcoming),
}

impl PhaseError {
    pub(super) fn start(number: u8, source: MemberError) -> Self {
        if number == 0 { Self::Seed(source) } else { Self::Start { number, source } }
    }
}

impl Phase {
    /// Goes through it; says in a few words how it went.
    ///
    /// # Errors
    /// [`PhaseError`].
    pub async fn run(self, testnet: &mut Testnet) -> Result<String, PhaseError> {
        testnet.begun = Instant::now();
        (self.run)(testnet).await
    }
}

impl Testnet {
    /// The seed, and then the nodes, some at a time.
    async fn start_all(&mut self) -> Result<String, PhaseError> {
        // Nobody should wait for a network to learn that a file is not there.
        lines(self.plan.orders.as_deref())?;
        let seed = self.rng.random();
        let seed = self.start(0, seed).await?;
        self.members.push(seed);
        let numbers: Vec<(u8, [u8; 32])> =
            (1..=self.plan.nodes).map(|number| (number, self.rng.random())).collect();
        for some in numbers.chunks(START_AT_ONCE) {
            if self.enough.is_cancelled() {
                return Err(PhaseError::Interrupted);
            }
            let starting = some.iter().map(|(number, seed)| self.start(*number, *seed));
            // Those that did start are there, whatever became of the others.
            for member in join_all(starting).await {
                self.members.push(member?);
            }
        }
        Ok(format!("{} nodes and a seed", self.plan.nodes))
    }

    async fn fill(&mut self) -> Result<String, PhaseError> {
        self.within_band("fill").await
    }

    /// Goes through a phase that comes after the watching, unless the operator has ended that.
    fn unless_enough(&mut self, phase: for<'a> fn(&'a mut Self) -> Outcome<'a>) -> Outcome<'_> {
        if self.enough.is_cancelled() {
            return ready(Ok("left out: interrupted".to_owned())).boxed();
        }
        phase(self)
    }

    /// Waits until everybody is within their band.
    pub(super) async fn within_band(&self, phase: &'static str) -> Result<String, PhaseError> {
        let band = self.band();
        let views = self.wait(phase, FILL_PATIENCE, |views| all_in_band(views, band)).await?;
        let Progress { links: (least, average, most), .. } =
            Progress::of(phase, Duration::ZERO, &views, band);
        Ok(format!("links per node: {least} to {most}, {average:.1} on average"))
    }

    async fn agree(&mut self) -> Result<String, PhaseError> {
        let same = |views: &Views| all_agree(views).and_then(|()| books_agree(views));
        let views = self.wait("agree", AGREE_PATIENCE, same).await?;
        let ends = || views.values().flat_map(|view| &view.peers);
        let over = |name: &str| ends().filter(|peer| peer.transport == name).count() / 2;
        let (tcp, quic) = (over("tcp"), over("quic"));
        Ok(format!("{} connections, {tcp} over TCP and {quic} over QUIC", ends().count() / 2))
    }

    async fn hold(&mut self) -> Result<String, PhaseError> {
        if self.plan.hold.is_zero() {
            return Ok("not asked for; see --duration".to_owned());
        }
        let (band, begun) = (self.band(), Instant::now());
        let (mut look, mut told, mut good) = (interval(LOOK), begun, begun);
        while begun.elapsed() < self.plan.hold && !self.enough.is_cancelled() {
            look.tick().await;
            let views = self.views().await?;
            match all_in_band(&views, band) {
                Ok(()) => good = Instant::now(),
                Err(shortcoming) if good.elapsed() > OUTSIDE_MAX => {
                    return Err(PhaseError::TooLong { waited: OUTSIDE_MAX, shortcoming });
                }
                Err(_) => {}
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                (self.watch)(&Progress::of("hold", begun.elapsed(), &views, band));
            }
        }
        Ok(format!("for {:?}", Duration::from_secs(begun.elapsed().as_secs())))
    }

    async fn swap(&mut self) -> Result<String, PhaseError> {
        let views = self.views().await?;
        let (done, others) = (swaps(&views), no_swaps(&views));
        // Where everybody knows everybody there is nobody to be won.
        let possible = usize::from(self.plan.nodes) > self.band().max.saturating_add(1);
        let watched = self.plan.hold >= SWAP_EXPECTED && !self.enough.is_cancelled();
        if done == 0 && possible && watched {
            return Err(Shortcoming::NoSwaps.into());
        }
        let why = match (possible, watched) {
            (false, _) => "; the network is too small for many",
            (true, false) => "; not watched for long",
            (true, true) => "",
        };
        Ok(format!("{done} links exchanged{why}{others}"))
    }

    /// Looks at the nodes until they are as they should be.
    pub(super) async fn wait(
        &self,
        phase: &'static str,
        patience: Duration,
        wish: impl Fn(&Views) -> Result<(), Shortcoming>,
    ) -> Result<Views, PhaseError> {
        let begun = Instant::now();
        let (mut look, mut told) = (interval(LOOK), begun);
        loop {
            look.tick().await;
            if self.enough.is_cancelled() {
                return Err(PhaseError::Interrupted);
            }
            let views = self.views().await?;
            match wish(&views) {
                Ok(()) => return Ok(views),
                Err(shortcoming) if begun.elapsed() >= patience => {
                    return Err(PhaseError::TooLong { waited: patience, shortcoming });
                }
                Err(_) => {}
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                (self.watch)(&Progress::of(phase, self.begun.elapsed(), &views, self.band()));
            }
        }
    }

    /// What each node that lives says.
    pub(super) async fn views(&self) -> Result<Views, Ending> {
        let living = self.nodes().iter().filter(|member| member.lives());
        let view = async |member: &Member| Ok((member.peer, self.view(member).await?));
        Ok(try_join_all(living.map(view)).await?.into_iter().collect())
    }

    async fn view(&self, member: &Member) -> Result<View, Ending> {
        let is_node = |peer| self.nodes().iter().any(|node| node.peer == peer);
        let mut peers = member.handle.peers().await?;
        peers.retain(|peer| is_node(peer.peer));
        let query = BookQuery { colour: Some(Colour::Gold), limit: usize::MAX };
        let gold = member.handle.book(query).await?.entries.into_iter().map(|entry| entry.peer);
        let swaps = member.handle.status().await?.swaps;
        let gold = gold.filter(|peer| is_node(*peer)).collect();
        Ok(View { name: member.name.clone(), peers, gold, swaps })
    }
}
