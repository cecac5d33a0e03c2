//! What a server that knows nothing newer than TLS 1.0 says, for a raw script to send.

/// The alert by which such a server may refuse a newer client: `protocol_version` (RFC 5246, section 7.2).
pub const ALERT_PROTOCOL_VERSION: &[u8] = &[21, 3, 1, 0, 2, 2, 70];

/// The `ServerHello` by which such a server chooses TLS 1.0, with the cipher `TLS_RSA_WITH_AES_128_CBC_SHA`.
pub fn server_hello_tls10() -> Vec<u8> {
    let mut hello = vec![3, 1];
    hello.extend_from_slice(&[0x5a; 32]);
    hello.extend_from_slice(&[0, 0x00, 0x2f, 0]);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 2, 0, 0, hello.len() as u8];
    record.append(&mut hello);
    record
}
