//! What a gateway does at present: the part of its configuration that can be replaced while it runs.

use crate::{
    access::Access,
    config::{Config, StartError},
    own::Own,
    route::Routes,
};
use afield_client::HttpClient;
use std::sync::Arc;

/// One configuration. A request is answered by the one that was in place when it came.
pub(crate) struct Live {
    pub access: Access,
    pub routes: Routes,
    pub proxy: Option<Arc<dyn HttpClient>>,
    pub own: Own,
}

impl Live {
    /// Checks what a configuration says.
    pub fn new(config: Config) -> Result<Self, StartError> {
        let may_be_exposed = config.exposed && config.token.is_some();
        let listeners = std::iter::once(config.listen)
            .chain(config.routes.iter().filter_map(|route| route.own_listener()));
        if let Some(exposed) =
            listeners.filter(|address| !address.ip().is_loopback()).find(|_| !may_be_exposed)
        {
            return Err(StartError::Exposed(exposed));
        }
        let access = Access::new(&config);
        let names = [
            &config.allowed_hosts[..],
            &config.routes.iter().filter_map(|route| route.own_host()).map(str::to_owned).collect::<Vec<_>>(),
        ]
        .concat();
        let routes = Routes::new(config.routes)?;
        Ok(Self { access, routes, proxy: config.proxy, own: Own::new(config.own_listeners, &names) })
    }
}
