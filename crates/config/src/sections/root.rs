use super::{
    Executor, Gateway, McpServer, check_name, executor, gateway, mcp_server, name::LOCAL, oauth, serving,
};
use crate::{
    Problem, Problems, Serving, UnusableServer,
    foreign::Told,
    reading::{Key, Kind, Reader, Section, Table},
    syntax::{Entry, Node, Source},
};
use std::{collections::BTreeMap, sync::Arc};

/// The sections by their names.
static ROOT: Table = Table {
    path: "",
    meaning: "",
    keys: &[
        section("executors", Kind::Tables),
        section("mcp_servers", Kind::Tables),
        section("gateway", Kind::Table),
        section("serve", Kind::Table),
        section("limits", Kind::Table),
        section("policy", Kind::Table),
        section("secrets", Kind::Tables),
        section("attach", Kind::List),
        section("upstreams", Kind::List),
        section("audit", Kind::Table),
        section("log", Kind::Table),
    ],
};

const fn section(name: &'static str, kind: Kind) -> Key {
    Key { name, aliases: &[], kind, default: "none", meaning: "" }
}

/// Every section of the file, in the order in which they are documented.
pub static TABLES: &[&[&Table]] =
    &[&[&executor::TABLE, &mcp_server::TABLE, &oauth::TABLE, &gateway::TABLE], &serving::TABLES];

/// What a whole file means.
pub(crate) struct Root {
    pub executors: BTreeMap<String, Arc<Executor>>,
    pub mcp_servers: BTreeMap<String, McpServer>,
    pub unusable: Vec<UnusableServer>,
    pub gateway: Gateway,
    pub serving: Serving,
    pub warnings: Vec<Problem>,
}

/// Reads the tree of one of our files.
///
/// # Errors
///
/// Everything that is wrong.
pub(crate) fn read(source: &Source, node: &Node) -> Result<Root, Problems> {
    let reader = Reader::new(source);
    let root = Section::open(&reader, &ROOT, "", &node.span, node);
    let mut executors = BTreeMap::new();
    for entry in root.sections("executors") {
        let path = named(&root, "executors", entry, true);
        let section = Section::open(&reader, &executor::TABLE, path, &entry.key_span, &entry.node);
        if let Some(executor) = executor::read(&entry.key, &section) {
            executors.insert(entry.key.clone(), Arc::new(executor));
        }
    }
    let mut mcp_servers = BTreeMap::new();
    for entry in root.sections("mcp_servers") {
        named(&root, "mcp_servers", entry, false);
        let server = read_server(&reader, entry, &executors);
        mcp_servers.extend(server.map(|server| (server.name.clone(), server)));
    }
    let gateway = root.entry("gateway").map(|entry| {
        let section = Section::open(&reader, &gateway::TABLE, "gateway", &entry.key_span, &entry.node);
        let gateway = gateway::read(&section, &executors);
        for name in gateway.routes.keys().filter(|name| mcp_servers.contains_key(*name)) {
            let what = format!("the route {name:?} has the name of a server");
            section.refuse_section(what, "rename one of them");
        }
        gateway
    });
    let mut serving = serving::read(&root);
    let offered = mcp_servers.values().filter(|server| server.enabled && server.offer.is_some());
    serving.offered = offered.cloned().collect();
    match Problems::of(reader.finish()) {
        Some(problems) => Err(problems),
        None => Ok(Root {
            executors,
            mcp_servers,
            unusable: Vec::new(),
            gateway: gateway.unwrap_or_default(),
            serving,
            warnings: Vec::new(),
        }),
    }
}

/// Reads the servers of another program's file, told in our words. What is wrong with one is that one's alone.
pub(crate) fn read_each(
    source: &Source,
    servers: &[Told],
    executors: BTreeMap<String, Arc<Executor>>,
) -> Root {
    let mut root = Root {
        executors,
        mcp_servers: BTreeMap::new(),
        unusable: Vec::new(),
        gateway: Gateway::default(),
        serving: Serving::default(),
        warnings: Vec::new(),
    };
    for told in servers {
        let (name, mut problems) = (&told.entry.key, told.refusals(source));
        root.warnings.extend(told.notes(source));
        let reader = Reader::new(source);
        if let Err(what) = check_name(name) {
            let fix = "`afield mcp import` takes it over under another name";
            reader.refuse(&told.entry.key_span, name, what, fix);
        }
        let server =
            problems.is_empty().then(|| read_server(&reader, &told.entry, &root.executors)).flatten();
        problems.extend(reader.finish());
        match (server, Problems::of(problems)) {
            (Some(server), None) => {
                root.mcp_servers.insert(server.name.clone(), server);
            }
            (_, Some(problems)) => root.unusable.push(UnusableServer { name: name.clone(), problems }),
            (None, None) => {}
        }
    }
    root
}

fn read_server(
    reader: &Reader<'_>,
    entry: &Entry,
    executors: &BTreeMap<String, Arc<Executor>>,
) -> Option<McpServer> {
    let path = format!("mcp_servers.{}", entry.key);
    if let Some(command) = entry.node.entry("command") {
        let what =
            "this server is a program that is started, and afield places servers that are reached over HTTP";
        reader.refuse(&command.key_span, &path, what, "leave it in the file of the program that starts it");
        return None;
    }
    let section = Section::open(reader, &mcp_server::TABLE, path, &entry.key_span, &entry.node);
    mcp_server::read(&entry.key, &section, executors)
}

/// Checks the name that heads a section, and answers with the section's path.
fn named(root: &Section<'_>, parent: &str, entry: &Entry, local_is_taken: bool) -> String {
    let path = format!("{parent}.{}", entry.key);
    if let Err(what) = check_name(&entry.key) {
        root.reader.refuse(&entry.key_span, &path, what, "choose another name");
    } else if local_is_taken && entry.key.eq_ignore_ascii_case(LOCAL) {
        root.reader.refuse(&entry.key_span, &path, "`local` is this process", "choose another name");
    }
    path
}
