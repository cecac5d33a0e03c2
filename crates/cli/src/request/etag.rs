use super::{output, plan::Target};
use crate::{ExitCode, failure::Failure};
use afield_exchange::Head;
use std::path::Path;

/// What a file of `--etag-save` holds: the ETag, or an empty one where the file is empty.
pub(super) fn kept(file: &Path) -> Result<String, Failure> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            return Err(Failure::new(ExitCode::Read, format!("cannot read {}: {error}", file.display())));
        }
    };
    let line = text.lines().next().unwrap_or_default();
    Ok(if line.is_empty() { "\"\"".to_owned() } else { line.to_owned() })
}

/// Writes the ETag of an answer on a line.
pub(super) fn save(target: &Target, head: &Head) -> Result<(), Failure> {
    let mut line = head.header("etag").map(|field| field.value.to_vec()).unwrap_or_default();
    if !line.is_empty() {
        line.push(b'\n');
    }
    output::write_head(target, &line)
}
