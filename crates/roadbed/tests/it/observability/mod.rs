//! What the program tells of itself: metrics, logs, slow statements, traces, and what its doctor finds.

mod doctor;
mod logs;
mod metrics;
mod slow;
mod traces;
