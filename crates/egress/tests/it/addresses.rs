//! Section A, the addresses: what each preset says about each of them, at the edges of every range.

use crate::support::{decide, public_only};
use afield_egress::{AddressClass, Policy, Preset, Rule, classify};

fn class(address: &str) -> AddressClass {
    classify(address.parse().unwrap_or_else(|_| panic!("{address} is no address")))
}

/// What `standard` and `public-only` say.
fn allowed(address: &str) -> (bool, bool) {
    let standard = decide(&Policy::default(), address, 80);
    let public = decide(&Policy::preset(Preset::PublicOnly), address, 80);
    (standard.allowed, public.allowed)
}

fn check(addresses: &[&str], expected: (bool, bool)) {
    for address in addresses {
        assert_eq!(allowed(address), expected, "{address} is {:?}", class(address));
    }
}

const EVERYWHERE: (bool, bool) = (true, true);
const STANDARD_ONLY: (bool, bool) = (true, false);
const NOWHERE: (bool, bool) = (false, false);

/// Proves that loopback is allowed under `standard`, denied under `public-only`, and opened there by a rule.
#[test]
fn case_001_loopback_depends_on_the_preset() {
    check(&["127.0.0.1", "127.255.255.254", "127.0.0.0", "::1"], STANDARD_ONLY);
    check(&["126.255.255.255", "128.0.0.0"], EVERYWHERE);
    let rule = Rule::allow().host("127.0.0.1").unwrap().port(8080).unwrap();
    let policy = Policy::new(Preset::PublicOnly, [rule]);
    assert!(decide(&policy, "127.0.0.1", 8080).allowed);
    assert!(!decide(&policy, "127.0.0.1", 8081).allowed);
    assert!(!decide(&policy, "127.0.0.2", 8080).allowed);
}

/// Proves that the unspecified addresses, which reach loopback, are denied whatever the rules say.
#[test]
fn case_002_unspecified_addresses_are_always_denied() {
    check(&["0.0.0.0", "0.0.0.1", "0.255.255.255", "::", "::ffff:0.0.0.0"], NOWHERE);
    check(&["1.0.0.0"], EVERYWHERE);
    let everything =
        Policy::new(Preset::Standard, [Rule::allow().network("0.0.0.0/0").unwrap(), Rule::allow()]);
    assert!(!decide(&everything, "0.0.0.0", 80).allowed);
    assert!(!decide(&everything, "::", 80).allowed);
}

/// Proves that IPv4-mapped addresses are judged as the IPv4 address they are.
#[test]
fn case_008_mapped_addresses_are_judged_as_ipv4() {
    check(&["::ffff:127.0.0.1", "::ffff:10.0.0.1"], STANDARD_ONLY);
    check(&["::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::ffff:224.0.0.1"], NOWHERE);
    check(&["::ffff:1.1.1.1"], EVERYWHERE);
    assert!(
        decide(&public_only(), "::ffff:127.1.0.1", 80).allowed,
        "a rule's network is compared in one form"
    );
    let mapped = Policy::new(Preset::PublicOnly, [Rule::allow().network("::ffff:127.1.0.0/112").unwrap()]);
    assert!(decide(&mapped, "127.1.0.1", 80).allowed);
}

/// Proves that forms which embed an IPv4 address and may be translated to it are denied, public or not.
#[test]
fn case_009_010_embedded_ipv4_forms_are_denied_whole() {
    let forms = [
        "::127.0.0.1",
        "::1.1.1.1",
        "::ffff:0:127.0.0.1",
        "::ffff:0:1.1.1.1",
        "64:ff9b::7f00:1",
        "64:ff9b::101:101",
        "64:ff9b:1::a00:1",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        "2002:7f00:1::",
        "2002:101:101::1",
        "2001:0:1::1",
        "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
    ];
    check(&forms, NOWHERE);
    for form in forms {
        assert_eq!(class(form), AddressClass::EmbeddedV4, "{form}");
    }
    check(&["2001:200::1", "2003::1"], EVERYWHERE);
}

