//! The disk of the file: whether it lasts, and what room it has.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::store::{StoreError, StoreErrorKind};

/// Whether at least so many bytes are free. Where that cannot be seen, they are.
pub(super) fn has_room(folder: &Path, bytes: u64) -> bool {
    free(folder).is_none_or(|free| free >= bytes)
}

#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

/// What has no file system of Linux to read is not checked.
const MOUNTS: &str = "/proc/self/mountinfo";

/// Checks that what is written to `folder` outlives the process, its container and its machine.
pub(super) fn check_lasts(folder: &Path) -> Result<(), StoreError> {
    let Ok(mounts) = fs::read_to_string(MOUNTS) else { return Ok(()) };
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let Some(kind) = file_system(&mounts, &folder) else { return Ok(()) };
    let why = match kind {
        "overlay" | "aufs" | "fuse-overlayfs" | "fuse.fuse-overlayfs" => "goes with its container",
        "tmpfs" | "ramfs" | "rootfs" | "devtmpfs" => "is in memory",
        _ if NETWORK.iter().any(|network| kind.starts_with(network)) => {
            "is in the network, where the locks and the shared memory of SQLite do not work"
        }
        _ => return Ok(()),
    };
    let error =
        StoreError::new(format!("the inbox is on a file system (`{kind}`) that {why}: {}", folder.display()));
    Err(error.with_kind(StoreErrorKind::Refused).mend(
        "put it on a volume of a local disk, use `KIKET_INBOX_URL=postgres://…`, or set `KIKET_INBOX_EPHEMERAL=1` if \
         accepted deliveries may be lost",
    ))
}

/// What file systems of networks begin with.
const NETWORK: [&str; 14] = [
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "ceph",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.sshfs",
    "fuse.gcsfuse",
    "fuse.rclone",
    "lustre",
    "ncpfs",
];

/// The kind of the file system of `folder`.
///
/// ```text
/// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
///                  place            optional   kind
/// ```
fn file_system<'m>(mounts: &'m str, folder: &Path) -> Option<&'m str> {
    let mut found: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((mount, source)) = line.split_once(" - ") else { continue };
        let Some(place) = mount.split(' ').nth(4).map(unescaped) else { continue };
        let (depth, kind) = (place.components().count(), source.split(' ').next().unwrap_or_default());
        // Of two at one place the later one is seen.
        if folder.starts_with(&place) && found.is_none_or(|(deepest, _)| depth >= deepest) {
            found = Some((depth, kind));
        }
    }
    found.map(|(_, kind)| kind)
}

/// A space, a tab, a line feed and a backslash are three octal digits.
fn unescaped(place: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(place.to_owned(), |place, (escape, letter)| place.replace(escape, letter)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a
28 27 254:0 /data /var/lib/inbox rw shared:3 master:1 - ext4 /dev/vda rw
29 27 0:60 / /var/lib/inbox/fast rw - tmpfs tmpfs rw
30 27 0:61 / /mnt/my\\040share rw - nfs4 server:/ rw
31 27 0:62 / /twice rw - tmpfs tmpfs rw
32 31 254:1 / /twice rw - xfs /dev/vdb rw
";

    #[test]
    fn the_deepest_mount_counts_and_of_two_the_later() {
        for (folder, kind) in [
            ("/app", "overlay"),
            ("/var/lib/inbox", "ext4"),
            ("/var/lib/inbox/a", "ext4"),
            ("/var/lib/inbox-2", "overlay"),
            ("/var/lib/inbox/fast/a", "tmpfs"),
            ("/mnt/my share/a", "nfs4"),
            ("/twice", "xfs"),
        ] {
            assert_eq!(file_system(MOUNTS, Path::new(folder)), Some(kind), "{folder}");
        }
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_in_memory_is_refused_with_what_to_change() {
        let error = check_lasts(Path::new("/proc/self")).err();
        assert!(error.is_none(), "{error:?}");
        let Ok(folder) = tempfile::tempdir_in("/dev/shm") else { return };
        let error = check_lasts(folder.path()).unwrap_err().to_string();
        assert!(error.contains("`tmpfs`") && error.contains("KIKET_INBOX_EPHEMERAL=1"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn free_room_is_what_the_disk_has() {
        let folder = tempfile::tempdir().unwrap();
        assert!(has_room(folder.path(), 1));
        assert!(!has_room(folder.path(), u64::MAX));
    }
}
