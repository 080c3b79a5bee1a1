//! How many deliveries are inside, and whether more may enter.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use crate::error::Rejection;

/// Counts deliveries: those whose body still arrives, and those that run. Both have a limit, so that neither many
/// slow senders nor many slow handlers take all memory; and slow senders, whom anybody can be, do not take the
/// places of deliveries that are known to be signed.
#[derive(Debug)]
pub(crate) struct Gate {
    arriving: Room,
    running: Room,
    draining: AtomicBool,
    left: Notify,
}

#[derive(Debug)]
struct Room {
    inside: AtomicUsize,
    limit: usize,
}

/// How many bodies may arrive at once, for each delivery that may run.
const ARRIVING_PER_RUNNING: usize = 4;

impl Gate {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let room = |limit| Room { inside: AtomicUsize::new(0), limit };
        Arc::new(Self {
            arriving: room(limit.saturating_mul(ARRIVING_PER_RUNNING)),
            running: room(limit),
            draining: AtomicBool::new(false),
            left: Notify::new(),
        })
    }

    /// A place for a delivery whose body arrives.
    pub(crate) fn arrive(self: &Arc<Self>) -> Result<Pass, Rejection> {
        self.enter(|gate| &gate.arriving)
    }

    /// A place for a delivery that runs.
    pub(crate) fn run(self: &Arc<Self>) -> Result<Pass, Rejection> {
        self.enter(|gate| &gate.running)
    }

    fn enter(self: &Arc<Self>, room: fn(&Gate) -> &Room) -> Result<Pass, Rejection> {
        let Room { inside, limit } = room(self);
        // First the place, then the question: who drains looks at the places after it said so.
        let pass = Pass { gate: Arc::clone(self), room };
        let before = inside.fetch_add(1, Ordering::SeqCst);
        if self.is_draining() {
            return Err(Rejection::draining());
        }
        if before >= *limit { Err(Rejection::overloaded()) } else { Ok(pass) }
    }

    /// Whether a delivery that came now would be turned away.
    pub(crate) fn turns_away(&self) -> Option<Rejection> {
        if self.is_draining() {
            return Some(Rejection::draining());
        }
        (self.running() >= self.running.limit).then(Rejection::overloaded)
    }

    /// How many deliveries run.
    pub(crate) fn running(&self) -> usize {
        self.running.inside.load(Ordering::SeqCst)
    }

    /// From now on nobody enters.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Waits until nobody is inside.
    pub(crate) async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.running() + self.arriving.inside.load(Ordering::SeqCst) == 0 {
                return;
            }
            left.await;
        }
    }
}

/// A place behind the gate; dropping it leaves.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    room: fn(&Gate) -> &Room,
}

impl Drop for Pass {
    fn drop(&mut self) {
        (self.room)(&self.gate).inside.fetch_sub(1, Ordering::SeqCst);
        if self.gate.is_draining() {
            self.gate.left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_are_inside() {
        let gate = Gate::new(2);
        let first = gate.run().unwrap();
        let _second = gate.run().unwrap();
        assert_eq!(gate.run().unwrap_err().code, Some("overloaded"));
        assert_eq!(gate.turns_away().and_then(|rejection| rejection.code), Some("overloaded"));
        assert_eq!(gate.running(), 2);
        drop(first);
        assert!(gate.turns_away().is_none());
        assert!(gate.run().is_ok());
    }

    #[test]
    fn arriving_bodies_have_a_limit_of_their_own() {
        let gate = Gate::new(1);
        let arriving: Vec<_> = (0..4).map(|_| gate.arrive().unwrap()).collect();
        assert!(gate.arrive().is_err());
        assert!(gate.run().is_ok());
        drop(arriving);
        assert!(gate.arrive().is_ok());
    }

    #[tokio::test]
    async fn a_drained_gate_lets_nobody_in_and_tells_when_the_last_has_left() {
        let gate = Gate::new(8);
        let (running, arriving) = (gate.run().unwrap(), gate.arrive().unwrap());
        gate.drain();
        assert_eq!(gate.run().unwrap_err().code, Some("draining"));
        assert_eq!(gate.arrive().unwrap_err().code, Some("draining"));
        let mut emptied = Box::pin(gate.emptied());
        assert!(futures_poll(&mut emptied).is_pending());
        drop(running);
        assert!(futures_poll(&mut emptied).is_pending());
        drop(arriving);
        emptied.await;
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(future).poll(&mut context)
    }
}
