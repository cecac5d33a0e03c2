//! Decoding of a compressed response body, as it comes and under limits: at most two layers, at most so many bytes,
//! and never more than a ratio that honest data does not reach.

use crate::{Blame, Error, Head, Kind, Phase, ResponseBody, Retry, detail};
use bytes::Bytes;

mod body;
mod brotli;
mod deflate;
mod gzip;
mod zstd;

/// The [detail](Error::detail) of errors about how a body is encoded.
pub const CONTENT_ENCODING: &str = "content_encoding";

/// What is asked for, in the order curl asks.
pub const ACCEPTED: &str = "deflate, gzip, br, zstd";

/// Encodings on top of each other.
const MOST_LAYERS: usize = 2;
/// Up to here the ratio does not matter.
const RATIO_FLOOR: u64 = 16 * 1024 * 1024;
/// Decoded bytes for one encoded byte. Text rarely passes 20, a log of equal lines 200.
const MOST_RATIO: u64 = 250;
/// Decoded bytes that are handed on at once.
const PIECE: usize = 64 * 1024;

/// One encoding, undone piece by piece, without any I/O.
trait Codec: Send {
    /// Decodes from `input`, which it advances, to the front of `output`, and answers with how much it wrote. Makes
    /// progress on one of them, unless `input` is empty.
    fn decode(&mut self, input: &mut Bytes, output: &mut [u8]) -> Result<usize, Damaged>;

    /// Whether the encoded data may end here.
    fn is_complete(&self) -> bool;
}

/// The data is not what its encoding says.
#[derive(Debug, PartialEq, Eq)]
struct Damaged;

/// Undoes the encodings of one response.
pub struct Decoder {
    /// In the order of decoding.
    layers: Vec<Layer>,
    encoded: u64,
    decoded: u64,
    limit: u64,
}

struct Layer {
    name: &'static str,
    codec: Box<dyn Codec>,
    input: Bytes,
    started: bool,
}

impl Decoder {
    /// What undoes the `Content-Encoding` of `head`, for at most `limit` decoded bytes; `None` if there is none.
    ///
    /// # Errors
    ///
    /// An unknown encoding, or more than two of them.
    pub fn of(head: &Head, limit: u64) -> Result<Option<Self>, Error> {
        let mut layers = Vec::new();
        for header in head.headers.iter().filter(|header| header.is("content-encoding")) {
            for name in header.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                layers.extend(layer(name)?);
            }
        }
        if layers.len() > MOST_LAYERS {
            return Err(too_large(format!("the response is encoded more than {MOST_LAYERS} times")));
        }
        // The encoding applied last is undone first.
        layers.reverse();
        Ok((!layers.is_empty()).then_some(Self { layers, encoded: 0, decoded: 0, limit }))
    }

    /// Takes the next encoded bytes. All decoded bytes of the ones before must have been pulled.
    pub fn push(&mut self, encoded: Bytes) {
        self.encoded += encoded.len() as u64;
        if let Some(first) = self.layers.first_mut() {
            first.started |= !encoded.is_empty();
            first.input = encoded;
        }
    }

    /// The next decoded bytes; `None` when more encoded bytes are needed.
    ///
    /// # Errors
    ///
    /// Damaged data; too many decoded bytes, absolutely or for what they came from.
    pub fn pull(&mut self) -> Result<Option<Bytes>, Error> {
        let mut output = vec![0; PIECE];
        let length = pull(&mut self.layers, &mut output)?;
        self.decoded += length as u64;
        if self.decoded > self.limit {
            return Err(too_large(format!("the response decodes to more than {} bytes", self.limit)));
        }
        if self.decoded > RATIO_FLOOR && self.decoded / MOST_RATIO > self.encoded {
            return Err(too_large(format!(
                "the response decodes to more than {MOST_RATIO} times its size: {} bytes became {} and more",
                self.encoded, self.decoded
            )));
        }
        output.truncate(length);
        Ok((length > 0).then(|| Bytes::from(output)))
    }

    /// Checks that the encoded data was whole. A response without any body is.
    pub fn finish(&self) -> Result<(), Error> {
        match self.layers.iter().find(|layer| layer.started && !layer.codec.is_complete()) {
            Some(layer) => Err(damaged(format!("the {} data of the response ends early", layer.name))),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layers: Vec<&str> = self.layers.iter().map(|layer| layer.name).collect();
        f.debug_struct("Decoder").field("layers", &layers).finish_non_exhaustive()
    }
}

/// The body behind `head` as it was before it was encoded, of at most `limit` bytes: decoded as it comes, so that what a
/// server flushes is there at once. One that is not encoded is returned as it is.
///
/// # Errors
///
/// An unknown encoding, or more than two. What is damaged or too large is an error of the body.
pub fn decoded(head: &Head, body: ResponseBody, limit: u64) -> Result<ResponseBody, Error> {
    Ok(match Decoder::of(head, limit)? {
        Some(decoder) => ResponseBody::from_frames(body::Decoded::new(body, decoder)),
        None => body,
    })
}

/// Pulls from the last layer, which pulls from the one before it when it needs more.
fn pull(layers: &mut [Layer], output: &mut [u8]) -> Result<usize, Error> {
    let Some((last, before)) = layers.split_last_mut() else { return Ok(0) };
    loop {
        // Also without new input: a codec may hold decoded bytes for which there was no room.
        let written = last
            .codec
            .decode(&mut last.input, output)
            .map_err(|Damaged| damaged(format!("the {} data of the response is damaged", last.name)))?;
        if written > 0 {
            return Ok(written);
        }
        if !last.input.is_empty() {
            continue;
        }
        if before.is_empty() {
            return Ok(0);
        }
        let mut piece = vec![0; PIECE];
        let length = pull(before, &mut piece)?;
        if length == 0 {
            return Ok(0);
        }
        piece.truncate(length);
        last.input = piece.into();
        last.started = true;
    }
}

fn layer(name: &[u8]) -> Result<Option<Layer>, Error> {
    let (name, codec): (_, Box<dyn Codec>) = match name.to_ascii_lowercase().as_slice() {
        b"" | b"identity" => return Ok(None),
        b"gzip" | b"x-gzip" => ("gzip", Box::new(gzip::Gzip::new())),
        b"deflate" => ("deflate", Box::new(deflate::Deflate::new())),
        b"br" => ("br", Box::new(brotli::Brotli::new())),
        b"zstd" => {
            ("zstd", Box::new(zstd::Zstd::new().ok_or_else(|| Error::internal("out of memory for zstd"))?))
        }
        other => {
            return Err(damaged(format!(
                "the response has an unknown encoding, {:?}; known are {ACCEPTED}",
                String::from_utf8_lossy(&other[..other.len().min(32)])
            )));
        }
    };
    Ok(Some(Layer { name, codec, input: Bytes::new(), started: false }))
}

fn damaged(message: String) -> Error {
    Error::new(Kind::OriginProtocol, Blame::Origin, Retry::Unknown, message)
        .with_detail(CONTENT_ENCODING)
        .with_phase(Phase::Body)
}

fn too_large(message: String) -> Error {
    Error::new(Kind::TooLarge, Blame::Origin, Retry::No, message)
        .with_detail(detail::DECODED)
        .with_phase(Phase::Body)
}

#[cfg(test)]
mod tests;
