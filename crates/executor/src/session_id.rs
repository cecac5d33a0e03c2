/// A new session id: 128 random bits from the operating system, in hexadecimal. Whoever knows it may resume the session.
pub(crate) fn session_id() -> String {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).expect("the operating system has random numbers");
    bits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an audit may know of a session id: enough to tell sessions apart, and nothing that resumes one. The beginning of
/// the id's SHA-256 digest, in hexadecimal.
pub(crate) fn tag(session_id: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, session_id.as_bytes());
    digest.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}
