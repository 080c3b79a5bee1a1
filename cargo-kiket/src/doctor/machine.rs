//! This machine: clock, certificates, port, file system, disk.

use std::{
    fs,
    io::{self, ErrorKind, Write as _},
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use ::http::HeaderMap;
use kiket_runtime::{internals, signature::TOLERANCE_SECONDS};
use reqwest::{Method, Url};

use super::finding::Finding;
use crate::{
    http::{self, Client},
    time,
};

/// How long a server may take that tells its time.
const DEADLINE: Duration = Duration::from_secs(10);

/// The clock, compared with the `Date` of a server.
pub(super) fn clock(asked: Option<Url>) -> Finding {
    const ID: &str = "clock";
    let Some(url) = asked else {
        return Finding::unknown(
            ID,
            "not compared: no server was asked",
            "add `--online`, or `--clock-url URL`",
        );
    };
    let host = url.host_str().unwrap_or_default().to_owned();
    let sent = Client::new(&url).map_err(|error| error.what).and_then(|client| {
        let response = client.send(Method::HEAD, url, HeaderMap::new(), "", DEADLINE);
        response.map_err(|why| crate::exit::Error::from(why).what)
    });
    let response = match sent {
        Ok(response) => response,
        Err(why) => {
            return Finding::warn(
                ID,
                format!("not compared with `{host}`: {why}"),
                "see that it can be reached",
            );
        }
    };
    // The time of the middle of the exchange.
    let ours = time::now().saturating_sub(response.took.as_secs() / 2);
    let date = response.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
    match date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) {
        None => {
            Finding::warn(ID, format!("not compared: `{host}` does not tell its time"), "ask another server")
        }
        Some(theirs) => skew(ours, theirs.as_secs(), &host),
    }
}

fn skew(ours: u64, theirs: u64, host: &str) -> Finding {
    let (seconds, direction) = (ours.abs_diff(theirs), if ours < theirs { "behind" } else { "ahead of" });
    let found = format!("the clock is {seconds} s {direction} that of `{host}`");
    let fix = "set the clock by NTP, like `timedatectl set-ntp true`; a container has that of its host";
    match seconds {
        0..=5 => Finding::ok("clock", found),
        seconds if seconds > TOLERANCE_SECONDS => {
            Finding::fix("clock", format!("{found}: every signature is refused"), fix)
        }
        seconds if seconds > 30 => {
            Finding::warn("clock", format!("{found}, and {TOLERANCE_SECONDS} s are allowed"), fix)
        }
        _ => Finding::ok("clock", format!("{found}, and {TOLERANCE_SECONDS} s are allowed")),
    }
}

/// The certificates of the machine, which calls over TLS need.
pub(super) fn certificates(needed: bool) -> Finding {
    const ID: &str = "certificates";
    const FIX: &str =
        "install CA certificates (the package `ca-certificates`), or name their file in `SSL_CERT_FILE`";
    let found = rustls_native_certs::load_native_certs();
    match (found.certs.len(), needed) {
        (0, true) => Finding::fix(ID, "this machine has no CA certificates: no call over TLS succeeds", FIX),
        (0, false) => Finding::warn(ID, "this machine has no CA certificates; the base URL needs none", FIX),
        (count, _) => Finding::ok(ID, format!("{count} CA certificates")),
    }
}

/// The address that the extension listens on.
pub(super) fn port(host: &str, port: u16) -> Finding {
    const ID: &str = "port";
    let plain = host.trim().trim_start_matches('[').trim_end_matches(']');
    let shown = if plain.contains(':') { format!("[{plain}]:{port}") } else { format!("{plain}:{port}") };
    match internals::listen(plain, port) {
        Ok(_) => Finding::ok(ID, format!("`{shown}` is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match extension_at(plain, port) {
            Some(id) => Finding::ok(ID, format!("the extension `{id}` runs at `{shown}`")),
            None => Finding::fix(
                ID,
                format!("another program listens on `{shown}`"),
                "stop it, or set `PORT` to another one",
            ),
        },
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Finding::fix(
            ID,
            format!("`{shown}` is not allowed to this user"),
            "set `PORT` to one from 1024 on, and let a proxy listen before it",
        ),
        Err(error) => Finding::fix(
            ID,
            format!("`{shown}` cannot be listened on: {error}"),
            "set `HOST` to an address of this machine, like `127.0.0.1` or `0.0.0.0`",
        ),
    }
}

/// The id of the extension of kiket that runs at an address of this machine.
fn extension_at(host: &str, port: u16) -> Option<String> {
    let host = if host == "0.0.0.0" || host == "::" { "127.0.0.1" } else { host };
    let url = if host.contains(':') {
        format!("http://[{host}]:{port}/health")
    } else {
        format!("http://{host}:{port}/health")
    };
    let url = http::url(&url).ok()?;
    let response =
        Client::new(&url).ok()?.send(Method::GET, url, HeaderMap::new(), "", Duration::from_secs(3)).ok()?;
    let health: serde_json::Value = serde_json::from_slice(&response.body).ok()?;
    health.get("registered_events")?;
    Some(health["extension_id"].as_str().unwrap_or("without an id").to_owned())
}

/// The folder of files that the extension writes: whether it can be written to, and whether its file system keeps what is written.
pub(super) fn folder(folder: &Path) -> Finding {
    const ID: &str = "folder";
    let shown = folder.display();
    if let Err(error) = written(folder) {
        return Finding::fix(
            ID,
            format!("`{shown}` cannot be written to: {error}"),
            "name a folder that the user of the extension owns: `--folder FOLDER`",
        );
    }
    let file_system = file_system(folder);
    let name = file_system.as_deref().unwrap_or("unknown");
    match kind(name) {
        Kind::Remote => Finding::fix(
            ID,
            format!(
                "`{shown}` is on a file system of another machine (`{name}`), where locks and syncs are not reliable"
            ),
            "keep the files of the extension on a disk of this machine",
        ),
        Kind::Passing => Finding::warn(
            ID,
            format!("`{shown}` is on `{name}`: its files are gone after a restart"),
            "keep files that must stay on a disk, or on a volume of the container",
        ),
        Kind::Kept => Finding::ok(ID, format!("`{shown}` can be written to; its file system is {name}")),
    }
}

/// Writes a file, syncs and removes it.
pub(super) fn written(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".kiket-doctor-{}", std::process::id()));
    let written = fs::File::create_new(&path).and_then(|mut file| {
        file.write_all(b"kiket")?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

enum Kind {
    Kept,
    Passing,
    Remote,
}

fn kind(file_system: &str) -> Kind {
    match file_system {
        "nfs" | "nfs4" | "cifs" | "smb3" | "smbfs" | "9p" | "ceph" | "glusterfs" | "lustre" | "afs"
        | "fuse.sshfs" | "fuse.s3fs" | "fuse.glusterfs" | "fuse.rclone" | "ncpfs" | "ocfs2" | "gfs2" => {
            Kind::Remote
        }
        "tmpfs" | "ramfs" | "overlay" | "aufs" => Kind::Passing,
        _ => Kind::Kept,
    }
}

/// The name of the file system of a folder, where the system says it.
fn file_system(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    of_mounts(&fs::read_to_string("/proc/self/mountinfo").ok()?, &folder)
}

/// The file system of the mount that is nearest to `folder`, from the table of mounts of Linux.
///
/// ```text
/// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
/// ```
fn of_mounts(table: &str, folder: &Path) -> Option<String> {
    let mounts = table.lines().filter_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?.replace("\\040", " ");
        folder.starts_with(&point).then(|| (point.len(), file_system.split(' ').next().unwrap_or_default()))
    });
    // Of two mounts on one point, the later one is seen.
    mounts.max_by_key(|(length, _)| *length).map(|(_, name)| name.to_owned())
}

