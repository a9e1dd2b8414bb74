//! What each call does, and each way to be refused. A refusal is brought about by the one thing that
//! is wrong: the same without it is taken.

use std::collections::BTreeSet;

use meshwork_tickets::ledger::{Call, Genesis, GenesisError, Rejected, SignedTransaction};
use meshwork_tickets::{
    Address, Amount, BadSignature, ChannelStatus, DomainSeparator, Epoch, TicketIndex, UnixTime,
};

use super::world::{
    ALICE, BOB, CAROL, GRANT, NOTICE, Promise, World, address, between, genesis, key, open, params,
};
use crate::common::amount;

const ID: fn() -> meshwork_tickets::ChannelId = || between(ALICE, BOB);

#[test]
fn everybody_is_granted_once() {
    let mut world = World::granted();
    assert_eq!((world.balance(ALICE), world.state.granted()), (GRANT, 3 * GRANT));
    let twice = world.refuse(ALICE, &Call::Claim);
    assert_eq!(twice, Rejected::AlreadyClaimed { account: address(ALICE) });
}

#[test]
fn the_life_of_a_channel() {
    let mut world = World::paying();
    assert_eq!((world.balance(ALICE), world.channel(ALICE, BOB).balance), (900, amount(100)));
    world.ask(ALICE, &Call::Fund { channel: ID(), amount: amount(50) }).unwrap();
    assert_eq!((world.balance(ALICE), world.channel(ALICE, BOB).balance), (850, amount(150)));
    world.ask(BOB, &Promise { units: 30, ..Promise::new(ALICE, BOB, 4) }.redeem()).unwrap();
    let channel = world.channel(ALICE, BOB);
    assert_eq!((channel.balance, channel.index.get()), (amount(120), 5));
    assert_eq!(world.balance(BOB), GRANT + 30);

    world.ask(ALICE, &Call::InitiateClose { channel: ID() }).unwrap();
    let since = UnixTime(world.now);
    assert_eq!(world.channel(ALICE, BOB).status, ChannelStatus::PendingToClose { since });
    world.ask(BOB, &Promise::new(ALICE, BOB, 5).redeem()).unwrap();
    world.now += NOTICE;
    world.ask(ALICE, &Call::FinaliseClose { channel: ID() }).unwrap();
    let channel = world.channel(ALICE, BOB);
    assert_eq!(channel.status, ChannelStatus::Closed);
    assert_eq!((channel.balance, channel.index), (Amount::ZERO, TicketIndex::ZERO));
    assert_eq!(channel.epoch, Epoch::new(1).unwrap());
    assert_eq!((world.balance(ALICE), world.balance(BOB)), (GRANT - 40, GRANT + 40));

    // What was promised in the first life is worth nothing in the second.
    world.ask(ALICE, &open(BOB, 100)).unwrap();
    let old = world.refuse(BOB, &Promise::new(ALICE, BOB, 6).redeem());
    let (given, expected) = (Epoch::default(), Epoch::new(1).unwrap());
    assert_eq!(old, Rejected::WrongEpoch { given, expected });
}

#[test]
fn who_is_paid_can_give_up_a_channel_at_once() {
    let mut world = World::paying();
    world.ask(BOB, &Call::CloseIncoming { channel: ID() }).unwrap();
    assert_eq!(world.channel(ALICE, BOB).status, ChannelStatus::Closed);
    assert_eq!(world.channel(ALICE, BOB).epoch.get(), 1);
    assert_eq!((world.balance(ALICE), world.balance(BOB)), (GRANT, GRANT));

    world.ask(ALICE, &open(BOB, 100)).unwrap();
    world.ask(ALICE, &Call::InitiateClose { channel: ID() }).unwrap();
    world.ask(BOB, &Call::CloseIncoming { channel: ID() }).unwrap();
    assert_eq!(world.balance(ALICE), GRANT);
}

#[test]
fn what_is_looked_up_is_there() {
    let mut world = World::paying();
    world.ask(ALICE, &open(CAROL, 1)).unwrap();
    world.ask(CAROL, &open(BOB, 1)).unwrap();
    let state = &world.state;
    let from: BTreeSet<_> = state.channels_from(&address(ALICE)).map(|(id, _)| *id).collect();
    assert_eq!(from, BTreeSet::from([ID(), between(ALICE, CAROL)]));
    let to: BTreeSet<_> = state.channels_to(&address(BOB)).map(|(id, _)| *id).collect();
    assert_eq!(to, BTreeSet::from([ID(), between(CAROL, BOB)]));
    assert_eq!(state.channels_from(&address(BOB)).count(), 0);

    world.ask(ALICE, &Call::InitiateClose { channel: ID() }).unwrap();
    assert_eq!(world.state.open_channels().count(), 2);
    assert_eq!(world.state.channels().len(), 3);
}

