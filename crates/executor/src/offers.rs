use afield_egress::{Egress, Verdict};
use afield_protocol::wire::{ConfigLayer, ConfigLayers, ConfigPaths, EnvironmentConfig};
use futures_util::future::join_all;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// An MCP server that an operator offers to orchestrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedServer {
    /// Its name.
    pub name: String,
    /// Its URL, as seen from here.
    pub url: String,
    /// What orchestrators are told of it: a section `[mcp_servers.NAME]` in TOML, with no secret in it.
    pub toml: String,
    /// The environment variable whose secret its bearer token is, if it wants one.
    pub bearer_variable: Option<String>,
    /// What is attached to its requests: header fields, and the secrets' names.
    pub attached: Vec<(String, String)>,
}

/// The MCP servers that are offered now. Clones share them, so that others can be put in their place while an executor runs.
///
/// A principal is told of those that its requests may reach and whose secrets they may use.
#[derive(Clone, Debug, Default)]
pub struct Offers(Arc<Mutex<Arc<[OfferedServer]>>>);

/// How long a name may take to resolve before its server is told of without: the policy judges it again when it is used.
const PATIENCE: Duration = Duration::from_secs(2);

/// What orchestrators are told about where the layer comes from.
const SOURCE: &str = "afield";

impl Offers {
    /// Offers these.
    pub fn new(servers: impl IntoIterator<Item = OfferedServer>) -> Self {
        let offers = Self::default();
        offers.replace(servers);
        offers
    }

    /// Offers these from now on, and no others.
    pub fn replace(&self, servers: impl IntoIterator<Item = OfferedServer>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = servers.into_iter().collect();
    }

    /// What the principal of this egress is told that asks for these parts. `directory` is the one that the executor shows.
    pub(crate) async fn told(
        &self,
        egress: &Egress,
        paths: &ConfigPaths,
        directory: &str,
    ) -> EnvironmentConfig {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let asked = all.iter().filter(|server| paths.has_server(&server.name));
        let told =
            join_all(asked.map(|server| async move { server.is_usable(egress).await.then_some(server) }));
        let toml: Vec<&str> = told.await.into_iter().flatten().map(|server| server.toml.as_str()).collect();
        let layers = match toml.is_empty() {
            true => Vec::new(),
            false => vec![ConfigLayer {
                source: SOURCE.to_owned(),
                base_dir: directory.to_owned(),
                toml: toml.join("\n"),
            }],
        };
        EnvironmentConfig {
            codex_home_dir: directory.to_owned(),
            config: ConfigLayers { layers, cloud_insertion_index: 0 },
            requirements: ConfigLayers::default(),
        }
    }
}

