/// Where a name that is not absolute is looked for (`resolv.conf(5)`): the directives `search`, `domain` and the option
/// `ndots`. The last `search` or `domain` counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SearchList {
    domains: Vec<String>,
    ndots: usize,
}

/// Domains that are tried at most. resolv.conf(5) no longer names a limit; six was the old one.
const MOST_DOMAINS: usize = 16;

/// The greatest value of `ndots`, as the system's resolver has it.
const MOST_NDOTS: usize = 15;

impl Default for SearchList {
    fn default() -> Self {
        Self { domains: Vec::new(), ndots: 1 }
    }
}

impl SearchList {
    /// Reads the text of a `resolv.conf`. `local_domain` and `options` are the environment's `LOCALDOMAIN` and
    /// `RES_OPTIONS`, which override it.
    pub(super) fn parse(text: &str, local_domain: Option<&str>, options: Option<&str>) -> Self {
        let mut list = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("search") => list.set_domains(words),
                Some("domain") => list.set_domains(words.take(1)),
                Some("options") => list.set_options(words),
                _ => {}
            }
        }
        if let Some(domains) = local_domain {
            list.set_domains(domains.split_ascii_whitespace());
        }
        if let Some(options) = options {
            list.set_options(options.split_ascii_whitespace());
        }
        list
    }

    fn set_domains<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        let domains = words.map(|word| word.trim_matches('.').to_ascii_lowercase());
        self.domains = domains.filter(|domain| !domain.is_empty()).take(MOST_DOMAINS).collect();
    }

    fn set_options<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        let ndots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse::<usize>().ok()).last();
        self.ndots = ndots.map_or(self.ndots, |ndots| ndots.min(MOST_NDOTS));
    }

    /// Returns the absolute names that `host` stands for, in the order in which they are asked.
    pub(super) fn candidates(&self, host: &str) -> Vec<String> {
        if host.ends_with('.') {
            return vec![host.to_owned()];
        }
        let absolute = format!("{host}.");
        let searched = self.domains.iter().map(|domain| format!("{host}.{domain}."));
        let searched = searched.filter(|name| name.len() <= 254);
        if host.bytes().filter(|byte| *byte == b'.').count() >= self.ndots {
            std::iter::once(absolute).chain(searched).collect()
        } else {
            searched.chain([absolute]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(text: &str, host: &str) -> Vec<String> {
        SearchList::parse(text, None, None).candidates(host)
    }

    /// Proves the order in which names are asked: as resolv.conf(5) has it, by the number of dots (case 133).
    #[test]
    fn search_list_orders_candidates_by_dots() {
        let text = "search corp.test sub.corp.test\nnameserver 10.0.0.1\n";
        assert_eq!(candidates(text, "admin"), ["admin.corp.test.", "admin.sub.corp.test.", "admin."]);
        assert_eq!(candidates(text, "a.b"), ["a.b.", "a.b.corp.test.", "a.b.sub.corp.test."]);
        assert_eq!(candidates(text, "admin."), ["admin."]);
        assert_eq!(candidates("", "admin"), ["admin."]);
        let cluster = "search ns.svc.cluster.local\noptions ndots:5 edns0\n";
        assert_eq!(candidates(cluster, "wiki.ns"), ["wiki.ns.ns.svc.cluster.local.", "wiki.ns."]);
    }

    /// Proves that the last directive counts, that comments do not, and that the environment overrides the file.
    #[test]
    fn search_list_last_directive_and_environment_win() {
        let text = "domain one.test extra.test\n# search two.test\nsearch three.test ; four.test\n";
        assert_eq!(candidates(text, "a"), ["a.three.test.", "a."]);
        assert_eq!(candidates("search three.test\ndomain one.test extra.test", "a"), ["a.one.test.", "a."]);
        let list = SearchList::parse(text, Some("env.test"), Some("debug ndots:2"));
        assert_eq!(list.candidates("a.b"), ["a.b.env.test.", "a.b."]);
        assert_eq!(SearchList::parse("options ndots:99", None, None).ndots, MOST_NDOTS);
    }
}