#[test]
fn a_genesis_that_is_none() {
    let check = |spoil: fn(&mut Genesis)| {
        let mut genesis = genesis();
        spoil(&mut genesis);
        genesis.check().err()
    };
    assert_eq!(check(|_| {}), None);
    assert_eq!(check(|it| it.grant = Amount::ZERO), Some(GenesisError::Grant));
    assert_eq!(check(|it| it.notice = 0), Some(GenesisError::InvalidNoticePeriod));
    let given = (1 << 20) + 1;
    for given in [1, given] {
        let mut genesis = genesis();
        genesis.accounts_max = given;
        assert_eq!(genesis.check().err(), Some(GenesisError::AccountsMax { given }));
    }
    assert_eq!(check(|it| it.channels_max = 0), Some(GenesisError::ChannelsMax { given: 0 }));
    assert!(Genesis::default().check().is_ok());
}

#[test]
fn a_transaction_is_taken_once() {
    let mut world = World::granted();
    let transaction = SignedTransaction::new(&key(ALICE), &genesis().separator, 1, &open(BOB, 1));
    world.submit(transaction.clone()).unwrap();
    let again = world.submit(transaction).unwrap_err();
    assert_eq!(again, Rejected::InvalidNonce { given: 1, expected: 2 });
    let early = SignedTransaction::new(&key(ALICE), &genesis().separator, 3, &open(BOB, 1));
    let early = world.submit(early).unwrap_err();
    assert_eq!(early, Rejected::InvalidNonce { given: 3, expected: 2 });
}

/// The body names its sender, so a signature of anybody else is one of nobody.
#[test]
fn a_forged_sender() {
    let mut world = World::granted();
    let separator = genesis().separator;
    let bytes = SignedTransaction::new(&key(ALICE), &separator, 1, &open(BOB, 1)).to_bytes();
    let of_bob = SignedTransaction::new(&key(BOB), &separator, 1, &open(BOB, 1)).to_bytes();
    // The same length, so the signature stands at the end of both.
    let signature = bytes.len() - 64;
    let forged = [&bytes[..signature], &of_bob[signature..]].concat();
    let refused = world.submit(SignedTransaction::from_bytes(&forged).unwrap()).unwrap_err();
    let somebody = matches!(refused, Rejected::InvalidSignature(BadSignature::Signer { .. }));
    assert!(somebody, "{refused:?}");

    // The signature of Alice, and a bit of the body changed.
    let mut changed = bytes.to_vec();
    changed[signature - 4] ^= 1;
    let changed = SignedTransaction::from_bytes(&changed).unwrap();
    assert!(matches!(world.submit(changed).unwrap_err(), Rejected::InvalidSignature(_)));
    world.submit(SignedTransaction::from_bytes(&bytes).unwrap()).unwrap();
}

#[test]
fn a_transaction_of_another_ledger() {
    let mut world = World::new();
    let other = DomainSeparator([8; 32]);
    let transaction = SignedTransaction::new(&key(ALICE), &other, 0, &Call::Claim);
    let refused = world.submit(transaction).unwrap_err();
    assert!(matches!(refused, Rejected::InvalidSignature(BadSignature::Signer { .. })));
}

#[test]
fn an_entry_out_of_order() {
    let mut world = World::granted();
    let call = open(BOB, 1);
    let transaction = SignedTransaction::new(&key(ALICE), &genesis().separator, 1, &call);
    let good = world.entry(transaction);
    for version in [0, good.version - 1, good.version + 1, u64::MAX] {
        let mut entry = good.clone();
        entry.version = version;
        let refused = world.state.apply(&entry).unwrap_err();
        assert_eq!(refused, Rejected::OutOfOrder { given: version, expected: good.version });
    }
    let mut early = good.clone();
    early.at = UnixTime(world.now - 1);
    let refused = world.state.apply(&early).unwrap_err();
    let (given, last) = (early.at, good.at);
    assert_eq!(refused, Rejected::TimeRunsBack { given, last });
    world.state.apply(&good).unwrap();
}

