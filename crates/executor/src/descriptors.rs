use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit on open files to the most this process may have: every connection and every active request
/// needs one, and common defaults (1,024) are below our own limits.
pub(crate) fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    let (current, most) = (limit.current, limit.maximum);
    if current == most {
        return;
    }
    limit.current = most;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => tracing::debug!(?current, ?most, "raised the limit on open files"),
        Err(error) => tracing::warn!(?current, %error, "could not raise the limit on open files"),
    }
}
