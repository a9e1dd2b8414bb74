//! What the operator may set, and the proof that it was checked.

use serde::{Deserialize, Serialize};

/// Most connections that may be configured. A connection takes about 50 KiB at rest.
pub const ESTABLISHED_MAX: u32 = 65_536;

/// Most connections to one peer that may be configured.
pub const PER_PEER_MAX: u32 = 64;

/// Most connection attempts at a time that may be configured, in each direction.
pub const PENDING_MAX: u32 = 4_096;

/// How many connections the node holds. All limits are on; none can be switched off.
///
/// These are the ceiling of the transport. The number of *peers* is decided above it, in the
/// handshake, and stays below: a remote that is one too many can then still be told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Established connections that remotes opened. 0 to three quarters of `established_max`:
    /// remotes that fill every slot open to them leave a quarter to the node's own choice.
    pub established_inbound_max: u32,
    /// Established connections that this node opened. 0 to `established_max`.
    pub established_outbound_max: u32,
    /// Established connections, both ways. 1 to [`ESTABLISHED_MAX`].
    pub established_max: u32,
    /// Established connections with one peer, both ways. 1 to [`PER_PEER_MAX`]. At 1 two nodes
    /// that dial each other at the same time may each refuse the other's connection.
    pub per_peer_max: u32,
    /// Established connections with one IPv4 address or one IPv6 /56, both ways. 1 to
    /// [`ESTABLISHED_MAX`].
    pub per_subnet_max: u32,
    /// Connections from remotes that are still being secured. 1 to [`PENDING_MAX`].
    pub pending_inbound_max: u32,
    /// Dials under way. 1 to [`PENDING_MAX`].
    pub pending_outbound_max: u32,
    /// Connections from one IPv4 address or one IPv6 /56 that are still being secured. 1 to
    /// [`PENDING_MAX`].
    pub pending_per_subnet_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            established_inbound_max: 96,
            established_outbound_max: 32,
            established_max: 128,
            per_peer_max: 4,
            per_subnet_max: 8,
            pending_inbound_max: 64,
            pending_outbound_max: 32,
            pending_per_subnet_max: 8,
        }
    }
}

impl Config {
    /// Checks every value.
    ///
    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn check(self) -> Result<Params, ConfigError> {
        let within = |name, given: u32, min: u32, max: u32| {
            if (min..=max).contains(&given) {
                Ok(())
            } else {
                Err(ConfigError { name, given, min, max })
            }
        };
        let total = self.established_max;
        within("established_max", total, 1, ESTABLISHED_MAX)?;
        // A quarter is rounded up, so that the node's own share is never rounded away.
        let inbound = total - total.div_ceil(4);
        within("established_inbound_max", self.established_inbound_max, 0, inbound)?;
        within("established_outbound_max", self.established_outbound_max, 0, total)?;
        within("per_peer_max", self.per_peer_max, 1, PER_PEER_MAX)?;
        within("per_subnet_max", self.per_subnet_max, 1, ESTABLISHED_MAX)?;
        within("pending_inbound_max", self.pending_inbound_max, 1, PENDING_MAX)?;
        within("pending_outbound_max", self.pending_outbound_max, 1, PENDING_MAX)?;
        within("pending_per_subnet_max", self.pending_per_subnet_max, 1, PENDING_MAX)?;
        Ok(Params(self))
    }
}

/// A limit outside its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {given}, must be {min} to {max}")]
pub struct ConfigError {
    /// The field of [`Config`].
    pub name: &'static str,
    /// What was given.
    pub given: u32,
    /// The least allowed, with the other values as given.
    pub min: u32,
    /// The most allowed, with the other values as given.
    pub max: u32,
}

/// Checked limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params(Config);

impl Params {
    /// The values, as they are in force.
    pub const fn config(&self) -> &Config {
        &self.0
    }
}

impl Default for Params {
    fn default() -> Self {
        Config::default().check().expect("the defaults are within their bounds")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_out_of_bounds_is_named_with_its_bounds() {
        let good = Config::default();
        let table = [
            (Config { established_max: 0, ..good }, "established_max is 0, must be 1 to 65536"),
            (
                Config { established_inbound_max: 97, ..good },
                "established_inbound_max is 97, must be 0 to 96",
            ),
            (
                Config { established_max: 5, established_inbound_max: 4, ..good },
                "established_inbound_max is 4, must be 0 to 3",
            ),
            (
                Config { established_outbound_max: 129, ..good },
                "established_outbound_max is 129, must be 0 to 128",
            ),
            (Config { per_peer_max: 65, ..good }, "per_peer_max is 65, must be 1 to 64"),
            (Config { per_subnet_max: 0, ..good }, "per_subnet_max is 0, must be 1 to 65536"),
            (
                Config { pending_inbound_max: 0, ..good },
                "pending_inbound_max is 0, must be 1 to 4096",
            ),
            (
                Config { pending_outbound_max: 4_097, ..good },
                "pending_outbound_max is 4097, must be 1 to 4096",
            ),
            (
                Config { pending_per_subnet_max: 0, ..good },
                "pending_per_subnet_max is 0, must be 1 to 4096",
            ),
        ];
        for (config, expected) in table {
            assert_eq!(config.check().unwrap_err().to_string(), expected);
        }
        assert_eq!(Params::default().config(), &good);
    }
}
