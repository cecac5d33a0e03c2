//! Plays an orchestrator against an executor and says which sections of `docs/protocol.md` it keeps.
//!
//! [`check`] opens connections of its own, brings an origin of its own ([`Options::origin`]), and runs every check whether
//! or not another failed. An executor that speaks base alone is judged by base; what it does not offer is no breach.
//!
//! ```no_run
//! # async fn run() -> Result<(), afield_kit::KitError> {
//! let options = afield_kit::Options::new("ws://127.0.0.1:7411");
//! let report = afield_kit::check(&options).await?;
//! print!("{}", report.text());
//! assert!(report.is_kept());
//! # Ok(()) }
//! ```

mod checks;
mod context;
mod frames;
mod origin;
mod report;
mod upgrade;
mod wire;

pub use context::{Options, OriginOptions};
pub use report::{Finding, Report, Section, Verdict};

use context::Context;

/// Why an executor could not be tried at all.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// No session could be begun: there is nothing to judge. Says what happened and what to look at.
    #[error("no session with the executor: {0}")]
    Unreachable(String),
    /// The kit's origin cannot listen there.
    #[error("the origin cannot listen on {address}: {source}")]
    Origin {
        /// Where it was to listen.
        address: std::net::SocketAddr,
        /// Why it cannot.
        #[source]
        source: std::io::Error,
    },
}

/// Tries an executor against every section, or those that [`Options::sections`] names. Takes some seconds,
/// [`Options::longest_wait`] at least where something takes as long, and some more for each breach, since a breach may be an
/// answer that never comes.
///
/// Cancel safe: dropping the future closes every connection and the origin.
///
/// # Errors
///
/// When the executor cannot be reached or the origin cannot listen. A breach is no error but a [`Verdict::Failed`].
pub async fn check(options: &Options) -> Result<Report, KitError> {
    let context = Context::open(options).await?;
    let is_wanted = |section| options.sections.is_empty() || options.sections.contains(&section);
    let one_by_one = async {
        let mut findings = Vec::new();
        for check in checks::all() {
            if is_wanted(check.section) {
                findings.push(check.run(&context).await);
            }
        }
        findings
    };
    let slow = checks::slow().iter().filter(|check| is_wanted(check.section));
    let slow = futures_util::future::join_all(slow.map(|check| check.run(&context)));
    let (mut findings, waited) = tokio::join!(one_by_one, slow);
    findings.extend(waited);
    findings.sort_by_key(|finding| finding.section);
    Ok(Report { findings })
}
