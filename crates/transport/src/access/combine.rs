use super::{Authenticate, Authorization, Credentials, Grant, PrincipalKind, Unauthorized};
use std::sync::Arc;

/// Lets in whom any of several lets in; the first that does says who it is.
pub struct Any(pub Vec<Arc<dyn Authenticate>>);

impl Authenticate for Any {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        let mut why = Unauthorized::Missing;
        for one in &self.0 {
            match one.authenticate(credentials) {
                Ok(grant) => return Ok(grant),
                Err(other) => why = why.max(other),
            }
        }
        Err(why)
    }

    fn mode(&self) -> String {
        modes(&self.0, " or ")
    }

    fn kinds(&self) -> Vec<PrincipalKind> {
        self.0.iter().flat_map(|one| one.kinds()).collect()
    }

    fn known_principals(&self) -> usize {
        self.0.iter().map(|one| one.known_principals()).sum()
    }

    fn lets_anybody_in(&self) -> bool {
        self.0.iter().any(|one| one.lets_anybody_in())
    }
}

/// Lets in whom all of several let in. The last says who it is; what any of them granted has to hold.
pub struct All(pub Vec<Arc<dyn Authenticate>>);

impl Authenticate for All {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        let mut authorization = Authorization::permanent();
        let mut principal = None;
        for one in &self.0 {
            let grant = one.authenticate(credentials)?;
            authorization = authorization.and(grant.authorization);
            principal = Some(grant.principal);
        }
        match principal {
            Some(principal) => Ok(Grant { principal, authorization }),
            None => Err(Unauthorized::Missing),
        }
    }

    fn mode(&self) -> String {
        modes(&self.0, " and ")
    }

    fn kinds(&self) -> Vec<PrincipalKind> {
        self.0.last().map(|last| last.kinds()).unwrap_or_default()
    }

    fn known_principals(&self) -> usize {
        self.0.last().map_or(0, |last| last.known_principals())
    }

    fn lets_anybody_in(&self) -> bool {
        self.0.iter().all(|one| one.lets_anybody_in())
    }
}

fn modes(all: &[Arc<dyn Authenticate>], word: &str) -> String {
    all.iter().map(|one| one.mode()).collect::<Vec<_>>().join(word)
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    fn ask(of: &dyn Authenticate, bearer: Option<&str>) -> Result<Principal, Unauthorized> {
        let arrival = Arrival::from(Peer::Unix { uid: 7, pid: None });
        of.authenticate(&Credentials { bearer, arrival: &arrival }).map(|grant| grant.principal)
    }

    fn token(token: &str, name: &str) -> Arc<dyn Authenticate> {
        Arc::new(TokenDigest::of(token).with_principal(Principal::token(name)))
    }

    /// Proves that one of several suffices where any does, and that all are needed where all are.
    #[test]
    fn any_wants_one_and_all_want_all() {
        let any = Any(vec![token("a", "ann"), token("b", "bob")]);
        assert_eq!(ask(&any, Some("a")), Ok(Principal::token("ann")));
        assert_eq!(ask(&any, Some("b")), Ok(Principal::token("bob")));
        assert_eq!(ask(&any, Some("c")), Err(Unauthorized::Wrong));
        assert_eq!(ask(&any, None), Err(Unauthorized::Missing));
        assert_eq!(any.mode(), "token or token");
        let all = All(vec![Arc::new(NoAuthentication), token("a", "ann")]);
        assert_eq!(ask(&all, Some("a")), Ok(Principal::token("ann")));
        assert_eq!(ask(&all, None), Err(Unauthorized::Missing));
        let both = All(vec![token("a", "ann"), token("b", "bob")]);
        assert_eq!(ask(&both, Some("a")), Err(Unauthorized::Wrong));
        assert!(!any.lets_anybody_in() && !all.lets_anybody_in());
        assert_eq!(ask(&Any(vec![]), Some("a")), Err(Unauthorized::Missing), "nobody is asked, nobody is in");
        assert_eq!(ask(&All(vec![]), Some("a")), Err(Unauthorized::Missing));
        assert!(!Any(vec![]).lets_anybody_in());
    }
}
