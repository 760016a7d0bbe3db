//! What the program tells of itself: metrics, logs.

mod logs;
mod metrics;
