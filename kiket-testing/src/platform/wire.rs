//! Responses that break on the wire.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

/// How a response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    /// It does not begin.
    Never,
    ClosedBefore,
    Cut,
    Stalled,
    Endless,
}

impl Ending {
    /// `body` as it is sent.
    pub(super) fn body(self, body: Bytes) -> BoxBody {
        let announced = BodySize::Sized(u64::try_from(body.len()).unwrap_or(u64::MAX));
        let (size, first) = match self {
            Self::Whole => return BoxBody::new(body),
            // The server writes the head together with what the body yields at once: an error there leaves nothing.
            Self::Never | Self::ClosedBefore => (BodySize::Sized(1), None),
            Self::Cut | Self::Stalled => (announced, Some(body.slice(..body.len() / 2))),
            Self::Endless => (BodySize::Stream, Some(Bytes::from_static(br#"{"data":""#))),
        };
        BoxBody::new(Broken { size, first, ending: self })
    }
}

struct Broken {
    size: BodySize,
    first: Option<Bytes>,
    /// What comes after `first`.
    ending: Ending,
}

impl MessageBody for Broken {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        match self.ending {
            Ending::Whole => Poll::Ready(None),
            Ending::Never | Ending::ClosedBefore => {
                Poll::Ready(Some(Err(io::Error::other("broken on purpose"))))
            }
            Ending::Cut => {
                // What was yielded is written while this waits.
                self.ending = Ending::ClosedBefore;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Ending::Stalled => Poll::Pending,
            Ending::Endless => Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 8 * 1024])))),
        }
    }
}
