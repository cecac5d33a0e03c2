use super::{
    config_file,
    curl_flags::{self, Verdict},
};
use crate::failure::Failure;
use clap::Command;
use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// Configuration files that may name one another.
const FILES: usize = 32;

/// Reads arguments of `afield request` as curl reads its own: `-K` is replaced by what the file says, `--next` begins a group,
/// a value is a value whatever it looks like, and a flag of curl's that is not taken is refused by name. Each group is written
/// in one way that says the same to the parser.
pub(crate) fn groups(request: &Command, arguments: Vec<OsString>) -> Result<Vec<Vec<OsString>>, Failure> {
    let mut reader = Reader { request, groups: vec![Vec::new()], shared: Vec::new(), files: 0 };
    reader.read(arguments.into())?;
    let shared = reader.shared;
    let mut groups = reader.groups;
    for group in groups.iter_mut().skip(1) {
        group.splice(0..0, shared.iter().cloned());
    }
    Ok(groups)
}

struct Reader<'a> {
    request: &'a Command,
    groups: Vec<Vec<OsString>>,
    /// What holds for all groups.
    shared: Vec<OsString>,
    files: usize,
}

/// A flag as it is found.
enum Found {
    Switch,
    /// It takes a value; this is its long name.
    Value(String),
    Next,
    File,
    Unknown,
}

