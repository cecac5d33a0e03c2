//! One HTTP request, performed safely.
