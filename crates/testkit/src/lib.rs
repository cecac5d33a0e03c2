//! Misbehaving origins, peers and networks for tests.
