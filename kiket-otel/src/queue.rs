//! The queue between spans that end and the thread that sends them. Every span is counted once.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry::{Array, Context, Value};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use tokio::{sync::Notify, time::Instant};

/// What became of the spans since the start. At any time `exported + lost + queued` is the number of spans that ended and
/// were sampled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The collector has them: it said so.
    pub exported: u64,
    /// The collector does not have them, as far as is known: the queue was full, the collector refused them or was not
    /// reached in time, or the process ended. Of those in a request whose response did not come, the collector may have some.
    pub lost: u64,
    /// They wait to be sent, or are being sent.
    pub queued: u64,
}

/// The bytes of spans that may wait, roughly counted.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Spans that wait to be sent.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    limits: Limits,
    /// Notified when the sender has something to do.
    ready: Notify,
    /// Notified when spans were sent or lost.
    finished: Condvar,
}

/// How many spans may wait, how many are sent at once, and how long the first one waits for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) spans: usize,
    pub(crate) batch: usize,
    pub(crate) delay: Duration,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(SpanData, usize)>,
    bytes: usize,
    /// How many are in the request that is being sent.
    sending: u64,
    exported: u64,
    lost: u64,
    /// How many were added to `waiting`, and how many of them were sent or lost.
    added: u64,
    done: u64,
    /// How many wait for the end of what is queued.
    flushing: usize,
    /// The last one of them did not live to see it.
    in_vain: bool,
    closed: bool,
}

impl State {
    fn stats(&self) -> Stats {
        Stats { exported: self.exported, lost: self.lost, queued: self.sending + self.waiting.len() as u64 }
    }
}

impl Queue {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let (state, ready, finished) = Default::default();
        Arc::new(Self { state, limits, ready, finished })
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().stats()
    }

    /// Adds a span, or loses it. Never waits for the sender.
    pub(crate) fn push(&self, span: SpanData) {
        let size = size(&span);
        let mut state = self.lock();
        let is_full =
            state.waiting.len() >= self.limits.spans || state.bytes.saturating_add(size) > MOST_BYTES;
        if state.closed || is_full {
            state.lost += 1;
            return;
        }
        state.waiting.push_back((span, size));
        state.bytes += size;
        state.added += 1;
        let waiting = state.waiting.len();
        drop(state);
        if waiting == 1 || waiting == self.limits.batch {
            self.ready.notify_one();
        }
    }

    /// The next spans to send; `None` after the end.
    pub(crate) async fn next(&self) -> Option<Vec<SpanData>> {
        let mut due = None;
        loop {
            let ready = self.ready.notified();
            {
                let mut state = self.lock();
                if state.closed {
                    return None;
                }
                let is_due = due.is_some_and(|due| due <= Instant::now()) || state.flushing > 0;
                let waiting = state.waiting.len();
                if waiting >= self.limits.batch || waiting > 0 && is_due {
                    let batch = state.waiting.drain(..waiting.min(self.limits.batch)).collect::<Vec<_>>();
                    state.sending = batch.len() as u64;
                    let (spans, sizes): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
                    state.bytes -= sizes.into_iter().sum::<usize>();
                    return Some(spans);
                }
                if waiting > 0 {
                    due.get_or_insert_with(|| Instant::now() + self.limits.delay);
                }
            }
            match due {
                Some(due) => drop(tokio::time::timeout_at(due, ready).await),
                None => ready.await,
            }
        }
    }

    /// What was taken last was sent, except for some that are lost.
    pub(crate) fn finish(&self, lost: u64) {
        let mut state = self.lock();
        let sent = mem::take(&mut state.sending); // 0 if they were given up
        let lost = lost.min(sent);
        state.exported += sent - lost;
        state.lost += lost;
        state.done += sent;
        drop(state);
        self.finished.notify_all();
    }

    /// Whether a flush waits.
    pub(crate) fn is_urgent(&self) -> bool {
        let state = self.lock();
        state.flushing > 0 || state.closed
    }

    /// Resolves when a flush may have begun.
    pub(crate) async fn urgent(&self) {
        loop {
            let ready = self.ready.notified();
            if self.is_urgent() {
                return;
            }
            ready.await;
        }
    }

    /// Waits until all spans so far are sent or lost, `timeout` at most. Returns whether they are.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let mut state = self.lock();
        let last = state.added;
        state.flushing += 1;
        self.ready.notify_one();
        let waited = self.finished.wait_timeout_while(state, timeout, |state| state.done < last);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.flushing -= 1;
        state.in_vain = state.done < last;
        !state.in_vain
    }

    /// Flushes, unless that was in vain a moment ago, and gives up the rest. Returns what became of the spans, the first time.
    pub(crate) fn close(&self, timeout: Duration) -> Option<Stats> {
        let (in_vain, closed) = {
            let state = self.lock();
            (state.in_vain, state.closed)
        };
        if closed {
            return None;
        }
        self.flush(if in_vain { Duration::ZERO } else { timeout });
        Some(self.give_up())
    }

    /// Loses all that is queued, and all that comes.
    pub(crate) fn give_up(&self) -> Stats {
        let mut state = self.lock();
        state.closed = true;
        let spans = mem::take(&mut state.waiting);
        let given_up = spans.len() as u64 + mem::take(&mut state.sending);
        state.bytes = 0;
        state.lost += given_up;
        state.done += given_up;
        let became = state.stats();
        drop(state);
        drop(spans);
        self.ready.notify_one();
        self.finished.notify_all();
        became
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a span, roughly.
fn size(span: &SpanData) -> usize {
    let events = span.events.iter().flat_map(|event| &event.attributes);
    let links = span.links.iter().flat_map(|link| &link.attributes);
    let attributes = span.attributes.iter().chain(events).chain(links);
    attributes.fold(mem::size_of::<SpanData>(), |size, attribute| {
        let text = match &attribute.value {
            Value::String(text) => text.as_str().len(),
            Value::Array(Array::String(texts)) => texts.iter().map(|text| text.as_str().len() + 32).sum(),
            Value::Array(Array::Bool(values)) => values.len(),
            Value::Array(Array::I64(values)) => values.len() * 8,
            Value::Array(Array::F64(values)) => values.len() * 8,
            _ => 0,
        };
        size.saturating_add(text).saturating_add(64)
    })
}

/// Puts the spans that end into the queue.
#[derive(Debug)]
pub(crate) struct Ended(pub(crate) Arc<Queue>);

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.flush(FLUSH);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.close(timeout);
        Ok(())
    }
}

