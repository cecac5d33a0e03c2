use std::net::IpAddr;

/// Returns the addresses that a hosts file (`hosts(5)`) has for `name`, in its order.
pub(super) fn find(file: &str, name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in file.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        // An address with a zone (`fe80::1%eth0`) does not parse, and is skipped: link-local.
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name)) && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that names and aliases are found, in any case, with all their addresses, and that comments are skipped.
    #[test]
    fn hosts_file_name_or_alias_is_found() {
        let file = "# 10.0.0.9 wiki\n10.0.0.1 wiki.corp.test Wiki # 10.0.0.8 other\n\nfd00::1\twiki\nnonsense wiki\n";
        let addresses = |name| find(file, name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(addresses("wiki"), ["10.0.0.1", "fd00::1"]);
        assert_eq!(addresses("wiki.corp.test"), ["10.0.0.1"]);
        assert_eq!(addresses("other"), [""; 0]);
    }
}
