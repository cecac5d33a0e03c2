use afield_config as file;
use afield_config::{Located, Problem};
use afield_egress::{Policy, Preset, Rule, RuleError, Scheme};

/// A rule that names more places than this was not meant so.
const MOST: usize = 10_000;

/// The policy that a file says, with this preset in the place of its own if there is one.
pub(super) fn policy(said: &file::Policy, preset: Option<Preset>, problems: &mut Vec<Problem>) -> Policy {
    let mut policy = one(said, preset, problems);
    for (principal, own) in &said.principals {
        policy = policy.with_principals([principal.as_str()], one(own, None, problems));
    }
    policy
}

fn one(said: &file::Policy, preset: Option<Preset>, problems: &mut Vec<Problem>) -> Policy {
    let preset = preset.unwrap_or(match said.preset {
        file::Preset::Standard => Preset::Standard,
        file::Preset::PublicOnly => Preset::PublicOnly,
        file::Preset::AllowList => Preset::AllowList,
    });
    let rules: Vec<Rule> = said.rules.iter().flat_map(|rule| rules(rule, problems)).collect();
    Policy::new(preset, rules)
}

/// What a rule of the file means: a rule for each combination of what it lists.
fn rules(said: &file::Rule, problems: &mut Vec<Problem>) -> Vec<Rule> {
    let before = problems.len();
    let base = base(said, problems);
    let names_addresses = !said.networks.is_empty() || said.hosts.iter().any(|host| is_address(host));
    for host in &said.hosts {
        if let Err(error) = Rule::deny().host(host) {
            problems.push(host.problem(error.to_string(), "write a name, *.name, or an address"));
        } else if is_address(host) && !said.networks.is_empty() {
            problems.push(host.problem(
                "this address stands beside networks, and both would have to match",
                "move it to networks, or into a rule of its own",
            ));
        }
    }
    for network in &said.networks {
        if let Err(error) = Rule::deny().network(network) {
            problems.push(network.problem(error.to_string(), "write it as 10.0.0.0/8"));
        }
    }
    for method in &said.methods {
        if let Err(error @ RuleError::Method { .. }) = Rule::deny().methods([method.as_str()]) {
            problems.push(method.problem(error.to_string(), "write it as \"DELETE\""));
        }
    }
    if let Some(method) = said.methods.first()
        && (said.action == file::Action::Allow || names_addresses)
    {
        problems.push(method.problem(RuleError::Methods.to_string(), "take methods out, or deny by host"));
    }
    let count = [said.hosts.len(), said.networks.len(), said.ports.len()].map(|count| count.max(1));
    if count.iter().fold(1_usize, |all, count| all.saturating_mul(*count)) > MOST {
        problems.push(said.at.problem(
            format!("this rule stands for more than {MOST} combinations of host, network and port"),
            "divide it",
        ));
    }
    match base {
        Some(base) if problems.len() == before => {
            let rules = combined(said, &base);
            if let Some(why) = rules.iter().find_map(Rule::is_moot) {
                problems.push(
                    said.at.problem(format!("this rule can never apply: {why}"), "mend it, or take it out"),
                );
            }
            rules
        }
        _ => Vec::new(),
    }
}

/// The rule without its places.
fn base(said: &file::Rule, problems: &mut Vec<Problem>) -> Option<Rule> {
    let mut rule = match said.action {
        file::Action::Allow => Rule::allow(),
        file::Action::Deny => Rule::deny(),
    };
    if let Some(name) = &said.name {
        rule = kept(rule.named(name.as_str()), name, problems)?;
    }
    if let Some(first) = said.principals.first() {
        rule = kept(rule.principals(said.principals.iter().map(|name| name.as_str())), first, problems)?;
    }
    Some(match said.scheme {
        None => rule,
        Some(file::Scheme::Http) => rule.scheme(Scheme::Http),
        Some(file::Scheme::Https) => rule.scheme(Scheme::Https),
    })
}

fn kept(rule: Result<Rule, RuleError>, at: &Located<String>, problems: &mut Vec<Problem>) -> Option<Rule> {
    rule.map_err(|error| problems.push(at.problem(error.to_string(), "write it otherwise"))).ok()
}

fn combined(said: &file::Rule, base: &Rule) -> Vec<Rule> {
    let mut rules = vec![base.clone()];
    if !said.methods.is_empty() {
        rules = each(&rules, std::slice::from_ref(&said.methods), |rule, methods| {
            rule.methods(methods.iter().map(|method| method.as_str()))
        });
    }
    rules = each(&rules, &said.hosts, |rule, host| rule.host(host));
    rules = each(&rules, &said.networks, |rule, network| rule.network(network));
    each(&rules, &said.ports, |rule, ports| rule.ports(ports.clone()))
}

/// Each rule with each of these conditions; as it is where there are none.
fn each<T>(rules: &[Rule], conditions: &[T], add: impl Fn(Rule, &T) -> Result<Rule, RuleError>) -> Vec<Rule> {
    if conditions.is_empty() {
        return rules.to_vec();
    }
    let all = rules.iter().flat_map(|rule| conditions.iter().map(|condition| add(rule.clone(), condition)));
    // Each condition was tried by itself before.
    all.flatten().collect()
}

fn is_address(host: &str) -> bool {
    // The one thing that a rule with methods takes no host for.
    let tried = Rule::deny().methods(["GET"]).and_then(|rule| rule.host(host));
    matches!(tried, Err(RuleError::Methods))
}
