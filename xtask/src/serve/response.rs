//! From a request and a file to bytes on a connection: status, headers, and the part of the file that was asked for.

use super::request::Request;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// The page's own policy, sent as a header too: scripts of the page itself and WebAssembly, requests to wherever the
/// visitor's model is, and nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
     style-src 'self'; img-src 'self' data: blob:; connect-src *; manifest-src 'self'; base-uri 'none'; \
     form-action 'none'";

/// An answer: what stands in its head, and which bytes of which file follow.
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Option<(File, Range<u64>)>,
}

/// What a `Range` header asks of a file.
#[derive(Debug, PartialEq)]
enum Part {
    /// There is none, or one that servers may ignore: another unit, several ranges, nonsense.
    Whole,
    Some(Range<u64>),
    /// It lies beyond the end.
    Nothing,
}

impl Response {
    /// An answer that is a status and nothing more.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    /// The answer to a request for this file.
    pub fn to(request: &Request, path: &Path) -> Self {
        match Self::of_file(request, path) {
            Ok(response) => response,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::empty(404),
            Err(_) => Self::empty(500),
        }
    }

    fn of_file(request: &Request, path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Ok(Self::empty(404));
        }
        let length = metadata.len();
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let etag = format!("\"{length:x}-{:x}\"", modified.as_nanos());
        let headers = vec![
            ("Content-Type", media_type(path).to_owned()),
            ("ETag", etag.clone()),
            ("Accept-Ranges", "bytes".to_owned()),
            ("Cache-Control", "no-cache".to_owned()),
        ];
        let response = |status, body| Ok(Self { status, headers: headers.clone(), body });
        if request.if_none_match.as_ref().is_some_and(|known| known == "*" || known.contains(&etag)) {
            return response(304, None);
        }
        // A range of a file that has changed since would be glued to the wrong bytes.
        let same_file = request.if_range.as_ref().is_none_or(|known| *known == etag);
        let part = request.range.as_ref().filter(|_| same_file).map_or(Part::Whole, |range| part(range, length));
        let content_range = |range: String| ("Content-Range", format!("bytes {range}/{length}"));
        let (status, range, extra) = match part {
            Part::Whole => (200, 0..length, None),
            Part::Some(range) => (206, range.clone(), Some(format!("{}-{}", range.start, range.end - 1))),
            Part::Nothing => {
                let mut refusal = Self::empty(416);
                refusal.headers.push(content_range("*".to_owned()));
                return Ok(refusal);
            }
        };
        let mut response = response(status, Some((File::open(path)?, range)))?;
        response.headers.extend(extra.map(content_range));
        Ok(response)
    }

    /// Writes the head and, unless it isn't wanted, the body.
    pub fn write(self, writer: &mut impl Write, with_body: bool) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let length = self.body.as_ref().map_or(0, |(_, range)| range.end - range.start);
        if self.status != 304 {
            head += &format!("Content-Length: {length}\r\n");
        }
        head += &format!("Content-Security-Policy: {CONTENT_SECURITY_POLICY}\r\n");
        // Memory that several threads share is for pages that can't be looked into.
        head += "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Embedder-Policy: require-corp\r\n";
        head += "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\r\n";
        writer.write_all(head.as_bytes())?;
        if let Some((mut file, range)) = self.body.filter(|_| with_body) {
            file.seek(SeekFrom::Start(range.start))?;
            let written = io::copy(&mut file.take(length), writer)?;
            if written < length {
                // The file has shrunk: closing the connection is the only way left to say so.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

/// Reads `bytes=first-last`, `bytes=first-` and `bytes=-last_many` against a file of `length` bytes.
fn part(header: &str, length: u64) -> Part {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Part::Whole;
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..length,
        (Err(_), Ok(many)) if first.trim().is_empty() => length.saturating_sub(many)..length,
        _ => return Part::Whole,
    };
    if range.start < range.end { Part::Some(range) } else { Part::Nothing }
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole answer to a request with these headers for a file of ten digits.
    fn answer(headers: impl FnOnce(&mut Request), with_body: bool) -> String {
        let path = std::env::temp_dir().join(format!("oriel-serve-{:?}.js", std::thread::current().id()));
        fs::write(&path, "0123456789").expect("the temporary folder can be written");
        let mut request = Request::default();
        headers(&mut request);
        let mut bytes = Vec::new();
        Response::to(&request, &path).write(&mut bytes, with_body).expect("a vector can be written");
        fs::remove_file(&path).expect("it was just written");
        String::from_utf8(bytes).expect("ASCII")
    }

    #[test]
    fn a_file_comes_with_its_type_and_length() {
        let text = answer(|_| {}, true);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/javascript"), "{text}");
        assert!(text.contains("\r\nContent-Length: 10\r\n") && text.ends_with("\r\n\r\n0123456789"), "{text}");
        assert!(text.contains("\r\nCross-Origin-Embedder-Policy: require-corp\r\n"), "threads need it: {text}");
        let text = answer(|_| {}, false);
        assert!(text.contains("\r\nContent-Length: 10\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn a_range_comes_alone() {
        let text = answer(|request| request.range = Some("bytes=2-4".into()), true);
        assert!(text.starts_with("HTTP/1.1 206 "), "{text}");
        assert!(text.contains("\r\nContent-Range: bytes 2-4/10\r\n") && text.ends_with("\r\n\r\n234"), "{text}");
        let text = answer(|request| request.range = Some("bytes=10-".into()), true);
        assert!(text.starts_with("HTTP/1.1 416 ") && text.contains("\r\nContent-Range: bytes */10\r\n"), "{text}");
    }

    #[test]
    fn a_range_of_an_older_file_brings_the_whole() {
        let text = answer(
            |request| {
                request.range = Some("bytes=2-4".into());
                request.if_range = Some("\"a-1\"".into());
            },
            true,
        );
        assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("0123456789"), "{text}");
    }

    #[test]
    fn a_known_file_is_not_sent_again() {
        let text = answer(|request| request.if_none_match = Some("*".into()), true);
        assert!(text.starts_with("HTTP/1.1 304 ") && text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        assert_eq!(part("bytes=0-0", 10), Part::Some(0..1));
        assert_eq!(part("bytes=8-99", 10), Part::Some(8..10));
        assert_eq!(part("bytes=0-18446744073709551615", 10), Part::Some(0..10));
        assert_eq!(part("bytes=-3", 10), Part::Some(7..10));
        assert_eq!(part("bytes=-99", 10), Part::Some(0..10));
        assert_eq!(part("bytes=-0", 10), Part::Nothing);
        assert_eq!(part("bytes=0-", 0), Part::Nothing);
        for ignored in ["bytes=4-2", "bytes=0-1,3-4", "lines=0-1", "bytes=", "bytes=a-b", "bytes=-"] {
            assert_eq!(part(ignored, 10), Part::Whole, "{ignored}");
        }
    }
}
