use ipnet::IpNet;
use std::net::IpAddr;

/// A list of networks, as `10.0.0.0/8`, and of addresses. IPv4 addresses that are written as IPv6 ones count as what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// A text that is neither a network nor an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a network, as 10.0.0.0/8, nor an address")]
pub struct NoNetwork(String);

impl Networks {
    /// Those that these texts name.
    ///
    /// # Errors
    ///
    /// The first that is neither a network nor an address.
    pub fn parse(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, NoNetwork> {
        let one = |text: &str| {
            let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| ip.to_canonical().into()));
            network.map_err(|_| NoNetwork(text.to_owned()))
        };
        texts.into_iter().map(|text| one(text.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether this address is in one of them.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that networks and addresses of both families are understood, in either writing, and nonsense is named.
    #[test]
    fn networks_hold_their_addresses() {
        let networks = Networks::parse(["10.0.0.0/8", "192.0.2.7", "fd00::/8", "::ffff:127.0.0.9"]).unwrap();
        for inside in ["10.255.0.1", "192.0.2.7", "::ffff:192.0.2.7", "fd12::1", "127.0.0.9"] {
            assert!(networks.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "fe80::1", "::a00:1"] {
            assert!(!networks.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(Networks::parse(["10.0.0.0/33"]).unwrap_err().to_string().contains("10.0.0.0/33"));
        assert!(Networks::default().is_empty());
    }
}
