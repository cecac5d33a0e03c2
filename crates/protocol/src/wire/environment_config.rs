use crate::{
    RpcError,
    error::INVALID_PARAMS,
    json::{Few, RpcId, few_or_null, objects, parse_object},
    wire::{method, request},
};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

/// The parameters of `environmentConfig/read`: which parts of the executor's configuration are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigPaths {
    /// Keys of the configuration, each a path of segments.
    pub config_paths: Vec<Vec<String>>,
    /// The same for requirements, of which an afield executor has none.
    pub requirements_paths: Vec<Vec<String>>,
}

/// The result of `environmentConfig/read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentConfig {
    /// A directory over there, a `file:` URI; the reference cannot do without one.
    pub codex_home_dir: String,
    /// What the executor is configured with.
    pub config: ConfigLayers,
    /// What clients are to insist on.
    pub requirements: ConfigLayers,
}

/// Layers of a configuration, the least first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigLayers {
    /// The layers.
    #[serde(deserialize_with = "objects")]
    pub layers: Vec<ConfigLayer>,
    /// Where a client puts layers of its own that come from elsewhere.
    pub cloud_insertion_index: usize,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigLayer {
    /// Where it comes from, for people.
    pub source: String,
    /// What paths in it are relative to, a `file:` URI.
    pub base_dir: String,
    /// TOML.
    pub toml: String,
}

/// The name of the part that says which MCP servers there are.
const SERVERS: &str = "mcp_servers";

impl ConfigPaths {
    /// Asks for the MCP servers.
    pub fn servers() -> Self {
        let servers = vec![vec![SERVERS.to_owned()]];
        Self { config_paths: servers.clone(), requirements_paths: servers }
    }

    /// Whether the MCP server of this name is asked for. A path that goes on behind the name asks for all of it.
    pub fn has_server(&self, name: &str) -> bool {
        self.config_paths.iter().any(|path| match &path[..] {
            [part] => part == SERVERS,
            [part, server, ..] => part == SERVERS && server == name,
            [] => false,
        })
    }

    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// They have another shape, ask for nothing, or for everything.
    pub fn decode(params: &str) -> Result<Self, RpcError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            #[serde(default, deserialize_with = "few_or_null")]
            config_paths: Option<Vec<Path>>,
            #[serde(default, deserialize_with = "few_or_null")]
            requirements_paths: Option<Vec<Path>>,
        }
        let wrong = |message| RpcError::new(INVALID_PARAMS, message);
        let Ok(Wire { config_paths, requirements_paths }) = parse_object(params) else {
            return Err(wrong(
                "environmentConfig/read params must be {cwd?: string, configPaths?: list of lists of strings, \
                 requirementsPaths?: list of lists of strings}",
            ));
        };
        let paths = |paths: Option<Vec<Path>>| -> Vec<Vec<String>> {
            paths.unwrap_or_default().into_iter().map(|path| path.0).collect()
        };
        let asked = Self { config_paths: paths(config_paths), requirements_paths: paths(requirements_paths) };
        if asked.config_paths.is_empty() && asked.requirements_paths.is_empty() {
            return Err(wrong("environmentConfig/read needs a path in configPaths or requirementsPaths"));
        }
        if asked.config_paths.iter().chain(&asked.requirements_paths).any(Vec::is_empty) {
            return Err(wrong("a path of environmentConfig/read has at least one segment"));
        }
        Ok(asked)
    }
}

/// A path of which no more is read than of any other list.
struct Path(Vec<String>);

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Few::deserialize(deserializer).map(|few| Self(few.0))
    }
}

/// The message that asks for these parts of an executor's configuration.
pub fn encode_config_read(id: &RpcId, cwd: &str, paths: &ConfigPaths) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'a> {
        cwd: &'a str,
        #[serde(flatten)]
        paths: &'a ConfigPaths,
    }
    request(id, method::ENVIRONMENT_CONFIG_READ, 128, |out| out.json(&Params { cwd, paths }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a question for a configuration is read as the reference asks it, and that one for nothing, for everything or
    /// of another shape is refused.
    #[test]
    fn config_paths_are_read_as_the_reference_asks() {
        let asked = ConfigPaths::decode(
            r#"{"cwd":"file:///","configPaths":[["mcp_servers"]],"requirementsPaths":[["mcp_servers"]]}"#,
        );
        assert_eq!(asked, Ok(ConfigPaths::servers()));
        for (paths, docs, other) in [
            (r#"[["mcp_servers"]]"#, true, true),
            (r#"[["mcp_servers","docs"]]"#, true, false),
            (r#"[["mcp_servers","docs","url"]]"#, true, false),
            (r#"[["features"],["mcp_servers","other"]]"#, false, true),
            (r#"[["features"]]"#, false, false),
        ] {
            let asked = ConfigPaths::decode(&format!(r#"{{"configPaths":{paths}}}"#)).unwrap();
            assert_eq!((asked.has_server("docs"), asked.has_server("other")), (docs, other), "{paths}");
        }
        for bad in [
            "null",
            "[]",
            "{}",
            r#"{"configPaths":[]}"#,
            r#"{"configPaths":[[]]}"#,
            r#"{"configPaths":["mcp_servers"]}"#,
            r#"{"configPaths":[[1]]}"#,
            r#"{"configPaths":{"a":1}}"#,
            r#"{"requirementsPaths":[[]]}"#,
        ] {
            assert_eq!(ConfigPaths::decode(bad).unwrap_err().code, INVALID_PARAMS, "{bad}");
        }
    }

    /// Proves that what a client asks is what an executor reads.
    #[test]
    fn config_read_is_encoded_as_it_is_decoded() {
        let text = encode_config_read(&RpcId::String("c".into()), "file:///w", &ConfigPaths::servers());
        let expected = r#"{"id":"c","method":"environmentConfig/read","params":{"cwd":"file:///w","configPaths":[["mcp_servers"]],"requirementsPaths":[["mcp_servers"]]}}"#;
        assert_eq!(text, expected);
    }
}
