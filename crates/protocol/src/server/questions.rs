use crate::{
    RpcError,
    error::{FAILED, INVALID_REQUEST},
    json::RpcId,
};

/// What a connection has asked about the executor that takes a moment to answer, by the ids of the answers.
#[derive(Debug, Default)]
pub(crate) struct Questions(Vec<RpcId>);

/// Questions that may be open on one connection.
const MOST: usize = 4;

impl Questions {
    /// Takes a question, unless its parameters are no good or there are too many.
    pub fn ask<T>(&mut self, id: &RpcId, params: Result<T, RpcError>) -> Result<T, RpcError> {
        let params = params?;
        if self.0.contains(id) {
            return Err(RpcError::new(INVALID_REQUEST, "the id of the request is already active"));
        }
        if self.0.len() == MOST {
            return Err(RpcError::new(FAILED, "environmentConfig/read: 4 of these are open, ask one by one"));
        }
        self.0.push(id.clone());
        Ok(params)
    }

    /// Whether the question is open; it is not any more from then on.
    pub fn answer(&mut self, id: &RpcId) -> bool {
        let at = self.0.iter().position(|open| open == id);
        at.map(|at| self.0.swap_remove(at)).is_some()
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.0.len()
    }

    /// Forgets all: the connection that asked is gone.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
