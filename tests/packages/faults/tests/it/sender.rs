//! Delivers as Kiket does: again after a 5xx, 429, a lost connection or silence, and never after any other response.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Condvar, Mutex},
    time::{Duration, Instant},
};

use extension_process::{Connection, Response};

use crate::{
    events::{Copy, Event},
    fleet::{Places, Process},
    journal::{Attempt, Journal, Received},
};

/// How many deliveries are under way at once.
const SENDERS: usize = 24;
/// How long a response may take.
const SILENCE: Duration = Duration::from_secs(1);
/// Between two attempts: Kiket's 30 s, 1 m, 5 m, …, and then as long as the last. A test has no half day.
const PAUSES_MS: [u64; 4] = [20, 50, 100, 200];
/// How long everything may take.
const LONGEST: Duration = Duration::from_secs(90);

pub(crate) struct Sender<'t> {
    pub(crate) events: &'t [Event],
    pub(crate) places: &'t Places,
    pub(crate) journal: &'t Journal,
}

/// The copies that have yet to be answered for good.
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    until: Instant,
}

struct Waiting {
    attempts: BinaryHeap<Reverse<Next>>,
    /// Copies that wait, or are under way.
    left: usize,
}

/// The next attempt of a copy; the one that is due first is the least.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    at: Instant,
    /// The position of its copy.
    copy: usize,
    attempt: u32,
}

impl Sender<'_> {
    /// Sends copies until each got a response for good, in the beginning in their order; not for longer than
    /// [`LONGEST`], which the journal then shows.
    pub(crate) fn send(&self, copies: &[Copy]) {
        let queue = Queue::new(copies.len());
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| self.work(copies, &queue));
            }
        });
    }

    fn work(&self, copies: &[Copy], queue: &Queue) {
        while let Some(Next { copy, attempt, .. }) = queue.next() {
            let Copy { event, first, stays } = copies[copy];
            let turn = if stays { 0 } else { attempt as usize - 1 };
            let process = self.places.at((first + turn) % 2);
            let from = Instant::now();
            let response = process.and_then(|process| deliver(process, &self.events[event].request(attempt)));
            let is_final = response.as_ref().is_some_and(Received::is_final);
            let process = process.map(|process| process.number);
            let mut abandoned = false;
            self.journal.write(|seen| {
                seen.attempts.push(Attempt { event, process, from, to: Instant::now(), response });
                seen.finished += usize::from(is_final);
                abandoned = seen.abandoned;
            });
            if abandoned {
                queue.abandon();
            } else if is_final {
                queue.finished();
            } else {
                let pause = PAUSES_MS[(attempt as usize - 1).min(PAUSES_MS.len() - 1)];
                let at = Instant::now() + Duration::from_millis(pause);
                queue.again(Next { at, copy, attempt: attempt + 1 });
            }
        }
    }
}

/// One attempt; the platform waits as long, and sees as little.
fn deliver(process: Process, request: &[u8]) -> Option<Received> {
    let mut connection = Connection::open(process.address).ok()?;
    connection.give_up_after(SILENCE);
    connection.send(request).ok()?;
    connection.response().ok().map(|response| read(&response))
}

fn read(response: &Response) -> Received {
    let body = response.json();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    Received {
        status: response.status,
        code: text("code"),
        run: if response.status == 200 { text("run") } else { text("error") },
        replayed: response.header("x-kiket-replayed") == Some("true"),
    }
}

impl Queue {
    fn new(copies: usize) -> Self {
        let at = Instant::now();
        let attempts = (0..copies).map(|copy| Reverse(Next { at, copy, attempt: 1 })).collect();
        let waiting = Mutex::new(Waiting { attempts, left: copies });
        Self { waiting, changed: Condvar::new(), until: at + LONGEST }
    }

    /// Waits until an attempt is due; none when all is done, or it takes too long.
    fn next(&self) -> Option<Next> {
        let mut waiting = self.waiting.lock().expect("no thread panics with the lock");
        loop {
            let now = Instant::now();
            if waiting.left == 0 || now >= self.until {
                return None;
            }
            let due = waiting.attempts.peek().map_or(self.until, |Reverse(next)| next.at);
            if due <= now {
                return waiting.attempts.pop().map(|Reverse(next)| next);
            }
            waiting =
                self.changed.wait_timeout(waiting, due - now).expect("no thread panics with the lock").0;
        }
    }

    fn again(&self, next: Next) {
        self.waiting.lock().expect("no thread panics with the lock").attempts.push(Reverse(next));
        self.changed.notify_one();
    }

    fn abandon(&self) {
        self.waiting.lock().expect("no thread panics with the lock").left = 0;
        self.changed.notify_all();
    }

    fn finished(&self) {
        let mut waiting = self.waiting.lock().expect("no thread panics with the lock");
        waiting.left = waiting.left.saturating_sub(1); // it is none when the test was abandoned
        self.changed.notify_all();
    }
}