#[test]
fn as_many_accounts_as_there_may_be() {
    let mut world = World::new();
    let max = params().get().accounts_max;
    for who in 1..=max {
        world.ask(u8::try_from(who).unwrap(), &Call::Claim).unwrap();
    }
    assert_eq!(world.refuse(200, &Call::Claim), Rejected::TooManyAccounts { max });
    // Those that are there go on.
    world.ask(ALICE, &open(BOB, 1)).unwrap();
}

#[test]
fn as_many_channels_as_there_may_be() {
    let mut world = World::granted();
    let max = params().get().channels_max;
    for who in 0..max {
        world.ask(ALICE, &open(u8::try_from(100 + who).unwrap(), 1)).unwrap();
    }
    assert_eq!(world.refuse(ALICE, &open(BOB, 1)), Rejected::TooManyChannels { max });
    let channel = between(ALICE, 100);
    world.ask(ALICE, &Call::Fund { channel, amount: amount(1) }).unwrap();
    world.ask(ALICE, &Call::InitiateClose { channel }).unwrap();
    world.now += NOTICE;
    world.ask(ALICE, &Call::FinaliseClose { channel }).unwrap();
    // One that was closed keeps its place, which it is opened in again.
    assert_eq!(world.refuse(ALICE, &open(BOB, 1)), Rejected::TooManyChannels { max });
    world.ask(ALICE, &open(100, 1)).unwrap();
}

#[test]
fn a_channel_to_nobody_or_to_oneself_or_of_nothing() {
    let mut world = World::granted();
    let nobody = Call::Open { destination: Address::ZERO, amount: amount(1) };
    assert_eq!(world.refuse(ALICE, &nobody), Rejected::ZeroAddress);
    let oneself = Rejected::SourceEqualsDestination { account: address(ALICE) };
    assert_eq!(world.refuse(ALICE, &open(ALICE, 1)), oneself);
    assert_eq!(world.refuse(ALICE, &open(BOB, 0)), Rejected::InvalidBalance);
    world.ask(ALICE, &open(BOB, 1)).unwrap();
    let nothing = Call::Fund { channel: ID(), amount: Amount::ZERO };
    assert_eq!(world.refuse(ALICE, &nothing), Rejected::InvalidBalance);
}

#[test]
fn more_than_there_is() {
    let mut world = World::granted();
    let (balance, needed) = (amount(GRANT), amount(GRANT + 1));
    let short = Rejected::TokenTransferFailed { balance, amount: needed };
    assert_eq!(world.refuse(ALICE, &open(BOB, GRANT + 1)), short);
    world.ask(ALICE, &open(BOB, GRANT)).unwrap();
    let short = Rejected::TokenTransferFailed { balance: Amount::ZERO, amount: amount(1) };
    let fund = Call::Fund { channel: ID(), amount: amount(1) };
    assert_eq!(world.refuse(ALICE, &fund), short);
    assert_eq!(world.refuse(200, &open(BOB, 1)), short, "an account that nobody knows");
}

/// With grants as large as amounts can be.
#[test]
fn more_than_fits() {
    let rich = Genesis { grant: Amount::MAX, ..genesis() }.check().unwrap();
    let mut world = World::of(rich);
    for who in [ALICE, BOB] {
        world.ask(who, &Call::Claim).unwrap();
    }
    assert_eq!(world.state.granted(), 2 * Amount::MAX.get(), "more than any one amount");
    world.ask(ALICE, &open(BOB, 10)).unwrap();
    let ticket = Promise::new(ALICE, BOB, 0);
    let full = world.refuse(BOB, &ticket.redeem());
    let (account, balance) = (address(BOB), Amount::MAX);
    assert_eq!(full, Rejected::AccountFull { account, balance, amount: amount(10) });
    // Some room in the account, and it fits.
    world.ask(BOB, &open(CAROL, 10)).unwrap();
    world.ask(BOB, &ticket.redeem()).unwrap();

    // Into a channel as well: Bob's money goes to Alice, whose channel is full then.
    let rest = world.balance(ALICE);
    world.ask(ALICE, &Call::Fund { channel: ID(), amount: amount(rest) }).unwrap();
    world.ask(BOB, &open(ALICE, 20)).unwrap();
    let back = Promise { units: 20, ..Promise::new(BOB, ALICE, 0) };
    world.ask(ALICE, &back.redeem()).unwrap();
    assert_eq!(world.channel(ALICE, BOB).balance.get(), Amount::MAX.get() - 10, "nothing is lost");
    assert_eq!(world.balance(ALICE), 20, "there was no room in the channel");
    let fund = Call::Fund { channel: ID(), amount: amount(11) };
    let (balance, more) = (amount(Amount::MAX.get() - 10), amount(11));
    let full = Rejected::BalanceExceedsGlobalPerChannelAllowance { balance, amount: more };
    assert_eq!(world.refuse(ALICE, &fund), full);
    world.ask(ALICE, &Call::Fund { channel: ID(), amount: amount(10) }).unwrap();
}

