//! The secrets of recent deliveries, for the panics of threads and tasks that they began and that may outlive them.

use std::{
    collections::VecDeque,
    sync::{LazyLock, Weak},
};

use crate::{
    client::DeliveryScope,
    delivery::envelope::confidential,
    types::{Mutex, Secret},
};

/// How many deliveries are known at least: the last ones, and beside them those that run.
const KEPT: usize = 64;
/// The longest text of a delivery that is kept, in bytes.
const LONGEST: usize = 64 * 1024;

static RECENT: LazyLock<Mutex<Recent<dyn DeliveryScope>>> = LazyLock::new(Mutex::default);

/// Keeps a body with the secrets and the token of a delivery that runs.
pub(super) fn keep(delivery: Weak<dyn DeliveryScope>, members: String) {
    if members.len() <= LONGEST {
        RECENT.lock().push(delivery, Secret::new(members));
    }
}

/// The secrets and tokens of the deliveries that run, and of the last ones.
pub(crate) fn recent_secrets() -> Vec<Secret> {
    RECENT.lock().0.iter().flat_map(|(_, members)| confidential(members.expose())).collect()
}

/// Texts, the latest last, each with what it is about.
struct Recent<T: ?Sized>(VecDeque<(Weak<T>, Secret)>);

impl<T: ?Sized> Default for Recent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: ?Sized> Recent<T> {
    fn push(&mut self, about: Weak<T>, text: Secret) {
        self.0.push_back((about, text));
        // As two leave for one that comes, there are at most as many that have ended as there are that run.
        for _ in 0..2 {
            if self.0.len() > KEPT
                && let Some(oldest) = self.0.pop_front()
                && oldest.0.strong_count() > 0
            {
                self.0.push_back(oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn texts_are_kept_while_they_run_and_a_while_longer() {
        let mut recent = Recent::default();
        let texts = |recent: &Recent<usize>| {
            recent.0.iter().map(|(_, text)| text.expose().to_owned()).collect::<Vec<_>>()
        };
        let push = |recent: &mut Recent<usize>, number: usize| {
            let running = Arc::new(number);
            recent.push(Arc::downgrade(&running), Secret::new(number.to_string()));
            running
        };
        for number in 0..1_000 {
            drop(push(&mut recent, number));
            assert!(recent.0.len() <= KEPT);
        }
        let last: Vec<_> = (1_000 - KEPT..1_000).map(|number| number.to_string()).collect();
        assert_eq!(texts(&recent), last);
        let running: Vec<_> = (1_000..1_200).map(|number| push(&mut recent, number)).collect();
        for number in 1_200..9_000 {
            drop(push(&mut recent, number));
        }
        let kept = texts(&recent);
        assert!(running.iter().all(|number| kept.contains(&number.to_string())));
        assert!(
            kept.contains(&"8999".to_owned()) && kept.len() <= 2 * running.len() + KEPT,
            "{}",
            kept.len()
        );
        drop(running);
        for number in 9_000..9_400 {
            drop(push(&mut recent, number));
        }
        assert_eq!(recent.0.len(), KEPT);
    }
}
