//! Tests over real swarms and real sockets.
