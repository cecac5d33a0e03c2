use crate::console::note;
use crate::{
    config_flags::{ConfigFlags, warn},
    console::print_json,
    failure::Failure,
    table::Table,
};
use afield_config::{Config, Credential, Executor, Reach};
use serde_json::{Value, json};

pub(super) fn run(flags: &ConfigFlags, as_json: bool) -> Result<(), Failure> {
    let config = flags.load()?;
    if as_json {
        let executors: Vec<Value> =
            config.executors.values().map(|executor| told(executor, &config)).collect();
        return print_json(&json!({ "file": config.file, "executors": executors }));
    }
    warn(&config.warnings);
    let mut table = Table::new(&["NAME", "REACHED AT", "TOKEN", "SERVERS"]);
    for executor in config.executors.values() {
        let servers = servers(executor, &config).join(", ");
        table.row([executor.name.clone(), reach(executor), token(executor), servers]);
    }
    if table.is_empty() {
        note!("no executors are configured in {}", flags.location()?.path.display());
        note!("  hint: afield executor add NAME wss://HOST:7411 --token-file FILE");
        return Ok(());
    }
    table.print()
}

fn told(executor: &Executor, config: &Config) -> Value {
    let (url, command) = match &executor.reach {
        Reach::Url(url) => (Some(url.to_string()), None),
        Reach::Unix(path) => (Some(format!("unix:{}", path.display())), None),
        Reach::Command(start) => (None, Some(&start.program)),
    };
    json!({
        "name": executor.name,
        "url": url,
        "command": command,
        "token": token(executor),
        "servers": servers(executor, config),
    })
}

/// Without a command's arguments, which may hold a secret.
fn reach(executor: &Executor) -> String {
    match &executor.reach {
        Reach::Url(url) => url.to_string(),
        Reach::Unix(path) => format!("unix:{}", path.display()),
        Reach::Command(start) if start.args.is_empty() => start.program.clone(),
        Reach::Command(start) => format!("{} …", start.program),
    }
}

fn token(executor: &Executor) -> String {
    match &executor.token {
        None => String::new(),
        Some(Credential::File(path)) => path.display().to_string(),
        Some(Credential::Variable(name)) => format!("${name}"),
    }
}

fn servers(executor: &Executor, config: &Config) -> Vec<String> {
    let placed = config.mcp_servers.values().filter(|server| server.environment == executor.name);
    placed.map(|server| server.name.clone()).collect()
}
