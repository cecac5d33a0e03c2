use std::path::PathBuf;
pub fn codex() -> Option<PathBuf> {
    Some(std::env::var_os("CODEX_BIN")?.into())
}
