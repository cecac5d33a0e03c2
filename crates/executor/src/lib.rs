//! The executor: listeners, sessions, dispatch, drain.
