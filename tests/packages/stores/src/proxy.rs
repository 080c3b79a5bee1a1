//! A TCP proxy before a store, which leads to another one when a test says so, and cuts connections.

use std::{
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

/// Leads each new connection to the socket that it was given last. What is on its way when connections are cut reaches no one.
pub struct Proxy {
    address: SocketAddr,
    target: Arc<Mutex<PathBuf>>,
    links: Links,
}

type Links = Arc<Mutex<Vec<Link>>>;

/// A connection of a client, and the one to the server.
type Link = Arc<(TcpStream, UnixStream)>;

impl Proxy {
    /// A proxy before the server at `socket`, for as long as the process of the test runs.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub fn start(socket: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("this machine has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (links, target) = (Links::default(), Arc::new(Mutex::new(PathBuf::from(socket))));
        let (linked, led) = (Arc::clone(&links), Arc::clone(&target));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Without a server the client is hung up on.
                let to = led.lock().expect("no thread panics with the lock").clone();
                let Ok(server) = UnixStream::connect(to) else { continue };
                let _ = client.set_nodelay(true);
                let link = Arc::new((client, server));
                linked.lock().expect("no thread panics with the lock").push(Arc::clone(&link));
                copy(&link, &linked);
            }
        });
        Self { address, target, links }
    }

    /// Leads new connections to another server, as a name does after a failover. The others stay.
    ///
    /// # Panics
    ///
    /// When one of its threads has panicked.
    pub fn lead_to(&self, socket: &Path) {
        *self.target.lock().expect("no thread panics with the lock") = PathBuf::from(socket);
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections in the middle of whatever they carry. Returns how many there were.
    ///
    /// # Panics
    ///
    /// When one of its threads has panicked.
    pub fn cut(&self) -> usize {
        let links = std::mem::take(&mut *self.links.lock().expect("no thread panics with the lock"));
        for link in &links {
            end(link);
        }
        links.len()
    }
}

/// Copies both ways until one ends.
fn copy(link: &Link, links: &Links) {
    let (there, back, links) = (Arc::clone(link), Arc::clone(link), Arc::clone(links));
    thread::spawn(move || {
        let _ = io::copy(&mut &there.0, &mut &there.1);
        end(&there);
        links.lock().expect("no thread panics with the lock").retain(|link| !Arc::ptr_eq(link, &there));
    });
    thread::spawn(move || {
        let _ = io::copy(&mut &back.1, &mut &back.0);
        end(&back);
    });
}

/// One side may have done it.
fn end(link: &Link) {
    let _ = link.0.shutdown(Shutdown::Both);
    let _ = link.1.shutdown(Shutdown::Both);
}
