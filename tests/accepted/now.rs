//! Runs what has nothing to wait for.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}
