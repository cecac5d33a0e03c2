//! Gives memory that is free back to the system.

/// Gives every whole page that is free back to the system, in all of the allocator's heaps. May block for some milliseconds,
/// and others that allocate meanwhile with it.
///
/// glibc does so by itself only at the end of a heap, where after many small pieces something is nearly always left. Other
/// allocators are left as they are.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointers and may be called at any time from any thread (malloc_trim(3)).
    let _ = unsafe { libc::malloc_trim(0) };
}
