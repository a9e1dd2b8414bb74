//! On which loopback addresses the nodes of a test network live.

use std::net::{Ipv4Addr, TcpListener};

/// On which addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ground {
    /// Node *i* on 127.*i*.0.1: a network group of its own, so that the rules about subnets apply.
    Groups,
    /// All on 127.0.0.1, where the system has no other loopback address; the limits per subnet are
    /// lifted.
    Shared,
}

impl Ground {
    /// What this system has for the seed and `nodes` nodes.
    pub fn find(nodes: u8) -> Self {
        let bindable = |number| TcpListener::bind((Self::Groups.address(number), 0)).is_ok();
        if (0..=nodes).all(bindable) { Self::Groups } else { Self::Shared }
    }

    /// The address of node `number`; the seed is 0.
    pub fn address(self, number: u8) -> Ipv4Addr {
        match self {
            Self::Groups => Ipv4Addr::new(127, number, 0, 1),
            Self::Shared => Ipv4Addr::LOCALHOST,
        }
    }
}
