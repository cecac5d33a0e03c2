//! A resolver that answers from a script.

use crate::wait::{Watched, within};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Why a name has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// There is no such name.
    NotFound,
    /// The resolver failed.
    ServerFailure,
    /// The name exists and has no addresses.
    Empty,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no such name (scripted resolver at 10.9.8.7)",
            Self::ServerFailure => "server failure (scripted resolver at 10.9.8.7)",
            Self::Empty => "no addresses (scripted resolver at 10.9.8.7)",
        })
    }
}

impl std::error::Error for NameError {}

/// What the resolver says to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// These addresses, in this order.
    Addresses(Vec<IpAddr>),
    /// There are none.
    Error(NameError),
    /// Nothing, ever.
    Hang,
}

/// A table of names and of what each question about one is answered with. Clones share the table.
///
/// A name's answers are given one a call, in order; the last one is then repeated. A name that is not in the table is
/// [`NameError::NotFound`]. Names compare without regard to case and to one trailing dot.
///
/// ```
/// use afield_testkit::names::{NameError, Names};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let names = Names::new();
/// names.host("rebound.test", ["127.1.0.1"]); // first answer
/// names.host("rebound.test", ["127.66.0.1"]); // from the second call on
/// assert_eq!(names.resolve("Rebound.test.").await, Ok(vec!["127.1.0.1".parse().unwrap()]));
/// assert_eq!(names.resolve("rebound.test").await, Ok(vec!["127.66.0.1".parse().unwrap()]));
/// assert_eq!(names.resolve("other.test").await, Err(NameError::NotFound));
/// assert_eq!((names.calls("rebound.test"), names.total_calls()), (2, 3));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Names(Arc<Watched<Table>>);

#[derive(Debug, Default)]
struct Table {
    answers: HashMap<String, VecDeque<Said>>,
    asked: Vec<String>,
}

impl Names {
    /// An empty table.
    pub fn new() -> Self {
        Self(Arc::new(Watched::new(Table::default())))
    }

    /// Adds an answer for `host`.
    ///
    /// # Panics
    ///
    /// When one of `addresses` is not an IP address.
    pub fn host<'a>(&self, host: &str, addresses: impl IntoIterator<Item = &'a str>) {
        let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text:?} is not an IP address"));
        self.says(host, Said::Addresses(addresses.into_iter().map(parse).collect()));
    }

    /// Adds a failure for `host`.
    pub fn fails(&self, host: &str, error: NameError) {
        self.says(host, Said::Error(error));
    }

    /// Adds an answer for `host` that never comes.
    pub fn hangs(&self, host: &str) {
        self.says(host, Said::Hang);
    }

    /// Adds an answer of any kind for `host`.
    pub fn says(&self, host: &str, said: Said) {
        self.0.update(|table| table.answers.entry(key(host)).or_default().push_back(said));
    }

    /// Answers one question about `host`, as the script says.
    ///
    /// # Errors
    ///
    /// As scripted, and [`NameError::NotFound`] for a name that is not in the table.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        let said = self.0.update(|table| {
            let host = key(host);
            let said = table.answers.get_mut(&host).and_then(|answers| match answers.len() {
                0 | 1 => answers.front().cloned(),
                _ => answers.pop_front(),
            });
            table.asked.push(host);
            said.unwrap_or(Said::Error(NameError::NotFound))
        });
        match said {
            Said::Addresses(addresses) => Ok(addresses),
            Said::Error(error) => Err(error),
            Said::Hang => std::future::pending().await,
        }
    }

    /// How many questions about `host` were asked.
    pub fn calls(&self, host: &str) -> usize {
        let host = key(host);
        self.0.read(|table| table.asked.iter().filter(|asked| **asked == host).count())
    }

    /// How many questions were asked.
    pub fn total_calls(&self) -> usize {
        self.0.read(|table| table.asked.len())
    }

    /// Every name asked for, in order, in lower case and without a trailing dot.
    pub fn asked(&self) -> Vec<String> {
        self.0.read(|table| table.asked.clone())
    }

    /// Waits until `count` questions were asked.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_calls(&self, count: usize) -> impl Future<Output = ()> + '_ {
        let enough = move |table: &Table| (table.asked.len() >= count).then_some(());
        within(format!("{count} names are asked for"), self.0.until(enough))
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

fn key(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}
