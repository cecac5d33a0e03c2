//! Event streams, as servers send them and as networks split them.

use afield_mcp::fuzzing::{Event, event_stream};
use bytes::Bytes;

/// Small, so that mutated inputs reach it.
const LIMIT: usize = 64;

/// The first byte says how the rest is split; the rest is a stream.
///
/// # Panics
///
/// When what is read depends on how the bytes were split, when something is read after the end, or when an event is kept that
/// is over the limit.
pub fn event_streams(data: &[u8]) {
    let Some((seed, stream)) = data.split_first() else { return };
    let whole = event_stream(vec![Bytes::copy_from_slice(stream)], LIMIT);
    let size = usize::from(*seed % 13) + 1;
    let pieces = stream.chunks(size).map(Bytes::copy_from_slice).collect();
    assert_eq!(event_stream(pieces, LIMIT), whole, "pieces of {size} read otherwise");
    for (at, event) in whole.iter().enumerate() {
        match event {
            Event::Read(id, name, data, _) => {
                let kept: usize = [id, name, data].into_iter().flatten().map(String::len).sum();
                assert!(kept <= LIMIT, "{kept} bytes are kept");
            }
            Event::TooLarge | Event::Broken => assert_eq!(at + 1, whole.len(), "something after the end"),
        }
    }
}
