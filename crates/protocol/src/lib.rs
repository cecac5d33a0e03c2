//! The wire: messages, limits, and sans-I/O session machines.
