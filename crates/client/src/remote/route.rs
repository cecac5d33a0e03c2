use http::{HeaderMap, HeaderName, HeaderValue, header::COOKIE};

/// The header field that is the same for every connection of a session, and another for each session: a load balancer that
/// hashes it leads them to one executor.
const AFFINITY: HeaderName = HeaderName::from_static("afield-affinity");

/// What leads the connections of one session to one executor where a load balancer stands in front of several.
#[derive(Debug)]
pub(crate) struct Route {
    affinity: String,
    /// The balancer's own, each as `name=value`. Shown on the way back alone: a new session goes where the balancer likes, and
    /// not to an executor that is about to stop.
    cookies: Vec<String>,
}

/// The most that is kept of a balancer's cookies, in bytes.
const MOST: usize = 8 * 1024;

impl Route {
    /// The route of a session that is about to begin.
    pub fn new() -> Self {
        let mut bytes = [0; 8];
        // Without randomness sessions share a route, which is no reason to fail.
        let _ = getrandom::fill(&mut bytes);
        Self { affinity: format!("{:016x}", u64::from_ne_bytes(bytes)), cookies: Vec::new() }
    }

    /// The header fields of an upgrade request.
    pub fn headers(&self, back: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::try_from(&self.affinity) {
            headers.insert(AFFINITY, value);
        }
        if back
            && !self.cookies.is_empty()
            && let Ok(mut value) = HeaderValue::try_from(self.cookies.join("; "))
        {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
        headers
    }

    /// Takes up the cookies of an upgrade: each replaces the one of its name.
    pub fn note(&mut self, cookies: Vec<String>) {
        for cookie in cookies {
            let name = name(&cookie);
            self.cookies.retain(|kept| self::name(kept) != name);
            let kept: usize = self.cookies.iter().map(String::len).sum();
            if kept + cookie.len() <= MOST {
                self.cookies.push(cookie);
            }
        }
    }
}

fn name(cookie: &str) -> String {
    cookie.split('=').next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a route keeps its key, shows a balancer's cookies on the way back alone, the latest of each name, and keeps
    /// a bounded amount of them.
    #[test]
    fn route_shows_cookies_on_the_way_back() {
        let mut route = Route::new();
        let key = route.headers(false)[AFFINITY].clone();
        route.note(vec!["SERVER=a".into(), "x=1".into()]);
        route.note(vec!["SERVER=b".into(), format!("big={}", "b".repeat(MOST))]);
        assert_eq!(route.headers(false).get(COOKIE), None);
        let back = route.headers(true);
        assert_eq!((&back[COOKIE], &back[AFFINITY]), (&HeaderValue::from_static("x=1; SERVER=b"), &key));
        assert_ne!(Route::new().headers(false)[AFFINITY], key);
    }
}
