//! The command as it is run.
