//! Headers of the PROXY protocol, as whatever stands in front writes them.

use afield_transport::fuzzing::proxy_header;

/// Takes the first bytes of a connection.
///
/// # Panics
///
/// When a header is taken that does not begin as one, when more is read than it can be long, or when what is read depends on
/// what follows.
pub fn proxy_protocol(data: &[u8]) {
    let Some((source, read)) = proxy_header(data) else { return };
    assert!(read <= data.len() && read <= 4096, "{read} bytes are taken");
    assert!(data.starts_with(b"PROXY ") || data.starts_with(b"\r\n\r\n\0\r\nQUIT\n"), "it is no header");
    assert_eq!(proxy_header(&data[..read]), Some((source, read)), "what follows makes a difference");
    assert!(proxy_header(&data[..read - 1]).is_none(), "the end of it makes none");
}
