//! What is vetted, against two implementations that share nothing with ours: Node's URL parser (WHATWG) and Python's
//! `ipaddress`. Every way in which they may differ stands in a table, with its reason; anything else is a failure, and so
//! is an entry that explains nothing.

use crate::support::{World, decide};
use afield_egress::{Explanation, Policy, Preset, Resolve, Resolving, Rule, Verdict};
use afield_testkit::tools::Unavailable;
use afield_testkit::{Rng, Seed, require_or_skip};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// URLs, and addresses, that are compared.
const COMPARED: usize = 20_000;

/// Runs a script of another language over `input` and returns what it prints.
fn ask(program: &str, script: &str, flag: &str, input: &Value) -> Result<Value, Unavailable> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input.to_string()).unwrap();
    let output = Command::new(program).arg(flag).arg(script).arg(file.path()).output();
    let output = output.map_err(|error| Unavailable::new(format!("{program}: {error}")))?;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

const NODE: &str = r"
const urls = JSON.parse(require('fs').readFileSync(process.argv[1], 'utf8'));
const ports = { 'http:': 80, 'https:': 443 };
console.log(JSON.stringify(urls.map((text) => {
  try {
    const url = new URL(text);
    const port = url.port === '' ? ports[url.protocol] : Number(url.port);
    return { scheme: url.protocol.slice(0, -1), host: url.hostname.replace(/^\[|\]$/g, ''), port };
  } catch { return null; }
})));
";

const PYTHON: &str = r"
import ipaddress, json, sys
def networks(*texts): return [ipaddress.ip_network(text) for text in texts]
PRIVATE = networks('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7')
def judge(text):
    address = ipaddress.ip_address(text)
    address = getattr(address, 'ipv4_mapped', None) or address
    public = address.is_global and not address.is_multicast
    private = any(address.version == network.version and address in network for network in PRIVATE)
    return {'public-only': public, 'standard': public or private or address.is_loopback}
print(json.dumps([judge(text) for text in json.load(open(sys.argv[1]))]))
";

/// Where an address is judged otherwise than by Python, and why. What decides is ours: denied.
const STRICTER: &[(&str, &str)] = &[
    ("168.63.129.16/32", "a cloud's metadata service behind a public address"),
    ("100.100.100.200/32", "a cloud's metadata service within the shared range"),
    ("fd00:ec2::/64", "a cloud's metadata service within the private range"),
    ("fd20:ce::254/128", "a cloud's metadata service within the private range"),
    ("192.0.0.0/24", "protocol assignments: some of them count as global there"),
    ("192.88.99.0/24", "anycast relays of 6to4, deprecated by RFC 7526"),
    ("64:ff9b::/96", "NAT64: leads to the IPv4 address within"),
    ("2002::/16", "6to4: leads to the IPv4 address within"),
    ("::/96", "IPv4-compatible: leads to the IPv4 address within"),
    ("::ffff:0:0:0/96", "SIIT: leads to the IPv4 address within"),
    ("2001::/23", "protocol assignments: some of them count as global there"),
    ("3fff::/20", "documentation by RFC 9637, later than most releases"),
    ("fec0::/10", "site-local, deprecated by RFC 3879, still routed by some"),
    ("::/3", "not assigned for global unicast"),
    ("4000::/2", "not assigned for global unicast"),
    ("8000::/1", "not assigned for global unicast"),
];

