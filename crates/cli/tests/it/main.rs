//! The command as it is run: the real binary, against real sockets, and next to the real curl.

#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod abuse;
mod access;
mod browser;
mod canary;
mod case_117;
mod chaos;
mod configuration;
mod crowd;
mod curl_files;
mod curl_flags;
mod demo;
mod dialects;
mod early_refusals;
mod edges;
mod failures;
mod faults;
mod gateway;
mod log_spans;
mod login;
mod mcp;
mod offered;
mod operator;
mod output;
mod own_host;
mod parity;
mod protocol_check;
mod real_proxies;
mod real_ssh;
mod redirected_bodies;
mod restarts;
mod same_name;
mod secrets;
mod serve;
mod shares;
mod stdio;
mod support;
mod terminal;
mod way_back;