#[test]
fn a_channel_in_another_state() {
    let mut world = World::granted();
    let channel = ID();
    let wrong = |status| Rejected::WrongChannelState { channel, status };
    let calls = [
        (ALICE, Call::Fund { channel, amount: amount(1) }),
        (ALICE, Call::InitiateClose { channel }),
        (ALICE, Call::FinaliseClose { channel }),
        (BOB, Call::CloseIncoming { channel }),
        (BOB, Promise::new(ALICE, BOB, 0).redeem()),
    ];
    for (who, call) in &calls {
        assert_eq!(world.refuse(*who, call), wrong(ChannelStatus::Closed), "never open");
    }
    world.ask(ALICE, &open(BOB, 100)).unwrap();
    assert_eq!(world.refuse(ALICE, &open(BOB, 1)), wrong(ChannelStatus::Open));
    assert_eq!(world.refuse(ALICE, &calls[2].1), wrong(ChannelStatus::Open));
    world.ask(ALICE, &Call::InitiateClose { channel }).unwrap();
    let pending = wrong(ChannelStatus::PendingToClose { since: UnixTime(world.now) });
    for call in [&open(BOB, 1), &calls[0].1, &calls[1].1] {
        assert_eq!(world.refuse(ALICE, call), pending);
    }
    world.ask(BOB, &calls[3].1).unwrap();
    for (who, call) in &calls {
        assert_eq!(world.refuse(*who, call), wrong(ChannelStatus::Closed), "closed");
    }
}

#[test]
fn a_channel_of_others() {
    let mut world = World::paying();
    let channel = ID();
    let fund = Call::Fund { channel, amount: amount(1) };
    let [initiate, finalise, give_up] = [
        Call::InitiateClose { channel },
        Call::FinaliseClose { channel },
        Call::CloseIncoming { channel },
    ];
    for (who, call) in [
        (BOB, &fund),
        (CAROL, &fund),
        (BOB, &initiate),
        (BOB, &finalise),
        (CAROL, &finalise),
        (ALICE, &give_up),
        (CAROL, &give_up),
    ] {
        let stranger = Rejected::NotParty { channel, account: address(who) };
        assert_eq!(world.refuse(who, call), stranger);
    }
}

#[test]
fn a_notice_that_is_not_over() {
    let mut world = World::paying();
    world.ask(ALICE, &Call::InitiateClose { channel: ID() }).unwrap();
    let due = UnixTime(world.now + NOTICE);
    world.now += NOTICE - 1;
    let finalise = Call::FinaliseClose { channel: ID() };
    let early = Rejected::NoticePeriodNotDue { due, at: UnixTime(world.now) };
    assert_eq!(world.refuse(ALICE, &finalise), early);
    world.now += 1;
    world.ask(ALICE, &finalise).unwrap();
}

/// In its last epoch a channel is not opened any more, so that what is opened can be closed.
#[test]
fn a_channel_that_was_closed_too_often() {
    use meshwork_tickets::ledger::{Row, State};
    let mut world = World::paying();
    world.ask(BOB, &Call::CloseIncoming { channel: ID() }).unwrap();
    for (epoch, last) in [(Epoch::MAX.get() - 1, false), (Epoch::MAX.get(), true)] {
        let age = |row| match row {
            Row::Channel(mut channel) => {
                channel.epoch = Epoch::new(epoch).unwrap();
                Row::Channel(channel)
            }
            row => row,
        };
        world.state = State::restore(params(), world.state.rows().map(age)).unwrap();
        if last {
            let refused = world.refuse(ALICE, &open(BOB, 1));
            assert_eq!(refused, Rejected::EpochsUsedUp { epoch: Epoch::MAX });
        } else {
            world.ask(ALICE, &open(BOB, 1)).unwrap();
            world.ask(BOB, &Call::CloseIncoming { channel: ID() }).unwrap();
        }
    }
}
