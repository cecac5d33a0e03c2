use std::error::Error;
use std::fmt::Write;
use std::io;

/// The first error of type `T` among `error` and its sources. An [`io::Error`] does not name what it wraps as its source,
/// so that is looked at as well.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    links(error).find_map(|link| link.downcast_ref())
}

/// The first [`io::Error`] that stems from the system, else the first at all.
pub(super) fn find_io<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut found = links(error).filter_map(|link| link.downcast_ref::<io::Error>());
    let first = found.next()?;
    Some(std::iter::once(first).chain(found).find(|io| io.raw_os_error().is_some()).unwrap_or(first))
}

/// The error with its sources, for the log.
pub(crate) fn described(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for link in links(error) {
        let link = link.to_string();
        if link != last {
            let _ = write!(text, "{}{link}", if text.is_empty() { "" } else { ": " });
            last = link;
        }
    }
    text
}

fn links<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| cause(*link))
}

fn cause<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner as &(dyn Error + 'static)),
        None => link.source(),
    }
}
