//! Bodies of senders that are not verified yet: a limit on their number, and a budget of bytes that they share.

use std::{cell::Cell, collections::BTreeMap, convert::Infallible};

use tokio::sync::oneshot;

use crate::types::Mutex;

/// The bodies that wait: for their next bytes, or for the keys that verify them (wire contract, unverified-bodies). Those
/// that are complete at once are never here.
///
/// Where there are too many, or too many bytes, the one with the longest time since its last byte is ended, so that senders
/// who stop half-way take no place from those who do not.
#[derive(Debug)]
pub(crate) struct Arrivals {
    limit: usize,
    budget: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// In the order of their last bytes.
    bodies: BTreeMap<u64, Body>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Body {
    bytes: usize,
    /// Dropping it ends the body.
    _admitted: oneshot::Sender<Infallible>,
}

impl Arrivals {
    pub(super) fn new(limit: usize, budget: usize) -> Self {
        Self { limit, budget, waiting: Mutex::default() }
    }

    /// Admits a body, of which there are `bytes` in memory. The future ends when the body is to be ended.
    pub(crate) fn admit(&self, bytes: usize) -> (Arriving<'_>, impl Future<Output = ()> + use<>) {
        let (admitted, ended) = oneshot::channel();
        let number = self.waiting.lock().place(Body { bytes, _admitted: admitted }, self);
        let ended = async {
            let _ = ended.await;
        };
        (Arriving { arrivals: self, number: Cell::new(number) }, ended)
    }
}

impl Waiting {
    /// Places a body behind all others, and ends those for which there is no place.
    fn place(&mut self, body: Body, within: &Arrivals) -> u64 {
        let number = self.next;
        self.next += 1;
        self.bytes += body.bytes;
        self.bodies.insert(number, body);
        while self.bodies.len() > 1 && (self.bodies.len() > within.limit || self.bytes > within.budget) {
            self.bytes -= self.bodies.pop_first().map_or(0, |(_, body)| body.bytes);
        }
        number
    }

    fn remove(&mut self, number: u64) -> Option<Body> {
        let body = self.bodies.remove(&number)?;
        self.bytes -= body.bytes;
        Some(body)
    }
}

/// The place of a body, left on drop.
#[derive(Debug)]
pub(crate) struct Arriving<'a> {
    arrivals: &'a Arrivals,
    number: Cell<u64>,
}

impl Arriving<'_> {
    /// More of the body has arrived: `bytes` in memory in all.
    pub(crate) fn grew(&self, bytes: usize) {
        let mut waiting = self.arrivals.waiting.lock();
        if let Some(body) = waiting.remove(self.number.get()) {
            self.number.set(waiting.place(Body { bytes, ..body }, self.arrivals));
        }
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        let _ = self.arrivals.waiting.lock().remove(self.number.get());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        task::{Context, Waker},
    };

    use super::*;

    fn is_ended(ended: &mut Pin<&mut impl Future<Output = ()>>) -> bool {
        ended.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_body_with_the_oldest_last_byte_is_ended() {
        let arrivals = Arrivals::new(3, 1000);
        let [(a, a_ended), (b, b_ended), (_c, c_ended)] = [10, 10, 10].map(|bytes| arrivals.admit(bytes));
        let (mut a_ended, mut b_ended, mut c_ended) = (pin!(a_ended), pin!(b_ended), pin!(c_ended));
        a.grew(11);
        let (d, d_ended) = arrivals.admit(10);
        let mut d_ended = pin!(d_ended);
        assert!(is_ended(&mut b_ended), "by the limit on their number");
        assert!(![is_ended(&mut a_ended), is_ended(&mut c_ended), is_ended(&mut d_ended)].contains(&true));
        b.grew(900); // it is ended, and takes nothing
        d.grew(985);
        assert!(is_ended(&mut c_ended), "by the budget of bytes");
        assert!(![is_ended(&mut a_ended), is_ended(&mut d_ended)].contains(&true));
        assert_eq!(arrivals.waiting.lock().bytes, 11 + 985);
    }

    #[test]
    fn a_body_that_leaves_takes_its_bytes_along() {
        let arrivals = Arrivals::new(2, 100);
        let (kept, ended) = arrivals.admit(40);
        let mut ended = pin!(ended);
        for _ in 0..9 {
            let (passing, _) = arrivals.admit(1);
            passing.grew(60);
        }
        assert!(!is_ended(&mut ended));
        drop(kept);
        let waiting = arrivals.waiting.lock();
        assert_eq!((waiting.bytes, waiting.bodies.len()), (0, 0));
    }

    #[test]
    fn the_last_body_is_never_ended() {
        let arrivals = Arrivals::new(0, 0);
        let (only, ended) = arrivals.admit(1);
        only.grew(5000);
        assert!(!is_ended(&mut pin!(ended)));
    }
}
