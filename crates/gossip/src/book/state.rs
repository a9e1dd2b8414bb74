//! What is being done about an entry, and what may follow.

use std::time::Duration;

use machine::Instant;

/// What is being done about an entry.
///
/// | | dial | probe | reached | failed | put off | released | connected | lost | deadline |
/// |---|---|---|---|---|---|---|---|---|---|
/// | `Free` | `Dialling` | `Probing` | – | | `CoolingDown` | | `Connected` | | |
/// | `Dialling` | | | – | `CoolingDown` | `CoolingDown` | `Free` | `Connected` | | `Free` |
/// | `Probing` | | | `Free` | `CoolingDown` | `CoolingDown` | `Free` | `Connected` | | `Free` |
/// | `CoolingDown` | `Dialling` | | `Free` | | `CoolingDown` | | `Connected` | | `Free` |
/// | `Connected` | | | – | | | | – | `CoolingDown` | |
///
/// A dash leaves the state as it is, an empty field means that the report comes too late or out
/// of place and changes nothing. `CoolingDown` can be dialled by name, as an operator or another
/// protocol may wish; it is never picked, and no report makes it shorter. Only `Connected` has no deadline: it ends with the
/// connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Nothing: it may be dialled or probed.
    Free,
    /// A dial is under way.
    Dialling {
        /// Since when.
        since: Instant,
    },
    /// A dial that only asks whether the peer is there.
    Probing {
        /// Since when.
        since: Instant,
    },
    /// There is a connection.
    Connected {
        /// Whether one of them was dialled by this node.
        dialled: bool,
    },
    /// It is left alone after a failure, a refusal or a loss.
    CoolingDown {
        /// Until when.
        until: Instant,
    },
}

/// What happens to an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Dial,
    Probe,
    Reached,
    Failed { until: Instant },
    PutOff { until: Instant },
    Released,
    Connected { dialled: bool },
    Lost { until: Instant },
}

impl State {
    /// What follows when `step` happens at `now`; `None` when it cannot happen.
    pub(super) fn after(self, step: Step, now: Instant) -> Option<Self> {
        match (self, step) {
            (Self::Free | Self::CoolingDown { .. }, Step::Dial) => {
                Some(Self::Dialling { since: now })
            }
            (Self::Free, Step::Probe) => Some(Self::Probing { since: now }),
            (Self::Probing { .. } | Self::CoolingDown { .. }, Step::Reached) => Some(Self::Free),
            (Self::Free | Self::Dialling { .. } | Self::Connected { .. }, Step::Reached) => {
                Some(self)
            }
            (Self::Dialling { .. } | Self::Probing { .. }, Step::Released) => Some(Self::Free),
            (Self::CoolingDown { until: before }, Step::PutOff { until }) => {
                Some(Self::CoolingDown { until: until.max(before) })
            }
            (Self::Dialling { .. } | Self::Probing { .. }, Step::Failed { until })
            | (Self::Free | Self::Dialling { .. } | Self::Probing { .. }, Step::PutOff { until })
            | (Self::Connected { .. }, Step::Lost { until }) => Some(Self::CoolingDown { until }),
            (Self::Connected { dialled: before }, Step::Connected { dialled }) => {
                Some(Self::Connected { dialled: before || dialled })
            }
            (_, Step::Connected { dialled }) => Some(Self::Connected { dialled }),
            (
                _,
                Step::Dial
                | Step::Probe
                | Step::Released
                | Step::Failed { .. }
                | Step::PutOff { .. }
                | Step::Lost { .. },
            ) => None,
        }
    }

    /// When it becomes [`State::Free`] by itself, if attempts last at most `attempt_max`.
    pub(super) fn deadline(self, attempt_max: Duration) -> Option<Instant> {
        match self {
            Self::Free | Self::Connected { .. } => None,
            Self::Dialling { since } | Self::Probing { since } => Some(since.after(attempt_max)),
            Self::CoolingDown { until } => Some(until),
        }
    }

    /// Whether somebody holds on to the entry: it is not thrown out meanwhile.
    pub(super) fn is_busy(self) -> bool {
        match self {
            Self::Dialling { .. } | Self::Probing { .. } | Self::Connected { .. } => true,
            Self::Free | Self::CoolingDown { .. } => false,
        }
    }
}
