//! The command as it is run: the real binary, against real sockets, and next to the real curl.

mod case_117;
mod demo;
mod failures;
mod output;
mod parity;
mod secrets;
mod serve;
mod support;
