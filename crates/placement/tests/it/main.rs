//! Places as a configuration names them, against real executors and origins.

#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod case_114;
mod reach;
mod support;
