//! Whole messages over WebSocket and stdio.
