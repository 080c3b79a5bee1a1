//! Where requests and responses end: as much of HTTP/1.1 as a proxy needs that changes no byte.

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// So many bytes.
    Bytes(u64),
    /// It says itself where it ends.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

/// The head of a request, as far as it counts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestHead {
    /// The bytes of the head, with its empty line.
    pub(super) bytes: usize,
    /// How long the body is.
    pub(super) body: Length,
    /// Whether the response has no body, whatever its head says.
    pub(super) is_head: bool,
    /// Whether the client wants no further response on this connection.
    pub(super) closes: bool,
}

/// The head of a response, as far as it counts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResponseHead {
    /// The bytes of the head, with its empty line.
    pub(super) bytes: usize,
    /// The status.
    pub(super) status: u16,
    /// How long the body is.
    pub(super) body: Length,
    /// Whether the connection ends with this response.
    pub(super) closes: bool,
}

/// What is no message that a proxy can find the end of: its bytes go through as they are, until the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear;

/// The end of the head in `bytes`, of which the first `seen` have none.
///
/// # Errors
///
/// Where a line ends with a line feed alone, which servers read differently.
pub(super) fn head_end(bytes: &[u8], seen: usize) -> Result<Option<usize>, Unclear> {
    let from = seen.saturating_sub(3);
    let found = bytes[from..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4);
    let head = &bytes[..found.unwrap_or(bytes.len())];
    let from = from.min(head.len());
    let bare = head[from..].iter().enumerate().any(|(at, byte)| {
        *byte == b'\n' && (from + at).checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r')
    });
    if bare { Err(Unclear) } else { Ok(found) }
}

/// The lines of a head after its first one: names and values.
pub(super) fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines(head).skip(1).filter_map(field)
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.take_while(|line| !line.is_empty())
}

/// What the fields say about the body and the connection.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of HTTP")]
struct Said {
    length: Option<u64>,
    chunked: bool,
    closes: bool,
    keeps: bool,
    upgrades: bool,
}

fn said(head: &[u8]) -> Result<Said, Unclear> {
    let mut said = Said::default();
    for line in lines(head).skip(1) {
        let (name, value) = field(line).ok_or(Unclear)?;
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
            return Err(Unclear); // a folded line, or a space before the colon
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits =
                std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|it| it.is_ascii_digit()));
            let length: u64 = digits.and_then(|text| text.parse().ok()).ok_or(Unclear)?;
            if said.length.replace(length).is_some() {
                return Err(Unclear);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if said.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Unclear);
            }
            said.chunked = true;
        } else if name.eq_ignore_ascii_case(b"connection") {
            for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                said.closes |= option.eq_ignore_ascii_case(b"close");
                said.keeps |= option.eq_ignore_ascii_case(b"keep-alive");
                said.upgrades |= option.eq_ignore_ascii_case(b"upgrade");
            }
        }
    }
    if said.chunked && said.length.is_some() { Err(Unclear) } else { Ok(said) }
}

impl RequestHead {
    /// Reads the head that `head` is.
    pub(super) fn read(head: &[u8]) -> Result<Self, Unclear> {
        let (method, _, version) = request_line(head).ok_or(Unclear)?;
        let said = said(head)?;
        let old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Unclear),
        };
        // After an upgrade the bytes are another protocol's.
        if method == b"CONNECT" || said.upgrades || old && said.chunked {
            return Err(Unclear);
        }
        let body = if said.chunked { Length::Chunked } else { Length::Bytes(said.length.unwrap_or(0)) };
        Ok(Self {
            bytes: head.len(),
            body,
            is_head: method == b"HEAD",
            closes: said.closes || old && !said.keeps,
        })
    }
}

/// Method, target and version of a request.
pub(super) fn request_line(head: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut parts = lines(head).next()?.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && !method.is_empty() && !target.is_empty()).then_some((method, target, version))
}

impl ResponseHead {
    /// Reads the head that `head` is, the response to a `HEAD` request if `is_head`.
    pub(super) fn read(head: &[u8], is_head: bool) -> Result<Self, Unclear> {
        let line = lines(head).next().ok_or(Unclear)?;
        let status = line.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).ok_or(Unclear)?;
        let status = std::str::from_utf8(status).ok().and_then(|text| text.parse().ok()).ok_or(Unclear)?;
        let said = said(head)?;
        let body = match said.length {
            _ if is_head || matches!(status, 100..=199 | 204 | 304) => Length::Bytes(0),
            _ if said.chunked => Length::Chunked,
            Some(length) => Length::Bytes(length),
            None => Length::UntilClose,
        };
        let old = line.starts_with(b"HTTP/1.0") && !said.keeps;
        Ok(Self { bytes: head.len(), status, body, closes: said.closes || old || body == Length::UntilClose })
    }
}

