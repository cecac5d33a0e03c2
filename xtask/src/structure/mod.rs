//! The structure that `CONTRIBUTING.md` describes, checked.

mod console;
mod crates;
mod files;

use crate::Result;

/// Checks every rule and reports every breach, not only the first.
pub fn check() -> Result {
    let mut breaches = crates::breaches()?;
    breaches.extend(files::breaches()?);
    breaches.extend(console::breaches()?);
    if breaches.is_empty() {
        return Ok(());
    }
    Err(breaches.join("\n"))
}
