//! The application judges before anything is passed on.

use std::cell::RefCell;
use std::rc::Rc;

use machine::Verdict;
use meshwork_topics::{Config, Fault, Judgement};
use simnet::{Setup, Weather};

use crate::crowd::{Crowd, MILLI, SECOND};

fn crowd(
    nodes: usize,
    judge: impl FnMut(usize, &bytes::Bytes) -> Option<Judgement> + 'static,
) -> Crowd {
    let weather = Weather { delay_min: 2 * MILLI, delay_max: 10 * MILLI, ..Weather::default() };
    let setup = Setup { weather, ..Setup::default() };
    let mut crowd = Crowd::in_setup(1, nodes, &Config::default(), setup, true);
    crowd.judge = Some(Rc::new(RefCell::new(judge)));
    crowd
}

fn is_bad(payload: &bytes::Bytes) -> bool {
    payload.starts_with(b"0/3/")
}

#[test]
fn what_is_accepted_is_passed_on() {
    let mut crowd = crowd(6, |_, _| Some(Judgement::Accept));
    crowd.mesh(1, 1);
    crowd.run(SECOND);
    crowd.publish(0, 500, 1000);
    crowd.finish(60 * SECOND);
    crowd.assert_whole();
}

#[test]
fn what_is_ignored_goes_no_further_and_holds_up_nothing() {
    let judge =
        |_, payload: &_| Some(if is_bad(payload) { Judgement::Ignore } else { Judgement::Accept });
    let mut crowd = crowd(4, judge);
    for node in 0..3 {
        crowd.join(node, node + 1);
    }
    crowd.run(SECOND);
    crowd.publish(0, 10, 100);
    crowd.run(10 * SECOND);
    assert_eq!(crowd.heard(1, 0).len(), 10);
    assert_eq!(crowd.heard(2, 0).len(), 9);
    assert_eq!(crowd.heard(3, 0).len(), 9);
    assert!(!crowd.heard(3, 0).iter().any(is_bad));
    assert_eq!(crowd.net.reports().count(), 0);
}

/// Each of two neighbours ignores something of the same batch: what one withholds is asked of the
/// other one.
#[test]
fn what_one_neighbour_withholds_comes_from_another() {
    let judge = |node, payload: &bytes::Bytes| {
        let bad = match node {
            1 => is_bad(payload),
            2 => payload.starts_with(b"0/5/"),
            _ => false,
        };
        Some(if bad { Judgement::Ignore } else { Judgement::Accept })
    };
    let mut crowd = crowd(4, judge);
    for (a, b) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
        crowd.join(a, b);
    }
    crowd.run(SECOND);
    crowd.publish(0, 10, 100);
    crowd.finish(20 * SECOND);
    crowd.assert_whole();
}

#[test]
fn what_is_not_judged_in_time_is_ignored() {
    let mut crowd = crowd(3, |_, payload| (!is_bad(payload)).then_some(Judgement::Accept));
    crowd.join(0, 1);
    crowd.join(1, 2);
    crowd.run(SECOND);
    crowd.publish(0, 10, 100);
    crowd.run(10 * SECOND);
    assert_eq!((crowd.heard(1, 0).len(), crowd.heard(2, 0).len()), (10, 9));
}

/// Blame goes to the author where it is a neighbour; who passes on is only noted.
#[test]
fn a_rejection_blames_the_author_alone() {
    let judge = |node, payload: &_| {
        Some(if node != 1 && is_bad(payload) { Judgement::Reject } else { Judgement::Accept })
    };
    let mut crowd = crowd(4, judge);
    for (a, b) in [(0, 1), (1, 2), (0, 3)] {
        crowd.join(a, b);
    }
    crowd.run(SECOND);
    crowd.publish(0, 10, 100);
    crowd.run(10 * SECOND);
    let mut reports: Vec<_> =
        crowd.net.reports().map(|report| (report.verdict, report.fault)).collect();
    reports.sort_by_key(|(verdict, _)| *verdict);
    assert_eq!(
        reports,
        [(Verdict::Note, Fault::PassedOnRejected), (Verdict::Charge(10), Fault::Rejected)]
    );
}
