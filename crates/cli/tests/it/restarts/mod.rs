//! Programs that end and come back, and hosts that are to see nothing of it. Hosts and servers are the official SDKs'.

mod graceful;
mod handed;
mod hosts;
mod killed;
mod parts;
