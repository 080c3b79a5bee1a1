//! What must hold after all the trouble, and what it says where it does not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    events::Event,
    journal::{Attempt, Seen},
};

/// Why an event had an effect besides the one whose response is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Excuse {
    /// Its process was killed before it had stored the response.
    Killed,
    /// Its process stood still until the lease was over.
    Paused,
    /// The store was down when the response was to be stored.
    StoreDown,
    /// The handler's deadline came after the effect.
    DeadlineExceeded,
}

/// Figures of a fault test that went as it should.
pub(crate) struct Verdict {
    attempts: usize,
    lost: usize,
    codes: BTreeMap<String, usize>,
    replayed: usize,
    effects: usize,
    repeats: BTreeMap<Excuse, usize>,
}

/// An event with all that is known of it.
struct Case<'t> {
    event: &'t Event,
    attempts: Vec<&'t Attempt>,
    /// The runs that had an effect, in their order.
    runs: Vec<&'t str>,
}

impl Verdict {
    /// Judges what was seen, and `effects`, a line of id and run for each.
    ///
    /// # Panics
    ///
    /// When anything was lost, done twice without an excuse, or answered in two ways.
    #[track_caller]
    pub(crate) fn of(events: &[Event], seen: &Seen, effects: &str) -> Self {
        let mut cases: Vec<_> =
            events.iter().map(|event| Case { event, attempts: Vec::new(), runs: Vec::new() }).collect();
        for attempt in &seen.attempts {
            cases[attempt.event].attempts.push(attempt);
        }
        let positions: BTreeMap<_, _> =
            events.iter().enumerate().map(|(position, event)| (&*event.id, position)).collect();
        for line in effects.lines() {
            let (id, run) = line.split_once(' ').unwrap_or_else(|| panic!("half of a line: {line:?}"));
            cases[positions[id]].runs.push(run);
        }
        let mut repeats = BTreeMap::new();
        let mut wrong = Vec::new();
        for case in &cases {
            match case.judge(seen) {
                Ok(excuses) => {
                    for excuse in excuses {
                        *repeats.entry(excuse).or_default() += 1;
                    }
                }
                Err(why) => wrong.push(why),
            }
        }
        let shown = wrong.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(wrong.is_empty(), "{} of {} events went wrong:\n{shown}", wrong.len(), events.len());
        Self::count(&seen.attempts, effects.lines().count(), repeats)
    }

    fn count(attempts: &[Attempt], effects: usize, repeats: BTreeMap<Excuse, usize>) -> Self {
        let responses = || attempts.iter().filter_map(|attempt| attempt.response.as_ref());
        let mut codes = BTreeMap::new();
        for code in
            responses().filter(|response| !response.is_final()).filter_map(|response| response.code.clone())
        {
            *codes.entry(code).or_default() += 1;
        }
        let without_response = |attempt: &&Attempt| attempt.process.is_some() && attempt.response.is_none();
        Self {
            attempts: attempts.len(),
            lost: attempts.iter().filter(without_response).count(),
            codes,
            replayed: responses().filter(|response| response.replayed).count(),
            effects,
            repeats,
        }
    }

    /// That there was trouble at all: deliveries were cut off, met each other, and the store was down.
    #[track_caller]
    pub(crate) fn was_hard_won(&self) {
        let met = |code: &str| self.codes.get(code).is_some_and(|count| *count > 0);
        assert!(self.lost > 0 && met("still_running") && met("store_down") && self.replayed > 0, "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, lost, codes, replayed, effects, repeats } = self;
        write!(
            f,
            "{attempts} attempts, {lost} without a response, {replayed} replayed, turned away {codes:?}; \
             {effects} effects, repeated {repeats:?}"
        )
    }
}

impl Case<'_> {
    /// The excuses for all effects but the one whose response is stored; else what is wrong.
    fn judge(&self, seen: &Seen) -> Result<Vec<Excuse>, String> {
        let responses = self.attempts.iter().filter_map(|attempt| attempt.response.as_ref());
        let expected = if self.event.refused { 422 } else { 200 };
        let (mut stored, mut given) = (BTreeSet::new(), BTreeSet::new());
        for response in responses.filter(|response| response.is_final()) {
            if response.status != expected {
                return Err(self.is_wrong(&format!("gets {}", response.status)));
            }
            let run = response.run.as_deref().unwrap_or_default();
            if response.replayed {
                stored.insert(run)
            } else {
                given.insert(run)
            };
        }
        let [stored] = Vec::from_iter(stored)[..] else {
            return Err(self.is_wrong("does not have one stored response"));
        };
        if !self.runs.contains(&stored) {
            return Err(self.is_wrong("has a response and no effect"));
        }
        if self.runs.iter().collect::<BTreeSet<_>>().len() < self.runs.len() {
            return Err(self.is_wrong("has an effect twice in one run"));
        }
        if let Some(run) = given.iter().find(|run| !self.runs.contains(run)) {
            return Err(self.is_wrong(&format!("has no effect of {run}, which was its response")));
        }
        let others = self.runs.iter().filter(|run| **run != stored);
        others
            .map(|run| self.excuse(run, seen).ok_or_else(|| self.is_wrong(&format!("repeats {run}"))))
            .collect()
    }

    /// Why the response of `run` is not the stored one, though it had its effect.
    fn excuse(&self, run: &str, seen: &Seen) -> Option<Excuse> {
        let process = run.split_once('-')?.0.parse().ok();
        let at = |list: &[(usize, std::time::Instant)]| {
            list.iter().find(|(number, _)| Some(*number) == process).map(|(_, at)| *at)
        };
        let outage = |attempt: &Attempt| {
            seen.outages.iter().any(|(from, to)| attempt.from <= *to && attempt.to >= *from)
        };
        let attempts = self.attempts.iter().filter(|attempt| attempt.process == process);
        // One whose response is known is the one that matters: no other attempt was this run.
        let its = |attempt: &&&Attempt| {
            attempt.response.as_ref().is_some_and(|response| response.run.as_deref() == Some(run))
        };
        if let Some(attempt) = attempts.clone().find(its) {
            return outage(attempt).then_some(Excuse::StoreDown);
        }
        attempts
            .filter_map(|attempt| {
                let without_response_when =
                    |list| attempt.response.is_none() && at(list) >= Some(attempt.from);
                match attempt {
                    _ if without_response_when(&seen.killed) => Some(Excuse::Killed),
                    _ if without_response_when(&seen.paused) => Some(Excuse::Paused),
                    _ if attempt.responds_with("deadline_exceeded") => Some(Excuse::DeadlineExceeded),
                    _ if attempt.response.is_none() && outage(attempt) => Some(Excuse::StoreDown),
                    _ => None,
                }
            })
            .min()
    }

    fn is_wrong(&self, what: &str) -> String {
        let first = self.attempts.first().map(|attempt| attempt.from);
        let attempts = self.attempts.iter().map(|attempt| {
            let after = |at| first.map(|first| at - first).unwrap_or_default();
            let response = attempt.response.as_ref().map(|response| {
                let replayed = if response.replayed { " replayed" } else { "" };
                let text = response.code.as_ref().or(response.run.as_ref());
                format!("{} {}{replayed}", response.status, text.map_or("", String::as_str))
            });
            let response = response.as_deref().unwrap_or("no response");
            format!(
                "  {:?} to {:?} at {:?}: {response}\n",
                after(attempt.from),
                after(attempt.to),
                attempt.process
            )
        });
        format!("{} {what}; its runs are {:?}\n{}", self.event.id, self.runs, attempts.collect::<String>())
    }
}