/// Proves that every special IPv4 range is classified exactly at its edges.
#[test]
fn case_011_ipv4_ranges_end_where_they_end() {
    check(&["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255"], STANDARD_ONLY);
    check(&["192.168.0.0", "192.168.255.255", "100.64.0.0", "100.127.255.255"], STANDARD_ONLY);
    let reserved = [
        ("192.0.0.0", "192.0.0.255"),
        ("192.0.2.0", "192.0.2.255"),
        ("192.88.99.0", "192.88.99.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"),
        ("224.0.0.0", "239.255.255.255"),
        ("240.0.0.0", "255.255.255.254"),
        ("255.255.255.255", "255.255.255.255"),
        ("169.254.0.0", "169.254.255.255"),
    ];
    for (first, last) in reserved {
        check(&[first, last], NOWHERE);
    }
    let neighbours = [
        "9.255.255.255",
        "11.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "100.63.255.254",
        "100.63.255.255",
        "100.128.0.0",
        "100.128.0.1",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.1.255",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "169.253.255.255",
        "169.255.0.0",
    ];
    check(&neighbours, EVERYWHERE);
}

/// Proves that every special IPv6 range is classified exactly at its edges.
#[test]
fn case_012_ipv6_ranges_end_where_they_end() {
    check(&["fc00::", "fd00::1", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"], STANDARD_ONLY);
    let denied = [
        "fe80::1",
        "febf:ffff::1",
        "fec0::1",
        "feff::1",
        "ff00::",
        "ff02::1",
        "2001:db8::",
        "2001:db8:ffff::1",
        "3fff::",
        "3fff:fff::1",
        "100::",
        "100::ffff:ffff:ffff:ffff",
        "5f00::",
        "5f00:ffff::1",
        "fbff::1",
        "fe00::1",
        "4000::1",
        "1::1",
        "2001:2::1",
        "2001:1ff:ffff::1",
    ];
    check(&denied, NOWHERE);
    check(
        &[
            "2000::1",
            "2001:200::",
            "2001:db7::1",
            "2001:db9::1",
            "2606:4700::1111",
            "3ffe::1",
            "3fff:1000::1",
        ],
        EVERYWHERE,
    );
}

/// Proves that cloud metadata is denied even where private addresses are allowed by rule, unless a rule names exactly the
/// address and the port.
#[test]
fn case_013_metadata_is_opened_by_address_and_port_alone() {
    let metadata = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "fd20:ce::254"];
    check(&metadata, NOWHERE);
    for address in metadata {
        let rules = |rule: Rule| Policy::new(Preset::Standard, [rule]);
        let network = match address.contains(':') {
            true => format!("{address}/64"),
            false => format!("{address}/24"),
        };
        let too_wide = [
            rules(Rule::allow()),
            rules(Rule::allow().network(address).unwrap()),
            rules(Rule::allow().network(&network).unwrap().port(80).unwrap()),
            rules(Rule::allow().network(address).unwrap().ports(80..=81).unwrap()),
            rules(Rule::allow().network(address).unwrap().port(81).unwrap()),
        ];
        for policy in too_wide {
            assert!(!decide(&policy, address, 80).allowed, "{address} under {policy:?}");
        }
        let exact = rules(Rule::allow().network(address).unwrap().port(80).unwrap());
        assert!(decide(&exact, address, 80).allowed, "{address}");
        let denied = Policy::new(
            Preset::Standard,
            [Rule::allow().network(address).unwrap().port(80).unwrap(), Rule::deny().port(80).unwrap()],
        );
        assert!(!decide(&denied, address, 80).allowed, "deny wins for {address}");
    }
}

/// Proves that a rule by name opens private places but never link-local, multicast or reserved ones, which a rule must name
/// by network.
#[test]
fn rules_by_name_open_only_ordinary_places() {
    use afield_egress::{Destination, Scheme};
    let policy = Policy::new(Preset::AllowList, [Rule::allow().host("*.corp.test").unwrap()]);
    let at = |address: &str| {
        let destination =
            Destination { scheme: Scheme::Https, host: "a.corp.test", port: 443, method: "GET" };
        policy.decide(&destination, address.parse().unwrap())
    };
    for address in ["10.0.0.1", "127.0.0.1", "100.64.0.1", "1.1.1.1", "fd00::1"] {
        assert!(at(address).allowed, "{address}");
    }
    for address in
        ["169.254.1.1", "224.0.0.1", "240.0.0.1", "192.0.2.1", "fe80::1", "2002::1", "169.254.169.254"]
    {
        assert!(!at(address).allowed, "{address}");
    }
    let named = Policy::new(Preset::AllowList, [Rule::allow().network("64:ff9b::/96").unwrap()]);
    assert!(decide(&named, "64:ff9b::101:101", 443).allowed, "a network behind NAT64 can be opened");
}
