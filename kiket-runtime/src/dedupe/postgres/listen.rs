//! A connection of its own that is notified by the server.

use std::{future::poll_fn, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Connection, Error, NoTls};

use super::connections::{Connections, OLDEST};

/// The pauses between two attempts to connect.
const PAUSE: Duration = Duration::from_secs(5);

impl Connections {
    /// Calls `notified` with the payload of each notification on `channel`, which is a name in SQL, until it is dropped. It ends where
    /// connections have no sessions of their own: behind a pooler nothing would be notified.
    pub(super) async fn listen(self, channel: &'static str, notified: impl Fn(&str)) {
        loop {
            if let Ok(sessions) = self.look_for_sessions().await {
                if !sessions {
                    return;
                }
                let listening = async {
                    match self.tls.clone() {
                        Some(tls) => match self.config.connect(tls).await {
                            Ok((client, connection)) => drive(client, connection, channel, &notified).await,
                            Err(error) => Err(error),
                        },
                        None => match self.config.connect(NoTls).await {
                            Ok((client, connection)) => drive(client, connection, channel, &notified).await,
                            Err(error) => Err(error),
                        },
                    }
                };
                match tokio::time::timeout(OLDEST, listening).await {
                    Ok(Err(error)) => tracing::debug!(%error, "the connection for notifications has ended"),
                    Ok(Ok(())) => {}
                    // A server that fell silent notifies of nothing; the next one is asked at once.
                    Err(_) => continue,
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn drive<S, T>(
    client: Client,
    mut connection: Connection<S, T>,
    channel: &str,
    notified: &impl Fn(&str),
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let listen = format!("LISTEN {channel}");
    let messages = async {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(notification))) => notified(notification.payload()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        }
    };
    let listening = async {
        client.batch_execute(&listen).await?;
        // What was accepted before this is found now.
        notified("");
        std::future::pending().await
    };
    tokio::select! {
        ended = messages => ended,
        failed = listening => failed,
    }
}