/// Proves that addresses are judged as Python's `ipaddress` judges them, but for a table of networks where ours is the stricter.
#[test]
fn addresses_are_judged_as_python_judges_them() {
    let seed = Seed::from_env();
    let addresses = addresses(&mut seed.rng());
    let input = json!(addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>());
    let theirs = require_or_skip!(ask("python3", PYTHON, "-c", &input));
    let mut used = BTreeSet::new();
    for (address, theirs) in addresses.iter().zip(theirs.as_array().unwrap()) {
        for preset in [Preset::PublicOnly, Preset::Standard] {
            let ours = decide(&Policy::preset(preset), &address.to_string(), 80).allowed;
            let theirs = theirs[preset.as_str()].as_bool().unwrap();
            if ours == theirs {
                continue;
            }
            assert!(!ours, "{address} is allowed by {preset}, and denied by Python");
            let entry = STRICTER.iter().find(|(network, _)| is_in(*address, network));
            let (network, _) =
                entry.unwrap_or_else(|| panic!("{address} is denied by {preset}, unexplained"));
            used.insert(*network);
        }
    }
    // What later releases of Python know as well explains nothing there.
    let settled =
        ["192.0.0.0/24", "3fff::/20", "2001::/23", "fec0::/10", "64:ff9b::/96", "192.88.99.0/24", "::/96"];
    let idle = STRICTER.iter().map(|(network, _)| *network).filter(|network| !used.contains(network));
    let idle: Vec<_> = idle.filter(|network| !settled.contains(network)).collect();
    assert!(idle.is_empty(), "these explain nothing: {idle:?}");
}

fn is_in(address: IpAddr, network: &str) -> bool {
    let (base, length) = network.split_once('/').unwrap();
    let length: u32 = length.parse().unwrap();
    match (address, base.parse().unwrap()) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            (u32::from(address) ^ u32::from(base)).leading_zeros() >= length
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            (u128::from(address) ^ u128::from(base)).leading_zeros() >= length
        }
        _ => false,
    }
}

/// The edges of every network that somebody treats in its own way, one address beyond them, and many at random.
fn addresses(rng: &mut Rng) -> Vec<IpAddr> {
    const V4: &[&str] = &[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
        "168.63.129.16/32",
        "169.254.169.254/32",
        "100.100.100.200/32",
        "192.0.0.8/29",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.175.48.0/24",
    ];
    const V6: &[&str] = &[
        "::/128",
        "::1/128",
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2000::/3",
        "2001::/23",
        "2001::/32",
        "2001:20::/28",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "4000::/2",
        "5f00::/16",
        "8000::/1",
        "fc00::/7",
        "fd00:ec2::254/128",
        "fd00:ec2::23/128",
        "fd20:ce::254/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "2620:4f:8000::/48",
    ];
    let mut found: Vec<IpAddr> = Vec::new();
    for network in V4 {
        let (base, length) = network.split_once('/').unwrap();
        let base = u32::from(base.parse::<Ipv4Addr>().unwrap());
        for address in around(base.into(), length.parse().unwrap(), 32, rng) {
            let address = Ipv4Addr::from(address as u32);
            found.extend([address.into(), IpAddr::from(address.to_ipv6_mapped())]);
        }
    }
    for network in V6 {
        let (base, length) = network.split_once('/').unwrap();
        let base = u128::from(base.parse::<Ipv6Addr>().unwrap());
        found.extend(
            around(base, length.parse().unwrap(), 128, rng)
                .map(|address| IpAddr::from(Ipv6Addr::from(address))),
        );
    }
    while found.len() < COMPARED {
        found.push(Ipv4Addr::from(rng.next_u64() as u32).into());
    }
    found
}

/// The edges of a network of addresses with so many bits, one address within and one beyond, and a hundred inside.
fn around(base: u128, length: u32, bits: u32, rng: &mut Rng) -> impl Iterator<Item = u128> {
    let all = u128::MAX >> (128 - bits);
    let inside = all.checked_shr(length).unwrap_or(0);
    let last = base | inside;
    let near =
        [base.wrapping_sub(1), base, base.wrapping_add(1), last.wrapping_sub(1), last, last.wrapping_add(1)];
    let random = (0..100).map(|_| u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()));
    let random: Vec<u128> = random.map(|random| base | (random & inside)).collect();
    near.into_iter().chain(random).map(move |address| address & all)
}

