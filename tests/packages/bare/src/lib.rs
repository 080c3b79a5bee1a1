//! No feature: other packages turn them on in a build of them all, but not in that of a case, which has a workspace of its own.
