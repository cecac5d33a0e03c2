//! What kind of place an address is: one table, for IPv4 and IPv6 alike.
//!
//! The standard library has no stable test for most of these ranges and judges IPv4-mapped addresses as IPv6, so
//! everything here goes by our own table (IANA special-purpose registries, RFC 6890 and its updates).

use crate::policy::canonical::is_name;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of place an address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Reachable on the public internet.
    Public,
    /// This machine: `127.0.0.0/8`, `::1`.
    Loopback,
    /// A private network: RFC 1918, and `fc00::/7`.
    Private,
    /// Carrier-grade NAT: `100.64.0.0/10`.
    Shared,
    /// `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// `0.0.0.0/8` and `::`. On Linux these reach loopback.
    Unspecified,
    /// A cloud's instance metadata or credential service.
    Metadata,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// An IPv6 address that embeds an IPv4 one and may be translated to it on the way: IPv4-compatible, SIIT, NAT64,
    /// 6to4, Teredo. (IPv4-mapped addresses are judged as the IPv4 address they are.)
    EmbeddedV4,
    /// Documentation, benchmarking, protocol assignments and everything else that is not for general use.
    Reserved,
}

impl AddressClass {
    /// The word for this class in rule names and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::LinkLocal => "link-local",
            Self::Unspecified => "unspecified",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::EmbeddedV4 => "embedded-ipv4",
            Self::Reserved => "reserved",
        }
    }
}

/// The address itself, or the IPv4 address that an IPv4-mapped IPv6 address (`::ffff:0:0/96`) is.
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The class of `address`, judged in its canonical form.
pub fn classify(address: IpAddr) -> AddressClass {
    match canonical(address) {
        IpAddr::V4(v4) => {
            let found = V4.iter().find(|(net, _)| net.contains(&v4));
            found.map_or(AddressClass::Public, |(_, class)| *class)
        }
        IpAddr::V6(v6) => {
            let found = V6.iter().find(|(net, _)| net.contains(&v6));
            // Whatever the table leaves open outside the global unicast range is not assigned.
            let rest =
                if GLOBAL_UNICAST.contains(&v6) { AddressClass::Public } else { AddressClass::Reserved };
            found.map_or(rest, |(_, class)| *class)
        }
    }
}

/// Whether `host` is the name of a cloud's metadata service.
pub(crate) fn is_metadata_name(host: &str) -> bool {
    ["metadata.google.internal", "metadata.goog"].iter().any(|name| is_name(host, name))
}

/// `network` with an IPv4-mapped prefix turned into the IPv4 one, so that rules and addresses meet in one form.
pub(crate) fn canonical_net(network: IpNet) -> IpNet {
    if let IpNet::V6(v6) = network.trunc()
        && v6.prefix_len() >= 96
        && let Some(v4) = v6.addr().to_ipv4_mapped()
    {
        return IpNet::V4(Ipv4Net::new_assert(v4, v6.prefix_len() - 96));
    }
    network.trunc()
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

// In both tables the first match wins: the narrower ranges stand first.

const V4: &[(Ipv4Net, AddressClass)] = &[
    (v4(169, 254, 169, 254, 32), AddressClass::Metadata), // AWS, GCP, Azure, OCI and most others
    (v4(169, 254, 170, 2, 32), AddressClass::Metadata),   // AWS ECS task credentials
    (v4(169, 254, 170, 23, 32), AddressClass::Metadata),  // AWS EKS pod identity
    (v4(169, 254, 0, 23, 32), AddressClass::Metadata),    // Tencent
    (v4(100, 100, 100, 200, 32), AddressClass::Metadata), // Alibaba
    (v4(168, 63, 129, 16, 32), AddressClass::Metadata),   // Azure WireServer
    (v4(192, 0, 0, 192, 32), AddressClass::Metadata),     // OCI classic
    (v4(10, 0, 0, 0, 8), AddressClass::Private),
    (v4(127, 0, 0, 0, 8), AddressClass::Loopback),
    (v4(192, 168, 0, 0, 16), AddressClass::Private),
    (v4(172, 16, 0, 0, 12), AddressClass::Private),
    (v4(100, 64, 0, 0, 10), AddressClass::Shared),
    (v4(169, 254, 0, 0, 16), AddressClass::LinkLocal),
    (v4(0, 0, 0, 0, 8), AddressClass::Unspecified),
    (v4(192, 0, 0, 0, 24), AddressClass::Reserved),
    (v4(192, 0, 2, 0, 24), AddressClass::Reserved),
    (v4(192, 88, 99, 0, 24), AddressClass::Reserved),
    (v4(198, 18, 0, 0, 15), AddressClass::Reserved),
    (v4(198, 51, 100, 0, 24), AddressClass::Reserved),
    (v4(203, 0, 113, 0, 24), AddressClass::Reserved),
    (v4(224, 0, 0, 0, 4), AddressClass::Multicast),
    (v4(255, 255, 255, 255, 32), AddressClass::Broadcast),
    (v4(240, 0, 0, 0, 4), AddressClass::Reserved),
];

const V6: &[(Ipv6Net, AddressClass)] = &[
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), AddressClass::Metadata), // AWS
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128), AddressClass::Metadata),  // AWS EKS pod identity
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), AddressClass::Metadata),  // GCP
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), AddressClass::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), AddressClass::Loopback),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), AddressClass::EmbeddedV4), // IPv4-compatible
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), AddressClass::EmbeddedV4), // SIIT
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), AddressClass::EmbeddedV4), // NAT64
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), AddressClass::EmbeddedV4), // NAT64, local use
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), AddressClass::EmbeddedV4), // Teredo
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), AddressClass::EmbeddedV4), // 6to4
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), AddressClass::Reserved), // protocol assignments
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), AddressClass::Reserved),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), AddressClass::Reserved),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), AddressClass::Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::LinkLocal),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), AddressClass::Multicast),
];
