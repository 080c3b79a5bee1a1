//! The attacks, in their order.

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;

use super::{
    check::{Check, Kind, Outcome},
    target::{Attack, Pieces, Target},
};
use crate::{
    exit::Result,
    http::{NoResponse, Response},
};

/// A response to an attack, or why there is none.
type Got = std::result::Result<Response, NoResponse>;

/// The attacks, and what is known after the first of them.
struct Attacks<'a, 't> {
    target: &'a mut Target<'t>,
    /// The status of a delivery that is right.
    right: u16,
    /// The first refusal of a signature.
    refusal: Option<Response>,
    /// Whether all refusals are the same.
    alike: bool,
}

/// Attacks, one after the other. An endpoint that cannot be reached at all is an error.
pub(super) fn run(target: &mut Target<'_>) -> Result<Vec<Check>> {
    let body = format!(r#"{{"event":"{}","id":"probe"}}"#, target.event);
    // Its clock is known after one response.
    let first = target.send(Attack::of(body.clone()))?;
    target.set_clock(&first);
    let right = target.send(target.signed(body.clone()))?.status;
    let mut attacks = Attacks { target, right, refusal: None, alike: true };
    let signed = match right {
        401 | 403 => {
            let found = format!(
                "a delivery that is signed now is refused with {right}: the secret is another, or the clocks differ; nothing else \
                 can be judged"
            );
            return Ok(vec![Kind::Signed.is(Outcome::Undecided, found)]);
        }
        300..=399 | 500.. => {
            let found =
                format!("a signed delivery gets {right}: this is not the address of an extension that runs");
            return Ok(vec![Kind::Signed.is(Outcome::Undecided, found)]);
        }
        _ => Kind::Signed.is(Outcome::Pass, format!("a signed delivery is accepted, with {right}")),
    };
    let unsigned = attacks.unsigned(&body, first);
    let is_verified = unsigned.outcome == Outcome::Pass;
    let mut checks = vec![signed, unsigned];
    if is_verified {
        checks.push(attacks.exact_bytes(&body));
        checks.push(attacks.parsed_first());
        checks.push(attacks.tampered(&body));
        checks.push(attacks.at_other_times(Kind::Stale, &body, -1));
        checks.push(attacks.at_other_times(Kind::Future, &body, 1));
        checks.push(attacks.timestamps(&body));
        checks.push(attacks.duplicates(&body));
        checks.push(attacks.forms(&body));
        checks.push(attacks.alike());
    }
    if attacks.target.names_event {
        checks.push(attacks.other_event(&body));
    }
    checks.push(attacks.oversize());
    checks.push(attacks.encoding());
    checks.push(attacks.methods(&body));
    checks.push(attacks.slow_body(&body));
    Ok(checks)
}

impl Attacks<'_, '_> {
    fn zeros() -> String {
        "0".repeat(64)
    }

    /// Judges responses to what must be refused as unsigned; each has a name.
    fn refused(&mut self, kind: Kind, got: Vec<(&str, Got)>) -> Check {
        let count = got.len();
        let (mut accepted, mut open) = (Vec::new(), Vec::new());
        for (what, got) in got {
            match got {
                Ok(response) if self.is_refusal(response.status) => self.note(response),
                Ok(response) if response.status >= 500 || response.status == 429 => {
                    open.push(format!("{what}: {}", response.status));
                }
                Ok(response) => accepted.push(format!("{what} gets {}", response.status)),
                Err(why) => open.push(format!("{what}: {}", shown(&why))),
            }
        }
        if !accepted.is_empty() {
            kind.is(Outcome::Fail, accepted.join("; "))
        } else if !open.is_empty() {
            kind.is(Outcome::Undecided, open.join("; "))
        } else {
            kind.is(
                Outcome::Pass,
                if count == 1 { "refused".to_owned() } else { format!("all {count} are refused") },
            )
        }
    }

    /// Whether a status says that the signature is refused. Some endpoints say 400 of a header.
    fn is_refusal(&self, status: u16) -> bool {
        matches!(status, 401 | 403) || (status == 400 && self.right != 400)
    }

    fn note(&mut self, refusal: Response) {
        match &self.refusal {
            None => self.refusal = Some(refusal),
            Some(first) => {
                self.alike &= (first.status, &first.body) == (refusal.status, &refusal.body);
            }
        }
    }

    fn send(&mut self, attack: Attack) -> Got {
        self.target.send(attack)
    }

    fn unsigned(&mut self, body: &str, first: Response) -> Check {
        let body = || body.to_owned();
        let now = self.target.now();
        let with_empty_key = kiket_runtime::signature::sign("", now, body().as_bytes());
        let got = vec![
            ("without both headers", Ok(first)),
            ("without a signature", self.send(Attack::of(body()).timestamp(now))),
            (
                "with a signature of zeros",
                self.send(Attack::of(body()).timestamp(now).signature(Self::zeros())),
            ),
            (
                "with the signature of an empty secret",
                self.send(Attack::of(body()).timestamp(now).signature(with_empty_key)),
            ),
        ];
        self.refused(Kind::Unsigned, got)
    }

    /// What is signed is what is sent: other spellings of the same JSON are not.
    fn exact_bytes(&mut self, body: &str) -> Check {
        let event = &self.target.event;
        let odd = format!(
            "{{ \"z\" : 1.10e+0,\r\n \"event\":\"{event}\", \"id\": \"probe\", \"text\":\"\\u0041\\/\\u00e9 é\", \"a\": 1, \"a\": \
             12345678901234567890 }}\n"
        );
        let got = self.send(self.target.signed(odd));
        match got {
            Ok(response) if self.is_refusal(response.status) && response.status != 400 => {
                return Kind::ExactBytes.is(
                    Outcome::Fail,
                    format!(
                        "a signed body with white space, escapes and a repeated key is refused with {}",
                        response.status
                    ),
                );
            }
            Ok(response) if response.status >= 500 => {
                let found = format!("a signed body with white space and escapes gets {}", response.status);
                return Kind::ExactBytes.is(Outcome::Undecided, found);
            }
            Ok(_) => {}
            Err(why) => return Kind::ExactBytes.is(Outcome::Undecided, shown(&why)),
        }
        let now = self.target.now();
        let signature = self.target.sign(now, body);
        let spaced = body.replacen(':', ": ", 1);
        let got = self.send(Attack::of(spaced).timestamp(now).signature(signature));
        self.refused(Kind::ExactBytes, vec![("a body with another space than was signed", got)])
    }

    fn parsed_first(&mut self) -> Check {
        let now = self.target.now();
        let got = self.send(Attack::of("{no json").timestamp(now).signature(Self::zeros()));
        let expected = self.refusal.as_ref().map(|refusal| refusal.status);
        match got {
            Ok(response) if response.status >= 500 => Kind::ParsedFirst
                .is(Outcome::Undecided, format!("an unsigned body that is no JSON gets {}", response.status)),
            Ok(response) if Some(response.status) == expected => {
                self.note(response);
                Kind::ParsedFirst
                    .is(Outcome::Pass, "an unsigned body that is no JSON is refused as any other")
            }
            Ok(response) => {
                let expected = expected.unwrap_or_default();
                let status = response.status;
                let found = format!(
                    "an unsigned body that is no JSON gets {status}, and one that is JSON gets {expected}"
                );
                Kind::ParsedFirst.is(Outcome::Fail, found)
            }
            Err(why) => Kind::ParsedFirst.is(Outcome::Undecided, shown(&why)),
        }
    }

    fn tampered(&mut self, body: &str) -> Check {
        let now = self.target.now();
        let signature = self.target.sign(now, body);
        let other = body.replace("\"probe\"", "\"prove\"");
        let got = vec![
            ("a changed body", self.send(Attack::of(other).timestamp(now).signature(signature.clone()))),
            (
                "a changed timestamp",
                self.send(Attack::of(body.to_owned()).timestamp(now - 1).signature(signature)),
            ),
        ];
        self.refused(Kind::Tampered, got)
    }

    /// Signed well, at times outside of the window; the clocks may differ by some seconds.
    fn at_other_times(&mut self, kind: Kind, body: &str, direction: i64) -> Check {
        let names = match kind {
            Kind::Stale => ["a delivery that was signed 330 s ago", "one that was signed a day ago"],
            _ => ["a delivery that is signed 330 s ahead", "one that is signed a day ahead"],
        };
        let distances = [330, 86_400];
        let got = std::iter::zip(names, distances).map(|(name, distance)| {
            let at = self.target.now().saturating_add_signed(distance * direction);
            let signature = self.target.sign(at, body);
            (name, self.target.send(Attack::of(body.to_owned()).timestamp(at).signature(signature)))
        });
        let got = got.collect();
        self.refused(kind, got)
    }

    /// Other texts of a time, of which the number may be the same.
    fn timestamps(&mut self, body: &str) -> Check {
        let now = self.target.now();
        let signature = self.target.sign(now, body);
        // The dot moves from before the `1` to after it.
        let shifted = self.target.sign(now, format!("1.{body}"));
        let mut send = |timestamp: String, signature: &str| {
            self.target.send(Attack::of(body.to_owned()).timestamp(timestamp).signature(signature))
        };
        let got = vec![
            ("a time with a sign", send(format!("+{now}"), &signature)),
            ("a time with leading zeros", send(format!("00{now}"), &signature)),
            ("a time that takes a part of the body", send(format!("{now}.1"), &shifted)),
        ];
        self.refused(Kind::Timestamp, got)
    }

    fn duplicates(&mut self, body: &str) -> Check {
        let now = self.target.now();
        let right = self.target.sign(now, body);
        let attack = || Attack::of(body.to_owned());
        let got = vec![
            (
                "a right signature and then a wrong one",
                self.send(attack().timestamp(now).signature(right.clone()).signature(Self::zeros())),
            ),
            (
                "a wrong signature and then a right one",
                self.send(attack().timestamp(now).signature(Self::zeros()).signature(right.clone())),
            ),
            (
                "two timestamps",
                self.send(attack().timestamp(now).timestamp(now.saturating_sub(86_400)).signature(right)),
            ),
        ];
        self.refused(Kind::Duplicates, got)
    }

    fn forms(&mut self, body: &str) -> Check {
        let now = self.target.now();
        let right = self.target.sign(now, body);
        let list = format!("{},{right}", Self::zeros());
        let attack = || Attack::of(body.to_owned()).timestamp(now);
        let got = vec![
            ("a list of signatures", self.send(attack().signature(list))),
            ("the first 8 digits of a signature", self.send(attack().signature(&right[..8]))),
        ];
        self.refused(Kind::Form, got)
    }

    fn alike(&self) -> Check {
        if self.alike {
            Kind::Alike.is(Outcome::Pass, "all refusals have the same status and body")
        } else {
            Kind::Alike.is(Outcome::Fail, "refusals differ in status or body")
        }
    }

    /// A delivery of an event without a handler, sent to the address of one that has a handler.
    fn other_event(&mut self, body: &str) -> Check {
        #[derive(Deserialize)]
        struct Health {
            registered_events: Vec<String>,
        }
        let (url, other) = match self.target.health.clone() {
            None => (None, body.replacen(&self.target.event.clone(), "kiket.probe.other", 1)),
            Some(health) => {
                let got = self.send(Attack::of("").method(Method::GET).to(health));
                let health: Option<Health> = got.ok().and_then(|got| serde_json::from_slice(&got.body).ok());
                let handled = health.and_then(|health| health.registered_events.into_iter().next());
                let Some(url) = handled.and_then(|event| self.target.deliveries_of(&event)) else {
                    let found = "`GET /health` names no event that has a handler: give the whole address of one, with `/webhooks/…`";
                    return Kind::OtherEvent.is(Outcome::Undecided, found);
                };
                (Some(url), body.to_owned())
            }
        };
        let attack = self.target.signed(other);
        let got = self.send(match url {
            Some(url) => attack.to(url),
            None => attack,
        });
        match got {
            Ok(response) if response.status == 404 => Kind::OtherEvent
                .is(Outcome::Undecided, "the address has no handler for this event and version: give `--event-version`, or another address"),
            Ok(response) if (400..500).contains(&response.status) => Kind::OtherEvent
                .is(Outcome::Pass, format!("a body that names another event gets {}", response.status)),
            Ok(response) if response.status >= 500 => Kind::OtherEvent
                .is(Outcome::Undecided, format!("a body that names another event gets {}", response.status)),
            Ok(response) => Kind::OtherEvent
                .is(Outcome::Fail, format!("a body that names another event gets {}", response.status)),
            Err(why) => Kind::OtherEvent.is(Outcome::Undecided, shown(&why)),
        }
    }

    /// Bodies of more than the limit, announced and not; they are signed, so that only their size can refuse them.
    fn oversize(&mut self) -> Check {
        const PIECE: usize = 16 << 10;
        let times = self.target.body_limit / PIECE + 1;
        let piece = Bytes::from(vec![b' '; PIECE]);
        let now = self.target.now();
        let signature = self.target.sign(now, vec![b' '; times * PIECE]);
        let mut found = Vec::new();
        for (name, announced) in [("announced", Some((times * PIECE) as u64)), ("in chunks", None)] {
            let body = Pieces { piece: piece.clone(), times, announced, stops: false };
            let got = self.send(Attack::of(body).timestamp(now).signature(signature.clone()));
            found.push(match got {
                // The connection is closed before all is sent.
                Err(NoResponse::Broken(_)) => (Outcome::Pass, format!("{name}: the connection is closed")),
                Err(why) => (Outcome::Undecided, format!("{name}: {}", shown(&why))),
                Ok(response) if response.status == 413 => (Outcome::Pass, format!("{name}: 413")),
                Ok(response) if response.status >= 500 || response.status == 429 => {
                    (Outcome::Undecided, format!("{name}: {}", response.status))
                }
                Ok(response) => (Outcome::Fail, format!("{name}: read whole, and gets {}", response.status)),
            });
        }
        let outcome = found.iter().map(|(outcome, _)| *outcome).max().unwrap_or(Outcome::Undecided);
        let each: Vec<_> = found.into_iter().map(|(_, found)| found).collect();
        Kind::Oversize.is(outcome, format!("a body of {} bytes, {}", times * PIECE, each.join("; ")))
    }

    /// `{}` that gzip has compressed, signed as it is sent.
    fn encoding(&mut self) -> Check {
        const GZIP: &[u8] =
            &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];
        let got = self.send(self.target.signed(GZIP).header("content-encoding", "gzip"));
        match got {
            // Without a handler the body may not have been read at all.
            Ok(response) if response.status == 404 && self.right == 404 => {
                Kind::Encoding.is(Outcome::Fail, "a compressed body is accepted, with 404")
            }
            Ok(response) if (400..500).contains(&response.status) => {
                Kind::Encoding.is(Outcome::Pass, format!("a compressed body gets {}", response.status))
            }
            Ok(response) if response.status >= 500 => {
                Kind::Encoding.is(Outcome::Undecided, format!("a compressed body gets {}", response.status))
            }
            Ok(response) => Kind::Encoding
                .is(Outcome::Fail, format!("a compressed body is accepted, with {}", response.status)),
            Err(why) => Kind::Encoding.is(Outcome::Undecided, shown(&why)),
        }
    }

    fn methods(&mut self, body: &str) -> Check {
        let mut taken = Vec::new();
        for method in [Method::GET, Method::PUT] {
            let body = if method == Method::GET { "" } else { body };
            let attack = self.target.signed(body.to_owned()).method(method.clone());
            match self.send(attack) {
                Ok(response) if response.status < 400 => {
                    taken.push(format!("{method} gets {}", response.status));
                }
                Ok(_) => {}
                Err(why) => return Kind::Method.is(Outcome::Undecided, format!("{method}: {}", shown(&why))),
            }
        }
        if taken.is_empty() {
            Kind::Method.is(Outcome::Pass, "GET and PUT are refused")
        } else {
            Kind::Method.is(Outcome::Fail, taken.join("; "))
        }
    }

    fn slow_body(&mut self, body: &str) -> Check {
        let now = self.target.now();
        let signature = self.target.sign(now, body);
        let half = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
        let pieces = Pieces { piece: half, times: 1, announced: Some(body.len() as u64), stops: true };
        let patience = self.target.patience;
        let got = self.target.send_within(Attack::of(pieces).timestamp(now).signature(signature), patience);
        match got {
            Ok(response) => {
                let found = format!(
                    "a body that stops is ended after {:.0?}, with {}",
                    response.took, response.status
                );
                Kind::SlowBody.is(Outcome::Pass, found)
            }
            Err(NoResponse::Broken(_)) => {
                Kind::SlowBody.is(Outcome::Pass, "the connection of a body that stops is closed")
            }
            Err(NoResponse::Late(_)) => {
                let found = format!("a body that stops is still waited for after {} s", patience.as_secs());
                Kind::SlowBody.is(Outcome::Fail, found)
            }
            Err(why @ NoResponse::Connect(_)) => Kind::SlowBody.is(Outcome::Undecided, shown(&why)),
        }
    }
}

fn shown(why: &NoResponse) -> String {
    crate::exit::Error::from(why.clone()).what
}
