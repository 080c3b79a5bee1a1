//! The keys of the terminal, which are read one by one while `dev` runs.

#[cfg(not(unix))]
pub(super) use self::other::Keys;
#[cfg(unix)]
pub(super) use self::unix::Keys;

#[cfg(unix)]
mod unix {
    use std::{
        io::{IsTerminal as _, Read as _, stdin},
        thread,
    };

    use rustix::{
        process::{Signal, getpgrp, getpid, kill_process},
        termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr},
    };

    use crate::dev::event::{Event, Events};

    /// The terminal passes on each key. Its modes before are restored when this is dropped.
    pub(in crate::dev) struct Keys {
        before: Termios,
    }

    impl Keys {
        /// Begins to read keys; `None` where there is no terminal, or another program has it.
        pub(in crate::dev) fn read(events: &Events) -> Option<Self> {
            let in_front = || tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp());
            // A pseudo-terminal of a test has no group in front.
            if !stdin().is_terminal() || tcgetpgrp(stdin()).is_ok() && !in_front() {
                return None;
            }
            let keys = Self { before: tcgetattr(stdin()).ok()? };
            keys.enter();
            let events = events.clone();
            thread::spawn(move || {
                let mut key = [0];
                while let Ok(1) = stdin().read(&mut key) {
                    if events.blocking_send(Event::Key(key[0])).is_err() {
                        return;
                    }
                }
            });
            Some(keys)
        }

        /// Keys come one by one and are not shown; Ctrl-C and its like stay signals.
        fn enter(&self) {
            let mut modes = self.before.clone();
            modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            modes.special_codes[SpecialCodeIndex::VMIN] = 1;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
        }

        fn leave(&self) {
            let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
        }

        /// Stops this process until the shell continues it.
        pub(in crate::dev) fn suspend(&self) {
            self.leave();
            let _ = kill_process(getpid(), Signal::STOP);
            self.enter();
        }
    }

    impl Drop for Keys {
        fn drop(&mut self) {
            self.leave();
        }
    }
}

#[cfg(not(unix))]
mod other {
    use crate::dev::event::Events;

    /// Keys are read on Unix alone.
    pub(in crate::dev) struct Keys;

    impl Keys {
        pub(in crate::dev) fn read(_: &Events) -> Option<Self> {
            None
        }

        pub(in crate::dev) fn suspend(&self) {}
    }
}
