//! The signals that end `dev`, or stop it for a while.

use std::io;

use super::event::{Event, Events};

/// Passes the signals on as events, in a task of the runtime.
#[cfg(unix)]
pub(super) fn pass_on(events: &Events) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    const STOP: i32 = rustix::process::Signal::TSTP.as_raw();
    let kinds = [
        ("SIGINT", SignalKind::interrupt()),
        ("SIGTERM", SignalKind::terminate()),
        ("SIGHUP", SignalKind::hangup()),
        ("SIGQUIT", SignalKind::quit()),
        ("SIGTSTP", SignalKind::from_raw(STOP)),
    ];
    for (name, kind) in kinds {
        let (mut signal, events) = (signal(kind)?, events.clone());
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                let event = if name == "SIGTSTP" { Event::Suspend } else { Event::Signal(name) };
                if events.send(event).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn pass_on(events: &Events) -> io::Result<()> {
    let events = events.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() && events.send(Event::Signal("Ctrl-C")).await.is_ok() {}
    });
    Ok(())
}
