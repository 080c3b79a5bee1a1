//! A transaction pooler before a PostgreSQL.

use std::{fs, os::unix::fs::chown, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    Postgres,
    process::{Service, program},
    skipped,
};

/// A `PgBouncer` that gives each transaction one of two connections, and does not know prepared statements.
pub struct Pooler {
    url: String,
    /// It ends before its folder is removed.
    _service: Service,
    _folder: TempDir,
}

impl Pooler {
    /// One before a PostgreSQL of the test's own; `None` where there is none, which was printed.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(postgres: &Postgres) -> Option<Self> {
        let Some(pgbouncer) = program("pgbouncer", ["/usr/sbin".into()]) else {
            return skipped("there is no `pgbouncer`");
        };
        let (server, user) = postgres.place()?;
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().to_str().expect("a temporary folder is text");
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, configuration(server, path)).expect("a file can be written");
        if let Some((user, group)) = user {
            for path in [folder.path(), &file] {
                chown(path, Some(user), Some(group)).expect("root gives files away");
            }
        }
        let url = format!("postgres://kiket@/postgres?host={path}&port=6432");
        let mut command = Command::new(pgbouncer);
        command.arg(&file);
        Some(Self { url, _service: Service::start(&command, user, "process up", "INT"), _folder: folder })
    }

    /// Where it is, as `KIKET_DEDUPE_URL` has it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn configuration(server: &Path, own: &str) -> String {
    let server = server.display();
    format!(
        "[databases]\n* = host={server} user=kiket\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n\
         unix_socket_dir = {own}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n\
         server_reset_query =\n"
    )
}
