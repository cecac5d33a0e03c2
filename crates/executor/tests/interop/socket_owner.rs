//! Which process holds the other end of a loopback connection.

use std::{fs, net::SocketAddr};

/// Whether the socket at the `peer` end of a connection to `server` is open in this process.
///
/// The kernel lists every TCP socket with its inode (`/proc/net/tcp`), and every process's open sockets by inode
/// (`/proc/self/fd`); a child's sockets are not among the latter.
pub fn is_this_process(peer: SocketAddr, server: SocketAddr) -> bool {
    let Some(inode) = inode(peer, server) else { return false };
    let socket = format!("socket:[{inode}]");
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok())
        .any(|target| target.to_string_lossy() == socket)
}

/// The inode of the socket that is connected from `local` to `remote`: 0 once nobody has it open any more, none once it
/// is gone.
fn inode(local: SocketAddr, remote: SocketAddr) -> Option<String> {
    let ends = [local, remote].map(as_listed);
    // The table is not read at one moment: while sockets come and go, one that stays may be missed.
    for _ in 0..100 {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let mut rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        if let Some(row) = rows.find(|row| row.get(1..3) == Some(&[&ends[0], &ends[1]])) {
            return Some(row[9].to_owned());
        }
    }
    None
}

fn as_listed(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else { panic!("{address} is not in the table of IPv4 sockets") };
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}
