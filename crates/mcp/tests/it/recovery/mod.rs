//! Servers, executors and connections that go away in the middle of things; what was executed is counted at the server.

mod batches;
mod compressed;
mod forgetting;
mod managing;
mod relaying;
mod scripted;
mod strange;