impl Reader<'_> {
    fn read(&mut self, mut left: VecDeque<OsString>) -> Result<(), Failure> {
        while let Some(token) = left.pop_front() {
            let bytes = token.as_bytes();
            if bytes == b"--" {
                self.push("--".into());
                self.last().extend(left);
                return Ok(());
            }
            if bytes.starts_with(b"--") {
                self.long(token, &mut left)?;
            } else if bytes.len() > 1 && bytes[0] == b'-' {
                self.cluster(&token, &mut left)?;
            } else {
                self.push(token);
            }
        }
        Ok(())
    }

    fn long(&mut self, token: OsString, left: &mut VecDeque<OsString>) -> Result<(), Failure> {
        let bytes = token.as_bytes();
        let end = bytes.iter().position(|&byte| byte == b'=').unwrap_or(bytes.len());
        let name = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let given = bytes.get(end + 1..).map(|value| OsStr::from_bytes(value).to_owned());
        match self.find(&name)? {
            Found::Next => self.next(),
            Found::Switch | Found::Unknown => self.push(token),
            found @ (Found::Value(_) | Found::File) => {
                let value = match given {
                    Some(value) => value,
                    None => left.pop_front().ok_or_else(|| no_value(&name))?,
                };
                self.value(found, value, left)?;
            }
        }
        Ok(())
    }

    /// Letters behind one dash: switches, and at the end perhaps a flag with its value.
    fn cluster(&mut self, token: &OsStr, left: &mut VecDeque<OsString>) -> Result<(), Failure> {
        let bytes = token.as_bytes();
        for at in 1..bytes.len() {
            let name = format!("-{}", char::from(bytes[at]));
            match self.find(&name)? {
                Found::Next => self.next(),
                Found::Switch => self.push(name.into()),
                Found::Unknown => {
                    self.push(OsString::from_vec([b"-", &bytes[at..]].concat()));
                    return Ok(());
                }
                found @ (Found::Value(_) | Found::File) => {
                    let rest = &bytes[at + 1..];
                    let value = match rest {
                        [] => left.pop_front().ok_or_else(|| no_value(&name))?,
                        rest => OsStr::from_bytes(rest).to_owned(),
                    };
                    return self.value(found, value, left);
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, found: Found, value: OsString, left: &mut VecDeque<OsString>) -> Result<(), Failure> {
        match found {
            Found::Value(long) => {
                let mut joined = OsString::from(format!("--{long}="));
                joined.push(value);
                if holds_for_all(&long) {
                    if self.groups.len() > 1 {
                        return Err(Failure::usage(format!("--{long} holds for the whole command"))
                            .with_hint("write it before the first --next"));
                    }
                    self.shared.push(joined.clone());
                }
                self.push(joined);
            }
            _ => {
                self.files += 1;
                if self.files > FILES {
                    return Err(Failure::usage(format!("more than {FILES} files with --config")));
                }
                for token in config_file::read(&value)?.into_iter().rev() {
                    left.push_front(token);
                }
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<Found, Failure> {
        match name {
            "--next" | "-:" => return Ok(Found::Next),
            "--config" | "-K" => return Ok(Found::File),
            _ => {}
        }
        if let Some(flag) = curl_flags::of(name)
            && let Verdict::Refused(instead) = flag.verdict
        {
            return Err(Failure::usage(format!("curl's {name} is not taken")).with_hint(instead));
        }
        let argument = self.request.get_arguments().find(|argument| match name.strip_prefix("--") {
            Some(long) => argument.get_long_and_visible_aliases().is_some_and(|longs| longs.contains(&long)),
            None => argument
                .get_short_and_visible_aliases()
                .is_some_and(|shorts| shorts.iter().any(|short| name[1..].starts_with(*short))),
        });
        Ok(match argument {
            Some(argument)
                if argument.get_action().takes_values()
                    && argument.get_num_args().is_none_or(|number| number.takes_values()) =>
            {
                Found::Value(argument.get_long().unwrap_or_default().to_owned())
            }
            Some(_) => Found::Switch,
            None => Found::Unknown,
        })
    }

    fn next(&mut self) {
        self.groups.push(Vec::new());
    }

    fn last(&mut self) -> &mut Vec<OsString> {
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    fn push(&mut self, token: OsString) {
        self.last().push(token);
    }
}

/// Whether a flag says where requests leave from, which is settled once for a command.
fn holds_for_all(long: &str) -> bool {
    long.starts_with("executor") || matches!(long, "token-file" | "dialect" | "log" | "log-format")
}

fn no_value(name: &str) -> Failure {
    Failure::usage(format!("{name} wants a value behind it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn read(arguments: &[&str]) -> Result<Vec<Vec<String>>, Failure> {
        let mut command = crate::flags::Flags::command();
        command.build();
        let request = command.find_subcommand("request").unwrap();
        let groups = groups(request, arguments.iter().map(OsString::from).collect())?;
        let text = |token: &OsString| token.to_str().unwrap().to_owned();
        Ok(groups.iter().map(|group| group.iter().map(text).collect()).collect())
    }

    /// Proves that a value is a value whatever it looks like, that letters stand together, and that `--next` begins a group
    /// which leaves from where the first one does.
    #[test]
    fn arguments_are_read_as_by_curl() {
        let read = |arguments: &[&str]| read(arguments).unwrap();
        assert_eq!(read(&["-sd", "--next", "u"]), [["-s", "--data=--next", "u"]]);
        assert_eq!(read(&["-sdx=1", "u"]), [["-s", "--data=x=1", "u"]]);
        assert_eq!(read(&["-o", "-k", "--", "-k"]), [["--output=-k", "--", "-k"]]);
        assert_eq!(
            read(&["--executor", "e", "u", "--next", "-d=", "v"]),
            [vec!["--executor=e", "u"], vec!["--executor=e", "--data==", "v"]]
        );
        assert_eq!(read(&["--nonesuch", "u"]), [["--nonesuch", "u"]]);
    }

    /// Proves that a flag which is not taken is refused wherever it stands as a flag, with what to use instead.
    #[test]
    fn refused_flags_are_refused_by_name() {
        for arguments in [&["-sk", "u"][..], &["--insecure", "u"], &["u", "--next", "-k"]] {
            let failure = read(arguments).unwrap_err();
            assert!(failure.hint.unwrap().contains("--ca"), "{}", failure.message);
        }
        assert!(read(&["u", "--next", "--executor", "e", "v"]).is_err());
        assert!(read(&["u", "-o"]).is_err());
    }
}