/// How long a flush takes at most that another library asks for.
const FLUSH: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::thread;

    use opentelemetry::{
        KeyValue,
        trace::{Span as _, Tracer as _, TracerProvider as _},
    };
    use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn queue(spans: usize, batch: usize) -> (Arc<Queue>, SdkTracer) {
        let queue = Queue::new(Limits { spans, batch, delay: Duration::from_secs(5) });
        let provider = SdkTracerProvider::builder().with_span_processor(Ended(Arc::clone(&queue))).build();
        (queue, provider.tracer("test"))
    }

    fn end(tracer: &SdkTracer, spans: usize) {
        (0..spans).for_each(|_| tracer.start("span").end());
    }

    fn stats(exported: u64, lost: u64, queued: u64) -> Stats {
        Stats { exported, lost, queued }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_full_or_has_waited() {
        let (queue, tracer) = queue(10, 4);
        end(&tracer, 5);
        let from = Instant::now();
        assert_eq!(queue.next().await.unwrap().len(), 4);
        assert_eq!(from.elapsed(), Duration::ZERO);
        queue.finish(1);
        assert_eq!(queue.stats(), stats(3, 1, 1));
        assert_eq!(queue.next().await.unwrap().len(), 1);
        assert_eq!(from.elapsed().as_secs(), 5);
        assert_eq!(queue.stats(), stats(3, 1, 1));
        queue.finish(0);
        assert_eq!(queue.stats(), stats(4, 1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_loses_what_comes() {
        let (queue, tracer) = queue(10, 4);
        end(&tracer, 13);
        assert_eq!(queue.stats(), stats(0, 3, 10));
        queue.next().await;
        end(&tracer, 5);
        assert_eq!(queue.stats(), stats(0, 4, 14));
        let large = "x".repeat(MOST_BYTES);
        queue.give_up();
        let (queue, tracer) = self::queue(10, 4);
        for _ in 0..2 {
            let mut span = tracer.start("large");
            span.set_attribute(KeyValue::new("text", large.clone()));
            span.end();
        }
        end(&tracer, 1);
        assert_eq!(queue.stats(), stats(0, 2, 1), "by bytes");
        queue.give_up();
    }

    #[test]
    fn a_flush_waits_for_all_before_it() {
        let (queue, tracer) = queue(10, 4);
        end(&tracer, 9);
        assert!(!queue.flush(Duration::from_millis(1)), "nothing sends");
        let sender = Arc::clone(&queue);
        let sending = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                while let Some(spans) = sender.next().await {
                    sender.finish(u64::from(spans.len() == 1));
                }
            });
        });
        assert!(queue.flush(PATIENCE));
        assert_eq!(queue.stats(), stats(8, 1, 0));
        end(&tracer, 2);
        assert_eq!(queue.close(PATIENCE), Some(stats(10, 1, 0)));
        sending.join().unwrap();
        end(&tracer, 1);
        assert_eq!((queue.stats(), queue.close(PATIENCE)), (stats(10, 2, 0), None));
    }

    #[tokio::test]
    async fn what_is_given_up_is_lost_once() {
        let (queue, tracer) = queue(10, 4);
        end(&tracer, 6);
        queue.next().await;
        assert!(!queue.flush(Duration::ZERO));
        // The flush was in vain, so that this does not wait.
        assert_eq!(queue.close(PATIENCE), Some(stats(0, 6, 0)));
        queue.finish(0); // the response came too late
        assert_eq!(queue.stats(), stats(0, 6, 0));
        assert!(queue.next().await.is_none() && queue.is_urgent());
        queue.urgent().await;
    }
}
