//! A child process that a test owns, and what the system knows about a process.
//!
//! ```no_run
//! # async fn test() -> std::io::Result<()> {
//! use afield_testkit::process::{Command, Process};
//!
//! let mut command = Command::new("afield");
//! command.args(["executor", "--listen", "127.0.0.1:0"]);
//! let mut process = Process::start(command)?;
//! let line = process.stderr().wait_line("listening on").await;
//! let before = process.usage().rss_bytes()?;
//! process.terminate();
//! assert!(process.wait_exit().await.success());
//! # Ok(()) }
//! ```

mod child;
mod output;
mod usage;

pub use child::Process;
pub use output::Output;
pub use tokio::process::Command;
pub use usage::Usage;
