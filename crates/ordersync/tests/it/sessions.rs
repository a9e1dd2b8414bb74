//! Random sessions: whatever the two sides hold and however the stream is cut, an outcome that says
//! "everything" is true, and nothing that came is lost.

use std::collections::BTreeSet;

use meshwork_ordersync::requester::{Break, Ended};
use meshwork_ordersync::{Form, RawResponse};
use proptest::prelude::*;

use crate::pair::{Script, Side, forged, go_on, holds_all, honest, is_whole, note, run};
use crate::sample::{Note, Prefix};

/// What the two sides hold, and how they talk.
#[derive(Clone, Debug)]
struct Setting {
    common: u32,
    ours: u32,
    theirs: u32,
    form: Form,
    page: usize,
    window: usize,
    push: bool,
    scans: bool,
    /// Whether the provider has cells at hand that tell of all items.
    rotated: bool,
    seed: u8,
}

fn settings() -> impl Strategy<Value = Setting> {
    let sizes = (0..600_u32, 0..60_u32, prop_oneof![Just(0_u32), 0..60_u32, 200..700_u32]);
    let form = prop_oneof![2 => Just(Form::Binary), 1 => Just(Form::Json)];
    let talk = (form, 1..80_usize, 1..9_usize, any::<[bool; 3]>(), any::<u8>());
    (sizes, talk).prop_map(|((common, ours, theirs), (form, page, window, flags, seed))| {
        let [push, scans, rotated] = flags;
        Setting { common, ours, theirs, form, page, window, push, scans, rotated, seed }
    })
}

impl Setting {
    fn sides(&self) -> (Side, Side) {
        let (common, ours) = (self.common, self.common + self.ours);
        let ours = Side::new(1, 0..ours);
        let theirs = Side::new(2, (0..common).chain(10_000..10_000 + self.theirs));
        if self.rotated {
            theirs.rotate(self.seed);
        }
        (ours, theirs)
    }

    fn script<'a>(
        &self,
        tamper: &'a mut dyn FnMut(RawResponse<Note>) -> Option<RawResponse<Note>>,
    ) -> Script<'a> {
        Script {
            form: self.form,
            page: self.page,
            window: self.window,
            push: self.push,
            secret: [self.seed; 32],
            scans: self.scans,
            tamper,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn a_session_brings_everything(setting in settings()) {
        let (ours, theirs) = setting.sides();
        let outcome = run(&ours, &theirs, &mut setting.script(&mut honest));
        prop_assert!(is_whole(&outcome), "{outcome:?}");
        prop_assert!(holds_all(&ours, &theirs));
        prop_assert_eq!(outcome.tally.unmatched + outcome.tally.invalid + outcome.tally.malformed, 0);
        if setting.form == Form::Binary {
            prop_assert_eq!(&outcome.ended, &Ended::Agreed);
        }
        if outcome.tally.pushed > 0 {
            prop_assert!(holds_all(&theirs, &ours));
            prop_assert_eq!(ours.book.summary(), theirs.book.summary());
        }
    }

    #[test]
    fn a_cut_stream_loses_nothing_and_the_next_session_ends_it(
        setting in settings(),
        cut in 0..12_usize,
    ) {
        let (ours, theirs) = setting.sides();
        let mut expected: BTreeSet<_> = ours.book.ids(&Prefix::default()).into_iter().collect();
        let mut seen = 0;
        let mut tamper = |response: RawResponse<Note>| {
            seen += 1;
            if seen > cut {
                return None;
            }
            expected.extend(response.orders.iter().map(|entry| entry.id));
            Some(response)
        };
        let outcome = run(&ours, &theirs, &mut setting.script(&mut tamper));
        if seen > cut {
            // What was cut may have been only what was being given.
            let given = outcome.ended == Ended::Agreed && outcome.tally.kept > 0;
            prop_assert!(given || outcome.ended == Ended::Broken(Break::Closed), "{outcome:?}");
        }
        let held = ours.book.ids(&Prefix::default()).into_iter().collect();
        prop_assert_eq!(expected, held, "what came is held when the session ends, and nothing else");
        let again = run(&ours, &theirs, &mut setting.script(&mut honest));
        prop_assert!(is_whole(&again), "{again:?}");
        prop_assert!(holds_all(&ours, &theirs));
    }

    #[test]
    fn forged_items_are_refused_and_the_rest_is_taken(setting in settings(), bad in 1..20_u32) {
        let (ours, theirs) = setting.sides();
        theirs.hold((0..bad).map(forged).collect());
        let outcome = run(&ours, &theirs, &mut setting.script(&mut honest));
        prop_assert!(is_whole(&outcome), "{outcome:?}");
        prop_assert!(outcome.tally.invalid >= u64::from(bad), "{outcome:?}");
        for number in 0..setting.theirs {
            prop_assert!(ours.book.contains(&meshwork_ordersync::Item::id(&note(10_000 + number))));
        }
    }

    #[test]
    fn a_provider_that_leaves_items_out_is_found_out(setting in settings(), which in 0..40_usize) {
        let setting = Setting { form: Form::Binary, theirs: setting.theirs.max(1), ..setting };
        let (ours, theirs) = setting.sides();
        let mut left = 0;
        let mut tamper = |mut response: RawResponse<Note>| {
            if which < response.orders.len() {
                response.orders.remove(which);
                left += 1;
            }
            Some(response)
        };
        let outcome = run(&ours, &theirs, &mut setting.script(&mut tamper));
        prop_assert!(
            outcome.ended != Ended::Agreed || holds_all(&ours, &theirs),
            "left out {left}, and {outcome:?}"
        );
    }
}

#[test]
fn every_cut_of_one_paged_session_is_resumed_where_it_broke() {
    for cut in 1..12 {
        let (ours, theirs) = (Side::new(1, []), Side::new(2, 0..50));
        let setting = Setting {
            common: 0,
            ours: 0,
            theirs: 50,
            form: Form::Json,
            page: 5,
            window: 1,
            push: false,
            scans: true,
            rotated: false,
            seed: 7,
        };
        let mut seen = 0;
        let mut tamper = |response| {
            seen += 1;
            (seen <= cut).then_some(response)
        };
        let outcome = run(&ours, &theirs, &mut setting.script(&mut tamper));
        let Some(rest) = outcome.rest.clone() else {
            assert!(cut == 1 || is_whole(&outcome), "cut at {cut}: {outcome:?}");
            continue;
        };
        let held = ours.book.len();
        let mut pass = honest;
        let mut script = setting.script(&mut pass);
        let limits = meshwork_ordersync::requester::Limits::default();
        let cx = ours.context(&script);
        let subprotocols = crate::pair::subprotocols(Form::Json);
        let core = meshwork_ordersync::Requester::resume(subprotocols, limits, cx, rest);
        let resumed = go_on(core, &ours, &theirs, &mut script);
        assert!(is_whole(&resumed), "cut at {cut}: {resumed:?}");
        assert_eq!(usize::try_from(resumed.tally.valid).unwrap(), 50 - held, "nothing came twice");
        assert_eq!(ours.book.len(), 50);
    }
}
