//! `afield request`: one HTTP request with curl's flags, from here or from an executor.

mod arguments;
mod body;
mod client;
mod config_file;
mod curl_flags;
mod data;
mod etag;
mod exchange;
mod exit;
mod file_plan;
mod flags;
mod form;
mod glob;
mod head_text;
mod headers;
mod hops;
mod output;
mod plan;
mod progress;
mod protocols;
mod response;
mod retries;
mod run;
mod size;
mod source;
mod url;
mod verbose;
mod write_out;

pub(crate) use arguments::groups;
pub(crate) use client::Client;
pub(crate) use exit::failure;
pub(crate) use flags::Flags;
pub(crate) use plan::Plan;
pub(crate) use run::run;
pub(crate) use size::Size;
