use afield_config::{Problem, Serving};
use afield_transport::{Principal, PrincipalKind};
use std::collections::HashSet;

/// By which full names the principals are known that a configuration names.
pub(crate) struct Names(Vec<PrincipalKind>);

impl Names {
    /// Where principals with names of somebody's choice are of these kinds.
    pub fn new(kinds: Vec<PrincipalKind>) -> Self {
        Self(kinds)
    }

    /// The full name of whoever is meant: as it is if it is one, of the one kind that there is otherwise. Where nobody with a
    /// name comes in, it is the name of nobody.
    ///
    /// # Errors
    ///
    /// The full names that may be meant, where there are several.
    pub fn full(&self, name: &str) -> Result<String, String> {
        if Principal::is_full_name(name) {
            return Ok(name.to_owned());
        }
        match self.0[..] {
            [] => Ok(name.to_owned()),
            [kind] => Ok(Principal::new(kind, name).full_name()),
            _ => {
                let all = self.0.iter().map(|kind| format!("{:?}", Principal::new(*kind, name).full_name()));
                Err(all.collect::<Vec<_>>().join(" or "))
            }
        }
    }

    /// Puts full names in the place of those that a configuration says. Notes those that may be several principals'.
    pub fn complete(&self, said: &mut Serving, problems: &mut Vec<Problem>) {
        let rules = said.policy.rules.iter_mut().map(|rule| &mut rule.principals);
        let secrets = said.secrets.iter_mut().map(|secret| &mut secret.principals);
        let attached = said.attach.iter_mut().map(|attach| &mut attach.principals);
        let ways = said.upstreams.iter_mut().map(|upstream| &mut upstream.principals);
        let own = said.policy.principals.iter_mut().map(|(name, _)| name);
        for name in rules.chain(secrets).chain(attached).chain(ways).flatten().chain(own) {
            match self.full(name) {
                Ok(full) => name.value = full,
                Err(candidates) => problems.push(name.problem(
                    "principals of several kinds come in here, and this name may be of any",
                    format!("write {candidates}"),
                )),
            }
        }
        let mut known = HashSet::new();
        for (name, _) in &said.policy.principals {
            if let Ok(full) = self.full(name)
                && !known.insert(full)
            {
                problems
                    .push(name.problem("this principal has a policy under another name", "keep one of them"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a name is completed where one kind of principal comes in, and asked to be where several do (case 145).
    #[test]
    fn case_145_a_name_is_completed_or_asked_to_be() {
        use PrincipalKind::{Certificate, Jwt, Token};
        let of = |kinds: &[PrincipalKind], name| Names::new(kinds.to_vec()).full(name);
        assert_eq!(of(&[Token], "ci"), Ok("token:ci".into()));
        assert_eq!(of(&[Certificate], "spiffe://a/ci"), Ok("cert:spiffe://a/ci".into()));
        assert_eq!(of(&[], "ci"), Ok("ci".into()));
        for full in ["token:ci", "jwt:ci", "uid:1000", "anonymous", "stdio"] {
            assert_eq!(of(&[Token, Jwt], full), Ok(full.into()));
        }
        assert_eq!(of(&[Token, Jwt], "ci"), Err("\"token:ci\" or \"jwt:ci\"".into()));
    }
}
