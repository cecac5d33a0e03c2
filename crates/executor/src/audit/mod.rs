//! What an operator may want to know later: who came, what was asked, how it ended; and where that is written.

mod events;
mod file;
mod journal;
mod line;
mod log;
mod request;
mod time;

pub use events::{Audit, AuditEvent, Caller, NoAudit, TracingAudit};
pub use file::FileSink;
pub use log::AuditLog;
pub(crate) use request::Noted;
