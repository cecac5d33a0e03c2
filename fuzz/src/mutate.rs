//! Small changes to an input, of the kinds that break parsers.

use crate::rng::Rng;

/// No input grows beyond this.
const LONGEST: usize = 64 * 1024;

/// Bytes at the edges of character classes, of JSON, of UTF-8 and of HTTP's grammar.
const BYTES: &[u8] = b"\0\x01\t\n\x0b\r \"#%*+,-./09:;=@AZ[\\]_az{|}~\x7f\x80\xbf\xc0\xe0\xf0\xfe\xff";

/// Words that mean something to the decoders under test, and numbers at the edges of their types.
#[rustfmt::skip]
const WORDS: &[&[u8]] = &[
    b"null", b"true", b"false", b"-1", b"0", b"1e999", b"4294967296", b"9007199254740993",
    b"18446744073709551615", b"18446744073709551616", b"-9223372036854775808", b"\\ud800", b"\\u0000",
    b"\xef\xbb\xbf", b"\xed\xa0\x80", b"{}", b"[]", b"[[[[", b"{\"", b"\"\"", b",", b"\"id\":",
    b"\"method\":", b"\"params\":", b"\"result\":", b"\"error\":", b"\"requestId\":", b"\"seq\":",
    b"\"deltaBase64\":", b"\"done\":", b"\"bodyBase64\":", b"\"headers\":", b"\"name\":", b"\"value\":",
    b"\"valueBase64\":", b"====", b"AAAA", b"A===", b"\r\n", b"\r\n\r\n", b": ", b"Content-Length",
    b"Transfer-Encoding", b"chunked", b"Host", b"Connection", b"keep-alive", b"Upgrade", b"TE",
    b"Trailer", b"Proxy-Authorization", b"Expect", b"http://", b"https://", b"@", b"[::1]", b"127.0.0.1",
    b"%00", b"\nl\na\n", b"\nw\n", b"\nr\n", b"\nx\n", b"\nt\n", b"\nc\n", b"\ne\n", b"\"offset\":",
    b"\"final\":true", b"\"received\":", b"\"consumed\":", b"\"state\":", b"\"known\"", b"\"new\"", b"\"gone\"",
    b"\x01\x00\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0", b"\x02\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0",
];

/// Changes `input` at one to eight places. `others` are inputs to take pieces from.
pub fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut Rng) {
    for _ in 0..=rng.below(8) {
        mutate_once(input, others, rng);
    }
    input.truncate(LONGEST);
}

fn mutate_once(input: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.below(input.len() + 1);
    let end = at + rng.below((input.len() - at).min(64) + 1);
    match rng.below(9) {
        0 => flip_bit(input, rng),
        1 => replace(input, at, &[BYTES[rng.below(BYTES.len())]]),
        2 => insert(input, at, &[BYTES[rng.below(BYTES.len())]]),
        3 => insert(input, at, rng.pick(WORDS)),
        4 => replace(input, at, rng.pick(WORDS)),
        5 => drop(input.drain(at..end)),
        6 => repeat(input, at, end, rng),
        7 => input.truncate(at),
        _ => splice(input, at, others, rng),
    }
}

fn flip_bit(input: &mut [u8], rng: &mut Rng) {
    let at = rng.below(input.len());
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << rng.below(8);
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

fn replace(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = input.len().min(at + bytes.len());
    input.splice(at..end, bytes.iter().copied());
}

/// Nesting and long runs come from this: a piece, up to 256 times over.
fn repeat(input: &mut Vec<u8>, at: usize, end: usize, rng: &mut Rng) {
    let times = 1 << rng.below(9);
    let piece = input[at..end].repeat(times);
    if input.len() + piece.len() <= LONGEST {
        insert(input, at, &piece);
    }
}

fn splice(input: &mut Vec<u8>, at: usize, others: &[Vec<u8>], rng: &mut Rng) {
    let Some(other) = others.get(rng.below(others.len())) else { return };
    let from = rng.below(other.len() + 1);
    input.truncate(at);
    input.extend_from_slice(&other[from..]);
}