/// What is refused of what Node accepts, by a word of the refusal and its reason.
const REFUSED: &[(&str, &str)] = &[
    ("control character", "Node strips tabs, line ends and outer controls: another parser may not"),
    ("leading or trailing space", "Node strips them: another parser may not"),
    ("`://` is missing", "Node takes `http:host` and `http:/host` for `http://host`"),
    ("backslash before the path", "Node takes a backslash for a slash"),
    ("empty host", "Node skips further slashes: `http:///host` is `http://host` to it"),
    ("empty label in the host name", "a name no resolver can look up (RFC 1035)"),
    ("label longer than 63 bytes", "a name no resolver can look up (RFC 1035)"),
    ("host name longer than 253 bytes", "a name no resolver can look up (RFC 1035)"),
    ("invalid character in the host name", "Node allows more than letters, digits, `-` and `_` in a name"),
    ("invalid port number", "Node takes port 0"),
    (
        "invalid international domain name",
        "older releases of Node let `xn--fa-` pass, which decodes to `fa` (UTS 46, 4.1)",
    ),
];

/// Proves that wherever a URL is accepted here its host and port are what Node reads in it, and that what is refused here but
/// not there is refused for a reason in the table.
#[test]
fn urls_are_read_as_node_reads_them() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let urls: Vec<String> = (0..COMPARED).map(|_| url(&mut rng)).collect();
    let theirs = require_or_skip!(ask("node", NODE, "-e", &json!(urls)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let world = World::new().sealed();
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut same, mut both_refuse) = (0, 0);
    for (url, theirs) in urls.iter().zip(theirs.as_array().unwrap()) {
        match (runtime.block_on(world.egress.explain("GET", url, false)), theirs) {
            (Ok(ours), Value::Object(theirs)) => {
                let Explanation { scheme, host, port, .. } = ours;
                let ours = json!({ "scheme": scheme.as_str(), "host": host, "port": port });
                assert_eq!(&ours, &Value::Object(theirs.clone()), "{url:?}");
                same += 1;
            }
            (Ok(ours), _) => panic!("{url:?} leads to {} here and is refused by Node", ours.host),
            (Err(_), Value::Null) => both_refuse += 1,
            (Err(error), _) => {
                let entry = REFUSED.iter().find(|(word, _)| error.message().contains(word));
                let (word, _) = entry.unwrap_or_else(|| panic!("{url:?}: {} unexplained", error.message()));
                *used.entry(word).or_default() += 1;
            }
        }
    }
    // A newer Node refuses it too.
    used.entry("invalid international domain name").or_default();
    let idle: Vec<_> = REFUSED.iter().filter(|(word, _)| !used.contains_key(word)).collect();
    println!("same {same}, refused by both {both_refuse}, refused here {used:?}");
    assert!(idle.is_empty(), "these explain nothing: {idle:?}");
    assert!(
        same > COMPARED / 4 && both_refuse > COMPARED / 100,
        "same {same}, refused by both {both_refuse}"
    );
    assert_eq!((world.dials(), world.names.total_calls()), (0, 0));
}

const NODE_METHODS: &str = r"
const methods = JSON.parse(require('fs').readFileSync(process.argv[1], 'utf8'));
console.log(JSON.stringify(methods.map((method) => {
  try { return new Request('http://host/', { method }).method; } catch { return null; }
})));
";