impl OfferedServer {
    /// Whether the principal of this egress may reach it, with its secrets.
    async fn is_usable(&self, egress: &Egress) -> bool {
        if let Some(variable) = &self.bearer_variable
            && !egress.may_complete(variable, "authorization", &self.url)
        {
            return false;
        }
        let explained = match timeout(PATIENCE, egress.explain("POST", &self.url, true)).await {
            Ok(Ok(explained)) => explained,
            // It does not resolve, or not now: that is not the policy's word, and may pass.
            _ => match egress.explain("POST", &self.url, false).await {
                Ok(explained) => explained,
                Err(_) => return false,
            },
        };
        let is_attached = |(header, secret): &(String, String)| {
            let is = |(field, name): &(String, String)| field.eq_ignore_ascii_case(header) && name == secret;
            explained.attached.iter().any(is)
        };
        !matches!(explained.verdict, Verdict::Denied(_)) && self.attached.iter().all(is_attached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_egress::{Attachment, EgressConfig, Policy, Preset, Rule, Secret, SecretSource, Secrets};

    const DIRECTORY: &str = "file:///w";

    fn server(name: &str, url: &str) -> OfferedServer {
        OfferedServer {
            name: name.into(),
            url: url.into(),
            toml: format!("[mcp_servers.{name}]\nurl = \"{url}\"\n"),
            bearer_variable: None,
            attached: Vec::new(),
        }
    }

    fn secret(name: &str, variable: &str, header: &str) -> Secret {
        let source = SecretSource::Environment(variable.into());
        Secret::new(name, source, ["127.0.0.1"]).unwrap().headers([header]).unwrap().allow_plain_http()
    }

    async fn names(offers: &Offers, egress: &Egress, principal: &str) -> Vec<String> {
        let told = offers.told(&egress.for_principal(principal), &ConfigPaths::servers(), DIRECTORY).await;
        let text = told.config.layers.iter().map(|layer| layer.toml.as_str()).collect::<String>();
        let named = text.lines().filter_map(|line| line.strip_prefix("[mcp_servers.")?.strip_suffix(']'));
        named.map(str::to_owned).collect()
    }

    /// Proves that a principal is told of the servers that the policy lets it reach, by names, by addresses, and by the addresses
    /// that names lead to.
    #[tokio::test]
    async fn principal_is_told_of_servers_that_it_may_reach() {
        let denied = |rule: Rule, who: &str| rule.principals([who]).unwrap();
        let policy = Policy::new(
            Preset::Standard,
            [
                denied(Rule::deny().host("127.0.0.1").unwrap(), "ci"),
                denied(Rule::deny().network("127.0.0.0/8").unwrap(), "dev"),
                denied(Rule::deny().host("nowhere.invalid").unwrap(), "dev"),
            ],
        );
        let egress = Egress::new(EgressConfig { policy, ..EgressConfig::default() }).unwrap();
        let offers = Offers::new([
            server("literal", "http://127.0.0.1:9/mcp"),
            server("named", "http://localhost:9/mcp"),
            server("gone", "http://nowhere.invalid/mcp"),
        ]);
        assert_eq!(names(&offers, &egress, "ops").await, ["literal", "named", "gone"]);
        // What is said of an address holds for the names that lead there.
        assert_eq!(names(&offers, &egress, "ci").await, ["gone"]);
        assert_eq!(names(&offers, &egress, "dev").await, [""; 0]);
        offers.replace([server("other", "http://127.0.0.1:9/")]);
        assert_eq!(names(&offers, &egress, "ops").await, ["other"]);
    }

    /// Proves that a principal is not told of servers whose secrets its requests would not have.
    #[tokio::test]
    async fn principal_is_told_of_servers_whose_secrets_it_may_use() {
        let secrets = Secrets::new(
            [
                secret("token", "TOKEN_OF_DOCS", "authorization").principals(["ops", "ci"]),
                secret("key", "KEY_OF_DOCS", "x-key").principals(["ops"]),
            ],
            [Attachment::new("key", "x-key").unwrap()],
        );
        let secrets = secrets.unwrap();
        let egress = Egress::new(EgressConfig { secrets, ..EgressConfig::default() }).unwrap();
        let url = "http://127.0.0.1:9/mcp";
        let offers = Offers::new([
            OfferedServer { bearer_variable: Some("TOKEN_OF_DOCS".into()), ..server("bearer", url) },
            OfferedServer { attached: vec![("X-Key".into(), "key".into())], ..server("keyed", url) },
            OfferedServer { bearer_variable: Some("HOME".into()), ..server("wrong", url) },
        ]);
        assert_eq!(names(&offers, &egress, "ops").await, ["bearer", "keyed"]);
        assert_eq!(names(&offers, &egress, "ci").await, ["bearer"]);
        assert_eq!(names(&offers, &egress, "dev").await, [""; 0]);
    }

    /// Proves that nothing is told of what was not asked for, and that a layer without anything is none.
    #[tokio::test]
    async fn offers_are_told_as_far_as_they_are_asked_for() {
        let egress = Egress::new(EgressConfig::default()).unwrap();
        let offers = Offers::new([server("a", "http://127.0.0.1:9/"), server("b", "http://127.0.0.1:9/")]);
        let paths = |text: &str| ConfigPaths::decode(&format!(r#"{{"configPaths":{text}}}"#)).unwrap();
        let told = offers.told(&egress, &paths(r#"[["mcp_servers","b"]]"#), DIRECTORY).await;
        assert_eq!(told.config.layers.len(), 1);
        assert_eq!(told.config.layers[0].toml, "[mcp_servers.b]\nurl = \"http://127.0.0.1:9/\"\n");
        let told = offers.told(&egress, &paths(r#"[["features"]]"#), DIRECTORY).await;
        assert_eq!((told.config.layers.len(), told.codex_home_dir.as_str()), (0, DIRECTORY));
    }
}
