//! The configuration from outside: what files mean, what is said of wrong ones, and what edits leave as it was.

#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod documented;
mod editing;
mod errors;
mod exporting;
mod foreign;
mod meaning;
mod offered;
mod serving;
mod support;
