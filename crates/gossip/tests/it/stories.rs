//! Stories of neighbourhoods: how they come to be, change and end.

mod exchange;
mod heartbeat;
mod maintenance;
mod modes;
mod outage;
mod reasons;
mod restart;
mod swap;
mod trusted;

use std::time::Duration;

use meshwork_gossip::Config;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// Links are what the test makes them: nobody is dialled, asked, felt or exchanged.
pub(crate) fn still() -> Config {
    Config {
        min: 0,
        expected: 0,
        max: 60,
        swap_period: Duration::ZERO,
        anchors: 0,
        ping_period: HOUR,
        ask_period: Duration::from_hours(24),
        ..Config::fast()
    }
}
