//! The cache of verified tokens: verifying a signature costs more than the rest of a delivery.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use crate::{auth::grant::Auth, types::Mutex};

/// Verified tokens by their hash, so that no token stays in memory.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<[u8; 32], Entry>>);

struct Entry {
    auth: Auth,
    /// Unix seconds.
    until: u64,
}

/// The most entries; each has a few hundred bytes.
const MOST: usize = 4096;
/// The longest time in seconds that an entry counts, and so that a withdrawn key may count.
const LONGEST: u64 = 300;

impl Known {
    /// What `token` allows, if it was verified before and is still valid at `now`.
    pub(super) fn find(&self, token: &str, now: u64) -> Option<Auth> {
        let known = self.0.lock();
        known.get(&hash(token)).filter(|entry| now < entry.until).map(|entry| entry.auth.clone())
    }

    pub(super) fn insert(&self, token: &str, auth: &Auth, now: u64) {
        let until = auth.grant().expires_at.unwrap_or_default().min(now.saturating_add(LONGEST));
        let mut known = self.0.lock();
        if known.len() >= MOST {
            known.retain(|_, entry| now < entry.until);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(hash(token), Entry { auth: auth.clone(), until });
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::grant::Grant;

    #[test]
    fn a_token_is_known_until_it_expires_and_never_for_long() {
        let known = Known::default();
        let auth = |expires| Auth::new(Grant { expires_at: Some(expires), ..Grant::default() });
        known.insert("short", &auth(110), 100);
        known.insert("long", &auth(u64::MAX), 100);
        assert!(known.find("short", 109).is_some() && known.find("short", 110).is_none());
        assert!(known.find("long", 399).is_some() && known.find("long", 400).is_none());
        assert!(known.find("other", 100).is_none());
    }

    #[test]
    fn the_cache_is_bounded() {
        let known = Known::default();
        for number in 0..3 * MOST {
            known.insert(
                &number.to_string(),
                &Auth::new(Grant { expires_at: Some(9), ..Grant::default() }),
                1,
            );
        }
        assert!(known.0.lock().len() <= MOST);
    }
}
