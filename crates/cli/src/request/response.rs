use super::{
    etag,
    exchange::Stopped,
    file_plan::name_in,
    head_text::fields_text,
    output::{self, Sink},
    plan::{OnHttpError, OutputPlan, Target},
    progress::Transfer,
    verbose::Story,
};
use crate::{ExitCode, console::Stream, failure::Failure};
use afield_exchange::{Error, Head, Response, ResponseBody, decode::Decoder};
use bytes::Bytes;
use std::sync::atomic::Ordering;

/// Binary data is looked for in this many bytes, as in curl.
const LOOKED_AT: u64 = 2000;

/// Writes the response where the plan says; `heads` is its head as text, behind the informational ones. Returning early drops the body, which cancels the exchange.
pub(super) async fn write(
    mut plan: OutputPlan,
    resumes: bool,
    heads: Vec<u8>,
    response: Response,
    transfer: &Transfer,
    story: &Story,
) -> Result<ExitCode, Stopped> {
    let Response { head, mut body } = response;
    if let Some(target) = &plan.dump_head {
        output::write_head(target, &heads)?;
    }
    if let Some(target) = &plan.etag {
        etag::save(target, &head)?;
    }
    let offset = plan.file.resume.filter(|&offset| offset > 0);
    // There is nothing behind the end: the file is whole already, as curl sees it.
    let is_whole = offset.is_some() && head.status == 416;
    let failed = !is_whole && head.status >= 400 && plan.on_http_error != OnHttpError::Nothing;
    if failed && plan.on_http_error == OnHttpError::FailWithoutBody {
        return Err(http_error(&head).into());
    }
    if plan.file.name_from_head
        && let Target::File(path) = &mut plan.target
        && let Some(name) = head.header("content-disposition").and_then(|field| name_in(field.text()?))
    {
        path.set_file_name(name);
        plan.file.only_new = true;
    }
    let mut writer = Writer::new(&plan, &head)?;
    if plan.include_head {
        writer.sink.write(heads.into()).await?;
    }
    if plan.head_only {
        drop(body);
        writer.sink.finish().await?;
        return Ok(ExitCode::Success);
    }
    if is_whole {
        drop(body);
        writer.sink.finish().await?;
        return Ok(ExitCode::Success);
    }
    if let Some(offset) = offset.filter(|&offset| resumes && !goes_on_at(&head, offset)) {
        drop(body);
        writer.sink.finish().await?;
        return match content_length(&head) {
            Some(length) if length == offset || length == 0 => Ok(ExitCode::Success),
            _ => Err(Failure::new(ExitCode::Range, "the origin does not go on where the file ends")
                .with_hint("without -C the whole is fetched anew")
                .into()),
        };
    }
    if let Some(length) = content_length(&head) {
        transfer.download_length.store(length, Ordering::Relaxed);
        check_size(plan.max_bytes, length)?;
    }
    let ended = copy(&mut body, &mut writer, plan.max_bytes, transfer).await;
    let trailers = body.take_trailers();
    // One that has not ended is given up before its output is waited for.
    drop(body);
    if plan.include_head && !trailers.is_empty() && ended.is_ok() {
        writer.sink.write(fields_text(&trailers).into()).await?;
    }
    // Also an empty body makes a file, but not one that broke off before its first byte.
    if matches!(plan.target, Target::File(_)) && ended.is_ok() {
        writer.sink.write(Bytes::new()).await?;
    }
    // What came before an error is written all the same.
    let written = writer.sink.finish().await;
    let pieces = ended?;
    written?;
    story.end(transfer.downloaded.load(Ordering::Relaxed), pieces);
    story.trailers(&trailers);
    if let Some(target) = plan.dump_head.as_ref().filter(|_| !trailers.is_empty()) {
        output::append_to_head(target, &fields_text(&trailers))?;
    }
    if failed { Err(http_error(&head).into()) } else { Ok(ExitCode::Success) }
}

/// Copies the body to its end, and answers with the number of its pieces.
async fn copy(
    body: &mut ResponseBody,
    writer: &mut Writer,
    max_bytes: Option<u64>,
    transfer: &Transfer,
) -> Result<u64, Stopped> {
    let mut pieces = 0;
    loop {
        let piece = tokio::select! {
            piece = body.next() => piece.transpose()?,
            // Noticed also while nothing comes: whoever read the output has gone.
            failure = writer.sink.broken() => return Err(failure.into()),
        };
        let Some(piece) = piece else { break };
        pieces += 1;
        let length = piece.len() as u64;
        check_size(max_bytes, length + transfer.downloaded.fetch_add(length, Ordering::Relaxed))?;
        writer.take(piece).await?;
    }
    writer.end()?;
    Ok(pieces)
}

/// The way of a body from the wire to the output.
struct Writer {
    decoder: Option<Decoder>,
    sink: Sink,
    /// Bytes still to be looked at for binary data.
    look_at: u64,
}

impl Writer {
    fn new(plan: &OutputPlan, head: &Head) -> Result<Self, Error> {
        let decoder = match plan.decode {
            Some(limit) => Decoder::of(head, limit)?,
            None => None,
        };
        let to_terminal = plan.target == Target::Stdout { anyway: false } && Stream::Out.is_terminal();
        let look_at = if to_terminal { LOOKED_AT } else { 0 };
        Ok(Self { decoder, sink: Sink::open(plan.target.clone(), plan.file.clone()), look_at })
    }

    async fn take(&mut self, piece: Bytes) -> Result<(), Stopped> {
        let Some(mut decoder) = self.decoder.take() else { return Ok(self.write(piece).await?) };
        decoder.push(piece);
        while let Some(piece) = decoder.pull()? {
            self.write(piece).await?;
        }
        self.decoder = Some(decoder);
        Ok(())
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        if self.look_at > 0 {
            if piece.contains(&0) {
                return Err(Failure::new(
                    ExitCode::Write,
                    "the body is binary data, which can upset a terminal",
                )
                .with_hint("-o FILE saves it; `-o -` prints it all the same"));
            }
            self.look_at = self.look_at.saturating_sub(piece.len() as u64);
        }
        self.sink.write(piece).await
    }

    fn end(&self) -> Result<(), Error> {
        self.decoder.as_ref().map_or(Ok(()), Decoder::finish)
    }
}

/// Whether an answer is the rest from `offset` on.
fn goes_on_at(head: &Head, offset: u64) -> bool {
    let range = head.header("content-range").and_then(|field| field.text());
    let digits = range.and_then(|range| {
        let start = range.find(|c: char| c.is_ascii_digit())?;
        range[start..].split(|c: char| !c.is_ascii_digit()).next()
    });
    digits.and_then(|digits| digits.parse().ok()) == Some(offset)
}

fn http_error(head: &Head) -> Failure {
    Failure::new(ExitCode::HttpError, format!("the origin answered with status {}", head.status))
}

fn check_size(max_bytes: Option<u64>, bytes: u64) -> Result<(), Error> {
    match max_bytes {
        Some(most) if bytes > most => Err(Error::response_body_too_large(most)),
        _ => Ok(()),
    }
}

fn content_length(head: &Head) -> Option<u64> {
    head.header("content-length")?.text()?.trim().parse().ok()
}
