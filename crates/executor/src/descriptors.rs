use afield_exchange::Limits;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors that neither connections nor requests get: the listener, files, names that are being resolved, connections
/// to origins that are being tried beside others. Where there are very few, a quarter.
const KEPT_BACK: usize = 64;

/// Raises the limit on open files to the most this process may have: every connection and every active request
/// needs one, and common defaults (1,024) are below our own limits. Returns it; `None` if there is none.
pub(crate) fn raise_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    let (current, most) = (limit.current, limit.maximum);
    if current == most {
        return most;
    }
    limit.current = most;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => {
            tracing::debug!(?current, ?most, "raised the limit on open files");
            most
        }
        Err(error) => {
            tracing::warn!(?current, %error, "could not raise the limit on open files");
            current
        }
    }
}

/// Lowers limits that there are too few descriptors for: then whoever has its share is refused, and nobody finds the last
/// one taken.
pub(crate) fn fit(limits: &mut Limits, most: Option<u64>) {
    let Some(most) = most else { return };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let available = most - KEPT_BACK.min(most / 4);
    let wanted = [limits.connections, limits.unauthenticated, limits.requests, limits.idle_connections];
    if wanted.iter().fold(0, |all: usize, one| all.saturating_add(*one)) <= available {
        return;
    }
    let fitting = |limit: usize, part: usize| limit.min(part).max(1);
    limits.unauthenticated = fitting(limits.unauthenticated, available / 8);
    limits.connections = fitting(limits.connections, available / 4);
    limits.idle_connections = fitting(limits.idle_connections, available / 8);
    let taken = limits.unauthenticated + limits.connections + limits.idle_connections;
    limits.requests = fitting(limits.requests, available.saturating_sub(taken));
    let Limits { connections, unauthenticated, requests, idle_connections, .. } = limits;
    tracing::warn!(
        open_files = most,
        connections,
        unauthenticated,
        requests,
        idle_connections,
        "limits are lower than they were set: this process may have too few files open (`ulimit -n`)"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that limits fit the descriptors there are, and stay as they are where there are enough.
    #[test]
    fn limits_fit_the_descriptors_there_are() {
        for (most, fits) in [
            (Some(1_048_576), [1024, 64, 16_384, 4096]),
            (None, [1024, 64, 16_384, 4096]),
            (Some(4096), [1008, 64, 2456, 504]),
            (Some(256), [48, 24, 96, 24]),
            (Some(48), [9, 4, 19, 4]),
            (Some(1), [1, 1, 1, 1]),
        ] {
            let mut limits = Limits::default();
            fit(&mut limits, most);
            let Limits { connections, unauthenticated, requests, idle_connections, .. } = limits;
            assert_eq!([connections, unauthenticated, requests, idle_connections], fits, "{most:?}");
        }
    }
}
