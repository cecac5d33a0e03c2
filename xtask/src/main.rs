//! The developer interface.
fn main() {}
