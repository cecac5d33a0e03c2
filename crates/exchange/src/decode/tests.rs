use super::*;
use crate::Header;
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use std::io::Write;

const TEXT: &[u8] = b"hello hello hello\n";
const NO_LIMIT: u64 = u64::MAX;

/// `TEXT` in brotli.
const BROTLI: &str = "8b088068656c6c6f2068656c6c6f2068656c6c6f0a03";
/// `data: 1\n\n`, flushed, and then `data: 2\n\n` and the end, in brotli.
const BROTLI_FLUSHED: [&str; 2] = ["0b0480646174613a20310a0a", "8100805f4a41a608d1241830"];
/// 64 MiB of zeros in brotli.
const BROTLI_BOMB: &str = "cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd1fffffffe09f0088c30200ddfb3ffeffffc13f0110\
    870500baf77ffcffff837f02200e0b0074effff8ffff07ff04401c1600e8defff1ffff0ffe0980382c00d0bdffcbffff3ffc1300715800a07bff07";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    zstd_safe::compress(&mut encoded, bytes, 3).unwrap();
    encoded
}

fn decoder(encodings: &[&str], limit: u64) -> Result<Option<Decoder>, Error> {
    let headers =
        encodings.iter().map(|value| Header::new("content-encoding", (*value).to_owned())).collect();
    Decoder::of(&Head::new(200, headers), limit)
}

/// Decodes `encoded`, given in pieces of `size` bytes, to the end.
fn decoded_in(encodings: &[&str], encoded: &[u8], size: usize, limit: u64) -> Result<Vec<u8>, Error> {
    let mut decoder = decoder(encodings, limit)?.expect("there is an encoding");
    let mut all = Vec::new();
    for piece in encoded.chunks(size) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(bytes) = decoder.pull()? {
            all.extend_from_slice(&bytes);
        }
    }
    decoder.finish()?;
    Ok(all)
}

fn samples(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("gzip", gzip(bytes)),
        ("X-GZIP", [gzip(&bytes[..5]), gzip(&bytes[5..])].concat()),
        ("deflate", zlib(bytes)),
        ("deflate", deflate(bytes)),
        ("zstd", zstd(bytes)),
        ("zstd", [zstd(&bytes[..5]), zstd(&bytes[5..])].concat()),
    ]
}

/// Proves that every encoding is undone, however the wire cuts it into pieces.
#[test]
fn every_encoding_is_undone_in_pieces_of_any_size() {
    let mut samples = samples(TEXT);
    samples.push(("br", hex(BROTLI)));
    for (encoding, encoded) in samples {
        for size in 1..=encoded.len() {
            assert_eq!(
                decoded_in(&[encoding], &encoded, size, NO_LIMIT).unwrap(),
                TEXT,
                "{encoding} by {size}"
            );
        }
    }
}

/// Proves that large bodies pass the buffers between layers, and that two layers are undone in the right order.
#[test]
fn two_layers_are_undone_last_first() {
    let text: Vec<u8> = (0..700_000_u32)
        .flat_map(|number| (number.wrapping_mul(2_654_435_761) >> 20).to_le_bytes())
        .collect();
    let encoded = zstd(&gzip(&text));
    assert_eq!(decoded_in(&["gzip, zstd"], &encoded, 10_000, NO_LIMIT).unwrap(), text);
    assert_eq!(decoded_in(&["gzip", "identity", "zstd"], &encoded, 1 << 20, NO_LIMIT).unwrap(), text);
}

/// Proves that a body of several gzip members is decoded to its end, an empty one among them, by either name of it and in
/// two layers that are each of several members (RFC 1952, section 2.2; RFC 9110, section 8.4.1).
#[test]
fn case_165_several_members_are_one_body() {
    let members = [gzip(&TEXT[..5]), gzip(b""), gzip(&TEXT[5..])].concat();
    let twice = [gzip(&members[..20]), gzip(&members[20..])].concat();
    for (encodings, encoded) in [
        (&["gzip"][..], &members),
        (&["x-gzip"], &members),
        (&["gzip, gzip"], &twice),
        (&["x-gzip", "gzip"], &twice),
    ] {
        for size in 1..=encoded.len() {
            let decoded = decoded_in(encodings, encoded, size, NO_LIMIT).unwrap();
            assert_eq!(decoded, TEXT, "{encodings:?} by {size}");
        }
        assert!(decoded_in(encodings, &encoded[..encoded.len() - 1], 7, NO_LIMIT).is_err(), "{encodings:?}");
    }
}

