//! Which process holds the other end of a loopback connection.

use std::{fs, net::SocketAddr};

/// Whether a socket bound to `address` is open in this process.
///
/// The kernel lists every TCP socket with its inode (`/proc/net/tcp`), and every process's open sockets by inode
/// (`/proc/self/fd`); a child's sockets are not among the latter.
pub fn is_this_process(address: SocketAddr) -> bool {
    let SocketAddr::V4(address) = address else { return false };
    let local = format!("{:08X}:{:04X}", u32::from_le_bytes(address.ip().octets()), address.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let inode = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find_map(|columns| (columns.get(1) == Some(&local.as_str())).then(|| columns[9].to_owned()));
    let Some(inode) = inode else { return false };
    let socket = format!("socket:[{inode}]");
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok())
        .any(|target| target.to_string_lossy() == socket)
}
