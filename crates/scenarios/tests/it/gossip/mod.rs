//! Gossip in real swarms: behind the gate, with its worker, over TCP, which its book can dial.

mod garbler;
mod links;
mod villager;
