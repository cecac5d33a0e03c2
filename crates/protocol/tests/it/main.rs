//! The session machines, driven by hand and against each other, in virtual time.

mod base_client;
mod base_pair;
mod base_server;
mod resumable_sim;