/// Follows a body to its end.
#[derive(Debug)]
pub(super) enum Body {
    /// So many bytes are left.
    Bytes(u64),
    Chunked(Chunked),
    UntilClose,
}

impl Body {
    pub(super) fn new(length: Length) -> Self {
        match length {
            Length::Bytes(bytes) => Self::Bytes(bytes),
            Length::Chunked => Self::Chunked(Chunked::Size { digits: 0, size: 0 }),
            Length::UntilClose => Self::UntilClose,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self, Self::Bytes(0) | Self::Chunked(Chunked::Complete))
    }

    /// How many of `bytes` belong to the body; `content` gets those of them that are no framing.
    pub(super) fn take(&mut self, bytes: &[u8], mut content: impl FnMut(&[u8])) -> Result<usize, Unclear> {
        match self {
            Self::Bytes(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                content(&bytes[..taken]);
                Ok(taken)
            }
            Self::Chunked(chunked) => chunked.take(bytes, content),
            Self::UntilClose => {
                content(bytes);
                Ok(bytes.len())
            }
        }
    }
}

/// Where in a chunked body one is.
#[derive(Debug)]
pub(super) enum Chunked {
    /// In the digits of a chunk's size.
    Size {
        digits: u8,
        size: u64,
    },
    /// After the digits, up to the end of the line.
    Extension {
        size: u64,
        returned: bool,
        bytes: u16,
    },
    /// In the data of a chunk.
    Data(u64),
    /// In the line end after the data.
    DataEnd {
        returned: bool,
    },
    /// In the trailers, in a line that has so many bytes so far.
    Trailer {
        line: u16,
        returned: bool,
        bytes: u16,
    },
    Complete,
}

/// How long an extension, and the trailers, may be.
const LONGEST_LINE: u16 = 16 * 1024;

