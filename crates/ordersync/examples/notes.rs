//! Two nodes in one process bring their notes together: nothing here knows what an order is.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

#[path = "../src/sample.rs"]
pub mod sample;

use std::error::Error;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::thread;

use futures::channel::mpsc;
use futures::executor::block_on;
use futures::future::{BoxFuture, Either, FutureExt as _, ready, select};
use futures::{SinkExt as _, StreamExt as _};
use machine::{PeerId, UnixTime};
use meshwork_ordersync::service::{Config, Event, Network, OpenFailed, Protocol};
use meshwork_ordersync::{
    Book, Entry, Intake, MemoryStore, Origin, Rejected, Service, Subprotocols, Validator, book,
    intake, paging, riblt,
};
use sample::{Note, Prefix};
use tokio::io::{DuplexStream, duplex};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use transport::pool::Pool;

// The network: a pipe to each neighbour, whose far end is handed to it.

type Stream = Compat<DuplexStream>;

struct Pipes {
    me: PeerId,
    neighbours: Vec<(PeerId, mpsc::Sender<(PeerId, Stream)>)>,
}

impl Network for Pipes {
    type Stream = Stream;

    fn peers(&self) -> Vec<PeerId> {
        self.neighbours.iter().map(|(peer, _)| *peer).collect()
    }

    fn open(
        &self,
        peer: PeerId,
        _protocols: &[Protocol],
    ) -> BoxFuture<'static, Result<(Protocol, Stream), OpenFailed>> {
        let failed = |reason: &str| OpenFailed { reason: reason.to_owned() };
        let found = self.neighbours.iter().find(|(known, _)| *known == peer);
        let Some((_, mut door)) = found.cloned() else {
            return ready(Err(failed("no neighbour"))).boxed();
        };
        let me = self.me;
        async move {
            let (near, far) = duplex(64 << 10);
            door.send((me, far.compat())).await.map_err(|_| failed("nobody is at home"))?;
            Ok((Protocol::Binary, near.compat()))
        }
        .boxed()
    }

    fn tell(&self, _: Event) {}
}

// What makes a note one that a node takes.

struct NoShouting;

impl Validator<Note> for NoShouting {
    fn check(&self, entries: &[Entry<Note>], _: UnixTime) -> Vec<Result<(), Rejected>> {
        let check = |entry: &Entry<Note>| {
            if entry.item.text.ends_with('!') {
                let (code, detail) = ("shouting", "notes are written quietly".to_owned());
                return Err(Rejected::Unwanted { code, detail });
            }
            Ok(())
        };
        entries.iter().map(check).collect()
    }
}

fn node(pipes: Pipes, seed: u8) -> Result<Service<Note, Pipes>, Box<dyn Error>> {
    // A node draws its seeds from the system.
    let book = Arc::new(Book::new(book::Config::default().check()?, [seed; 32]));
    let pool = Pool::new(NonZeroUsize::MIN, 64)?;
    let (store, validator) = (Arc::new(MemoryStore::default()), Arc::new(NoShouting));
    let params = intake::Config::default().check()?;
    let (intake, mut driver) = Intake::new(book, store, validator, pool.clone(), params);
    // In a runtime it is a task.
    thread::spawn(move || block_on(driver.run()));
    let subprotocols = Subprotocols::new().with(riblt::Riblt)?.with(paging::V1::default())?;
    let (everything, params) = (Prefix::default(), Config::default().check()?);
    Ok(Service::new(pipes, intake, pool, everything, subprotocols, params, [seed; 32]))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (ann, bob) = (PeerId::random(), PeerId::random());
    let (door, mut visitors) = mpsc::channel(1);
    let anns = node(Pipes { me: ann, neighbours: Vec::new() }, 1)?;
    let bobs = node(Pipes { me: bob, neighbours: vec![(ann, door)] }, 2)?;

    block_on(async {
        let entries =
            |notes: &[&str]| notes.iter().map(|text| Entry::new(Note::new(*text))).collect();
        let mut common: Vec<_> = (0..1000).map(|n| format!("note {n}")).collect();
        common.push("buy milk".to_owned());
        let common: Vec<_> = common.iter().map(String::as_str).collect();
        anns.intake().admit(entries(&common), Origin::Own).await;
        anns.intake().admit(entries(&["feed the cat", "water the plants"]), Origin::Own).await;
        bobs.intake().admit(entries(&common), Origin::Own).await;
        bobs.intake().admit(entries(&["call Carol"]), Origin::Own).await;
        let [shouted] = &bobs.intake().admit(entries(&["HELLO!"]), Origin::Own).await[..] else {
            return Err("one note was offered".into());
        };
        println!("Bob does not take a note of his own: {:?}", shouted.outcome);

        let serve = async {
            while let Some((peer, stream)) = visitors.next().await {
                if let Err(error) = anns.handle_stream(peer, Protocol::Binary, stream).await {
                    println!("Ann ended a session: {error}");
                }
            }
        };
        let synced = match select(pin!(bobs.get_orders_from(vec![ann])), pin!(serve)).await {
            Either::Left((synced, _)) => synced?,
            Either::Right(((), _)) => return Err("Ann closed her door".into()),
        };
        for (_, outcome) in &synced.peers {
            let tally = outcome.tally;
            println!(
                "Bob asked Ann: {:?} after {} round trips, {} notes received and {} given",
                outcome.ended, tally.round_trips, tally.new, tally.pushed
            );
        }
        let (anns, bobs) = (anns.book().summary(), bobs.book().summary());
        println!("Ann holds {} notes, Bob {}", anns.count, bobs.count);
        if anns == bobs { Ok(()) } else { Err("they differ".into()) }
    })
}
