//! From bytes on a connection to a request that makes sense, or the status that refuses it.

use std::io::{self, BufRead, Read};

/// The most bytes that a request's head may have.
const HEAD_BYTES: u64 = 16 * 1024;

/// What of a request this server looks at.
#[derive(Debug, Default, PartialEq)]
pub struct Request {
    /// `HEAD`: the answer without its body.
    pub head_only: bool,
    /// The path, decoded and split at slashes: none is empty, starts with a dot, or holds a separator.
    pub segments: Vec<String>,
    pub range: Option<String>,
    pub if_range: Option<String>,
    pub if_none_match: Option<String>,
    /// The client closes the connection after this answer.
    pub close: bool,
}

/// Why there is no request.
#[derive(Debug, PartialEq)]
pub enum Rejection {
    /// The client has closed the connection.
    Closed,
    /// The status to answer with, before closing.
    Refused(u16),
}

impl Request {
    /// Reads one request's head; a body is never read, as no method that has one is served.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Result<Self, Rejection>> {
        let mut head = String::new();
        let mut limited = reader.take(HEAD_BYTES);
        while !head.ends_with("\r\n\r\n") {
            match limited.read_line(&mut head) {
                Ok(0) if head.is_empty() => return Ok(Err(Rejection::Closed)),
                Ok(0) => return Ok(Err(Rejection::Refused(431))),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Ok(Err(Rejection::Refused(400)));
                }
                outcome => outcome?,
            };
        }
        Ok(Self::parse(&head).map_err(Rejection::Refused))
    }

    fn parse(head: &str) -> Result<Self, u16> {
        let mut lines = head.split("\r\n");
        let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, version] = words[..] else {
            return Err(400);
        };
        if !version.starts_with("HTTP/1.") {
            return Err(505);
        }
        if !matches!(method, "GET" | "HEAD") {
            return Err(405);
        }
        let mut request = Self {
            head_only: method == "HEAD",
            segments: segments(target).ok_or(404u16)?,
            close: version == "HTTP/1.0",
            ..Self::default()
        };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "range" => request.range = Some(value.to_owned()),
                "if-range" => request.if_range = Some(value.to_owned()),
                "if-none-match" => request.if_none_match = Some(value.to_owned()),
                "connection" => request.close |= value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        Ok(request)
    }
}

/// The path of `/a/b%20c?query` as its parts; none if it could lead out of the folder that is served.
fn segments(target: &str) -> Option<Vec<String>> {
    let path = target.strip_prefix('/')?.split(['?', '#']).next()?;
    let parts = path.split('/').filter(|part| !part.is_empty()).map(decode);
    let parts = parts.collect::<Option<Vec<String>>>()?;
    let harmless = |part: &String| !part.starts_with('.') && !part.contains(['/', '\\', ':', '\0']);
    parts.iter().all(harmless).then_some(parts)
}

/// `b%20c` as `b c`; none if it is no valid percent-encoding of UTF-8.
fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, Rejection> {
        Request::read(&mut text.as_bytes()).expect("a slice can be read")
    }

    #[test]
    fn headers_are_read_whatever_their_case() {
        let request = read("HEAD /models/a%20b.gguf?x=1 HTTP/1.1\r\nRANGE: bytes=0-3\r\nConnection: Close\r\n\r\n");
        let expected = Request {
            head_only: true,
            segments: vec!["models".into(), "a b.gguf".into()],
            range: Some("bytes=0-3".into()),
            close: true,
            ..Request::default()
        };
        assert_eq!(request, Ok(expected));
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in
            ["/../x", "/a/%2e%2e/x", "/a%2f..%2fx", "/.git/config", "/a\\..\\x", "/C:/x", "/a%00", "/%zz", "/%e", "x"]
        {
            assert_eq!(read(&format!("GET {path} HTTP/1.1\r\n\r\n")), Err(Rejection::Refused(404)), "{path}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(read(""), Err(Rejection::Closed));
        assert_eq!(read("GET /\r\n\r\n"), Err(Rejection::Refused(400)));
        assert_eq!(read("POST / HTTP/1.1\r\n\r\n"), Err(Rejection::Refused(405)));
        assert_eq!(read("GET / HTTP/2\r\n\r\n"), Err(Rejection::Refused(505)));
        assert_eq!(read("GET / HTTP/1.1\r\nHost: x"), Err(Rejection::Refused(431)));
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(20_000));
        assert_eq!(read(&endless), Err(Rejection::Refused(431)));
    }
}
