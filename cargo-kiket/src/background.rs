//! Threads whose work can wait, like that of the console: deliveries come first.

/// From now on this thread gets the processor when others leave it one. On Linux alone: elsewhere a process has one priority.
pub(crate) fn yield_to_deliveries() {
    #[cfg(target_os = "linux")]
    {
        /// A tenth of the weight of other threads.
        const NICENESS: i32 = 10;
        // Of this thread, as Linux counts it. Without the right to do so it stays as it is.
        let _ = rustix::process::setpriority_process(None, NICENESS);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn other_threads_keep_their_priority() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        let lower = std::thread::spawn(move || {
            yield_to_deliveries();
            priority()
        });
        assert_eq!((lower.join().unwrap(), priority()), (before.max(10), before));
    }
}
