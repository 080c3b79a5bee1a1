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
        let half = || body.slice(..body.len() / 2);
        match self {
            Self::Whole => BoxBody::new(body),
            // The server writes the head together with what the body yields at once: an error there leaves nothing.
            Self::Never | Self::ClosedBefore => {
                BoxBody::new(Broken { size: BodySize::Sized(1), first: None, then: Then::Fail })
            }
            Self::Cut => {
                BoxBody::new(Broken { size: announced, first: Some(half()), then: Then::FlushAndFail })
            }
            Self::Stalled => BoxBody::new(Broken { size: announced, first: Some(half()), then: Then::Wait }),
            Self::Endless => BoxBody::new(Broken {
                size: BodySize::Stream,
                first: Some(Bytes::from_static(br#"{"data":""#)),
                then: Then::Repeat,
            }),
        }
    }
}

struct Broken {
    size: BodySize,
    first: Option<Bytes>,
    then: Then,
}

enum Then {
    Fail,
    FlushAndFail,
    Wait,
    Repeat,
}

impl MessageBody for Broken {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        match self.then {
            Then::Fail => Poll::Ready(Some(Err(io::Error::other("broken on purpose")))),
            Then::FlushAndFail => {
                // What was yielded is written while this waits.
                self.then = Then::Fail;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Then::Wait => Poll::Pending,
            Then::Repeat => Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 8 * 1024])))),
        }
    }
}
