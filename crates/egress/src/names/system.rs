use super::hosts;
use super::lookups::Lookups;
use super::resolve::{Resolve, Resolving};
use super::search::SearchList;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Resolves names as the system does: the hosts file, then `getaddrinfo` with whatever `nsswitch.conf` names.
///
/// The search list of `resolv.conf` is applied here, so that every name that is asked is absolute and was judged by the
/// policy under that very name.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    lookups: Lookups,
    files: Arc<Files>,
}

#[derive(Debug)]
struct Files {
    hosts: PathBuf,
    resolv_conf: PathBuf,
    search: Mutex<Option<(Instant, SearchList)>>,
}

/// Threads that lookups may block, for all principals together.
const LOOKUPS: usize = 256;

/// How long the search list is used before its file is read again.
const SEARCH_LIST_AGE: Duration = Duration::from_secs(5);

/// The largest hosts file that is read.
const LARGEST: usize = 4 * 1024 * 1024;

impl Default for SystemResolver {
    fn default() -> Self {
        Self::with_files("/etc/hosts", "/etc/resolv.conf")
    }
}

impl SystemResolver {
    /// A resolver that reads these files in place of `/etc/hosts` and `/etc/resolv.conf`. `getaddrinfo` goes on reading the
    /// system's own.
    pub fn with_files(hosts: impl Into<PathBuf>, resolv_conf: impl Into<PathBuf>) -> Self {
        let files = Files { hosts: hosts.into(), resolv_conf: resolv_conf.into(), search: Mutex::default() };
        Self { lookups: Lookups::new(LOOKUPS), files: Arc::new(files) }
    }
}

impl Files {
    fn search_list(&self) -> SearchList {
        let mut cached = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read, list)) = &*cached
            && read.elapsed() < SEARCH_LIST_AGE
        {
            return list.clone();
        }
        let text = read(&self.resolv_conf);
        let variable = |name| std::env::var(name).ok();
        let (domain, options) = (variable("LOCALDOMAIN"), variable("RES_OPTIONS"));
        let list = SearchList::parse(&text, domain.as_deref(), options.as_deref());
        *cached = Some((Instant::now(), list.clone()));
        list
    }

    fn in_hosts(&self, name: &str) -> Vec<IpAddr> {
        hosts::find(&read(&self.hosts), name)
    }
}

/// The text of a small file; of one that cannot be read, none.
fn read(path: &std::path::Path) -> String {
    let mut bytes = Vec::new();
    match crate::watched::read(path, LARGEST, &mut bytes) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

impl Resolve for SystemResolver {
    fn candidates(&self, host: &str) -> Vec<String> {
        // A name that the hosts file has is asked as it is: the file is looked at before any search.
        let bare = host.strip_suffix('.').unwrap_or(host);
        if !self.files.in_hosts(bare).is_empty() {
            return vec![format!("{bare}.")];
        }
        self.files.search_list().candidates(host)
    }

    fn resolve<'a>(&'a self, name: &'a str, principal: Option<&'a str>) -> Resolving<'a> {
        Box::pin(async move {
            let permit = self.lookups.acquire(principal).await;
            let (name, files) = (name.to_owned(), Arc::clone(&self.files));
            let lookup = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                // `getaddrinfo` finds no absolute name in the hosts file.
                let found = files.in_hosts(name.strip_suffix('.').unwrap_or(&name));
                if !found.is_empty() {
                    return Ok(found);
                }
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}
