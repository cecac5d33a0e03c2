//! Fuzz targets, their seeds, and a deterministic mutator that needs no nightly toolchain.
#![forbid(unsafe_code)]
