/// A new session id: 128 random bits from the operating system, in hexadecimal. Whoever knows it may resume the session.
pub(crate) fn session_id() -> String {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).expect("the operating system has random numbers");
    bits.iter().map(|byte| format!("{byte:02x}")).collect()
}
