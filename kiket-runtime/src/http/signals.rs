//! The signals that begin and end a graceful shutdown: SIGTERM and its like, Ctrl-C and Ctrl-Break on Windows.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

/// The signals that stop a process. While a value exists, their default action, which kills the process, is off.
pub(crate) struct Signals(Vec<(&'static str, Receive)>);

type Receive = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<()>> + Send>;

/// How long after the first signal another one counts: supervisors signal a process, and then its group.
const APART: Duration = Duration::from_secs(2);

impl Signals {
    /// Begins to listen. A signal that is ignored, as `nohup` has it, stays ignored.
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let ignored = std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored(&status));
        let kinds = [
            ("SIGTERM", SignalKind::terminate()),
            ("SIGINT", SignalKind::interrupt()),
            ("SIGHUP", SignalKind::hangup()),
            ("SIGQUIT", SignalKind::quit()),
        ];
        let mut signals = Vec::new();
        for (name, kind) in kinds {
            if ignored >> (kind.as_raw_value() - 1) & 1 == 0 {
                let mut signal = signal(kind)?;
                signals.push((
                    name,
                    Box::new(move |context: &mut Context<'_>| signal.poll_recv(context)) as Receive,
                ));
            }
        }
        Ok(Self(signals))
    }

    /// Begins to listen.
    #[cfg(windows)]
    pub(crate) fn listen() -> io::Result<Self> {
        let (mut c, mut break_) = (tokio::signal::windows::ctrl_c()?, tokio::signal::windows::ctrl_break()?);
        Ok(Self(vec![
            ("Ctrl-C", Box::new(move |context: &mut Context<'_>| c.poll_recv(context)) as Receive),
            ("Ctrl-Break", Box::new(move |context: &mut Context<'_>| break_.poll_recv(context))),
        ]))
    }

    /// Waits for the next signal, and names it.
    pub(super) async fn next(&mut self) -> &'static str {
        poll_fn(|context| {
            let mut received = self.0.iter_mut();
            match received.find_map(|(name, receive)| receive(context).is_ready().then_some(*name)) {
                Some(name) => Poll::Ready(name),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Waits for a signal that ends the grace period, which begins now.
    pub(super) async fn next_apart(&mut self) -> &'static str {
        let began = Instant::now();
        loop {
            let signal = self.next().await;
            if began.elapsed() >= APART {
                return signal;
            }
        }
    }
}

/// The signals that this process ignores, a bit for each, from `/proc/self/status`.
#[cfg(unix)]
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_signal_counts_two_seconds_after_the_first() {
        let (sender, mut received) = mpsc::unbounded_channel();
        let mut signals = Signals(vec![("SIGTERM", Box::new(move |context| received.poll_recv(context)))]);
        sender.send(()).unwrap();
        assert_eq!(signals.next().await, "SIGTERM");
        let began = Instant::now();
        tokio::spawn(async move {
            for milliseconds in [0, 3, 500, 1_495, 2] {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                sender.send(()).unwrap();
            }
        });
        assert_eq!(signals.next_apart().await, "SIGTERM");
        assert_eq!(began.elapsed().as_millis(), 2_000);
    }

    #[cfg(unix)]
    #[test]
    fn ignored_signals_are_read_from_the_status_of_a_process() {
        assert_eq!(ignored("Name:\tx\nSigBlk:\t0\nSigIgn:\t0000000000001003\nSigCgt:\tff\n"), 0x1003);
        assert_eq!(ignored("SigIgn:\tx\n"), 0);
        assert_eq!(ignored(""), 0);
    }
}
