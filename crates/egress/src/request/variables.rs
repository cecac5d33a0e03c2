use bytes::Bytes;

/// Environment variables of the executor that header values may be completed with.
pub trait HeaderVariables: Send + Sync + 'static {
    /// The value of the variable `name` for a request to `host` (an A-label name, or an address). The value must not
    /// appear in any log.
    fn lookup(&self, name: &str, host: &str) -> Result<Bytes, VariableError>;
}

/// Why a header variable is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableError {
    /// The operator allows it, but it is not set.
    Absent,
    /// The operator does not allow this variable for this host.
    Refused,
}

/// No variable is allowed for any host.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVariables;

impl HeaderVariables for NoVariables {
    fn lookup(&self, _name: &str, _host: &str) -> Result<Bytes, VariableError> {
        Err(VariableError::Refused)
    }
}