/// Proves that a `Host` of the caller's own is judged as the host and port that Node reads in it, wherever it is accepted.
#[test]
fn case_158_hosts_are_read_as_node_reads_them() {
    let mut rng = Seed::from_env().rng();
    let hosts: Vec<String> = (0..COMPARED / 4).map(|_| own_host(&mut rng)).collect();
    let urls: Vec<String> = hosts.iter().map(|host| format!("http://{host}/")).collect();
    let theirs = require_or_skip!(ask("node", NODE, "-e", &json!(urls)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let world = World::new().sealed();
    let (mut same, mut refused) = (0, 0);
    for (host, theirs) in hosts.iter().zip(theirs.as_array().unwrap()) {
        let said = world.egress.explain_with_host("GET", "http://url.test/", Some(host), false);
        let Ok(said) = runtime.block_on(said) else {
            refused += 1;
            continue;
        };
        let (ours, _) = said.host_field.unwrap_or_else(|| panic!("{host:?} is not the URL's"));
        let (name, port) = match ours.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port.parse().unwrap()),
            _ => (ours.as_str(), 80),
        };
        let name = name.trim_matches(['[', ']']);
        assert_eq!(theirs, &json!({ "scheme": "http", "host": name, "port": port }), "{host:?}");
        same += 1;
    }
    println!("same {same}, refused {refused}");
    assert!(same > hosts.len() / 8 && refused > hosts.len() / 100, "same {same}, refused {refused}");
    assert_eq!((world.dials(), world.names.total_calls()), (0, 0));
}

/// A value of `Host` in which something may be odd.
fn own_host(rng: &mut Rng) -> String {
    let host = host(rng);
    let port =
        if rng.one_in(3) { *rng.pick(&[":80", ":8080", ":0", ":", ":x", ":65536", ":00080"]) } else { "" };
    match rng.range(0..24) {
        0 => format!("user@{host}{port}"),
        1 => format!("{host}{port}/"),
        2 => format!(" {host}{port}"),
        _ => format!("{host}{port}"),
    }
}

/// Proves that whatever Node sends as a method, a rule that denies that method denies what Node was told too.
#[test]
fn case_158_methods_are_judged_as_node_sends_them() {
    let mut rng = Seed::from_env().rng();
    const KNOWN: &[&str] = &[
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "QUERY", "PROPFIND", "TRACE", "CONNECT",
        "X-y!",
    ];
    let methods: Vec<String> = (0..1000)
        .map(|_| {
            let known = *rng.pick(KNOWN);
            let method: String =
                known.chars().map(|c| if rng.one_in(2) { c.to_ascii_lowercase() } else { c }).collect();
            if rng.one_in(10) { format!("{method} ") } else { method }
        })
        .collect();
    let theirs = require_or_skip!(ask("node", NODE_METHODS, "-e", &json!(methods)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let mut denied = 0;
    for (method, theirs) in methods.iter().zip(theirs.as_array().unwrap()) {
        let Some(sent) = theirs.as_str() else { continue };
        let deny = Rule::deny().host("url.test").unwrap().methods([sent]).unwrap();
        let world = World::under(Policy::new(Preset::Standard, [deny])).sealed();
        match runtime.block_on(world.egress.explain(method, "http://url.test/", false)) {
            Ok(said) => assert!(matches!(said.verdict, Verdict::Denied(_)), "{method:?} is sent as {sent:?}"),
            Err(error) => panic!("{method:?} is sent as {sent:?}, and refused here: {error}"),
        }
        denied += 1;
    }
    assert!(denied > 100, "{denied}");
}

/// Proves that the name which is judged is the name that the resolver is asked for, so that no search domain can make another
/// of it.
#[test]
fn case_158_the_name_that_is_judged_is_the_name_that_is_asked() {
    let mut rng = Seed::from_env().rng();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Recording(Arc::clone(&asked));
    let world = World::with(|config| config.resolver = Arc::new(record)).sealed();
    let mut judged = 0;
    for _ in 0..COMPARED / 20 {
        let url = format!("http://{}/", name(&mut rng));
        let said = runtime.block_on(world.egress.explain("GET", &url, true));
        let asked: Vec<String> = asked.lock().unwrap().drain(..).collect();
        match said {
            Ok(said) if !asked.is_empty() => {
                let bare = |name: &str| name.strip_suffix('.').unwrap_or(name).to_owned();
                assert_eq!(
                    asked.iter().map(|name| bare(name)).collect::<Vec<_>>(),
                    [bare(&said.host)],
                    "{url}"
                );
                judged += 1;
            }
            Ok(said) => assert!(said.host.contains("localhost"), "{url}: {said:?}"),
            Err(_) => assert!(asked.is_empty(), "{url}: {asked:?}"),
        }
    }
    assert!(judged > 50, "{judged}");
}

/// Answers every name with one address, and remembers it.
struct Recording(Arc<Mutex<Vec<String>>>);

impl Resolve for Recording {
    fn resolve<'a>(&'a self, host: &'a str, _: Option<&'a str>) -> Resolving<'a> {
        self.0.lock().unwrap().push(host.to_owned());
        Box::pin(async { Ok(vec![Ipv4Addr::new(192, 0, 2, 1).into()]) })
    }
}

