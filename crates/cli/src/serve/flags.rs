use super::{access::AccessFlags, audit::AuditFlags};
use crate::config_flags::ConfigFlags;
use clap::Args;
use std::path::PathBuf;

/// Everything `afield serve` understands, as typed.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Flags {
    /// Where orchestrators connect: `ws://ADDRESS:PORT`, `wss://ADDRESS:PORT` with --tls-certificate (port 0 picks one; the
    /// URL is printed to standard output), `unix:PATH`, or `stdio`: one orchestrator, over standard input and output. An
    /// address that other machines can reach needs authentication and TLS. Default: ws://127.0.0.1:7411, or wss:// with
    /// --tls-certificate.
    #[arg(long, env = "AFIELD_LISTEN", value_name = "URL|stdio")]
    pub listen: Option<String>,

    /// Seconds that active requests get to finish once the executor is told to stop. Default: 10.
    #[arg(long, env = "AFIELD_GRACE", value_name = "SECONDS")]
    pub grace: Option<u64>,

    /// A name by which orchestrators may reach this executor, besides IP addresses and `localhost`.
    #[arg(long, env = "AFIELD_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allow_host: Vec<String>,

    /// Certificate authorities to trust, instead of the platform's, when origins are reached (PEM). The variable
    /// `AFIELD_CA_CERTIFICATE` does the same.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Set a limit, for example `windowBytes=4M` or `headMs=60000`. Bytes may end in K, M or G.
    #[arg(long, env = "AFIELD_LIMIT", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub limit: Vec<String>,

    /// Where requests may go, unless rules of the configuration say otherwise: `standard` (default), `public-only`, or
    /// `allow-list`.
    #[arg(long, env = "AFIELD_POLICY", value_name = "PRESET")]
    pub policy: Option<String>,

    /// Answer /livez and /readyz here, for load balancers and monitors that have neither certificate nor token: an address
    /// and port of loopback (port 0 picks one, which the log tells), or `unix:PATH`.
    #[arg(long, env = "AFIELD_ADMIN", value_name = "ADDRESS:PORT|unix:PATH")]
    pub admin: Option<String>,

    #[command(flatten)]
    pub audit: AuditFlags,

    #[command(flatten)]
    pub config: ConfigFlags,

    #[command(flatten)]
    pub access: AccessFlags,
}

const AFTER_HELP: &str = "\
SIGTERM or Ctrl-C drains: /readyz answers 503, active requests may finish within the grace, the exit code is 0.
A second one ends at once. SIGHUP reads the configuration, tokens, keys and certificates again; so does a change of their files. What is logged is set with --log (AFIELD_LOG), and how it looks with --log-format (AFIELD_LOG_FORMAT).";

#[cfg(test)]
mod tests {
    use super::*;
    use afield_config::{Config, TABLES, Variables};
    use clap::{Command, FromArgMatches};
    use std::path::Path;

    /// Where each flag stands in the file.
    const KEYS: &[(&str, &str)] = &[
        ("listen", "serve.listen"),
        ("grace", "serve.grace"),
        ("admin", "serve.admin"),
        ("allow-host", "serve.allowed_hosts"),
        ("ca", "serve.ca"),
        ("policy", "policy.preset"),
        ("audit", "audit.sink"),
        ("audit-path", "audit.path"),
        ("audit-rotate-bytes", "audit.rotate_bytes"),
        ("audit-keep", "audit.keep"),
        ("proxy-protocol", "serve.proxy_protocol"),
        ("trusted-proxy", "serve.trusted_proxies"),
        ("token-file", "serve.token_file"),
        ("token-sha256", "serve.token_sha256"),
        ("jwt-secret-file", "serve.jwt.secret_file"),
        ("jwt-public-key", "serve.jwt.public_keys"),
        ("jwt-jwks", "serve.jwt.jwks"),
        ("jwt-issuer", "serve.jwt.issuer"),
        ("jwt-audience", "serve.jwt.audience"),
        ("tls-certificate", "serve.tls_certificate"),
        ("tls-key", "serve.tls_key"),
        ("tls-client-ca", "serve.client_certificates.ca"),
        ("tls-client-optional", "serve.client_certificates.optional"),
        ("tls-client-names", "serve.client_certificates.names"),
        ("tls-client-name", "serve.client_certificates.name"),
        ("tls-terminated-in-front", "serve.tls_terminated_in_front"),
        ("allow-uid", "serve.allowed_users"),
    ];

    /// Proves that every flag has a variable, and a key that the file knows. Limits are a section of their own, and the file
    /// does not say which file it is.
    #[test]
    fn every_flag_has_its_variable_and_its_key() {
        let command = Flags::augment_args(Command::new("serve"));
        for argument in command.get_arguments() {
            let flag = argument.get_long().unwrap();
            if !matches!(flag, "ca" | "config") {
                let variable = argument.get_env().unwrap().to_str().unwrap();
                assert_eq!(variable, format!("AFIELD_{}", flag.to_uppercase().replace('-', "_")));
            }
            if matches!(flag, "limit" | "config") {
                continue;
            }
            let (_, key) = KEYS.iter().find(|(known, _)| *known == flag).unwrap_or_else(|| panic!("{flag}"));
            let (section, key) = key.rsplit_once('.').unwrap();
            let table = TABLES.iter().copied().flatten().find(|table| table.path == section).unwrap();
            assert!(table.key(key).is_some(), "{section}.{key}");
        }
    }

    const FILE: &str = "[serve]\ntls_certificate = \"file\"\ntls_key = \"file\"\ntls_terminated_in_front = true\n\
        allowed_users = [7]\nproxy_protocol = \"file\"\ntrusted_proxies = \"file\"\ntoken_file = \"file\"\ntoken_sha256 = \"file=DIGEST\"\n[serve.jwt]\nissuer = \"file\"\n\
        audience = \"file\"\nsecret_file = \"file\"\npublic_keys = \"file\"\njwks = \"file\"\n\
        [serve.client_certificates]\nca = \"file\"\nnames = \"file\"\nname = \"dns\"\noptional = true\n";

    /// Proves that what the file says counts where no flag does, key by key, and that a flag goes before it.
    #[test]
    fn a_flag_goes_before_the_file_key_by_key() {
        let file = FILE.replace("DIGEST", &"0".repeat(64));
        let said =
            Config::of_text(Path::new("/c/config.toml"), &file, &Variables::of([("HOME", "/h")])).unwrap();
        let of_file = format!("{:?}", AccessFlags::default().or(&said.serving.serve));
        assert!(!of_file.contains("None") && !of_file.contains("[]"), "{of_file}");

        let flags = "--token-file flag --token-sha256 flag=0 --jwt-secret-file flag --jwt-public-key flag --jwt-jwks flag \
            --jwt-issuer flag --jwt-audience flag --tls-certificate flag --tls-key flag --tls-client-ca flag \
            --tls-client-optional=false --tls-client-names flag --tls-client-name cn --tls-terminated-in-front=false \
            --proxy-protocol flag --trusted-proxy flag --allow-uid 8";
        let typed = std::iter::once("serve").chain(flags.split_whitespace());
        let matches = Flags::augment_args(Command::new("serve")).try_get_matches_from(typed).unwrap();
        let typed = Flags::from_arg_matches(&matches).unwrap().access;
        let before = format!("{typed:?}");
        assert_eq!(format!("{:?}", typed.or(&said.serving.serve)), before);
        assert!(!before.contains("None") && !before.contains("[]"), "{before}");
    }
}
