//! HTTP, the one place that knows a web framework: requests in, answers out.

mod body;
mod connection;
mod path;
mod respond;
mod routes;
mod server;

#[cfg(feature = "internals")]
pub(crate) use self::respond::not_found;
#[doc(inline)]
pub use self::server::{Server, ServerHandle};
pub(crate) use self::{routes::configure, server::Signals};

use actix_web::web::ServiceConfig;

use crate::extension::Extension;

impl Extension {
    /// The routes of the extension, to mount into an actix-web `App` of your own:
    ///
    /// ```no_run
    /// # use kiket_runtime::{Extension, Reply};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let extension = Extension::builder()
    ///     .webhook_secret("sh_123")
    ///     .prefix("/kiket")
    ///     .handler("issue.created", "v1", async || Reply::ok())
    ///     .build()?;
    /// actix_web::HttpServer::new(move || actix_web::App::new().configure(extension.routes()))
    ///     .bind(("127.0.0.1", 8000))?
    ///     .run()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A body is signed as it is sent: do not wrap them in a middleware that decompresses or reads it.
    /// Call [`drain`](Self::drain) before your server stops.
    ///
    /// Connections are your server's, and [`head_timeout`](crate::Builder::head_timeout) does not reach them: what
    /// `HttpServer::client_request_timeout` says is true of the first request of a connection only, and whoever stops
    /// in the head of a later one keeps the connection. [`serve`](Self::serve) cuts them off; a proxy before your
    /// server does so, too.
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + use<> {
        let extension = self.clone();
        move |config| configure(config, &extension)
    }
}