impl Chunked {
    fn take(&mut self, bytes: &[u8], mut content: impl FnMut(&[u8])) -> Result<usize, Unclear> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            *self = match std::mem::replace(self, Self::Complete) {
                Self::Complete => return Ok(at),
                Self::Data(left) => {
                    let rest = &bytes[at..];
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    content(&rest[..taken]);
                    at += taken;
                    match left - taken as u64 {
                        0 => Self::DataEnd { returned: false },
                        left => Self::Data(left),
                    }
                }
                state => {
                    at += 1;
                    state.after(byte)?
                }
            };
        }
        Ok(at)
    }

    /// The state after one byte of framing.
    fn after(self, byte: u8) -> Result<Self, Unclear> {
        Ok(match (self, byte) {
            (Self::Size { digits, size }, byte) if byte.is_ascii_hexdigit() && digits < 15 => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Self::Size { digits: digits + 1, size: size << 4 | u64::from(digit) }
            }
            (Self::Size { digits: 1.., size }, b'\r') => Self::Extension { size, returned: true, bytes: 0 },
            (Self::Size { digits: 1.., size }, b';' | b' ' | b'\t') => {
                Self::Extension { size, returned: false, bytes: 0 }
            }
            (Self::Extension { size: 0, returned: true, .. }, b'\n') => {
                Self::Trailer { line: 0, returned: false, bytes: 0 }
            }
            (Self::Extension { size, returned: true, .. }, b'\n') => Self::Data(size),
            (Self::Extension { size, returned: false, bytes }, byte)
                if byte != b'\n' && bytes < LONGEST_LINE =>
            {
                Self::Extension { size, returned: byte == b'\r', bytes: bytes + 1 }
            }
            (Self::DataEnd { returned: false }, b'\r') => Self::DataEnd { returned: true },
            (Self::DataEnd { returned: true }, b'\n') => Self::Size { digits: 0, size: 0 },
            (Self::Trailer { line: 0, returned: true, .. }, b'\n') => Self::Complete,
            (Self::Trailer { returned: true, bytes, .. }, b'\n') => {
                Self::Trailer { line: 0, returned: false, bytes }
            }
            (Self::Trailer { line, returned: false, bytes }, b'\r') => {
                Self::Trailer { line, returned: true, bytes }
            }
            (Self::Trailer { line, returned: false, bytes }, byte)
                if byte != b'\n' && bytes < LONGEST_LINE =>
            {
                Self::Trailer { line: line.saturating_add(1), returned: false, bytes: bytes + 1 }
            }
            _ => return Err(Unclear),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<RequestHead, Unclear> {
        RequestHead::read(text.as_bytes())
    }

    #[test]
    fn the_end_of_a_head_is_found_in_any_pieces() {
        let text = b"GET / HTTP/1.1\r\nhost: x\r\n\r\nrest\n\n";
        let end = text.len() - 6;
        for seen in 0..end {
            assert_eq!(head_end(&text[..seen], seen / 2), Ok(None), "{seen}");
            assert_eq!(head_end(text, seen), Ok(Some(end)), "{seen}");
        }
        assert_eq!(head_end(b"GET / HTTP/1.1\nhost: x\n\n", 0), Err(Unclear));
        assert_eq!(head_end(b"\n", 0), Err(Unclear));
        assert_eq!(head_end(b"", 0), Ok(None));
    }

    #[test]
    fn a_request_says_how_long_it_is() {
        #[track_caller]
        fn check(fields: &str, body: Length, closes: bool) {
            let head = request(&format!("POST /v/v1/webhooks/a HTTP/1.1\r\n{fields}\r\n")).unwrap();
            assert_eq!((head.body, head.closes, head.is_head), (body, closes, false), "{fields}");
        }
        check("", Length::Bytes(0), false);
        check("Content-Length:  12 \r\n", Length::Bytes(12), false);
        check("content-length: 0\r\nConnection: Keep-Alive, CLOSE\r\n", Length::Bytes(0), true);
        check("TRANSFER-ENCODING: Chunked\r\n", Length::Chunked, false);
        let old = request("HEAD / HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!((old.closes, old.is_head), (true, true));
        assert!(!request("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").unwrap().closes);
    }

    #[test]
    fn what_servers_read_differently_is_not_framed() {
        for text in [
            "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 1, 1\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length : 1\r\n\r\n",
            "POST / HTTP/1.1\r\na: b\r\n c\r\n\r\n",
            "POST / HTTP/1.1\r\nno colon\r\n\r\n",
            "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "POST  / HTTP/1.1\r\n\r\n",
            "hello\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert_eq!(request(text), Err(Unclear), "{text:?}");
        }
    }

    #[test]
    fn a_response_says_how_long_it_is() {
        #[track_caller]
        fn check(text: &str, is_head: bool, expected: (u16, Length, bool)) {
            let head = ResponseHead::read(text.as_bytes(), is_head).unwrap();
            assert_eq!((head.status, head.body, head.closes), expected, "{text}");
        }
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", false, (200, Length::Bytes(3), false));
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", true, (200, Length::Bytes(0), false));
        check("HTTP/1.1 204 No Content\r\n\r\n", false, (204, Length::Bytes(0), false));
        check("HTTP/1.1 100 Continue\r\n\r\n", false, (100, Length::Bytes(0), false));
        check("HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n", false, (200, Length::Chunked, false));
        check("HTTP/1.1 200 OK\r\n\r\n", false, (200, Length::UntilClose, true));
        check("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", false, (200, Length::Bytes(1), true));
        check(
            "HTTP/1.1 503 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            false,
            (503, Length::Bytes(0), true),
        );
        for text in ["HTTP/2 200\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "220 ftp\r\n\r\n", "\r\n\r\n"] {
            assert_eq!(ResponseHead::read(text.as_bytes(), false), Err(Unclear), "{text:?}");
        }
    }

    /// The content of a chunked body that comes in pieces of `size`, and how much is left behind it.
    fn unchunked(text: &[u8], size: usize) -> Result<(Vec<u8>, usize, bool), Unclear> {
        let (mut body, mut content, mut at) = (Body::new(Length::Chunked), Vec::new(), 0);
        while at < text.len() && !body.is_complete() {
            let piece = &text[at..(at + size).min(text.len())];
            at += body.take(piece, |bytes| content.extend_from_slice(bytes))?;
        }
        Ok((content, text.len() - at, body.is_complete()))
    }

    #[test]
    fn a_chunked_body_ends_in_any_pieces() {
        for (text, content, left) in [
            (&b"0\r\n\r\n"[..], &b""[..], 0),
            (b"3\r\nabc\r\n0\r\n\r\nGET /", b"abc", 5),
            (b"00a;x=\"y\"\r\n0123456789\r\n1 \r\n!\r\n0\r\nTrailer: x\r\nB: y\r\n\r\n", b"0123456789!", 0),
            (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", 0),
        ] {
            for size in 1..=text.len() {
                assert_eq!(unchunked(text, size), Ok((content.to_vec(), left, true)), "{text:?} by {size}");
            }
        }
        for text in [
            &b"x\r\n"[..],
            b"\r\n",
            b"3\nabc",
            b"3\r\nabcd\r\n",
            b"-1\r\n",
            b"0\r\n\n",
            b"1\r\na\n",
            b"ffffffffffffffff\r\n",
        ] {
            assert!(unchunked(text, 1).is_err(), "{text:?}");
        }
        let endless = [&b"1;"[..], &[b'x'; 1_000].repeat(20)].concat();
        assert!(unchunked(&endless, 512).is_err());
        assert_eq!(unchunked(b"5\r\nab", 2), Ok((b"ab".to_vec(), 0, false)));
    }
}
