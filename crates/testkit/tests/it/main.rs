//! The laws hold for the sample core, and fail for cores with a planted fault.

mod chatter;
mod histories;
mod mute;
mod planted;
mod sample;

use meshwork_testkit::chatter::Core;

use crate::sample::Sample;

mod sound {
    use super::*;

    meshwork_testkit::laws!(Sample<Core>, framed);
}
