//! Aggregation in a swarm.

/// Aggregation in a swarm: a question for each attempt.
pub type Behaviour = transport::question::Behaviour<super::Core>;
