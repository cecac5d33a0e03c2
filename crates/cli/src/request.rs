//! `afield request`: one HTTP request with curl's flags, from here or from an executor.

mod body;
mod client;
mod data;
mod exchange;
mod exit;
mod flags;
mod head_text;
mod headers;
mod output;
mod plan;
mod progress;
mod refused;
mod response;
mod run;
mod size;
mod source;
mod url;
mod verbose;
mod write_out;

pub(crate) use client::Client;
pub(crate) use exit::failure;
pub(crate) use flags::Flags;
pub(crate) use plan::Plan;
pub(crate) use refused::why_refused;
pub(crate) use run::run;
pub(crate) use size::Size;
