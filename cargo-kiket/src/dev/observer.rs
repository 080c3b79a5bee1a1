//! What the proxy saw of deliveries, for the console, the terminal and the key `r`.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError, mpsc::SyncSender},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use kiket_runtime::Headers;

use super::{
    delivered::{Delivered, status_of},
    event::{Event, Events},
    framing::{fields, request_line},
    proxy::{Arrived, Ended, Observe},
};
use crate::console::{
    Arrival, Build, DeliveryId, End, Level, Notice, Origin, ResponseSeen, State, Status, Store,
};

/// What is known of a delivery between its arrival and its end.
pub(super) struct Delivery {
    id: Option<DeliveryId>,
    target: String,
    body: Bytes,
    is_outside: bool,
}

/// A delivery that can be sent again.
#[derive(Debug, Clone)]
pub(super) struct Last {
    pub(super) target: String,
    pub(super) body: Bytes,
    id: Option<DeliveryId>,
}

/// What `dev` itself sends, by the address of its end of the connection.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) origin: Origin,
    /// Gets the number of the delivery when it arrived.
    pub(super) arrived: Option<SyncSender<DeliveryId>>,
}

/// Passes on what the proxy saw.
pub(super) struct Observer {
    events: Events,
    store: Option<Store>,
    last: Mutex<Option<Last>>,
    own: Mutex<HashMap<SocketAddr, Own>>,
    status: Mutex<Status>,
}

impl Last {
    /// Where a delivery comes from that is this one again.
    pub(super) fn origin(&self) -> Origin {
        Origin::Console { of: self.id }
    }
}

impl Observer {
    pub(super) fn new(events: Events, store: Option<Store>, url: String, platform: Option<String>) -> Self {
        let status = Status { url: Some(url), platform, ..Status::default() };
        Self { events, store, last: Mutex::default(), own: Mutex::default(), status: Mutex::new(status) }
    }

    /// What comes over the connection from `address` is sent by `dev` itself.
    pub(super) fn expect(&self, address: SocketAddr, own: Own) {
        lock(&self.own).insert(address, own);
    }

    /// The extension printed a line.
    pub(super) fn printed(&self, line: &str, is_error: bool) {
        if let Some(store) = self.store.as_ref().filter(|_| !is_error) {
            store.log_line(line);
        }
    }

    /// The extension says who it is.
    pub(super) fn is_extension(&self, id: &str, version: &str) {
        let name = format!("{id} {version}");
        self.change(|status| status.extension = Some(name.trim().to_owned()).filter(|name| !name.is_empty()));
    }

    pub(super) fn built(&self, build: Build) {
        if let Some(store) = &self.store {
            store.restarted(build);
        }
    }

    /// Something happened between the deliveries.
    pub(super) fn noted(&self, level: Level, text: &str) {
        if let Some(store) = &self.store {
            store.event(Notice { level, text: text.to_owned() });
        }
    }

    /// The state of the extension.
    pub(super) fn state(&self, state: State) {
        self.change(|status| status.state = state);
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        let mut status = lock(&self.status);
        let before = status.clone();
        change(&mut status);
        if let Some(store) = self.store.as_ref().filter(|_| *status != before) {
            store.status(status.clone());
        }
    }

