/// Returns what a log may show of a session id: enough to tell sessions apart, and nothing that resumes one. It is the
/// beginning of the id's SHA-256 digest, in hexadecimal, and the same at both ends.
pub fn session_tag(session_id: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, session_id.as_bytes());
    digest.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}