/// A URL in which something may be odd.
fn url(rng: &mut Rng) -> String {
    let scheme = *rng.pick(&["http", "https", "HTTP", "hTTps"]);
    let slashes = match rng.range(0..40) {
        0 => ":",
        1 => ":/",
        2 => ":///",
        3 => ":\\\\",
        _ => "://",
    };
    let userinfo = match rng.range(0..8) {
        0 => *rng.pick(&[
            "user@",
            "user:pass@",
            "127.0.0.1@",
            "a@b@",
            "%40@",
            ":@",
            "127.0.0.1:80@",
            "a\\@",
            "#@",
            "?@",
        ]),
        _ => "",
    };
    let host = host(rng);
    let port = match rng.range(0..6) {
        0 => *rng.pick(&[
            ":80",
            ":443",
            ":0",
            ":65535",
            ":65536",
            ":080",
            ":",
            ":8080",
            ":00000000080",
            ":-1",
            ":8 0",
            ":x",
        ]),
        _ => "",
    };
    let path = *rng.pick(&[
        "", "/", "/path", "?q", "#f", "/a\\b", "/../..", "/@other", "?@other", "#@other", "\\@other", "/a b",
    ]);
    let mut url = format!("{scheme}{slashes}{userinfo}{host}{port}{path}");
    if rng.one_in(12) {
        let odd = *rng.pick(&[
            "\t", "\n", "\r", "\0", " ", "\u{ad}", "\u{200b}", "\u{feff}", "\u{7f}", "\u{85}", "\\", "@",
            "%00", "%2e",
        ]);
        let at = rng.range(0..url.chars().count() as u64 + 1) as usize;
        let at = url.char_indices().nth(at).map_or(url.len(), |(at, _)| at);
        url.insert_str(at, odd);
    }
    match rng.range(0..200) {
        0 => format!(" {url}"),
        1 => format!("{url} "),
        _ => url,
    }
}

fn host(rng: &mut Rng) -> String {
    match rng.range(0..10) {
        0..=4 => ipv4(rng),
        5..=6 => ipv6(rng),
        _ => name(rng),
    }
}

/// An IPv4 address in one of its many spellings, or nearly.
fn ipv4(rng: &mut Rng) -> String {
    const PLACES: &[u32] = &[
        0x7f00_0001,
        0xa9fe_a9fe,
        0x0a00_0001,
        0xc0a8_0001,
        0,
        0xffff_ffff,
        0x6464_64c8,
        0xa83f_8110,
        0x0808_0808,
    ];
    let address = if rng.one_in(3) { rng.next_u64() as u32 } else { *rng.pick(PLACES) };
    let [a, b, c, d] = address.to_be_bytes().map(u32::from);
    let parts: Vec<u32> = match rng.range(0..4) {
        0 => vec![address],
        1 => vec![a, address & 0x00ff_ffff],
        2 => vec![a, b, address & 0xffff],
        _ => vec![a, b, c, d],
    };
    let spelled: Vec<String> = parts
        .iter()
        .map(|part| match rng.range(0..8) {
            0 => format!("0x{part:x}"),
            1 => format!("0X{part:X}"),
            2 => format!("0{part:o}"),
            3 => format!("0x{part:010x}"),
            4 => format!("000{part:o}"),
            _ => part.to_string(),
        })
        .collect();
    let dot = *rng.pick(&[".", ".", ".", ".", "\u{3002}", "\u{ff0e}", "\u{ff61}", "%2e"]);
    let text = spelled.join(dot);
    let text: String = match rng.range(0..12) {
        0 => text.chars().map(|c| if c.is_ascii_digit() { wide(c) } else { c }).collect(),
        1 => text.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        2 => text.chars().map(|c| if c.is_ascii_digit() && c != '0' { circled(c) } else { c }).collect(),
        _ => text,
    };
    let end = match rng.range(0..12) {
        0 => ".",
        1 => *rng.pick(&["..", ".0", "x", ".256", ".09", ":", "%"]),
        _ => "",
    };
    format!("{text}{end}")
}

