//! What both pipelines are made of: stages, the hop to the pool, the runner, the sink.

mod pool;
mod runner;
mod sink;
mod stage;

pub use self::pool::{Hop, OnPool, OnPoolLayer};
pub use self::runner::ServicePipeline;
pub use self::sink::SinkMiddleware;
pub(crate) use self::stage::pass;
pub use self::stage::{Next, Passed, Stage, StageLayer};
