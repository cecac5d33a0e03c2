//! Reading a tree by tables: what a section may say is data, and everything that is wrong is said at once.

mod key;
mod nearest;
mod reader;
mod section;

pub use key::{Key, Kind, Table};
pub(crate) use nearest::nearest;
pub(crate) use reader::Reader;
pub(crate) use section::Section;
