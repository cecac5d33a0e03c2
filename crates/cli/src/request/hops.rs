use super::{flags::Flags, protocols::Protocols, write_out::Format};
use afield_egress::Following;

/// Redirects that are followed at most, where nothing else is said.
pub(super) const MAX_REDIRECTS: u32 = 10;

/// How redirects are followed from here, where that takes more than whoever performs a request does of itself.
#[derive(Clone, Debug)]
pub(crate) struct Hops {
    /// Each hop is a request of its own, sent from here.
    pub own: bool,
    /// `None`: any number.
    pub most: Option<u32>,
    pub following: Following,
    pub protocols: Protocols,
    /// `Referer` is where the redirect came from.
    pub refers: bool,
}

impl Hops {
    pub fn of(flags: &Flags, write_out: Option<&Format>) -> Self {
        let refers = flags.referer.as_deref().is_some_and(|referer| referer.ends_with(";auto"));
        let keeps_post = [flags.post301, flags.post302, flags.post303];
        // What asks for each head, or for where it led, is told that by nobody but the hops themselves.
        let tells = flags.include
            || flags.head
            || flags.dump_header.is_some()
            || write_out.is_some_and(|format| format.mentions("url_effective") || format.mentions("json"));
        Self {
            own: (flags.location || flags.location_trusted)
                && (tells
                    || refers
                    || flags.location_trusted
                    || flags.max_redirs.is_some()
                    || flags.proto_redir.is_some()
                    || keeps_post.contains(&true)),
            most: match flags.max_redirs {
                None => Some(MAX_REDIRECTS),
                Some(most) => u32::try_from(most).ok(),
            },
            following: Following { keeps_post, trusts: flags.location_trusted },
            protocols: flags.proto_redir.unwrap_or(Protocols::ALL),
            refers,
        }
    }
}
