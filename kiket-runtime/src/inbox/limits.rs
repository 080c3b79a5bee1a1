//! The limits of an inbox.

/// What an inbox may take, and whether it may be lost.
///
/// ```
/// use kiket_runtime::inbox::InboxLimits;
///
/// let mut options = InboxLimits::default();
/// assert_eq!((options.rows, options.bytes, options.free), (2_000_000, 8 << 30, 256 << 20));
/// options.is_ephemeral = true; // `KIKET_INBOX_EPHEMERAL=1`
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboxLimits {
    /// The most rows that are not done: 2,000,000.
    pub rows: u64,
    /// The most bytes of their contents: 8 GiB.
    pub bytes: u64,
    /// The bytes that stay free on the disk of a file: 256 MiB. With less, nothing is accepted.
    pub free: u64,
    /// Whether the file may be on a file system that does not last, like that of a container.
    pub is_ephemeral: bool,
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self { rows: 2_000_000, bytes: 8 << 30, free: 256 << 20, is_ephemeral: false }
    }
}