    /// The last delivery that arrived whole.
    pub(super) fn last(&self) -> Option<Last> {
        lock(&self.last).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observe for Observer {
    type Delivery = Delivery;

    fn arrived(&self, arrived: Arrived) -> Delivery {
        let Arrived { at, head, body, is_whole, client } = arrived;
        let (method, target) =
            request_line(&head).map_or((&b""[..], &b""[..]), |(method, target, _)| (method, target));
        let (method, target) =
            (String::from_utf8_lossy(method), String::from_utf8_lossy(target).into_owned());
        let own = lock(&self.own).remove(&client);
        let is_outside = own.is_none() && is_outside(&head, client);
        let (origin, waits) = match own {
            Some(Own { origin, arrived }) => (origin, arrived),
            None => (if is_outside { Origin::Outside } else { Origin::Machine }, None),
        };
        let id = self.store.as_ref().filter(|_| method == "POST").map(|store| {
            let (head, body) = (head.clone(), body.clone());
            store.arrived_as(body.len(), move || arrival(at, &head, body, is_whole, origin))
        });
        if let (Some(id), Some(waits)) = (id, waits) {
            let _ = waits.try_send(id);
        }
        if is_whole && method == "POST" {
            *lock(&self.last) = Some(Last { target: target.clone(), body: body.clone(), id });
        }
        Delivery { id, target, body, is_outside }
    }

    fn ended(&self, Delivery { id, target, body, is_outside }: Delivery, took: Duration, end: Ended) {
        if let (Some(store), Some(id)) = (&self.store, id) {
            let (bytes, end) = (end.body().len(), end.clone());
            store.responded_as(id, bytes, move || ResponseSeen { took, end: shown(&end) });
        }
        // The terminal may be slow, and loses the line then.
        let _ = self.events.try_send(Event::Delivered(Delivered { target, body, is_outside, took, end }));
    }
}

/// A delivery as the console takes it.
fn arrival(at: SystemTime, head: &[u8], body: Bytes, is_whole: bool, from: Origin) -> Arrival {
    let (method, target, _) = request_line(head).unwrap_or_default();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Arrival { at, method: text(method), target: text(target), headers: headers(head), body, is_whole, from }
}

fn headers(head: &[u8]) -> Headers {
    fields(head).filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value))).collect()
}

/// The end of a delivery as the console takes it.
fn shown(end: &Ended) -> End {
    match end {
        Ended::Response { head, body, by_proxy } => {
            let status = status_of(head).unwrap_or_default();
            End::Response { status, headers: headers(head), body: body.clone(), by_proxy: *by_proxy }
        }
        Ended::Nothing { why, sender_left } => {
            End::Nothing { why: (*why).to_owned(), sender_left: *sender_left }
        }
    }
}

/// Whether a request came through a tunnel or another proxy: those say so in headers, or keep the name of the host that was
/// asked.
pub(super) fn is_outside(head: &[u8], client: SocketAddr) -> bool {
    const FORWARDED: [&[u8]; 6] =
        [b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"cf-connecting-ip", b"via"];
    !client.ip().is_loopback()
        || fields(head).any(|(name, value)| {
            FORWARDED.iter().any(|header| name.eq_ignore_ascii_case(header))
                || name.eq_ignore_ascii_case(b"host") && !is_this_machine(value)
        })
}

/// Whether a `Host` is a name of this machine. Names without a dot are those of containers and tests.
fn is_this_machine(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => !name.contains('.') || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_delivery_is_sent_again() {
        let (events, _events) = tokio::sync::mpsc::channel(8);
        let observer = Observer::new(events, None, String::new(), None);
        let arrived = |body: &'static str, is_whole| {
            let head = Bytes::from_static(b"POST /webhooks/a HTTP/1.1\r\n\r\n");
            let body = Bytes::from_static(body.as_bytes());
            let client = ([127, 0, 0, 1], 4711).into();
            observer.arrived(Arrived { at: SystemTime::now(), head, body, is_whole, client });
            observer.last().map(|last| last.body)
        };
        assert_eq!(arrived("", false), None);
        assert_eq!(arrived("{\"id\":1}", true).as_deref(), Some(&b"{\"id\":1}"[..]));
        assert_eq!(arrived("{\"id\":2", false).as_deref(), Some(&b"{\"id\":1}"[..]));
    }

    #[test]
    fn deliveries_from_outside_are_known() {
        let here: SocketAddr = ([127, 0, 0, 1], 4711).into();
        for (fields, expected) in [
            ("host: 127.0.0.1:8000", false),
            ("Host: localhost:8000", false),
            ("host: [::1]:8000", false),
            ("host: test", false),
            ("host: a.localhost", false),
            ("host: abc.ngrok.app", true),
            ("HOST: 10.0.0.7:8000", true),
            ("host: localhost\r\nX-Forwarded-For: 1.2.3.4", true),
            ("host: localhost\r\nforwarded: for=1.2.3.4", true),
            ("host: \u{e9}.example", true),
        ] {
            let head = format!("POST /v/v1/webhooks/a HTTP/1.1\r\n{fields}\r\n\r\n");
            assert_eq!(is_outside(head.as_bytes(), here), expected, "{fields}");
        }
        assert!(is_outside(b"POST / HTTP/1.1\r\n\r\n", ([10, 0, 0, 1], 1).into()));
    }
}