/// Proves that what an origin has flushed is decoded at once, without waiting for more: an event stream stays live.
#[test]
fn flushed_data_is_decoded_at_once() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(b"data: 1\n\n").unwrap();
    encoder.flush().unwrap();
    let mut zstd = zstd_safe::CCtx::create();
    let mut flushed = vec![0; 1000];
    let mut output = zstd_safe::OutBuffer::around(flushed.as_mut_slice());
    zstd.compress_stream(&mut output, &mut zstd_safe::InBuffer::around(b"data: 1\n\n")).unwrap();
    zstd.flush_stream(&mut output).unwrap();
    let length = output.pos();
    flushed.truncate(length);
    for (encoding, flushed) in
        [("gzip", encoder.get_ref().clone()), ("br", hex(BROTLI_FLUSHED[0])), ("zstd", flushed)]
    {
        let mut decoder = decoder(&[encoding], NO_LIMIT).unwrap().unwrap();
        decoder.push(flushed.into());
        assert_eq!(decoder.pull().unwrap().unwrap(), &b"data: 1\n\n"[..], "{encoding}");
        assert_eq!(decoder.pull().unwrap(), None);
        assert!(decoder.finish().is_err(), "{encoding} has not ended");
    }
}

/// Proves that data which ends early, or is not what it says, is an error of the origin and never a clean end.
#[test]
fn damaged_data_is_an_error() {
    let mut samples = samples(TEXT);
    samples.push(("br", hex(BROTLI)));
    for (encoding, encoded) in samples {
        let error = decoded_in(&[encoding], &encoded[..encoded.len() - 1], 7, NO_LIMIT).unwrap_err();
        assert_eq!(error.detail(), Some(CONTENT_ENCODING), "{encoding}");
    }
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        assert!(decoded_in(&[encoding], b"\xfe\xff\xff\xff\xff\xff", 3, NO_LIMIT).is_err(), "{encoding}");
    }
    let mut wrong_check = gzip(TEXT);
    let last = wrong_check.len() - 5;
    wrong_check[last] ^= 1;
    assert!(decoded_in(&["gzip"], &wrong_check, 100, NO_LIMIT).is_err());
    assert!(decoder(&["rot13"], NO_LIMIT).is_err());
}

/// Proves that a response without any body is whole, whatever encoding it names, and that no encoding is no decoder.
#[test]
fn an_empty_body_is_whole() {
    assert!(decoder(&["gzip"], NO_LIMIT).unwrap().unwrap().finish().is_ok());
    assert!(decoder(&["identity"], NO_LIMIT).unwrap().is_none());
    assert!(decoder(&[], NO_LIMIT).unwrap().is_none());
}

/// Proves that a body which decodes to exactly the limit passes, and one byte more does not.
#[test]
fn case_74_the_limit_holds_to_the_byte() {
    for (encoding, encoded) in samples(TEXT) {
        assert!(decoded_in(&[encoding], &encoded, 5, TEXT.len() as u64).is_ok());
        let error = decoded_in(&[encoding], &encoded, 5, TEXT.len() as u64 - 1).unwrap_err();
        assert_eq!((error.kind(), error.detail()), (Kind::TooLarge, Some(detail::DECODED)));
    }
}

/// Proves that a bomb is stopped by its ratio long before it is decoded, in every encoding and in two layers, and that
/// more than two layers are refused outright.
#[test]
fn case_74_bombs_are_stopped_by_their_ratio() {
    let zeros = vec![0; 64 << 20];
    let bombs = [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("zstd", zstd(&zeros)),
        ("br", hex(BROTLI_BOMB)),
        ("gzip, gzip", gzip(&gzip(&zeros))),
        ("gzip", gzip(&zeros[..1 << 20]).repeat(64)),
    ];
    for (encoding, bomb) in bombs {
        let mut decoder = decoder(&[encoding], NO_LIMIT).unwrap().unwrap();
        decoder.push(bomb.into());
        let mut decoded = 0;
        let error = loop {
            match decoder.pull() {
                Ok(Some(bytes)) => decoded += bytes.len() as u64,
                Ok(None) => panic!("{encoding} was decoded whole"),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.detail()), (Kind::TooLarge, Some(detail::DECODED)), "{encoding}");
        assert!(decoded <= RATIO_FLOOR + PIECE as u64, "{encoding}: {decoded}");
    }
    let error = decoder(&["gzip, gzip", "br"], NO_LIMIT).map(|_| ()).unwrap_err();
    assert_eq!(error.detail(), Some(detail::DECODED));
}
