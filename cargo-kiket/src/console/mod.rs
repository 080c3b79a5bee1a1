//! The console of `dev`: the last deliveries on a page, with why each ended as it did. No secret is in it.
//!
//! [`Store`] takes what the proxy, the fake platform and the process show; [`Console`] serves it on a loopback port of its own;
//! through [`Control`] it sends and saves.

mod api;
mod body;
mod capture;
mod control;
mod guard;
mod http;
mod line;
mod page;
mod queue;
mod record;
mod resend;
mod ring;
mod seen;
mod signature;
mod store;
#[cfg(test)]
mod tests;
mod why;
mod worker;

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use self::{api::Api, guard::Guard, http::Server};
pub use self::{
    control::{Control, Handler, Inbox, InboxRow, InboxState, Outgoing},
    guard::token,
    seen::{Arrival, Build, DeliveryId, End, Level, Notice, Origin, ResponseSeen, State, Status},
    store::{Recorder, Secrets, Store},
    worker::open_store,
};

/// Where the console listens, and who it lets in.
#[derive(Clone, Default)]
#[allow(missing_debug_implementations)] // it has the token
pub struct Options {
    /// The port of the loopback address; 0 is any free one.
    pub port: u16,
    /// The token, as [`token`] keeps one in a file; without one, a new one.
    pub token: Option<String>,
}

/// The console, until it is dropped.
pub struct Console {
    address: SocketAddr,
    token: String,
    _server: Server,
}

impl Console {
    /// Serves a store on a loopback port.
    ///
    /// # Errors
    ///
    /// When the port cannot be listened on.
    pub fn serve(store: Store, control: Arc<dyn Control>, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        let address = listener.local_addr()?;
        let token = options.token.map_or_else(guard::fresh_token, Ok)?;
        let api = Api { store, control, guard: Guard::new(address.port(), &token) };
        let server = Server::start(listener, move |request| api.reply(request))?;
        Ok(Self { address, token, _server: server })
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The link that opens it. It has the token, behind `#`, where no server and no log sees it.
    pub fn url(&self) -> String {
        format!("http://{}/#{}", self.address, self.token)
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("address", &self.address).finish_non_exhaustive()
    }
}