/// The disk that the folder is on.
#[cfg(unix)]
pub(super) fn disk(folder: &Path) -> Finding {
    const ID: &str = "disk";
    match rustix::fs::statvfs(folder) {
        Ok(disk) => {
            room(disk.f_bavail.saturating_mul(disk.f_frsize), (disk.f_files > 0).then_some(disk.f_favail))
        }
        Err(error) => {
            Finding::fix(ID, format!("the disk does not respond: {error}"), "see the log of the system")
        }
    }
}

#[cfg(not(unix))]
pub(super) fn disk(_: &Path) -> Finding {
    Finding::unknown("disk", "not looked at on this system", "see that there is room")
}

/// Judges the bytes, and the number of files, for which there is room.
#[cfg_attr(not(unix), allow(dead_code))]
fn room(bytes: u64, files: Option<u64>) -> Finding {
    const ID: &str = "disk";
    const FIX: &str = "delete files, or take a larger disk";
    let found = format!("{} MiB are free", bytes >> 20);
    match bytes >> 20 {
        0..100 => Finding::fix(ID, found, FIX),
        _ if files.is_some_and(|files| files < 1000) => {
            Finding::fix(ID, "the disk can take hardly any more files", FIX)
        }
        100..1024 => Finding::warn(ID, found, FIX),
        _ => Finding::ok(ID, found),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn a_clock_that_is_off_is_named() {
        for (ours, theirs, state, text) in [
            (1000, 1003, State::Ok, "3 s behind"),
            (1020, 1000, State::Ok, "20 s ahead of"),
            (1000, 1031, State::Warn, "31 s behind"),
            (1300, 1000, State::Warn, "300 s ahead of"),
            (1000, 1301, State::Fix, "every signature is refused"),
            (0, u64::MAX, State::Fix, "behind"),
        ] {
            let finding = skew(ours, theirs, "host");
            assert!(finding.state == state && finding.found.contains(text), "{finding:?}");
        }
    }

    #[test]
    fn a_file_system_is_that_of_the_nearest_mount() {
        const MOUNTS: &str = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
                              23 22 0:5 / /srv rw shared:1 - nfs4 host:/srv rw\n\
                              24 23 0:6 / /srv/a\\040b rw master:1 - tmpfs none rw\n\
                              25 22 0:7 / /over rw - ext4 /dev/vdb rw\n\
                              26 25 0:8 / /over rw - overlay overlay rw\n\
                              broken";
        for (folder, expected) in [
            ("/", "ext4"),
            ("/srv", "nfs4"),
            ("/srv/x/y", "nfs4"),
            ("/srvx", "ext4"),
            ("/srv/a b/c", "tmpfs"),
            ("/over/x", "overlay"),
        ] {
            assert_eq!(of_mounts(MOUNTS, Path::new(folder)).as_deref(), Some(expected), "{folder}");
        }
        assert_eq!(of_mounts("", Path::new("/")), None);
        assert!(matches!(kind("nfs4"), Kind::Remote));
        assert!(matches!(kind("tmpfs"), Kind::Passing));
        assert!(matches!(kind("ext4"), Kind::Kept));
    }

    #[test]
    fn a_full_disk_is_named() {
        for (mib, files, state) in [
            (99, None, State::Fix),
            (100, None, State::Warn),
            (1023, Some(1000), State::Warn),
            (1024, Some(1000), State::Ok),
            (1 << 30, Some(999), State::Fix),
            (1 << 30, None, State::Ok),
        ] {
            assert_eq!(room(mib << 20, files).state, state, "{mib} {files:?}");
        }
    }
}