fn wide(digit: char) -> char {
    char::from_u32(digit as u32 - '0' as u32 + 0xff10).unwrap()
}

fn circled(digit: char) -> char {
    char::from_u32(digit as u32 - '1' as u32 + 0x2460).unwrap()
}

/// An IPv6 address in one of its spellings, or nearly.
fn ipv6(rng: &mut Rng) -> String {
    const PREFIXES: &[u128] = &[
        0,
        1,
        0xffff_7f00_0001,
        0xffff_a9fe_a9fe,
        0x7f00_0001,
        0xffff_0000_7f00_0001,
        0x64_ff9b << 96,
        0x2002 << 112,
        0x2001 << 112,
        0xfe80 << 112,
        0xfd00 << 112,
        0xff02 << 112,
        0x2606_4700 << 96,
    ];
    let mut bits = *rng.pick(PREFIXES);
    if rng.one_in(2) {
        bits |= u128::from(rng.next_u64() & 0xffff_ffff);
    }
    let address = Ipv6Addr::from(bits);
    let quad = Ipv4Addr::from(bits as u32);
    let segments = address.segments();
    let text = match rng.range(0..6) {
        0 => segments.map(|segment| format!("{segment:x}")).join(":"),
        1 => segments.map(|segment| format!("{segment:04X}")).join(":"),
        2 => {
            format!("{}:{quad}", segments[..6].iter().map(|s| format!("{s:x}")).collect::<Vec<_>>().join(":"))
        }
        3 => format!("::ffff:{quad}"),
        _ => address.to_string(),
    };
    match rng.range(0..16) {
        0 => format!("[{text}%25eth0]"),
        1 => format!("[{text}]."),
        2 => format!("[{text}"),
        3 => format!("[:{text}]"),
        4 => text,
        _ => format!("[{text}]"),
    }
}

/// A name, with something odd in it at times.
fn name(rng: &mut Rng) -> String {
    const LABELS: &[&str] = &[
        "example",
        "EXAMPLE",
        "localhost",
        "a",
        "x-y",
        "a_b",
        "xn--fa-hia",
        "xn--",
        "xn--a",
        "xn--fa-",
        "fa\u{df}",
        "\u{fc}ber",
        "\u{430}pple",
        "\u{24db}ocalhost",
        "\u{4f8b}\u{3048}",
        "-a",
        "a-",
        "1",
        "0x7f",
        "a!b",
        "a$b",
        "a b",
        "a%20b",
        "\u{ad}soft",
        "",
        "caf\u{65}\u{301}",
        "\u{130}",
        "\u{1f600}",
        "*",
        "a'b",
        "a,b",
        "a~b",
        "a<b",
    ];
    let count = rng.range(1..5);
    let mut labels: Vec<String> = (0..count).map(|_| (*rng.pick(LABELS)).to_owned()).collect();
    match rng.range(0..30) {
        0 => labels.push("a".repeat(64)),
        1 => labels.extend((0..60).map(|_| "abcd".to_owned())),
        _ => {}
    }
    labels.push((*rng.pick(&["test", "com", "invalid", "localhost", "1x"])).to_owned());
    let end = if rng.one_in(8) { "." } else { "" };
    format!("{}{end}", labels.join("."))
}
