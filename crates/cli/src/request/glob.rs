use crate::{ExitCode, failure::Failure};

/// URLs that one pattern may stand for.
const MOST: usize = 100_000;

/// A URL that a pattern stands for, and what its braces and brackets became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Globbed {
    pub url: String,
    parts: Vec<String>,
}

impl Globbed {
    /// The URL as it is typed.
    pub fn plain(url: String) -> Self {
        Self { url, parts: Vec::new() }
    }

    /// `#1` and the like replaced by what the braces and brackets became. Others stay, as in curl.
    pub fn fill(&self, name: &str) -> String {
        let mut filled = String::new();
        let mut rest = name;
        while let Some((before, after)) = rest.split_once('#') {
            filled.push_str(before);
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let part = after[..digits]
                .parse::<usize>()
                .ok()
                .and_then(|number| self.parts.get(number.checked_sub(1)?));
            match part {
                Some(part) => filled.push_str(part),
                None => filled.push_str(&format!("#{}", &after[..digits])),
            }
            rest = &after[digits..];
        }
        filled + rest
    }
}

/// All URLs that a pattern stands for, the last brace or bracket changing fastest.
pub(crate) fn expand(pattern: &str) -> Result<Vec<Globbed>, Failure> {
    let mut all = vec![Globbed::plain(String::new())];
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '[', ']', '}', '\\']) {
        let (literal, from) = rest.split_at(at);
        push(&mut all, literal);
        let choices;
        (choices, rest) = match from.as_bytes() {
            [b'\\', b'{' | b'[' | b'}' | b']', ..] => {
                push(&mut all, &from[1..2]);
                rest = &from[2..];
                continue;
            }
            [b'\\', ..] => {
                push(&mut all, "\\");
                rest = &from[1..];
                continue;
            }
            [b'[', ..] if is_address(from) => {
                let end = from.find(']').map_or(from.len(), |end| end + 1);
                push(&mut all, &from[..end]);
                rest = &from[end..];
                continue;
            }
            [b'{', ..] => set(pattern, from)?,
            [b'[', ..] => range(pattern, from)?,
            _ => return Err(wrong(pattern, "a bracket or brace is closed that was not opened")),
        };
        if all.len().saturating_mul(choices.len()) > MOST {
            return Err(wrong(pattern, "it stands for more than 100,000 URLs"));
        }
        all = all
            .iter()
            .flat_map(|before| {
                choices.iter().map(|choice| {
                    let mut parts = before.parts.clone();
                    parts.push(choice.clone());
                    Globbed { url: format!("{}{choice}", before.url), parts }
                })
            })
            .collect();
    }
    push(&mut all, rest);
    Ok(all)
}

fn push(all: &mut [Globbed], literal: &str) {
    all.iter_mut().for_each(|globbed| globbed.url.push_str(literal));
}

/// An IPv6 address in its brackets, or an empty pair, is no range.
fn is_address(from: &str) -> bool {
    from[1..].split_once(']').is_some_and(|(inside, _)| {
        inside.is_empty()
            || inside.contains(':')
                && !inside.contains('-')
                && inside
                    .split('%')
                    .next()
                    .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
            || inside.contains("::")
    })
}

fn set<'a>(pattern: &str, from: &'a str) -> Result<(Vec<String>, &'a str), Failure> {
    let Some((inside, after)) = from[1..].split_once('}') else {
        return Err(wrong(pattern, "a brace is not closed"));
    };
    if inside.is_empty() {
        return Err(wrong(pattern, "a pair of braces is empty"));
    }
    if inside.contains(['{', '[']) {
        return Err(wrong(pattern, "braces and brackets do not stand within braces"));
    }
    Ok((inside.split(',').map(str::to_owned).collect(), after))
}

/// `[1-9]`, `[001-100:10]`, `[a-z]`.
fn range<'a>(pattern: &str, from: &'a str) -> Result<(Vec<String>, &'a str), Failure> {
    let bad = || wrong(pattern, "a range is not like [1-9], [001-100:10] or [a-z]");
    let (inside, after) = from[1..].split_once(']').ok_or_else(bad)?;
    let (ends, step) = match inside.split_once(':') {
        Some((ends, step)) => (ends, step.parse::<u64>().map_err(|_| bad())?),
        None => (inside, 1),
    };
    let (first, last) = ends.split_once('-').ok_or_else(bad)?;
    let step_by = usize::try_from(step).ok().filter(|&step| step > 0).ok_or_else(bad)?;
    let choices: Vec<String> = match (first.as_bytes(), last.as_bytes()) {
        ([a], [b]) if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && a <= b => {
            (*a..=*b).step_by(step_by).map(|letter| char::from(letter).to_string()).collect()
        }
        _ => {
            let number = |text: &str| {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| text.parse::<u64>().ok()).flatten().ok_or_else(bad)
            };
            let (from, to) = (number(first)?, number(last)?);
            if from > to || (to - from) / step >= MOST as u64 {
                return Err(bad());
            }
            let width = if first.starts_with('0') { first.len() } else { 0 };
            (from..=to).step_by(step_by).map(|number| format!("{number:0width$}")).collect()
        }
    };
    Ok((choices, after))
}

fn wrong(_: &str, why: &str) -> Failure {
    Failure::new(ExitCode::BadUrl, format!("the pattern of URLs is wrong: {why}"))
        .with_hint("-g takes brackets and braces for themselves")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(pattern: &str) -> Vec<String> {
        expand(pattern).unwrap().into_iter().map(|globbed| globbed.url).collect()
    }

    /// Proves what braces and brackets stand for, in which order, and that an IPv6 address is none of them.
    #[test]
    fn patterns_stand_for_urls_as_in_curl() {
        assert_eq!(urls("h/{a,b}/[1-2]"), ["h/a/1", "h/a/2", "h/b/1", "h/b/2"]);
        assert_eq!(urls("h/[08-10]"), ["h/08", "h/09", "h/10"]);
        assert_eq!(urls("h/[a-e:2]"), ["h/a", "h/c", "h/e"]);
        assert_eq!(urls("h/[1-9:4]"), ["h/1", "h/5", "h/9"]);
        assert_eq!(urls("http://[::1]:80/x"), ["http://[::1]:80/x"]);
        assert_eq!(urls("h/\\{a\\}"), ["h/{a}"]);
        assert_eq!(expand("h/{a,b}/[1-2]").unwrap()[3].fill("#1-#2-#3.txt"), "b-2-#3.txt");
        for wrong in ["h/{a", "h/[9-1]", "h/[x]", "h/}", "h/{}", "h/[1-9999999]"] {
            assert_eq!(expand(wrong).unwrap_err().code, ExitCode::BadUrl, "{wrong}");
        }
    }
}
